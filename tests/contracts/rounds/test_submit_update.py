"""`submitUpdate`: a hospital commits to its work."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils import keccak

from tests.contracts.facts import change, told
from tests.contracts.work import Work, filled, tainted
from tests.rig.world import PHASE, update

NONE, TRAINING, AGGREGATING = 0, 1, 4


def test_only_by_the_seats_operator(evm, world):
    study = world.running()
    for seat, sender in (
        (0, world.operators[1]),
        (0, world.hospitals[0]),
        (0, world.stranger),
        (3, world.stranger),
    ):
        with evm.reverts("NotTheSeatsOperator", study, seat, sender):
            world.rounds.submitUpdate(study, 1, seat, update(0), sender=sender)


def test_not_while_suspended(evm, world):
    study = world.running()
    world.consortium.suspend(world.hospitals[0])
    with evm.reverts("HospitalSuspended", study, 0):
        world.submit(study, 0)


def test_only_in_training(evm, world):
    study = world.running()
    with evm.reverts("WrongPhase", study, 2, NONE):
        world.submit(study, 0, number=2)
    evm.travel(PHASE - 1)
    world.submit(study, 0)
    evm.travel(1)
    with evm.reverts("WrongPhase", study, 1, AGGREGATING):
        world.submit(study, 1)


def test_nobody_acts_twice(evm, world):
    study = world.running(4)
    world.submit(study, 0)
    world.rounds.abstain(study, 1, 1, sender=world.operators[1])
    for seat in (0, 1):
        with evm.reverts("AlreadyActed", study, 1, seat):
            world.submit(study, seat)
    world.submit(study, 2)


def test_whose_update_was_proved_wrong_in_training_does_not_submit_again(evm, world):
    """It acted, although it is in no set any more; the round goes on without it."""
    work = filled(Work(world, world.running(4), 300), [0])
    work.submit(1, work.with_word(1, 0, 2**31))
    work.strike(1, 1)
    with evm.reverts("AlreadyActed", work.study, 1, 1):
        work.submit(1)
    assert world.rounds.getRound(work.study, 1).submitted == 0b1


def test_a_seat_that_was_proved_wrong_submits_no_more(evm, world):
    """Its update of round 1 was left out, and proved wrong when round 2 was open."""
    work = tainted(world)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1))
    work.strike(2, 2, work.digest(result))
    with evm.reverts("SeatBarred", work.study, 2):
        world.submit(work.study, 2, number=2)


@pytest.mark.parametrize(
    ("terms", "weight", "most"),
    [
        *(({}, weight, 100) for weight in (0, 4, 81, 104, 408)),
        ({"maxWeight": 96}, 104, 96),
        ({"maxWeight": 96}, 100, 96),
    ],
)
def test_a_weight_is_a_multiple_of_the_step_up_to_records_and_terms(evm, world, terms, weight, most):
    study = world.running(**terms)
    with evm.reverts("WeightNotAllowed", weight, 8, most):
        world.submit(study, 0, weight=weight)


def test_the_commitment_is_kept_and_told_in_full(world):
    study = world.running()
    work = update(1)
    with change(world, study) as changed:
        receipt = world.submit(study, 1)
    rest = encode(
        ["bytes32", "bytes32", "bytes32", "uint32"],
        [work["cid"], work["cohortCid"], work["cohortRoot"], work["weight"]],
    )
    assert changed == {
        "round1.submitted": 0b010,
        "round1.totalWeight": 80,
        "round1.acted": 1,
        "update1.1": keccak(work["updateRoot"] + keccak(rest)),
    }
    shown = {"study": study, "round": 1, "seat": 1, "update": tuple(work.values())}
    assert told(receipt) == [("UpdateSubmitted", shown)]


def test_the_last_one_closes_training(evm, world):
    study = world.running()
    world.submit(study, 0)
    world.rounds.abstain(study, 1, 1, sender=world.operators[1])
    evm.travel(7)
    with change(world, study) as changed:
        receipt = world.submit(study, 2, weight=96)
    del changed["update1.2"]
    assert changed == {
        "round1.submitted": 0b101,
        "round1.totalWeight": 176,
        "round1.acted": 3,
        "round1.closedAt": evm.now,
    }
    assert told(receipt)[1:] == [("TrainingClosed", {"study": study, "round": 1})]
    assert world.rounds.standingOf(study, 1)[0] == AGGREGATING
