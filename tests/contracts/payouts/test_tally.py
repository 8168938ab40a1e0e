"""`tally`: medians of what others say, and what a reviewed round pays."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.facts import change, told
from tests.contracts.payouts.reviews import HALF, POOL, REVIEWED, SHARED, commit, paid, reveal, reviewed
from tests.contracts.work import tainted
from tests.rig.world import DISPUTE, aggregate, digest, update


def test_only_a_reviewed_studys_final_round(evm, world, final):
    study, _, _ = final
    plain, result = world.final()
    with evm.reverts("NotReviewed", plain):
        world.payouts.tally(plain, 1, digest(plain, 1, result))
    with evm.reverts("NotFinal", study, 1, b"\1" * 32):
        world.payouts.tally(study, 1, b"\1" * 32)


def test_once_after_the_window_and_before_the_claims(evm, world, final):
    study, result, name = final
    for seat in range(3):
        commit(world, study, name, seat, [1, 1, 1])
    evm.travel(HALF)
    for seat in range(3):
        reveal(world, study, name, seat, [1, 1, 1])
    evm.travel(DISPUTE - HALF - 1)
    with evm.reverts("ReviewNotOpen", study, 1, evm.now + 1):
        world.payouts.tally(study, 1, name)
    evm.travel(1)
    for asked in (
        lambda: paid(world, study, result, 0),
        lambda: world.payouts.scoresOf(study, 1, 0),
        lambda: world.payouts.shareOf(study, 1, 0, result, update(0)),
    ):
        with evm.reverts("NotTallied", study, 1):
            asked()
    with change(world, study) as changed:
        receipt = world.payouts.tally(study, 1, name)
    assert changed == {"review1.tallied": True, "review1.counted": True, "review1.total": 3}
    shown = {"study": study, "round": 1, "scores": (1, 1, 1), "total": 3}
    assert told(receipt) == [("ReviewsTallied", shown)]
    with evm.reverts("AlreadyTallied", study, 1):
        world.payouts.tally(study, 1, name)


def test_own_scores_are_left_out_and_pay_follows_the_medians(world, final):
    """Seat 0 praises itself in vain; what others say of it decides."""
    study, result, name = final
    reviewed(world, study, name, {0: [30_000, 10, 0], 1: [20, -5, 10], 2: [40, 30, -7]})
    # Of seat 0: 20 and 40 -> 30; of seat 1: 10 and 30 -> 20; of seat 2: 0 and 10 -> 5.
    assert [world.payouts.scoresOf(study, 1, seat)[0] for seat in range(3)] == [30, 20, 5]
    shares = [tuple(world.payouts.shareOf(study, 1, seat, result, update(seat))) for seat in range(3)]
    assert [score / total for score, total in shares] == [30 / 55, 20 / 55, 5 / 55]
    amounts = [paid(world, study, result, seat) for seat in range(3)]
    assert amounts == [(SHARED * score * 3 + POOL * 55) // (55 * 3) for score in (30, 20, 5)]


def test_the_attesters_parts_are_for_those_who_revealed(world, final):
    """Seat 2 reviewed but did not attest, seat 0 attested but did not review."""
    study, result, name = final
    reviewed(world, study, name, {1: [10, 0, 10], 2: [10, 10, 0]})
    bonus = [0, POOL // 3, POOL // 3]
    amounts = [paid(world, study, result, seat) for seat in range(3)]
    assert amounts == [SHARED // 3 + more for more in bonus]


@pytest.mark.parametrize("scores", [{}, {0: [9, 9, 9]}], ids=["nobody", "fewer than half"])
def test_with_too_few_reviews_weight_pays_and_attesters_have_their_part(world, final, scores):
    study, result, name = final
    reviewed(world, study, name, scores)
    assert world.payouts.scoresOf(study, 1, 0) == (0, 0, 0)
    assert paid(world, study, result, 0) == SHARED // 3 + POOL // 3
    assert paid(world, study, result, 2) == SHARED // 3


def test_with_a_total_of_zero_weight_pays_and_reviewers_have_their_part(world, final):
    study, result, name = final
    reviewed(world, study, name, {seat: [-1, -1, 0] for seat in range(3)})
    assert world.payouts.scoresOf(study, 1, 0) == (0, 0, 0b111)
    assert [paid(world, study, result, seat) for seat in range(3)] == [SHARED // 3 + POOL // 3] * 3


def test_without_any_review_no_tally_is_needed(world, final):
    study, result, _ = final
    world.evm.travel(DISPUTE)
    assert paid(world, study, result, 0) == SHARED // 3 + POOL // 3


def test_a_left_out_update_has_no_score_and_its_part_is_nobodys(world):
    """Three submit, two are included: the third reviews, and is paid for that alone; its part stays in the pot."""
    study = world.submitted(3, scoreMode=REVIEWED)
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result, left_out=[update(2)])
    name = digest(study, 1, result)
    reviewed(world, study, name, {seat: [10, 10, 10] for seat in range(3)})
    assert [world.payouts.scoresOf(study, 1, seat)[:2] for seat in range(3)] == [(10, 20), (10, 20), (0, 20)]
    assert [paid(world, study, result, seat) for seat in range(3)] == [
        SHARED // 3 + POOL // 3,
        SHARED // 3 + POOL // 3,
        POOL // 3,
    ]


def test_an_update_that_was_proved_wrong_has_no_score(evm, world):
    work = tainted(world, members=4, scoreMode=REVIEWED)
    result = work.aggregate()
    work.final(result, (0, 1, 3))
    name = work.digest(result)
    work.strike(3, 2, name)
    reviewed(world, work.study, name, {seat: [10, 10, 10, 99] for seat in range(3)})
    assert [world.payouts.scoresOf(work.study, 1, seat)[0] for seat in range(4)] == [10, 10, 10, 0]
    assert work.paid(2, result) == SHARED // 3 + POOL // 4


score = st.integers(-(2**15), 2**15 - 1)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(score, min_size=4, max_size=4), min_size=2, max_size=4))
def test_medians_are_those_of_the_definition(world, rows):
    token = world.evm.snapshot()
    study, result = world.final(4, scoreMode=REVIEWED)
    name = digest(study, 1, result)
    reviewed(world, study, name, dict(enumerate(rows)))
    expected = [_median([row[seat] for by, row in enumerate(rows) if by != seat]) for seat in range(4)]
    assert [world.payouts.scoresOf(study, 1, seat)[0] for seat in range(4)] == expected
    assert world.payouts.getReview(study, 1).total == sum(expected)
    world.evm.restore(token)


def _median(values):
    low, high = statistics.median_low(values), statistics.median_high(values)
    return max(0, (low + high) // 2)
