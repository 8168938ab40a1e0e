"""Reviews: commitments, reveals, medians, and what a reviewed round pays."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.chain.contracts.rewards import review_hash
from tests.rig.world import DISPUTE, REWARD, aggregate, update

REVIEWED = 2
HALF = DISPUTE // 2
SALT = b"\x5a" * 32
POOL = REWARD // 10
SHARED = REWARD - POOL


@pytest.fixture
def reviewed(world):
    """A final round of a reviewed study with three submitters: study, aggregate, its hash."""
    study, result = world.final(scoreMode=REVIEWED)
    return study, result, world.rounds.hashAggregate(study, 1, result)


def commit(world, study, digest, seat, scores, salt=SALT):
    hashed = review_hash((study, 1, seat), world.hospitals[seat].address, scores, salt)
    return world.rewards.commitReview(study, 1, seat, digest, hashed, sender=world.operators[seat])


def reveal(world, study, digest, seat, scores, salt=SALT):
    return world.rewards.revealReview(study, 1, seat, digest, scores, salt, sender=world.operators[seat])


def reviews(world, study, digest, scores):
    """Commit, reveal and tally `scores` by seat; leaves the world where claims are unlocked."""
    for seat, said in scores.items():
        commit(world, study, digest, seat, said)
    world.evm.travel(HALF)
    for seat, said in scores.items():
        reveal(world, study, digest, seat, said)
    world.evm.travel(DISPUTE - HALF)
    return world.rewards.tally(study, 1, digest)


def claim(world, study, result, seat):
    return world.rounds.claim(study, 1, seat, result, update(seat)).named("Claimed")[0]["amount"]


def test_only_reviewed_studies_take_reviews(evm, world):
    study, result = world.final()
    digest = world.rounds.hashAggregate(study, 1, result)
    with evm.reverts("NotReviewed", study):
        commit(world, study, digest, 0, [1, 1, 1])
    with evm.reverts("NotReviewed", study):
        world.rewards.tally(study, 1, digest)


def test_a_commitment_comes_from_a_submitter_of_a_final_round_in_the_first_half(evm, world, reviewed):
    study, _, digest = reviewed
    with evm.reverts("NotFinal", study, 1, b"\1" * 32):
        commit(world, study, b"\1" * 32, 0, [1, 1, 1])
    with evm.reverts("NotTheSeatsOperator", study, 0, world.stranger):
        world.rewards.commitReview(study, 1, 0, digest, SALT, sender=world.stranger)
    world.consortium.suspend(world.hospitals[0])
    with evm.reverts("HospitalSuspended", study, 0):
        commit(world, study, digest, 0, [1, 1, 1])
    world.consortium.reinstate(world.hospitals[0])
    events = commit(world, study, digest, 0, [1, 1, 1]).named("ReviewCommitted")
    assert [(event["study"], event["round"], event["seat"]) for event in events] == [(study, 1, 0)]
    with evm.reverts("AlreadyCommitted", study, 1, 0):
        commit(world, study, digest, 0, [2, 2, 2])
    evm.travel(HALF)
    with evm.reverts("ReviewClosed", study, 1, evm.now):
        commit(world, study, digest, 1, [1, 1, 1])


def test_who_abstained_does_not_review(evm, world):
    study = world.running(3, scoreMode=REVIEWED)
    world.submit(study, 0)
    world.submit(study, 1)
    world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    with evm.reverts("NotASubmitter", study, 1, 2):
        commit(world, study, world.rounds.hashAggregate(study, 1, result), 2, [1, 1])


def test_a_reveal_shows_what_was_committed_in_the_second_half(evm, world, reviewed):
    study, _, digest = reviewed
    commit(world, study, digest, 0, [1, 2, 3])
    with evm.reverts("ReviewNotOpen", study, 1, evm.now + HALF):
        reveal(world, study, digest, 0, [1, 2, 3])
    evm.travel(HALF)
    with evm.reverts("ScoreCount", 2, 3):
        reveal(world, study, digest, 0, [1, 2])
    for scores, salt in (([1, 2, 4], SALT), ([1, 2, 3], b"\0" * 32)):
        with evm.reverts("ReviewMismatch", study, 1, 0):
            reveal(world, study, digest, 0, scores, salt)
    with evm.reverts("ReviewMismatch", study, 1, 1):  # a commitment is its reviewer's own
        reveal(world, study, digest, 1, [1, 2, 3])
    shown = reveal(world, study, digest, 0, [1, 2, 3]).named("ReviewRevealed")
    assert [(event["seat"], list(event["scores"])) for event in shown] == [(0, [1, 2, 3])]
    with evm.reverts("AlreadyRevealed", study, 1, 0):
        reveal(world, study, digest, 0, [1, 2, 3])
    evm.travel(DISPUTE - HALF)
    with evm.reverts("ReviewClosed", study, 1, evm.now):
        reveal(world, study, digest, 1, [1, 1, 1])


def test_a_commitment_of_another_study_is_worth_nothing(evm, world, reviewed):
    study, _, digest = reviewed
    hashed = review_hash((study + 1, 1, 0), world.hospitals[0].address, [1, 1, 1], SALT)
    world.rewards.commitReview(study, 1, 0, digest, hashed, sender=world.operators[0])
    evm.travel(HALF)
    with evm.reverts("ReviewMismatch", study, 1, 0):
        reveal(world, study, digest, 0, [1, 1, 1])


def test_the_tally_comes_once_and_before_the_claims(evm, world, reviewed):
    study, result, digest = reviewed
    for seat in range(3):
        commit(world, study, digest, seat, [1, 1, 1])
    evm.travel(HALF)
    for seat in range(3):
        reveal(world, study, digest, seat, [1, 1, 1])
    with evm.reverts("ReviewNotOpen", study, 1, evm.now + DISPUTE - HALF):
        world.rewards.tally(study, 1, digest)
    evm.travel(DISPUTE - HALF)
    with evm.reverts("NotTallied", study, 1):
        claim(world, study, result, 0)
    tallied = world.rewards.tally(study, 1, digest).named("ReviewsTallied")
    assert [(list(event["scores"]), event["total"]) for event in tallied] == [([1, 1, 1], 3)]
    with evm.reverts("AlreadyTallied", study, 1):
        world.rewards.tally(study, 1, digest)


def test_own_scores_are_left_out_and_pay_follows_the_medians(world, reviewed):
    """Seat 0 praises itself in vain; what others say of it decides."""
    study, result, digest = reviewed
    reviews(world, study, digest, {0: [30_000, 10, 0], 1: [20, -5, 10], 2: [40, 30, -7]})
    # Of seat 0: 20 and 40 -> 30; of seat 1: 10 and 30 -> 20; of seat 2: 0 and 10 -> 5.
    assert [world.rewards.scoresOf(study, 1, seat)[0] for seat in range(3)] == [30, 20, 5]
    paid = [claim(world, study, result, seat) for seat in range(3)]
    assert paid == [SHARED * score // 55 + POOL // 3 for score in (30, 20, 5)]


def test_the_attesters_part_is_for_those_who_revealed(world, reviewed):
    """Seat 2 reviewed but did not attest, seat 0 attested but did not review."""
    study, result, digest = reviewed
    reviews(world, study, digest, {1: [10, 0, 10], 2: [10, 10, 0]})
    scores = [10, 10, 10]
    bonus = [0, POOL // 2, POOL // 2]
    expected = [SHARED * score // 30 + more for score, more in zip(scores, bonus, strict=True)]
    assert [claim(world, study, result, seat) for seat in range(3)] == expected


@pytest.mark.parametrize("scores", [{}, {0: [9, 9, 9]}], ids=["nobody", "fewer than half"])
def test_with_too_few_reviews_weight_pays_and_attesters_have_their_part(world, reviewed, scores):
    study, result, digest = reviewed
    reviews(world, study, digest, scores)
    assert world.rewards.scoresOf(study, 1, 0) == (0, 0, 0)
    assert claim(world, study, result, 0) == SHARED // 3 + POOL // 2
    assert claim(world, study, result, 2) == SHARED // 3


def test_with_a_total_of_zero_weight_pays_and_reviewers_have_their_part(world, reviewed):
    study, result, digest = reviewed
    reviews(world, study, digest, {seat: [-1, -1, 0] for seat in range(3)})
    assert world.rewards.scoresOf(study, 1, 0) == (0, 0, 0b111)
    assert [claim(world, study, result, seat) for seat in range(3)] == [SHARED // 3 + POOL // 3] * 3


def test_without_any_review_no_tally_is_needed(world, reviewed):
    study, result, _ = reviewed
    world.evm.travel(DISPUTE)
    assert claim(world, study, result, 0) == SHARED // 3 + POOL // 2


def test_a_left_out_update_has_no_score(world):
    """Three submit, two are included: the third reviews, and is paid for that alone."""
    study = world.submitted(3, scoreMode=REVIEWED)
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    digest = world.rounds.hashAggregate(study, 1, result)
    reviews(world, study, digest, {seat: [10, 10, 10] for seat in range(3)})
    assert [world.rewards.scoresOf(study, 1, seat)[:2] for seat in range(3)] == [(10, 20), (10, 20), (0, 20)]


score = st.integers(-(2**15), 2**15 - 1)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(score, min_size=4, max_size=4), min_size=2, max_size=4))
def test_medians_are_those_of_the_definition(world, rows):
    token = world.evm.snapshot()
    study, result = world.final(4, scoreMode=REVIEWED)
    digest = world.rounds.hashAggregate(study, 1, result)
    reviews(world, study, digest, dict(enumerate(rows)))
    expected = [_median([row[seat] for by, row in enumerate(rows) if by != seat]) for seat in range(4)]
    assert [world.rewards.scoresOf(study, 1, seat)[0] for seat in range(4)] == expected
    assert world.rewards.getReview(study, 1).total == sum(expected)
    world.evm.restore(token)


def _median(values):
    low, high = statistics.median_low(values), statistics.median_high(values)
    return max(0, (low + high) // 2)
