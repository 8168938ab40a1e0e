"""`commitReview`: a submitter commits to its scores, in the first half of the dispute window."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.contracts.payouts.reviews import HALF, REVIEWED, SALT, commit
from tests.rig.world import PHASE, aggregate, digest

SCORES = [1, 1, 1]


def test_only_reviewed_studies_take_reviews(evm, world):
    for mode in (0, 1):
        study, result = world.final(scoreMode=mode)
        with evm.reverts("NotReviewed", study):
            commit(world, study, digest(study, 1, result), 0, SCORES)


def test_only_of_a_final_round(evm, world, final):
    study, _, _ = final
    with evm.reverts("NotFinal", study, 1, SALT):
        commit(world, study, SALT, 0, SCORES)
    void = world.submitted(scoreMode=REVIEWED)
    evm.travel(PHASE)
    world.rounds.advance(void)
    with evm.reverts("NotFinal", void, 1, SALT):
        commit(world, void, SALT, 0, SCORES)


def test_only_by_a_submitters_operator_suspended_or_not(evm, world, final):
    study, _, name = final
    for sender in (world.stranger, world.operators[1], world.hospitals[0]):
        with evm.reverts("NotTheSeatsOperator", study, 0, sender):
            world.payouts.commitReview(study, 1, 0, name, SALT, sender=sender)
    world.consortium.suspend(world.hospitals[0])
    commit(world, study, name, 0, SCORES)


def test_not_by_who_abstained(evm, world):
    study = world.running(3, scoreMode=REVIEWED)
    for seat in (0, 1):
        world.submit(study, seat)
    world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    with evm.reverts("NotASubmitter", study, 1, 2):
        commit(world, study, digest(study, 1, result), 2, [1, 1])


def test_in_the_first_half_and_once(evm, world, final):
    study, _, name = final
    evm.travel(HALF - 1)
    commit(world, study, name, 0, SCORES)
    with evm.reverts("AlreadyCommitted", study, 1, 0):
        commit(world, study, name, 0, [2, 2, 2])
    evm.travel(1)
    with evm.reverts("ReviewClosed", study, 1, evm.now):
        commit(world, study, name, 1, SCORES)


def test_it_is_kept_and_told(world, final):
    study, _, name = final
    with change(world, study) as changed:
        receipt = world.payouts.commitReview(study, 1, 1, name, SALT, sender=world.operators[1])
    assert changed == {"review1.committed": 0b010}
    assert told(receipt) == [("ReviewCommitted", {"study": study, "round": 1, "seat": 1, "hash": SALT})]
