"""Local training in one round: stochastic gradient descent on a hospital's cohort.

The result depends on the study spec, the model, the records, the seat and the round alone: one thread, one order of
records drawn from (seed, spec, seat, round), no generator carried along. A hospital that is killed and started again
gets the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, linear

from medfed.errors import DataError, SpecError
from medfed.learning.models import Model, scaled, unflatten
from medfed.protocol.documents import StudySpec
from medfed.protocol.randomness import generator
from medfed.types import RoundNumber, Seat

__all__ = ["Records", "train"]


@dataclass(frozen=True, eq=False, slots=True)
class Records:
    """What trains: unscaled features in the study's order, and labels."""

    features: NDArray[np.float64]  # (n, d)
    labels: NDArray[np.float64]  # (n,), 0 or 1

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.labels.shape != self.features.shape[:1] or not self.labels.size:
            raise DataError("Training needs at least one record, and one label for each.")


def train(
    study: StudySpec, model: Model, records: Records, seat: Seat, round_number: RoundNumber
) -> NDArray[np.float64]:
    """Δ = θ_local − θ_round, (P,) float64. Raises `SpecError` when the loss diverges."""
    spec = study.training
    if records.features.shape[1] != len(study.columns.features):
        raise DataError(
            f"The study has {len(study.columns.features)} features, not {records.features.shape[1]}."
        )
    dtype = torch.float64 if spec.precision == "float64" else torch.float32
    random = generator(study.seed, "local training", study.digest, seat, round_number)
    with _one_thread():
        x = torch.from_numpy(scaled(records.features, study.columns)).to(dtype)  # (n, d)
        y = torch.from_numpy(np.array(records.labels)).to(dtype)  # (n,)
        named = {
            name: torch.tensor(values, dtype=dtype, requires_grad=True)
            for name, values in unflatten(model.theta, study.shapes).items()
        }
        parameters = list(named.values())
        decay = [spec.l2 if name.endswith(".weight") else 0.0 for name in named]
        velocity = [torch.zeros_like(values) for values in parameters]
        for _ in range(spec.epochs):
            order = torch.from_numpy(random.permutation(len(y)))
            for rows in torch.split(order, spec.batch_size):
                loss = binary_cross_entropy_with_logits(_logits(named, x[rows]), y[rows])
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    for theta, gradient, v, l2 in zip(parameters, gradients, velocity, decay, strict=True):
                        v.mul_(spec.momentum).add_(gradient).add_(theta, alpha=l2)
                        theta.sub_(v, alpha=spec.learning_rate)
    local = np.concatenate([values.detach().numpy().ravel() for values in parameters]).astype(np.float64)
    if not np.isfinite(local).all():
        raise SpecError("Local training diverged; the study's learning rate is too high for these records.")
    return np.subtract(local, model.theta.astype(np.float64))


def _logits(named: dict[str, Tensor], x: Tensor) -> Tensor:
    """(n, d) -> (n,)."""
    layers = len(named) // 2
    for index in range(layers):
        x = linear(x, named[f"layers.{index}.weight"], named[f"layers.{index}.bias"])  # (n, out)
        if index < layers - 1:
            x = x.relu()
    return x[:, 0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Reductions are split over threads, and every split rounds differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
