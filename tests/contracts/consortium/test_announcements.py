"""`rotateEncryptionKey` and `updateMetadata`: told by events, stored nowhere."""

from __future__ import annotations

import pytest

from tests.rig.evm import Event

VALUE = b"\x55" * 32
CASES = [
    ("rotateEncryptionKey", "EncryptionKeyRotated", "encryptionKey"),
    ("updateMetadata", "MetadataUpdated", "metadata"),
]


@pytest.mark.parametrize(("function", "event", "field"), CASES)
def test_announcement__by_anyone_but_the_admin__reverts(evm, world, consortium, function, event, field):
    for caller in (world.operator, world.admin, world.other):
        with evm.reverts("NotTheAdmin", world.hospital, caller):
            getattr(consortium, function)(world.hospital, VALUE, sender=caller)


@pytest.mark.parametrize(("function", "event", "field"), CASES)
def test_announcement__for_an_unknown_hospital__reverts(evm, world, consortium, function, event, field):
    with evm.reverts("HospitalUnknown", world.other):
        getattr(consortium, function)(world.other, VALUE, sender=world.other)


@pytest.mark.parametrize("suspended", [False, True])
@pytest.mark.parametrize(("function", "event", "field"), CASES)
def test_announcement__by_the_admin__is_told(world, consortium, function, event, field, suspended):
    if suspended:
        consortium.suspend(world.hospital, sender=world.admin)
    before = consortium.getHospital(world.hospital)

    receipt = getattr(consortium, function)(world.hospital, VALUE, sender=world.hospital)

    told = {"hospital": world.hospital.address, field: VALUE}
    assert receipt.events == (Event(event, told, consortium.address),)
    assert consortium.getHospital(world.hospital) == before
