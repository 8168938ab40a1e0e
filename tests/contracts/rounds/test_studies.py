"""Posting a study, enrolling, cancelling, and the bounds of its terms."""

from __future__ import annotations

import pytest

from medfed.protocol.purposes import Purpose
from tests.rig.world import REWARD, SEATS, STAKE


def test_posting_draws_all_rewards_into_the_pot(evm, world):
    study = world.create()
    assert world.vault.potOf(study).amount == 2 * REWARD
    stored = world.rounds.getStudy(study)
    assert (stored.sponsor, stored.rounds, stored.spec) == (world.sponsor.address, 2, b"\x51" * 32)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"trainingSeconds": 9}, "PhaseLengthOutOfRange"),
        ({"aggregatingSeconds": 91 * 86_400}, "PhaseLengthOutOfRange"),
        ({"disputeSeconds": 9}, "DisputeLengthOutOfRange"),
        ({"disputeSeconds": 10_001}, "DisputeLengthOutOfRange"),
        ({"minHospitals": 1}, "HospitalsOutOfRange"),
        ({"maxHospitals": 65}, "HospitalsOutOfRange"),
        ({"minHospitals": 5}, "HospitalsOutOfRange"),
        ({"rounds": 0}, "RoundsZero"),
        ({"cohortStep": 0}, "CohortStepOutOfRange"),
        ({"cohortStep": 401}, "CohortStepOutOfRange"),
        ({"maxWeight": 1 << 29}, "SumCouldWrap"),
        ({"attesterBps": 5001}, "ShareOutOfRange"),
        ({"attesterBps": 3000, "patientBps": 2001}, "ShareOutOfRange"),
        ({"sponsorFeeBps": 10_001}, "ShareOutOfRange"),
        ({"claimSeconds": 9}, "PhaseLengthOutOfRange"),
        ({"words": 0}, "VectorEmpty"),
        ({"steps": 0}, "VectorEmpty"),
        ({"steps": 1_400_000}, "SumCouldWrap"),
        ({"maxAttempts": 17}, "AttemptsOutOfRange"),
        ({"bond": 0}, "BondZero"),
        ({"purposes": 1 << 31}, "UndefinedPurposes"),
        ({"purposes": 0}, "AmbiguousRequest"),
    ],
)
def test_terms_are_bounded(evm, world, changes, error):
    with evm.reverts(error):
        world.create(**changes)


def test_a_deadline_lies_ahead(evm, world):
    with evm.reverts("DeadlinePassed", evm.now, evm.now):
        world.create(enrolDeadline=evm.now)


def test_enrolling_pins_the_dataset_and_locks_the_stake(evm, world):
    study = world.create()
    assert world.rounds.enrol(study, 1, sender=world.operators[0]).value == 0
    seat = world.rounds.getSeat(study, 0)
    assert (seat.hospital, seat.dataset, seat.version, seat.records) == (
        world.hospitals[0].address,
        1,
        1,
        100,
    )
    assert world.vault.balanceOf(world.hospitals[0], world.token).locked == STAKE
    assert world.datasets.getDataset(1).enrolments == 1
    assert tuple(world.rounds.seatOf(study, world.hospitals[0])) == (True, 0)


def test_a_hospital_has_one_seat(evm, world):
    study = world.create()
    world.rounds.enrol(study, 1, sender=world.operators[0])
    with evm.reverts("AlreadyEnrolled", study, world.hospitals[0]):
        world.rounds.enrol(study, 1, sender=world.operators[0])


def test_strangers_and_suspended_hospitals_do_not_enrol(evm, world):
    study = world.create()
    with evm.reverts("NotAnActiveHospital", world.stranger):
        world.rounds.enrol(study, 1, sender=world.stranger)
    world.consortium.suspend(world.hospitals[0])
    with evm.reverts("NotAnActiveHospital", world.operators[0]):
        world.rounds.enrol(study, 1, sender=world.operators[0])


def test_a_study_has_so_many_seats_and_a_deadline(evm, world):
    study = world.create()
    for seat in range(SEATS):
        world.rounds.enrol(study, seat + 1, sender=world.operators[seat])
    with evm.reverts("StudyFull", study, SEATS):
        world.rounds.enrol(study, SEATS + 1, sender=world.operators[SEATS])
    late = world.create()
    evm.travel(1000)
    with evm.reverts("DeadlinePassed"):
        world.rounds.enrol(late, 1, sender=world.operators[0])


def test_the_dataset_must_permit_the_purpose(evm, world):
    world.datasets.publish(
        1, (b"\1" * 32, b"\2" * 32, b"\3" * 32, 100, int(Purpose.POA), 0, 9000), sender=world.operators[0]
    )
    study = world.create()
    with evm.reverts("UseNotPermitted", study, 1):
        world.rounds.enrol(study, 1, sender=world.operators[0])


def test_a_sponsor_cancels_while_enrolling_and_gets_all_back(evm, world):
    study = world.create()
    with evm.reverts("NotTheSponsor", study, world.stranger):
        world.rounds.cancel(study, sender=world.stranger)
    with evm.reverts("NotEnded", study, 1):
        world.rounds.refund(study)
    world.rounds.cancel(study, sender=world.sponsor)
    world.rounds.refund(study)
    assert world.free(world.sponsor) == 2 * REWARD
    with evm.reverts("AlreadyRefunded", study):
        world.rounds.refund(study)
    with evm.reverts("NotEnrolling", study, 4):
        world.rounds.cancel(study, sender=world.sponsor)
    with evm.reverts("NotRunning", study, 4):
        world.rounds.advance(study)


def test_too_few_hospitals_abort_after_the_deadline(evm, world):
    study = world.create()
    world.rounds.enrol(study, 1, sender=world.operators[0])
    with evm.reverts("NothingToAdvance", study, evm.now + 1000):
        world.rounds.advance(study)
    evm.travel(1000)
    assert world.rounds.advance(study).named("StudyAborted")
    world.rounds.release(study, 0)
    assert world.vault.balanceOf(world.hospitals[0], world.token).locked == 0
    with evm.reverts("AlreadyReleased", study, 0):
        world.rounds.release(study, 0)


def test_a_pause_stops_new_studies_and_enrolments(evm, world):
    study = world.create()
    world.rounds.pause()
    with evm.reverts("EnforcedPause"):
        world.create()
    with evm.reverts("EnforcedPause"):
        world.rounds.enrol(study, 1, sender=world.operators[0])
    world.rounds.unpause()
    world.rounds.enrol(study, 1, sender=world.operators[0])
