"""The model step is exact IEEE arithmetic: equal to Python's own floats, and to the golden vectors."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medfed.errors import InputError, ProtocolError
from medfed.learning.models import Model, model_bytes
from medfed.learning.server import next_model, server_step
from medfed.protocol.cid import cid_of
from medfed.protocol.documents import ServerSpec
from tests.conftest import ROOT
from tests.rig.studies import draft, fields

VECTORS = ROOT / "tests" / "vectors" / "model_step.json"

finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
words = st.integers(0, 2**32 - 1)


def spec(**changes):
    """A study whose step is not a power of two, so that every operation rounds."""
    codec = fields()["codec"] | {"scale": 1000.1}
    return draft(codec=codec, server={"learning_rate": 0.7}, **changes)


def reference(theta, total, weight, study):
    """θ + η · (signed word / (w · s)) in Python floats, rounded to single precision by `struct`."""
    found = []
    for start, word in zip(theta, total, strict=True):
        signed = word - 2**32 if word >= 2**31 else word
        mean = signed / (float(weight) * study.codec.scale)
        found.append(struct.unpack("<f", struct.pack("<f", start + study.server.learning_rate * mean))[0])
    return found


@given(
    hnp.arrays(np.float32, 4, elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.lists(words, min_size=4, max_size=4),
    st.integers(1, 2**31 - 1),
)
def test_equals_pythons_own_arithmetic(theta, total, weight):
    """Bit for bit, for any model, sum and weight."""
    found = next_model(Model(theta), np.array(total, dtype=np.uint32), weight, spec())
    assert found.theta.dtype == np.float32
    assert found.theta.tolist() == reference(theta.tolist(), total, weight, spec())


def test_does_not_depend_on_the_length():
    """Elementwise: a coordinate's result is the same in a vector of any length and at any place."""
    random = np.random.default_rng(1)
    theta = random.normal(size=10_007).astype(np.float32)
    mean = random.normal(size=10_007)
    whole = server_step(Model(theta), mean, ServerSpec(learning_rate=0.3)).theta
    for part in (slice(0, 1), slice(3, 8), slice(5000, 10_007)):
        alone = server_step(Model(theta[part]), mean[part], ServerSpec(learning_rate=0.3)).theta
        assert alone.tobytes() == whole[part].tobytes()


def test_leaves_its_arguments_alone():
    theta, mean = np.ones(4, dtype=np.float32), np.ones(4)
    server_step(Model(theta), mean, ServerSpec())
    assert theta.tolist() == mean.tolist() == [1.0] * 4


def test_refuses_a_sum_of_another_length_or_without_weight():
    model = Model(np.zeros(4, dtype=np.float32))
    with pytest.raises(InputError):
        next_model(model, np.zeros(5, dtype=np.uint32), 16, spec())
    with pytest.raises(InputError):
        next_model(model, np.zeros(4, dtype=np.uint32), 0, spec())
    with pytest.raises(ProtocolError, match="float64 vector of 4"):
        server_step(model, np.zeros(5), ServerSpec())
    with pytest.raises(ProtocolError, match="float64"):
        server_step(model, np.zeros(4, dtype=np.float32), ServerSpec())


def test_refuses_a_step_to_infinity():
    """A model that overflows is never published; no warning is printed on the way."""
    model = Model(np.full(4, 3e38, dtype=np.float32))
    with pytest.raises(ProtocolError, match="not finite"):
        server_step(model, np.full(4, 1e38), ServerSpec())


def golden():
    """Cases at the edges: no change, ties of both roundings, the largest words, subnormal results."""
    study = spec()
    random = np.random.default_rng(5)
    cases = [
        ([0.0, 1.0, -1.0, 2.0**-126], [0, 0, 0, 2**32 - 1], 16),
        ([0.5, -0.5, 1e-8, 3e38], [2**31 - 1, 2**31, 1, 2**32 - 1], 1),
        (random.normal(size=4).astype(np.float32).tolist(), random.integers(0, 2**32, 4).tolist(), 1808),
        (random.normal(size=4).astype(np.float32).tolist(), random.integers(0, 2**32, 4).tolist(), 2**31 - 1),
    ]
    found = []
    for theta, total, weight in cases:
        start = np.array(theta, dtype=np.float32)
        after = np.array(reference(start.tolist(), total, weight, study), dtype=np.float32)
        found.append(
            {
                "theta": start.astype(">f4").tobytes().hex(),
                "sum": total,
                "weight": weight,
                "next": after.astype(">f4").tobytes().hex(),
                "model_cid": cid_of(model_bytes(Model(after), study)),
            }
        )
    return {"optimizer": "fedavg", "learning_rate": 0.7, "scale": 1000.1, "cases": found}


def test_golden_vectors(update_snapshots):
    """tests/vectors/model_step.json: floats as big-endian hexadecimal, sums as words, the next model's CID."""
    if update_snapshots:
        VECTORS.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")
    stored = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert stored == golden()
    for case in stored["cases"]:
        theta = np.frombuffer(bytes.fromhex(case["theta"]), dtype=">f4").astype(np.float32)
        after = next_model(Model(theta), np.array(case["sum"], dtype=np.uint32), case["weight"], spec())
        assert after.theta.astype(">f4").tobytes().hex() == case["next"]
        assert cid_of(model_bytes(after, spec())) == case["model_cid"]
