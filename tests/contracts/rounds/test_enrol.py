"""`enrol`: who takes a seat, under which terms, and what it costs."""

from __future__ import annotations

import pytest

from medfed.protocol.purposes import Purpose
from tests.contracts.facts import change, told
from tests.rig.world import DATASET, SEATS, SPEC, STAKE

ENROLLING, ABORTED = 1, 4
ALL = 2**96 - 1


def enrol(world, study, seat, *, dataset=None, spec=SPEC, largest=ALL, sender=None):
    dataset = seat + 1 if dataset is None else dataset
    return world.rounds.enrol(study, dataset, spec, largest, sender=sender or world.operators[seat])


def test_only_the_operator_of_an_active_hospital_enrols(evm, world):
    """Not a stranger, not the hospital's cold account, not a suspended one's operator."""
    study = world.create()
    world.consortium.suspend(world.hospitals[0])
    for sender in (world.stranger, world.hospitals[1], world.operators[0]):
        with evm.reverts("NotAnActiveHospital", sender):
            enrol(world, study, 0, sender=sender)


def test_a_study_has_to_be_enrolling(evm, world):
    with evm.reverts("NotEnrolling", 99, 0):
        enrol(world, 99, 0)
    study = world.create()
    world.rounds.cancel(study, sender=world.sponsor)
    with evm.reverts("NotEnrolling", study, ABORTED):
        enrol(world, study, 0)
    with evm.reverts("NotEnrolling", world.running(), 2):
        enrol(world, study + 1, 4)


def test_the_deadline_is_the_first_second_too_late(evm, world):
    study = world.create()
    evm.travel(999)
    enrol(world, study, 0)
    evm.travel(1)
    with evm.reverts("DeadlinePassed", evm.now, evm.now):
        enrol(world, study, 1)


def test_a_study_has_so_many_seats(evm, world):
    study = world.create()
    for seat in range(SEATS):
        enrol(world, study, seat)
    with evm.reverts("StudyFull", study, SEATS):
        enrol(world, study, SEATS)


def test_a_hospital_has_one_seat(evm, world):
    """Also with another dataset."""
    study = world.create()
    enrol(world, study, 0)
    dataset = world.datasets.register(DATASET, sender=world.operators[0]).value
    for number in (1, dataset):
        with evm.reverts("AlreadyEnrolled", study, world.hospitals[0]):
            enrol(world, study, 0, dataset=number)


def test_a_hospital_names_the_spec_and_the_largest_stake(evm, world):
    """What it has looked at; a sponsor cannot take more by terms that it did not see."""
    study = world.create()
    with evm.reverts("SpecDiffers", study, SPEC):
        enrol(world, study, 0, spec=b"\x52" * 32)
    with evm.reverts("StakeTooLarge", study, STAKE, STAKE - 1):
        enrol(world, study, 0, largest=STAKE - 1)
    enrol(world, study, 0, largest=STAKE)


def test_the_dataset_is_the_hospitals_and_in_use(evm, world):
    study = world.create()
    with evm.reverts("NotTheOwner", 2, world.hospitals[0]):
        enrol(world, study, 0, dataset=2)
    world.datasets.retire(1, sender=world.operators[0])
    with evm.reverts("DatasetIsRetired", 1):
        enrol(world, study, 0)


def test_the_dataset_permits_the_purpose(evm, world):
    record = (b"\1" * 32, b"\2" * 32, b"\3" * 32, 100, int(Purpose.POA), 0, 9000)
    world.datasets.publish(1, record, sender=world.operators[0])
    study = world.create()
    with evm.reverts("UseNotPermitted", study, 1):
        enrol(world, study, 0)


def test_a_disease_study_takes_only_data_of_its_disease(evm, world):
    study = world.create(purposes=int(Purpose.DS), disease=7)
    for seat, disease in enumerate((7, 8)):
        record = (b"\1" * 32, b"\2" * 32, b"\3" * 32, 100, int(Purpose.DS), disease, 9000)
        world.datasets.publish(seat + 1, record, sender=world.operators[seat])
    enrol(world, study, 0)
    with evm.reverts("UseNotPermitted", study, 2):
        enrol(world, study, 1)


@pytest.mark.parametrize("limit", [0, STAKE - 1])
def test_the_stake_is_within_the_hospitals_allowance(evm, world, limit):
    """However much is free: the hot key locks no more than the cold one allowed, nothing unless it did."""
    study, hospital = world.create(), world.hospitals[0]
    world.vault.setAllowance(hospital, world.token, limit, sender=hospital)
    with evm.reverts("AllowanceTooSmall", hospital, world.token, limit, 0, STAKE):
        enrol(world, study, 0)


def test_the_stake_is_free(evm, world):
    study, hospital = world.create(), world.hospitals[0]
    world.vault.withdraw(hospital, world.token, 9 * STAKE + 1, hospital, sender=hospital)
    with evm.reverts("FreeBalanceTooSmall", hospital, world.token, STAKE - 1, STAKE):
        enrol(world, study, 0)


def test_a_seat_pins_the_dataset_and_locks_the_stake(world):
    study = world.create()
    enrol(world, study, 0)
    record = (b"\1" * 32, b"\2" * 32, b"\3" * 32, 77, int(Purpose.GRU), 0, 9000)
    world.datasets.publish(2, record, sender=world.operators[1])
    hospital = world.hospitals[1].address
    with change(world, study) as changed:
        receipt = enrol(world, study, 1)
    assert receipt.value == 1
    assert changed == {
        "study.members": 2,
        "seat1.hospital": hospital,
        "seat1.dataset": 2,
        "seat1.version": 2,
        "seat1.records": 77,
        "dataset2.enrolments": 1,
        "hospital1.free": 9 * STAKE,
        "hospital1.locked": STAKE,
        "hospital1.used": STAKE,
    }
    seat = {"study": study, "hospital": hospital, "dataset": 2, "seat": 1, "version": 2, "records": 77}
    lock = {"token": world.token.address, "account": hospital, "amount": STAKE}
    assert told(receipt) == [("Enrolled", seat), ("Locked", lock)]
    assert tuple(world.rounds.seatOf(study, hospital)) == (True, 1)
    assert tuple(world.rounds.seatOf(study, world.hospitals[2])) == (False, 0)
    assert world.rounds.hospitalsOf(study, 0b11) == (world.hospitals[0].address, hospital)
