"""`abstain`: present without work."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.contracts.work import tainted
from tests.rig.world import PHASE

AGGREGATING = 4


def test_only_the_seats_operator_abstains_for_an_active_hospital(evm, world):
    study = world.running()
    for seat, sender in ((0, world.operators[1]), (0, world.hospitals[0]), (3, world.operators[3])):
        with evm.reverts("NotTheSeatsOperator", study, seat, sender):
            world.rounds.abstain(study, 1, seat, sender=sender)


def test_anyone_abstains_for_a_suspended_hospital(world):
    study = world.running()
    world.consortium.suspend(world.hospitals[0])
    world.rounds.abstain(study, 1, 0, sender=world.stranger)
    assert world.rounds.getAbsence(study, 1).abstained == 1


def test_anyone_abstains_for_one_that_may_submit_no_more(evm, world):
    """So that the others need not wait for it until Training ends."""
    work = tainted(world)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1))
    with evm.reverts("NotTheSeatsOperator", work.study, 2, world.stranger):
        world.rounds.abstain(work.study, 2, 2, sender=world.stranger)
    work.strike(2, 2, work.digest(result))
    world.rounds.abstain(work.study, 2, 2, sender=world.stranger)
    assert world.rounds.getAbsence(work.study, 2).abstained == 0b100


def test_only_in_training_and_once(evm, world):
    study = world.running()
    with evm.reverts("WrongPhase", study, 2, 0):
        world.rounds.abstain(study, 2, 0, sender=world.operators[0])
    world.submit(study, 0)
    world.rounds.abstain(study, 1, 1, sender=world.operators[1])
    for seat in (0, 1):
        with evm.reverts("AlreadyActed", study, 1, seat):
            world.rounds.abstain(study, 1, seat, sender=world.operators[seat])
    evm.travel(PHASE)
    with evm.reverts("WrongPhase", study, 1, AGGREGATING):
        world.rounds.abstain(study, 1, 2, sender=world.operators[2])


def test_it_is_kept_and_told(world):
    study = world.running()
    with change(world, study) as changed:
        receipt = world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    assert changed == {"absence1.abstained": 0b100, "round1.acted": 1}
    assert told(receipt) == [("Abstained", {"study": study, "round": 1, "seat": 2})]


def test_the_last_one_closes_training(evm, world):
    study = world.running()
    for seat in (0, 1):
        world.submit(study, seat)
    with change(world, study) as changed:
        receipt = world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    assert changed == {"absence1.abstained": 0b100, "round1.acted": 3, "round1.closedAt": evm.now}
    assert told(receipt)[1:] == [("TrainingClosed", {"study": study, "round": 1})]
