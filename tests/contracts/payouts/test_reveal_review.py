"""`revealReview`: what was committed is shown, in the second half of the dispute window."""

from __future__ import annotations

from medfed.chain.contracts.payouts import review_hash
from tests.contracts.facts import change, told
from tests.contracts.payouts.reviews import HALF, SALT, commit, reveal
from tests.rig.world import DISPUTE, digest

SCORES = [1, 2, 3]


def test_only_where_a_commitment_could_be_made(evm, world, final):
    study, _, name = final
    commit(world, study, name, 0, SCORES)
    evm.travel(HALF)
    plain, result = world.final()
    with evm.reverts("NotReviewed", plain):
        reveal(world, plain, digest(plain, 1, result), 0, SCORES)
    with evm.reverts("NotFinal", study, 1, SALT):
        reveal(world, study, SALT, 0, SCORES)
    with evm.reverts("NotTheSeatsOperator", study, 0, world.stranger):
        world.payouts.revealReview(study, 1, 0, name, SCORES, SALT, sender=world.stranger)
    world.consortium.suspend(world.hospitals[0])
    reveal(world, study, name, 0, SCORES)


def test_in_the_second_half_and_once(evm, world, final):
    study, _, name = final
    opens = evm.now + HALF
    for seat in (0, 1):
        commit(world, study, name, seat, SCORES)
    evm.travel(HALF - 1)
    with evm.reverts("ReviewNotOpen", study, 1, opens):
        reveal(world, study, name, 0, SCORES)
    evm.travel(DISPUTE - HALF)
    reveal(world, study, name, 0, SCORES)
    with evm.reverts("AlreadyRevealed", study, 1, 0):
        reveal(world, study, name, 0, SCORES)
    evm.travel(1)
    with evm.reverts("ReviewClosed", study, 1, evm.now):
        reveal(world, study, name, 1, SCORES)


def test_one_score_for_each_submitted_update(evm, world, final):
    study, _, name = final
    commit(world, study, name, 0, [1, 2])
    evm.travel(HALF)
    for scores in ([], [1, 2], [1, 2, 3, 4]):
        with evm.reverts("ScoreCount", len(scores), 3):
            reveal(world, study, name, 0, scores)


def test_exactly_what_was_committed(evm, world, final):
    """By this reviewer, for this round of this study."""
    study, _, name = final
    commit(world, study, name, 0, SCORES)
    other = review_hash((study + 1, 1, 2), world.hospitals[2].address, SCORES, SALT)
    world.payouts.commitReview(study, 1, 2, name, other, sender=world.operators[2])
    evm.travel(HALF)
    for seat, scores, salt in (
        (0, [1, 2, 4], SALT),
        (0, SCORES, bytes(32)),
        (1, SCORES, SALT),
        (2, SCORES, SALT),
    ):
        with evm.reverts("ReviewMismatch", study, 1, seat):
            reveal(world, study, name, seat, scores, salt)


def test_it_is_kept_and_told(evm, world, final):
    study, _, name = final
    commit(world, study, name, 2, [-5, 0, 32767])
    evm.travel(HALF)
    with change(world, study) as changed:
        receipt = reveal(world, study, name, 2, [-5, 0, 32767])
    assert changed == {"review1.revealed": 0b100}
    shown = {"study": study, "round": 1, "seat": 2, "scores": (-5, 0, 32767)}
    assert told(receipt) == [("ReviewRevealed", shown)]
