"""Who may register, publish, retire and pin a dataset."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from medfed.protocol.purposes import Purpose
from tests.rig import roles

USES = int(Purpose.GRU)


def info(**changes):
    values = {
        "recordsRoot": b"\x01" * 32,
        "schemaHash": b"\x02" * 32,
        "report": b"\x03" * 32,
        "records": 100,
        "uses": USES,
        "disease": 0,
        "quality": 9000,
    }
    return values | changes


@pytest.fixture(scope="module")
def world(evm_module):
    """One hospital with its operator; `rounds` and `studies` stand where these contracts would."""
    evm = evm_module
    admin, hospital, operator, other, rounds, studies = evm.actors[:6]
    manager = evm.deploy("AccessManager", admin)
    consortium = evm.deploy("Consortium", manager)
    roles.open_to(manager, roles.CONSORTIUM, consortium, "admit", "suspend", "reinstate")
    roles.give(manager, roles.CONSORTIUM, admin)
    consortium.admit(hospital, operator, b"\x11" * 32, b"\x22" * 32)
    datasets = evm.deploy("DatasetRegistry", consortium, rounds, studies)
    datasets.register(info(), sender=operator)
    return SimpleNamespace(**locals())


def test_registering_mints_to_the_hospital_and_keeps_the_facts(evm, world):
    receipt = world.datasets.register(info(records=7), sender=world.operator)
    assert receipt.value == 2
    assert world.datasets.ownerOf(2) == world.hospital.address
    kept = world.datasets.getDataset(2)
    assert (kept.records, kept.version, kept.quality, kept.retired) == (7, 1, 9000, False)
    assert world.datasets.datasetCount() == 2


def test_only_an_active_operator_registers(evm, world):
    with evm.reverts("NotAnActiveOperator", world.other):
        world.datasets.register(info(), sender=world.other)
    world.consortium.suspend(world.hospital)
    with evm.reverts("NotAnActiveOperator", world.operator):
        world.datasets.register(info(), sender=world.operator)


def test_a_dataset_has_records_a_bounded_quality_and_uses(evm, world):
    with evm.reverts("DatasetEmpty"):
        world.datasets.register(info(records=0), sender=world.operator)
    with evm.reverts("QualityOutOfRange", 10001, 10000):
        world.datasets.register(info(quality=10001), sender=world.operator)
    with evm.reverts("UndefinedPurposes"):
        world.datasets.register(info(uses=1 << 31), sender=world.operator)


def test_publishing_counts_the_version_up(evm, world):
    world.datasets.publish(1, info(records=120), sender=world.operator)
    kept = world.datasets.getDataset(1)
    assert (kept.version, kept.records) == (2, 120)


def test_only_the_owners_operator_publishes_and_retires(evm, world):
    for call in (
        lambda: world.datasets.publish(1, info(), sender=world.other),
        lambda: world.datasets.retire(1, sender=world.other),
    ):
        with evm.reverts("NotTheOwnersOperator", 1, world.other):
            call()


def test_what_is_retired_stays_so(evm, world):
    world.datasets.retire(1, sender=world.operator)
    for call in (
        lambda: world.datasets.publish(1, info(), sender=world.operator),
        lambda: world.datasets.retire(1, sender=world.operator),
        lambda: world.datasets.lock(1, world.hospital, sender=world.rounds),
    ):
        with evm.reverts("DatasetIsRetired", 1):
            call()


def test_only_the_rounds_contract_pins_and_the_studies_contract_releases(evm, world):
    for caller in (world.other, world.operator, world.hospital, world.studies):
        with evm.reverts("CallerNotTrusted", caller):
            world.datasets.lock(1, world.hospital, sender=caller)
    world.datasets.lock(1, world.hospital, sender=world.rounds)
    for caller in (world.other, world.operator, world.hospital, world.rounds):
        with evm.reverts("CallerNotTrusted", caller):
            world.datasets.unlock(1, sender=caller)


def test_more_studies_than_a_byte_counts_enrol_a_dataset(evm, world):
    """None is refused because of the others, and a release counts one less."""
    for _ in range(257):
        world.datasets.lock(1, world.hospital, sender=world.rounds)
    assert world.datasets.getDataset(1).enrolments == 257
    with evm.reverts("DatasetEnrolled", 1, 257):
        world.datasets.transferFrom(world.hospital, world.other, 1, sender=world.hospital)
    world.datasets.publish(1, info(records=120), sender=world.operator)
    assert world.datasets.getDataset(1).enrolments == 257
    world.datasets.unlock(1, sender=world.studies)
    assert world.datasets.getDataset(1).enrolments == 256


def test_a_pinned_dataset_cannot_change_hands(evm, world):
    locked = world.datasets.lock(1, world.hospital, sender=world.rounds)
    assert tuple(locked.value) == (1, 100, USES, 0)
    with evm.reverts("DatasetEnrolled", 1, 1):
        world.datasets.transferFrom(world.hospital, world.other, 1, sender=world.hospital)
    world.datasets.unlock(1, sender=world.studies)
    world.datasets.transferFrom(world.hospital, world.other, 1, sender=world.hospital)
    with evm.reverts("NotTheOwner", 1, world.hospital):
        world.datasets.lock(1, world.hospital, sender=world.rounds)
