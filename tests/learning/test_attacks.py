"""Attacks are what their papers say, and robust rules hold against those that turn averaging around."""

from __future__ import annotations

import numpy as np
import pytest

from medfed.data.breast_cancer import breast_cancer, breast_cancer_study
from medfed.errors import DataError, InputError
from medfed.learning.attacks import ATTACKS, Scene, attack_named
from medfed.learning.evaluate import auc
from medfed.learning.models import complete_study, initial_model, predict
from medfed.learning.simulate import Site, simulate
from medfed.learning.train import Records, train
from medfed.protocol.documents import StudyDraft
from tests.rig.studies import dataset, study

ROBUST = [
    {"kind": "median"},
    {"kind": "trimmed-mean", "trim": 1},
    {"kind": "multi-krum", "faulty": 1},
    {"kind": "geometric-median"},
]


def scene(honest=8, hostile=2, seed=1):
    random = np.random.default_rng(seed)
    return Scene(random.normal(1.0, 0.5, (honest, 6)), random.normal(size=6), hostile, random)


def forged(name, of=None):
    return ATTACKS[name].forge(of or scene())


def test_a_flipped_sign_undoes_an_update():
    seen = scene()
    assert forged("sign flip", seen).tolist() == (-seen.own).tolist()


def test_a_scaled_update_points_back():
    seen = scene()
    assert forged("scaled", seen) == pytest.approx(-10 * seen.own)


def test_noise_is_ten_times_as_wide_as_the_updates_and_new_each_time():
    random = np.random.default_rng(1)
    seen = Scene(random.normal(0.0, 3.0, (5, 20_000)), np.zeros(20_000), 1, random)
    first, second = forged("noise", seen), forged("noise", seen)
    assert first.std() == pytest.approx(30.0, rel=0.05)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_flipped_labels_are_trained_on_honestly():
    seen = scene()
    assert forged("label flip", seen) is seen.own
    assert [name for name, attack in ATTACKS.items() if attack.flips_labels] == ["label flip"]


@pytest.mark.parametrize(
    ("honest", "hostile"), [(3, 1), (8, 2), (16, 4), (38, 12), (1, 1), (1, 63), (51, 13)]
)
def test_a_little_stays_within_the_spread(honest, hostile):
    """Along every coordinate z deviations from the mean, the same for all attackers; z is 1 where few take part."""
    seen = scene(honest, hostile)
    found = forged("a little is enough", seen)
    deviations = (seen.honest.mean(axis=0) - found) / np.maximum(seen.honest.std(axis=0), 1e-12)
    if honest > 1:
        assert deviations == pytest.approx(np.full(6, deviations[0]))
        assert 1.0 <= deviations[0] < 3.1
    else:
        assert found == pytest.approx(seen.honest[0])


def test_an_inner_product_turns_the_mean_around():
    """The mean over all hospitals points where the honest one does not."""
    seen = scene()
    sent = forged("inner product", seen)
    everybody = np.vstack([seen.honest, sent, sent])
    assert everybody.mean(axis=0) == pytest.approx(-seen.honest.mean(axis=0) * 8 / 10)


def test_attacks_are_found_by_name():
    assert attack_named("sign-flip") is ATTACKS["sign flip"]
    with pytest.raises(InputError, match="no attack 'signflop'; choose from sign flip"):
        attack_named("signflop")


def demo(rule, attack=None):
    """Four hospitals, the second of which is hostile: AUC on held-out patients."""
    fields = breast_cancer_study(7, 5).model_dump(mode="json")
    spec = complete_study(StudyDraft.from_fields(fields | {"rule": rule}))[0]
    data = breast_cancer(7, 4)
    sites = [
        Site(Records(site.matrix(spec.columns), site.labels), len(site), attack if seat == 1 else None)
        for seat, site in enumerate(data.sites)
    ]
    model = simulate(spec, sites)[-1]
    return auc(predict(model, spec, data.held_out.matrix(spec.columns)), data.held_out.labels)


@pytest.mark.parametrize("rule", ROBUST, ids=lambda rule: rule["kind"])
@pytest.mark.parametrize("name", ["sign flip", "scaled", "noise", "inner product"])
def test_a_robust_rule_holds_where_averaging_may_not(rule, name):
    assert demo(rule, ATTACKS[name]) > 0.95


@pytest.mark.parametrize("rule", ROBUST, ids=lambda rule: rule["kind"])
def test_a_robust_rule_costs_little_without_an_attack(rule):
    assert abs(demo(rule) - demo({"kind": "sum"})) < 0.01


def test_averaging_does_not_hold():
    """Or the tests above would show nothing."""
    assert demo({"kind": "sum"}, ATTACKS["inner product"]) < 0.5


def sites(hostile=(), name="sign flip"):
    parts = [dataset(32, seed) for seed in range(3)]
    return [
        Site(Records(part.features, part.labels), 32, ATTACKS[name] if seat in hostile else None)
        for seat, part in enumerate(parts)
    ]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_simulated_attack_repeats_bit_for_bit(name):
    spec = study(rounds=2)
    runs = [simulate(spec, sites([1], name))[-1].theta.tobytes() for _ in range(2)]
    assert runs[0] == runs[1] != simulate(spec, sites())[-1].theta.tobytes()


def test_labels_are_flipped_before_training():
    """One round of two sites, of whom one trains on the opposite of its labels."""
    spec = study(rounds=1, rule={"kind": "median"})
    honest, hostile = sites([1], "label flip")[:2]
    model = initial_model(spec)
    deltas = [
        train(spec, model, honest.records, 0, 1),
        train(spec, model, Records(hostile.records.features, 1 - hostile.records.labels), 1, 1),
    ]
    found = simulate(spec, [honest, hostile])[0].theta
    assert found == pytest.approx(np.mean([np.clip(delta, -2, 2) for delta in deltas], axis=0), abs=1e-4)


def test_somebody_is_honest():
    with pytest.raises(DataError, match="one that is honest"):
        simulate(study(), sites([0, 1, 2]))
