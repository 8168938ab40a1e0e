"""`admit`: who may, whom, and what is stored and told."""

from __future__ import annotations

from tests.rig.evm import NO_ONE, Event
from tests.rig.pledges import pledge

KEY, METADATA = b"\x33" * 32, b"\x44" * 32
NONE, ACTIVE, SUSPENDED = 0, 1, 2


def test_admit__without_the_role__reverts(evm, world, consortium):
    for caller in (world.hospital, world.operator, world.other):
        with evm.reverts("AccessManagedUnauthorized", caller):
            consortium.admit(
                world.other,
                world.fresh,
                KEY,
                METADATA,
                pledge(consortium, world.other, world.fresh),
                sender=caller,
            )


def test_admit__the_zero_account_as_hospital__reverts(evm, world, consortium):
    with evm.reverts("AccountZero"):
        consortium.admit(
            NO_ONE, world.fresh, KEY, METADATA, pledge(consortium, NO_ONE, world.fresh), sender=world.admin
        )


def test_admit__a_hospital_that_is_admitted__reverts(evm, world, consortium):
    with evm.reverts("HospitalAlreadyAdmitted", world.hospital):
        consortium.admit(
            world.hospital,
            world.fresh,
            KEY,
            METADATA,
            pledge(consortium, world.hospital, world.fresh),
            sender=world.admin,
        )


def test_admit__a_suspended_hospital__reverts(evm, world, consortium):
    """Admission is no way around reinstatement."""
    consortium.suspend(world.hospital, sender=world.admin)
    with evm.reverts("HospitalAlreadyAdmitted", world.hospital):
        consortium.admit(
            world.hospital,
            world.fresh,
            KEY,
            METADATA,
            pledge(consortium, world.hospital, world.fresh),
            sender=world.admin,
        )


def test_admit__without_an_operator__reverts(evm, world, consortium):
    with evm.reverts("AccountZero"):
        consortium.admit(
            world.other, NO_ONE, KEY, METADATA, pledge(consortium, world.other, NO_ONE), sender=world.admin
        )


def test_admit__an_operator_of_another_hospital__reverts(evm, world, consortium):
    with evm.reverts("OperatorTaken", world.operator, world.hospital):
        consortium.admit(
            world.other,
            world.operator,
            KEY,
            METADATA,
            pledge(consortium, world.other, world.operator),
            sender=world.admin,
        )


def test_admit__an_operator_that_is_the_hospital__reverts(evm, world, consortium):
    """A stolen daemon key could take the hospital's tokens out."""
    with evm.reverts("OperatorIsAdmin", world.other, world.other):
        consortium.admit(
            world.other,
            world.other,
            KEY,
            METADATA,
            pledge(consortium, world.other, world.other),
            sender=world.admin,
        )


def test_admit__a_new_hospital__stores_and_tells_everything(evm, world, consortium):
    evm.travel(1000)

    receipt = consortium.admit(
        world.other,
        world.fresh,
        KEY,
        METADATA,
        pledge(consortium, world.other, world.fresh),
        sender=world.admin,
    )

    assert consortium.getHospital(world.other) == (world.fresh.address, evm.now, ACTIVE)
    assert consortium.hospitalOf(world.fresh) == world.other.address
    assert consortium.isOperator(world.other, world.fresh) == (True, True)
    told = {
        "hospital": world.other.address,
        "operator": world.fresh.address,
        "encryptionKey": KEY,
        "metadata": METADATA,
    }
    assert receipt.events == (Event("HospitalAdmitted", told, consortium.address),)


def test_admit__a_new_hospital__moves_nothing_of_another(world, consortium):
    before = consortium.getHospital(world.hospital)

    consortium.admit(
        world.other,
        world.fresh,
        KEY,
        METADATA,
        pledge(consortium, world.other, world.fresh),
        sender=world.admin,
    )

    assert consortium.getHospital(world.hospital) == before
    assert consortium.hospitalOf(world.operator) == world.hospital.address
    assert consortium.isOperator(world.hospital, world.fresh) == (False, True)
    assert consortium.isOperator(world.other, world.operator) == (False, True)
