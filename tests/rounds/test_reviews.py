"""What a reviewer says of a round's updates, and the twin of the tally beside the contract."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.chain.contracts.payouts import review_hash
from medfed.learning.contribution import HeldOut
from medfed.learning.models import complete_study, parse_model
from medfed.rounds.reviews import POINTS, review
from medfed.rounds.scores import tally
from tests.rig import studies
from tests.rig.world import DISPUTE, aggregate, deploy_world, digest
from tests.rig.world import update as submitted

SALT = b"\x5a" * 32
WEIGHT = 16


def setting(hospitals=4, **changes):
    """A study whose labels follow from the sum of the features, its initial model, records that nobody trained on."""
    spec, model = complete_study(
        studies.draft(codec={**studies.fields()["codec"], "max_hospitals": hospitals}, **changes)
    )
    data = studies.dataset(300, seed=99)
    return spec, parse_model(model, spec), HeldOut(data.matrix(spec.columns), data.labels)


def update(spec, direction, seed, size=0.4):
    """An update that moves all weights in a direction, not quite alike for each seed."""
    random = np.random.default_rng(seed)
    delta = direction * size + random.normal(size=spec.size) * 0.02
    return spec.codec.encode(delta, spec.rule.coded_weight(WEIGHT)), WEIGHT


def noise(spec, seed):
    delta = np.random.default_rng(seed).normal(size=spec.size)
    return spec.codec.encode(delta, spec.rule.coded_weight(WEIGHT)), WEIGHT


class TestReview:
    def test_points_go_to_others_in_proportion(self):
        """All points are given, none to oneself; those who help have some each."""
        spec, model, held_out = setting()
        updates = {seat: update(spec, 1.0, seat) for seat in range(4)}
        found = review(spec, model, updates, held_out, own=1)
        assert sum(found[seat] for seat in (0, 2, 3)) == pytest.approx(POINTS, abs=2)
        assert min(found.values()) > POINTS // 6

    def test_who_does_harm_is_below_zero(self):
        spec, model, held_out = setting()
        updates = {seat: update(spec, 1.0 if seat else -1.0, seat) for seat in range(4)}
        found = review(spec, model, updates, held_out, own=3)
        assert found[0] < 0 < min(found[1], found[2])

    @pytest.mark.parametrize("kind", ["sum", "median"])
    def test_noise_is_worth_less_than_any_honest_update(self, kind):
        spec, model, held_out = setting(rule={"kind": kind})
        updates = {seat: update(spec, 1.0, seat) for seat in range(3)} | {3: noise(spec, 3)}
        found = review(spec, model, updates, held_out, own=0)
        assert found[3] < min(found[1], found[2]) / 2

    def test_names_do_not_matter(self):
        """Whoever made it, an update has its score: seats changed about change the scores about."""
        spec, model, held_out = setting()
        updates = {seat: update(spec, 1.0, seat, size=0.1 * (seat + 1)) for seat in range(4)}
        turned = {3 - seat: work for seat, work in updates.items()}
        found = review(spec, model, updates, held_out, own=0)
        assert review(spec, model, turned, held_out, own=3) == {
            3 - seat: score for seat, score in found.items()
        }

    def test_when_all_do_harm_nobody_has_points(self):
        spec, model, held_out = setting()
        updates = {seat: update(spec, -1.0, seat) for seat in range(4)}
        found = review(spec, model, updates, held_out, own=0)
        assert max(found.values()) < 0
        assert min(found.values()) >= -(2**15)

    def test_with_many_hospitals_each_is_left_out_once(self):
        """Trying all coalitions of 20 would take for ever; scores stay what an int16 holds."""
        spec, model, held_out = setting(hospitals=20)
        updates = {seat: update(spec, 1.0, seat) for seat in range(19)} | {19: update(spec, -1.0, 19)}
        found = review(spec, model, updates, held_out, own=0)
        assert found[19] == min(found.values()) < 0
        assert all(-(2**15) <= score < 2**15 for score in found.values())


@pytest.fixture(scope="module")
def deployed(evm_module):
    return deploy_world(evm_module, 6)


@st.composite
def rounds(draw):
    """Submitters, those included, those who reveal, and what they say: extremes and ties among it."""
    members = draw(st.integers(2, 6))
    everybody = list(range(members))
    least = max(2, -(-2 * members // 3))
    included = draw(st.lists(st.sampled_from(everybody), min_size=least, max_size=members, unique=True))
    revealing = draw(st.lists(st.sampled_from(everybody), max_size=members, unique=True))
    score = st.sampled_from([-(2**15), -1, 0, 1, 2, 2**15 - 1]) | st.integers(-(2**15), 2**15 - 1)
    said = {seat: draw(st.lists(score, min_size=members, max_size=members)) for seat in sorted(revealing)}
    return members, sorted(included), said


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(played=rounds())
def test_the_contract_tallies_as_the_twin_does(evm, deployed, played):
    """Scores, total and paid reviewers, for any number of submitters and reviewers."""
    members, included, said = played
    token, world = evm.snapshot(), replace(deployed, evm=evm)
    study = world.submitted(members, scoreMode=2, maxHospitals=6)
    result = aggregate(included, 80 * len(included))
    left_out = [submitted(seat) for seat in range(members) if seat not in included]
    for seat in range(-(-2 * members // 3)):
        world.attest(study, seat, result, left_out=left_out)
    told = digest(study, 1, result)
    for seat, row in said.items():
        hashed = review_hash((study, 1, seat), world.hospitals[seat].address, row, SALT)
        world.payouts.commitReview(study, 1, seat, told, hashed, sender=world.operators[seat])
    evm.travel(DISPUTE // 2)
    for seat, row in said.items():
        world.payouts.revealReview(study, 1, seat, told, row, SALT, sender=world.operators[seat])
    evm.travel(DISPUTE)
    (event,) = world.payouts.tally(study, 1, told).named("ReviewsTallied")
    found = tally(said, (1 << members) - 1, result["included"])
    assert dict(enumerate(event["scores"])) == found.scores
    for seat in range(members):
        score = found.of(seat)
        assert world.payouts.scoresOf(study, 1, seat) == (score.score, score.total, score.revealers)
    evm.restore(token)
