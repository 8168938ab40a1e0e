"""Models: one flat order, one file for one model, predictions equal to those of torch."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medfed.errors import ProtocolError
from medfed.learning.models import (
    Model,
    complete_study,
    flatten,
    initial_model,
    model_bytes,
    parse_model,
    predict,
    scaled,
    unflatten,
)
from medfed.protocol.cid import cid_of
from tests.rig.studies import dataset, draft, study

MLP = {"kind": "mlp", "hidden": [5, 2]}
finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def thetas(size):
    return hnp.arrays(np.float32, (size,), elements=finite32)


@given(thetas(draft(model=MLP).size))
def test_flatten_undoes_unflatten(theta):
    """For any parameters, and in sorted name order."""
    shapes = draft(model=MLP).shapes
    parameters = unflatten(theta, shapes)
    assert {name: values.shape for name, values in parameters.items()} == shapes
    assert flatten(dict(reversed(parameters.items()))).tobytes() == theta.tobytes()
    assert np.array_equal(np.concatenate([parameters[name].ravel() for name in sorted(shapes)]), theta)


def test_unflatten_refuses_another_length():
    with pytest.raises(ProtocolError, match="4 parameters"):
        unflatten(np.zeros(5, dtype=np.float32), draft().shapes)


class TestInitialModel:
    def test_logistic_regression_starts_at_zero(self):
        """A convex problem: every start leads to the same place, and zero favours nobody."""
        assert not initial_model(draft()).theta.any()

    def test_seed_decides_the_weights(self):
        first, again, other = (initial_model(draft(model=MLP, seed=seed)).theta for seed in (1, 1, 2))
        assert first.tobytes() == again.tobytes()
        assert first.tobytes() != other.tobytes()

    def test_weights_have_the_variance_that_suits_relu(self):
        """2 / inputs, within what chance allows; biases are zero, layers drawn apart."""
        spec = draft(model={"kind": "mlp", "hidden": [400, 400]})
        parameters = unflatten(initial_model(spec).theta, spec.shapes)
        weights = parameters["layers.1.weight"]
        assert weights.var() == pytest.approx(2 / 400, rel=0.02)
        assert abs(weights.mean()) < 1e-3
        assert not parameters["layers.1.bias"].any()
        assert weights[0, 0] != parameters["layers.0.weight"][0, 0]

    def test_bits_are_the_same_everywhere(self):
        """The golden digest: a machine that draws or rounds otherwise would publish another initial model."""
        spec = draft(model=MLP)
        assert hashlib.sha256(initial_model(spec).theta.tobytes()).hexdigest() == (
            "c749667efc0513459da0a3a270c00f28057cc1bcc485a03cf0cf11599b4dac1c"
        )


class TestModelFile:
    @given(thetas(draft(model=MLP).size))
    def test_written_and_read_back(self, theta):
        spec = draft(model=MLP)
        data = model_bytes(Model(theta), spec)
        assert parse_model(data, spec).theta.tobytes() == theta.tobytes()

    @given(thetas(draft(model=MLP).size))
    def test_is_what_safetensors_writes(self, theta):
        """Byte for byte the library's file, so that anyone's tools read it."""
        from safetensors.numpy import load, save

        spec = draft(model=MLP)
        data = model_bytes(Model(theta), spec)
        assert data == save(unflatten(theta, spec.shapes))
        assert flatten(load(data)).tobytes() == theta.tobytes()

    def test_holds_no_metadata(self):
        """No address, time or author: the same model has the same CID wherever it was made."""
        data = model_bytes(initial_model(draft()), draft())
        size = struct.unpack("<Q", data[:8])[0]
        assert set(json.loads(data[8 : 8 + size])) == set(draft().shapes)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_refuses_what_is_not_finite(self, value):
        """Neither written nor read."""
        theta = np.zeros(4, dtype=np.float32)
        data = model_bytes(Model(theta), draft())
        theta[2] = value
        with pytest.raises(ProtocolError, match="not finite"):
            model_bytes(Model(theta), draft())
        with pytest.raises(ProtocolError, match="not finite"):
            parse_model(data[:-16] + theta.tobytes(), draft())

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: b"",
            lambda data: data[:-1],
            lambda data: data + b"\0",
            lambda data: b"\xff" * 8 + data[8:],
            lambda data: data.replace(b"F32", b"I32", 1),
            lambda data: data.replace(b"layers.0.bias", b"layers.1.bias"),
            lambda data: data.replace(b"[0,4]", b"[4,8]"),
            lambda data: data.replace(b"{", b" ", 1),
        ],
    )
    def test_refuses_any_other_file(self, change):
        """A header that differs in one byte is not this study's model; lengths are checked before anything is read."""
        data = model_bytes(initial_model(draft()), draft())
        assert change(data) != data
        with pytest.raises(ProtocolError):
            parse_model(change(data), draft())

    def test_refuses_another_studys_model(self):
        with pytest.raises(ProtocolError, match="bytes"):
            parse_model(model_bytes(initial_model(draft(model=MLP)), draft(model=MLP)), draft())

    def test_refuses_state_that_the_optimiser_does_not_keep(self):
        model = Model(np.zeros(4, dtype=np.float32), {"momentum": np.zeros(4)})
        with pytest.raises(ProtocolError, match="fedavg keeps no state"):
            model_bytes(model, draft())

    def test_the_spec_names_the_initial_model(self):
        """The sponsor's spec and file belong together, and anyone can derive the file from the spec."""
        spec, data = complete_study(draft(model=MLP))
        assert cid_of(data) == spec.initial_model_cid
        assert model_bytes(initial_model(spec), spec) == data


