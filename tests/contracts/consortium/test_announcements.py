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
def test_announcement__by_anyone_but_a_hospital__reverts(evm, world, consortium, function, event, field):
    for caller in (world.operator, world.admin, world.other):
        with evm.reverts("HospitalUnknown", caller):
            getattr(consortium, function)(VALUE, sender=caller)


@pytest.mark.parametrize("suspended", [False, True])
@pytest.mark.parametrize(("function", "event", "field"), CASES)
def test_announcement__by_a_hospital__is_told(world, consortium, function, event, field, suspended):
    if suspended:
        consortium.suspend(world.hospital, sender=world.admin)
    before = consortium.getHospital(world.hospital)

    receipt = getattr(consortium, function)(VALUE, sender=world.hospital)

    told = {"hospital": world.hospital.address, field: VALUE}
    assert receipt.events == (Event(event, told, consortium.address),)
    assert consortium.getHospital(world.hospital) == before
