"""Federated training is as good as pooled training on the demonstration data, and repeats bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from medfed.data.breast_cancer import breast_cancer, breast_cancer_study
from medfed.errors import DataError
from medfed.learning.evaluate import evaluate
from medfed.learning.models import complete_study, initial_model, model_bytes, predict
from medfed.learning.server import server_step
from medfed.learning.simulate import Site, pooled, simulate, train_alone
from medfed.learning.train import Records, train
from medfed.protocol.cid import cid_of
from tests.rig.studies import dataset, study


def demo(seed, hospitals, rounds=5):
    spec = complete_study(breast_cancer_study(seed, rounds))[0]
    data = breast_cancer(seed, hospitals)
    parts = [Records(site.matrix(spec.columns), site.labels) for site in data.sites]
    return spec, parts, data.held_out


def sites(parts):
    return [Site(part, part.labels.size // 16 * 16) for part in parts]


def held_out_auc(model, spec, held_out):
    return evaluate(predict(model, spec, held_out.matrix(spec.columns)), held_out.labels).auc


@pytest.mark.parametrize("seed", [1, 7, 8])
@pytest.mark.parametrize("hospitals", [2, 4, 10])
def test_federated_is_within_a_hundredth_of_pooled(seed, hospitals):
    """AUC on held-out patients, over seeds and numbers of hospitals; and far from chance."""
    spec, parts, held_out = demo(seed, hospitals)
    federated = held_out_auc(simulate(spec, sites(parts))[-1], spec, held_out)
    together = held_out_auc(train_alone(spec, pooled(parts)), spec, held_out)
    assert federated > 0.95
    assert abs(federated - together) < 0.01


def test_the_perceptron_learns_too():
    spec, parts, held_out = demo(7, 4)
    mlp = complete_study(spec_with(spec, model={"kind": "mlp", "hidden": [16]}))[0]
    assert held_out_auc(simulate(mlp, sites(parts))[-1], mlp, held_out) > 0.95


def spec_with(spec, **changes):
    from medfed.protocol.documents import StudyDraft

    fields = spec.model_dump(mode="json", exclude={"initial_model_cid"})
    return StudyDraft.from_fields(fields | changes)


def test_same_seed_same_model_other_seed_other_model():
    """By CID, as the study's participants would compare them."""

    def final(seed):
        spec, parts, _ = demo(7, 3, rounds=2)
        reseeded = complete_study(spec_with(spec, seed=seed))[0]
        return cid_of(model_bytes(simulate(reseeded, sites(parts))[-1], reseeded))

    assert final(7) == final(7)
    assert final(7) != final(8)


def test_a_round_is_the_weighted_mean_of_its_updates():
    """One round of three sites: clipped updates averaged by weight, to within the codec's step."""
    spec = study(rounds=1)
    parts = [Records(data.features, data.labels) for data in (dataset(32, 1), dataset(48, 2), dataset(80, 3))]
    deltas = [train(spec, initial_model(spec), part, seat, 1) for seat, part in enumerate(parts)]
    assert max(np.linalg.norm(delta) for delta in deltas) < spec.codec.clip_norm
    mean = np.average([np.clip(delta, -2, 2) for delta in deltas], axis=0, weights=[32, 48, 80])
    found = simulate(spec, sites(parts))[0].theta
    assert found == pytest.approx(server_step(initial_model(spec), mean, spec.server).theta, abs=1e-5)


def test_one_site_alone_equals_training_alone():
    """With nobody to share with, the federation adds only the rounding of the codec."""
    spec = study()
    data = dataset(64)
    part = Records(data.features, data.labels)
    federated = simulate(spec, [Site(part, 64)])[-1].theta
    assert federated == pytest.approx(train_alone(spec, part).theta, abs=1e-3)


def test_models_of_all_rounds_are_returned():
    spec = study(rounds=3)
    data = dataset(32)
    found = simulate(spec, [Site(Records(data.features, data.labels), 32)])
    assert len({model.theta.tobytes() for model in found}) == 3


def test_needs_a_site():
    with pytest.raises(DataError, match="at least one site"):
        simulate(study(), [])
