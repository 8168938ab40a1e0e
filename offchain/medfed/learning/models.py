"""Logistic regression and multi-layer perceptrons as named arrays, their flat vector, and their files.

θ is the concatenation of all parameters, flattened in C order, in sorted name order: float32, length P. Logistic
regression is the perceptron without hidden layers.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfed.errors import ProtocolError
from medfed.protocol.cid import cid_of
from medfed.protocol.documents import Schema, StudyDraft, StudySpec
from medfed.protocol.randomness import generator

__all__ = [
    "Model",
    "complete_study",
    "flatten",
    "initial_model",
    "model_bytes",
    "parse_model",
    "predict",
    "predict_many",
    "scaled",
    "unflatten",
]

Shapes = Mapping[str, tuple[int, ...]]
Layout = list[tuple[str, "np.dtype[Any]", tuple[int, ...]]]

_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
# The server's state stands in the model file beside the parameters, under this prefix.
_STATE = "server."


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """A study's model between two rounds: what is published, and all that the next step needs."""

    theta: NDArray[np.float32]  # (P,)
    state: Mapping[str, NDArray[np.float64]] = field(default_factory=lambda: MappingProxyType({}))
    """The server optimiser's vectors by name, each (P,); none for FedAvg."""


def flatten(parameters: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """θ of named parameters, (P,) float32."""
    return np.concatenate([np.ravel(parameters[name]) for name in sorted(parameters)]).astype(np.float32)


def unflatten(theta: NDArray[np.float32], shapes: Shapes) -> dict[str, NDArray[np.float32]]:
    """Named views of θ, or of many (c, P). Raises `ProtocolError` for a vector of another length."""
    size = sum(math.prod(shape) for shape in shapes.values())
    if theta.shape[-1:] != (size,):
        raise ProtocolError(f"This model has {size} parameters; the vector has shape {theta.shape}.")
    found: dict[str, NDArray[np.float32]] = {}
    start = 0
    for name in sorted(shapes):
        end = start + math.prod(shapes[name])
        found[name] = theta[..., start:end].reshape(*theta.shape[:-1], *shapes[name])
        start = end
    return found


def initial_model(study: StudyDraft) -> Model:
    """The model of round 1, from the seed and the shapes alone; the same bits everywhere.

    Weights are uniform in ±√(6 / inputs), which has the variance 2 / inputs that suits ReLU (He et al. 2015,
    arXiv:1502.01852, section 2.2); biases, and the weights of logistic regression (a convex problem), are zero.
    """
    if not study.model.hidden:
        return Model(np.zeros(study.size, dtype=np.float32))
    parameters: dict[str, NDArray[np.float32]] = {}
    for name, shape in study.shapes.items():
        if name.endswith(".bias"):
            parameters[name] = np.zeros(shape, dtype=np.float32)
        else:
            parameters[name] = _initial_weights(study.seed, name, shape)
    return Model(flatten(parameters))


def _initial_weights(seed: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    drawn = generator(seed, "initial model", name).random(shape)  # [0, 1) in float64
    limit = math.sqrt(6.0 / shape[1])
    return np.multiply(np.subtract(drawn, 0.5), 2.0 * limit).astype(np.float32)


def complete_study(draft: StudyDraft) -> tuple[StudySpec, bytes]:
    """The spec with its initial model's CID, and that model's file, which the sponsor has to publish beside it."""
    data = model_bytes(initial_model(draft), draft)
    return draft.with_initial_model(cid_of(data)), data


def scaled(features: NDArray[np.float64], schema: Schema) -> NDArray[np.float64]:
    """(value − center) / scale by the sponsor's constants, (n, d)."""
    center = np.array([feature.center for feature in schema.features])
    scale = np.array([feature.scale for feature in schema.features])
    found: NDArray[np.float64] = np.divide(np.subtract(features, center), scale, dtype=np.float64)
    return found


def predict(model: Model, study: StudyDraft, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of label 1 for each row of unscaled features (n, d) -> (n,), in NumPy alone."""
    found: NDArray[np.float64] = predict_many(model.theta[np.newaxis], study, features)[0]
    return found


def predict_many(
    thetas: NDArray[np.float32], study: StudyDraft, features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`predict` for many models at once: thetas (c, P) -> (c, n)."""
    parameters = unflatten(thetas, study.shapes)
    hidden = scaled(features, study.columns)[np.newaxis]  # (1, n, d)
    layers = len(parameters) // 2
    for index in range(layers):
        weight = parameters[f"layers.{index}.weight"].astype(np.float64)  # (c, out, in)
        bias = parameters[f"layers.{index}.bias"].astype(np.float64)
        hidden = hidden @ weight.transpose(0, 2, 1) + bias[:, np.newaxis]  # (c, n, out)
        if index < layers - 1:
            hidden = np.maximum(hidden, 0.0)
    return _sigmoid(hidden[:, :, 0])


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    small = np.exp(-np.abs(logits))  # in (0, 1]: no overflow on either side
    return np.where(logits >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


# --- files ---------------------------------------------------------------------------------------------------------
#
# A safetensors file: length of the header (8 bytes, little endian), the header as JSON, the tensors one after another.
# The header follows from the study spec, so there is one file for one model, and the same library reads it. Writing
# it here keeps the bytes, hence the CID, apart from versions of that library.


def model_bytes(model: Model, study: StudyDraft) -> bytes:
    """The model as a safetensors file without metadata. Raises `ProtocolError` for NaN, infinity or a wrong length."""
    tensors: dict[str, NDArray[Any]] = {
        **unflatten(model.theta, study.shapes),
        **{_STATE + k: v for k, v in model.state.items()},
    }
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise ProtocolError(f"Parameter {name} is not finite; the training diverged.")
    layout = _layout(study)
    if {name for name, _, _ in layout} != set(tensors):
        raise ProtocolError(
            f"The optimiser {study.server.optimizer} keeps {study.server.state_names or 'no state'}."
        )
    parts = [tensors[name].astype(dtype).tobytes() for name, dtype, _ in layout]
    return b"".join([_header(layout), *parts])


def parse_model(data: bytes, study: StudyDraft) -> Model:
    """Read a model file of this study. Raises `ProtocolError` unless it is the one form `model_bytes` writes."""
    layout = _layout(study)
    header = _header(layout)
    size = len(header) + sum(dtype.itemsize * math.prod(shape) for _, dtype, shape in layout)
    if len(data) != size:
        raise ProtocolError(f"A model file of this study has {size} bytes, not {len(data)}.")
    if data[: len(header)] != header:
        raise ProtocolError("The model file's header is not that of this study's model.")
    tensors = _tensors(data, len(header), layout)
    state = {name: tensors.pop(_STATE + name) for name in study.server.state_names}
    return Model(flatten(tensors), MappingProxyType(state))


def _tensors(data: bytes, start: int, layout: Layout) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in layout:
        count = math.prod(shape)
        values = np.frombuffer(data, dtype=dtype, count=count, offset=start).reshape(shape)
        if not np.isfinite(values).all():
            raise ProtocolError(f"The model file holds a value of {name} that is not finite.")
        found[name] = values
        start += values.nbytes
    return found


def _layout(study: StudyDraft) -> Layout:
    """Name, type and shape of each tensor in the order of the file: wider types first, then by name."""
    wide = [(_STATE + name, _DTYPES["F64"], (study.size,)) for name in study.server.state_names]
    return [*wide, *((name, _DTYPES["F32"], shape) for name, shape in study.shapes.items())]


def _header(layout: Layout) -> bytes:
    entries: dict[str, object] = {}
    start = 0
    names = {dtype: code for code, dtype in _DTYPES.items()}
    for name, dtype, shape in layout:
        end = start + dtype.itemsize * math.prod(shape)
        entries[name] = {"dtype": names[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight
    return struct.pack("<Q", len(text)) + text