class TestPredict:
    def test_scaling_is_the_sponsors(self):
        data = dataset(4)
        centers = np.array([0.0, 0.5, 1.0])
        assert np.array_equal(scaled(data.features, draft().columns), (data.features - centers) / 2.0)

    def test_logistic_regression_by_hand(self):
        theta = np.array([0.25, 1.0, -2.0, 0.5], dtype=np.float32)
        features = np.array([[2.0, 1.0, 3.0]])
        # bias + 1·(2−0)/2 − 2·(1−0.5)/2 + 0.5·(3−1)/2 = 0.25 + 1 − 0.5 + 0.5
        assert predict(Model(theta), draft(), features) == pytest.approx([1 / (1 + np.exp(-1.25))])

    @given(thetas(draft(model=MLP).size).filter(lambda theta: np.abs(theta).max() < 100))
    def test_perceptron_equals_torch(self, theta):
        import torch

        spec = draft(model=MLP)
        features = dataset(8).features
        layers = [torch.nn.Linear(*sizes, dtype=torch.float64) for sizes in ((3, 5), (5, 2), (2, 1))]
        network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
        named = unflatten(theta, spec.shapes)
        for index, layer in enumerate(layers):
            layer.weight.data = torch.tensor(named[f"layers.{index}.weight"], dtype=torch.float64)
            layer.bias.data = torch.tensor(named[f"layers.{index}.bias"], dtype=torch.float64)
        expected = torch.sigmoid(network(torch.tensor(scaled(features, spec.columns))))[:, 0]
        assert predict(Model(theta), spec, features) == pytest.approx(expected.detach().numpy(), abs=1e-9)

    def test_extreme_scores_stay_probabilities(self):
        """No overflow warning (they are errors here) and no NaN at either end."""
        theta = np.array([0.0, 3e38, 0.0, 0.0], dtype=np.float32)
        found = predict(Model(theta), draft(), np.array([[-2.0, 0, 0], [0.0, 0, 0], [2.0, 0, 0]]))
        assert found.tolist() == [0.0, 0.5, 1.0]

    def test_needs_no_torch(self):
        """Auditors evaluate models without loading a training framework."""
        import subprocess
        import sys

        modules = ["learning.models", "learning.server", "learning.evaluate", "data.cohort", "data.quality"]
        modules += ["data.breast_cancer", "data.csv_source", "data.commitments", "data.patients"]
        probe = "import sys\n" + "".join(f"import medfed.{name}\n" for name in modules)
        probe += "print({'torch', 'web3', 'sklearn', 'scipy'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
        assert done.stdout == "set()\n"


def test_every_study_has_its_own_file_form():
    """A study's file length follows from its spec alone."""
    assert len(model_bytes(initial_model(study()), study())) % 8 == 0
