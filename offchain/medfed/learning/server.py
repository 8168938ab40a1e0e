"""The model step: how the sum of a round's updates becomes the next model. Bit-equal on every machine.

Every operation is one elementwise NumPy ufunc in a named dtype, without reductions and without fused arithmetic, so
that IEEE 754 fixes each result: θ is float32, everything between is float64, and only the last step rounds back. An
optimiser is a function of (model, mean update, its settings); what it carries along is in `Model.state`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medfed.errors import ProtocolError
from medfed.learning.models import Model
from medfed.protocol.documents import ServerSpec, StudyDraft

__all__ = ["next_model", "server_step"]

Optimizer = Callable[[Model, NDArray[np.float64], ServerSpec], Model]


def next_model(model: Model, aggregate: NDArray[np.uint32], divisor: int, study: StudyDraft) -> Model:
    """The model after a round with this aggregate (P,), of which `RuleSpec.divisor` makes the mean.

    Raises `InputError` for one of another length or a divisor of 0, `ProtocolError` for a result that is not finite.
    """
    return server_step(model, study.codec.decode(aggregate, divisor), study.server)


def server_step(model: Model, mean_delta: NDArray[np.float64], spec: ServerSpec) -> Model:
    """Apply the mean update Δ̄ (P,) by the study's optimiser."""
    if mean_delta.shape != model.theta.shape or mean_delta.dtype != np.float64:
        raise ProtocolError(
            f"The mean update is a float64 vector of {model.theta.size}, not {mean_delta.shape}."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # judged by the result
        stepped = _OPTIMIZERS[spec.optimizer](model, mean_delta, spec)
    if not np.isfinite(stepped.theta).all():
        raise ProtocolError("The next model is not finite; the study's learning rates are too high.")
    return stepped


def _fedavg(model: Model, mean_delta: NDArray[np.float64], spec: ServerSpec) -> Model:
    """θ ← θ + η · Δ̄ (McMahan et al. 2017, arXiv:1602.05629, algorithm 1; η = 1 there)."""
    step = np.multiply(mean_delta, np.float64(spec.learning_rate), dtype=np.float64)
    wide = model.theta.astype(np.float64)
    return Model(np.add(wide, step, dtype=np.float64).astype(np.float32), model.state)


_OPTIMIZERS: dict[str, Optimizer] = {"fedavg": _fedavg}
