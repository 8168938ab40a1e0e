"""Submitting and abstaining."""

from __future__ import annotations

import pytest

from tests.rig.world import PHASE, update

TRAINING, AGGREGATING, FINAL, VOID = 1, 4, 5, 6


def test_training_closes_when_all_have_acted(evm, world):
    study = world.running()
    world.submit(study, 0)
    world.submit(study, 1)
    assert world.rounds.phase(study, 1) == TRAINING
    receipt = world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    assert receipt.named("TrainingClosed")
    assert world.rounds.phase(study, 1) == AGGREGATING
    found = world.rounds.getRound(study, 1)
    assert (found.submitted, found.totalWeight, found.acted) == (0b011, 160, 3)


def test_nobody_acts_twice(evm, world):
    study = world.running()
    world.submit(study, 0)
    world.rounds.abstain(study, 1, 1, sender=world.operators[1])
    for seat in (0, 1):
        with evm.reverts("AlreadyActed", study, 1, seat):
            world.submit(study, seat)
        with evm.reverts("AlreadyActed", study, 1, seat):
            world.rounds.abstain(study, 1, seat, sender=world.operators[seat])


def test_only_the_seats_operator_acts(evm, world):
    study = world.running()
    with evm.reverts("NotTheSeatsOperator", study, 0, world.operators[1]):
        world.rounds.submitUpdate(study, 1, 0, update(0), sender=world.operators[1])
    with evm.reverts("NotTheSeatsOperator", study, 0, world.stranger):
        world.rounds.abstain(study, 1, 0, sender=world.stranger)


def test_anyone_abstains_for_a_suspended_hospital(evm, world):
    study = world.running()
    world.consortium.suspend(world.hospitals[0])
    with evm.reverts("HospitalSuspended", study, 0):
        world.submit(study, 0)
    world.rounds.abstain(study, 1, 0, sender=world.stranger)
    assert world.rounds.getAbsence(study, 1).abstained == 1


@pytest.mark.parametrize("weight", [0, 4, 81, 104, 408])
def test_a_weight_is_a_multiple_of_the_step_up_to_the_pinned_count(evm, world, weight):
    study = world.running()
    with evm.reverts("WeightNotAllowed", weight, 8, 100):
        world.submit(study, 0, weight=weight)


def test_too_late_is_too_late(evm, world):
    study = world.running()
    evm.travel(PHASE)
    with evm.reverts("WrongPhase", study, 1, AGGREGATING):
        world.submit(study, 0)


def test_another_round_is_not_open(evm, world):
    study = world.running()
    with evm.reverts("WrongPhase", study, 2, 0):
        world.submit(study, 0, number=2)
