"""`enrol`: who takes a seat, under which terms, and what it costs."""

from __future__ import annotations

import pytest

from medfed.protocol.purposes import PARAMETERISED, Purpose, from_byte, to_byte
from tests.contracts.facts import change, told
from tests.rig.world import DATASET, SEATS, SPEC, STAKE, VERSION

ENROLLING, ABORTED = 1, 4
ALL = 2**96 - 1


def enrol(world, study, seat, *, dataset=None, spec=SPEC, largest=ALL, confirmed=0, sender=None):
    dataset = seat + 1 if dataset is None else dataset
    return world.rounds.enrol(
        study, dataset, spec, largest, confirmed, sender=sender or world.operators[seat]
    )


def registered(world, seat, uses, disease=0):
    """Another dataset of a hospital, for these uses."""
    record = (*DATASET[:4], int(uses), disease, 9000, *DATASET[7:])
    return world.datasets.register(record, sender=world.operators[seat]).value


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
    world.datasets.retire(1, sender=world.hospitals[0])
    with evm.reverts("DatasetIsRetired", 1):
        enrol(world, study, 0)


def test_the_dataset_permits_the_purpose(evm, world):
    dataset, study = registered(world, 0, Purpose.POA), world.create()
    with evm.reverts("UseNotPermitted", dataset, int(Purpose.HMB), 0):
        enrol(world, study, 0, dataset=dataset)


def test_a_disease_study_takes_only_data_of_its_disease(evm, world):
    study = world.create(purposes=int(Purpose.DS), disease=7)
    same, other = (registered(world, seat, Purpose.DS, disease) for seat, disease in enumerate((7, 8)))
    enrol(world, study, 0, dataset=same)
    with evm.reverts("UseNotPermitted", other, int(Purpose.DS), 7):
        enrol(world, study, 1, dataset=other)


def test_a_code_with_a_parameter_is_met_where_the_owner_confirms_it(evm, world):
    """What the sponsor declares of it counts nothing: which region, which users is for the owner of the data to say."""
    purposes = Purpose.HMB | Purpose.GS | Purpose.RS | Purpose.IRB
    study = world.create(purposes=int(purposes))
    dataset = registered(world, 0, Purpose.HMB | Purpose.GS | Purpose.IRB)
    for confirmed in (0, Purpose.RS):
        asked = int(Purpose.HMB | Purpose.IRB | confirmed)
        with evm.reverts("UseNotPermitted", dataset, asked, 0):
            enrol(world, study, 0, dataset=dataset, confirmed=int(confirmed))
    receipt = enrol(world, study, 0, dataset=dataset, confirmed=int(Purpose.GS))
    assert receipt.named("Enrolled")[0]["confirmed"] == Purpose.GS
    assert world.rounds.getSeat(study, 0).confirmed == to_byte(int(Purpose.GS)) == 2


@pytest.mark.parametrize("confirmed", [Purpose.IRB, Purpose.IS, Purpose.HMB, 1 << 31])
def test_only_codes_with_a_parameter_that_the_study_names_are_confirmed(evm, world, confirmed):
    purposes = int(Purpose.HMB | Purpose.GS | Purpose.IRB)
    study = world.create(purposes=purposes)
    with evm.reverts("UnaskedConfirmation", int(confirmed), int(confirmed)):
        enrol(world, study, 0, confirmed=int(confirmed))


def test_the_byte_of_a_seat_has_all_codes_with_a_parameter(world):
    """In the order of their bits, as the twin packs them."""
    codes = (Purpose.RS, Purpose.GS, Purpose.MOR, Purpose.TS, Purpose.US, Purpose.PS, Purpose.IS)
    study = world.create(purposes=int(Purpose.HMB) | PARAMETERISED, maxHospitals=2)
    enrol(world, study, 0, confirmed=PARAMETERISED)
    assert world.rounds.getSeat(study, 0).confirmed == to_byte(PARAMETERISED) == 127
    assert [to_byte(int(code)) for code in codes] == [1 << place for place in range(7)]
    assert [from_byte(1 << place) for place in range(7)] == list(codes)


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
    world.datasets.publish(2, (*VERSION[:3], 77, VERSION[4]), sender=world.operators[1])
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
    seat = {
        "study": study,
        "hospital": hospital,
        "dataset": 2,
        "seat": 1,
        "version": 2,
        "records": 77,
        "confirmed": 0,
    }
    lock = {"token": world.token.address, "account": hospital, "amount": STAKE}
    assert told(receipt) == [("Enrolled", seat), ("Locked", lock)]
    assert tuple(world.rounds.seatOf(study, hospital)) == (True, 1)
    assert tuple(world.rounds.seatOf(study, world.hospitals[2])) == (False, 0)
    assert world.rounds.hospitalsOf(study, 0b11) == (world.hospitals[0].address, hospital)
