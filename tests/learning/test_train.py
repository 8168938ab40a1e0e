"""Local training: the algorithm of the definition, and the same bits every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from medfed.errors import DataError, SpecError
from medfed.learning.evaluate import brier
from medfed.learning.models import Model, initial_model, predict, scaled, unflatten
from medfed.learning.train import Records, train
from medfed.protocol.randomness import generator
from tests.conftest import ROOT
from tests.rig.studies import dataset, fields, study

MLP = {"kind": "mlp", "hidden": [16, 8]}


def records(count=40, seed=0):
    data = dataset(count, seed)
    return Records(data.features, data.labels)


def trained(spec, data=None, seat=0, number=1):
    return train(spec, initial_model(spec), data or records(), seat, number)


def with_training(**changes):
    return study(training=fields()["training"] | changes)


def test_logistic_regression_equals_the_definition():
    """Against gradients written out by hand in NumPy: mean log loss, momentum, decay of weights alone."""
    spec = study()
    data = records()
    x, y = scaled(data.features, spec.columns), data.labels
    bias, weight, v_bias, v_weight = 0.0, np.zeros(3), 0.0, np.zeros(3)
    order = generator(spec.seed, "local training", spec.digest, 2, 3)
    for _ in range(spec.training.epochs):
        rows = order.permutation(len(y))
        for start in range(0, len(y), spec.training.batch_size):
            batch = rows[start : start + spec.training.batch_size]
            error = 1 / (1 + np.exp(-(x[batch] @ weight + bias))) - y[batch]
            v_bias = spec.training.momentum * v_bias + error.mean()
            gradient = x[batch].T @ error / len(batch)
            v_weight = spec.training.momentum * v_weight + gradient + spec.training.l2 * weight
            bias -= spec.training.learning_rate * v_bias
            weight = weight - spec.training.learning_rate * v_weight
    assert trained(spec, data, seat=2, number=3) == pytest.approx([bias, *weight], abs=1e-12)


def test_perceptron_learns():
    """Twenty epochs lower the error on what it trained on by a third; every parameter tensor moves."""
    spec = study(model=MLP, training=fields()["training"] | {"epochs": 20})
    delta = trained(spec)
    start, data = initial_model(spec), records()
    end = Model((start.theta + delta).astype(np.float32))
    assert all(values.any() for values in unflatten(delta.astype(np.float32), spec.shapes).values())
    before, after = (brier(predict(model, spec, data.features), data.labels) for model in (start, end))
    assert after < 0.7 * before


def test_single_precision_is_close_to_double():
    double, single = trained(with_training()), trained(with_training(precision="float32"))
    # Another spec is another order of the records, so only the direction is compared.
    assert double @ single / np.linalg.norm(double) / np.linalg.norm(single) > 0.99


@pytest.mark.parametrize("change", ["seed", "seat", "round"])
def test_order_is_drawn_from_all_that_names_it(change):
    """Another seed, seat or round trains in another order; the same ones in the same."""
    base = trained(study())
    other = {
        "seed": lambda: trained(study(seed=8)),
        "seat": lambda: trained(study(), seat=1),
        "round": lambda: trained(study(), number=2),
    }[change]()
    assert base.tobytes() == trained(study()).tobytes()
    assert base.tobytes() != other.tobytes()


PROBE = """
import hashlib, threading
import numpy as np, torch
from tests.learning.test_train import MLP, records, trained
from tests.rig.studies import study
torch.set_num_threads({threads})
torch.manual_seed({threads}); np.random.seed({threads})
busy = torch.rand(400, 400)
stop = threading.Event()
def work():
    while not stop.is_set():
        busy @ busy
worker = threading.Thread(target=work)
worker.start()
print(hashlib.sha256(trained(study(model=MLP)).tobytes()).hexdigest())
stop.set(); worker.join()
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_a_fresh_process_gets_the_same_bits(threads):
    """Whatever the number of threads, the global seeds and the other work of the process: the update is the same."""
    expected = hashlib.sha256(trained(study(model=MLP)).tobytes()).hexdigest()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(threads=threads)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=ROOT,
    )
    assert done.stdout.strip() == expected


def test_leaves_torch_as_it_was():
    """Neither the number of threads nor the global generator changes for the rest of the process."""
    before = torch.get_num_threads(), torch.get_rng_state()
    trained(study())
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_one_record_is_enough():
    """A last batch, or a whole cohort, of one record trains."""
    data = records(9)
    assert trained(study(), data).any()
    assert trained(study(), Records(data.features[:1], data.labels[:1])).any()


@pytest.mark.parametrize(
    ("features", "labels"), [((0, 3), (0,)), ((4, 3), (3,)), ((4,), (4,)), ((4, 3), (4, 1))]
)
def test_refuses_records_out_of_shape(features, labels):
    with pytest.raises(DataError, match="at least one record"):
        Records(np.zeros(features), np.zeros(labels))


def test_refuses_another_number_of_features():
    with pytest.raises(DataError, match="3 features"):
        trained(study(), Records(np.zeros((4, 2)), np.zeros(4)))


def test_refuses_training_that_diverges():
    """An update with NaN in it is never encoded."""
    spec = study(model=MLP, training={"epochs": 50, "batch_size": 8, "learning_rate": 100.0, "l2": 100.0})
    with pytest.raises(SpecError, match="diverged"):
        trained(spec)
