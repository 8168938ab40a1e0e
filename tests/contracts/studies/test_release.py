"""`release`: when a stake is free again, and how much of it."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.contracts.work import made, tainted
from tests.rig.world import DISPUTE, PHASE, STAKE, update


def test_not_before_the_study_is_settled(evm, world):
    with evm.reverts("NotSettled", 99, 0):
        world.studies.release(99, 0)
    study = world.submitted(maxVoids=0)
    with evm.reverts("NotSettled", study, 0):
        world.studies.release(study, 0)
    evm.travel(PHASE)
    world.rounds.advance(study)
    evm.travel(DISPUTE - 1)
    with evm.reverts("NotSettled", study, evm.now + 1):
        world.studies.release(study, 0)
    evm.travel(1)
    world.studies.release(study, 0)


def test_nobody_aborts_and_leaves_at_one_stroke(evm, world):
    """Where a round was opened stakes wait for absences to be recorded, even if no round became final."""
    study = world.running(maxVoids=0)
    evm.travel(PHASE)
    world.rounds.advance(study)
    with evm.reverts("NotSettled", study, evm.now + DISPUTE):
        world.studies.release(study, 0)


def test_only_seats_that_are_taken_and_once(evm, world):
    study, _ = world.final(rounds=1)
    evm.travel(DISPUTE)
    for seat in (3, 64, 255):
        with evm.reverts("SeatUnknown", study, seat):
            world.studies.release(study, seat)
    world.studies.release(study, 1)
    with evm.reverts("AlreadyReleased", study, 1):
        world.studies.release(study, 1)


def test_stake_allowance_and_dataset_are_given_back_and_the_seat_stays(evm, world):
    """A later reader still finds which dataset the seat had."""
    study, _ = world.final(rounds=1)
    evm.travel(DISPUTE)
    hospital = world.hospitals[2].address
    with change(world, study) as changed:
        receipt = world.studies.release(study, 2, sender=world.stranger)
    assert changed == {
        "released": 0b100,
        "dataset3.enrolments": 0,
        "hospital2.free": 10 * STAKE,
        "hospital2.locked": 0,
        "hospital2.used": 0,
    }
    assert told(receipt) == [
        ("StakeReleased", {"study": study, "seat": 2, "amount": STAKE}),
        ("Unlocked", {"token": world.token.address, "account": hospital, "amount": STAKE}),
    ]
    assert tuple(world.rounds.getSeat(study, 2)) == (hospital, 3, 1, 100, 0, 0)


def test_at_once_where_no_round_was_opened(world):
    study = world.create()
    world.enrol(study, 0)
    world.rounds.cancel(study, sender=world.sponsor)
    world.studies.release(study, 0)
    assert tuple(world.vault.balanceOf(world.hospitals[0], world.token)) == (10 * STAKE, 0)


def test_what_was_taken_stays_taken_and_used_up(evm, world):
    """Of the allowance too: what a stolen key lost is not at its disposal again."""
    study = world.running(maxVoids=0)
    for seat in (0, 1):
        world.submit(study, seat)
    evm.travel(PHASE)
    world.claims.recordAbsences(study, 1)
    evm.travel(PHASE)
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    with change(world, study) as changed:
        receipt = world.studies.release(study, 2)
    assert receipt.named("StakeReleased")[0]["amount"] == STAKE - STAKE // 5
    assert changed == {
        "released": 0b100,
        "dataset3.enrolments": 0,
        "hospital2.free": 10 * STAKE - STAKE // 5,
        "hospital2.locked": 0,
        "hospital2.used": STAKE // 5,
    }


def test_of_a_lost_stake_nothing_is_left_but_the_dataset_is_free(evm, world):
    """What is locked for another study stays locked."""
    work = made(world, rounds=1)
    world.enrol(world.create(), 0)
    vector, lie = work.lying_quorum()
    work.challenge(vector, lie, 1)
    evm.travel(DISPUTE)
    with change(world, work.study) as changed:
        receipt = world.studies.release(work.study, 0)
    assert receipt.named("StakeReleased")[0]["amount"] == 0
    assert changed == {"released": 0b001, "dataset1.enrolments": 1}
    assert world.vault.balanceOf(world.hospitals[0], world.token).locked == STAKE


def test_one_seats_release_says_nothing_of_another(evm, world):
    work = tainted(world, rounds=1)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1))
    evm.travel(DISPUTE)
    freed = [world.studies.release(work.study, seat).named("StakeReleased")[0] for seat in (2, 0, 1)]
    assert [event["amount"] for event in freed] == [STAKE] * 3


def test_every_token_of_a_study_ends_with_its_owner(evm, world):
    """After all claims, releases and the refund, only roundings stay in the pot."""
    study, result = world.final(rounds=1)
    world.attest(study, 2, result)
    evm.travel(DISPUTE)
    for seat in range(3):
        world.claim(study, seat, result, own=update(seat))
        world.studies.release(study, seat)
    world.studies.refund(study)
    assert world.vault.potOf(study).amount < 3
    assert all(world.vault.balanceOf(each, world.token).locked == 0 for each in world.hospitals)
