"""`admit`: who may, whom, and what is stored and told."""

from __future__ import annotations

from tests.contracts.consortium.conftest import NEW_KEY, NEW_METADATA, admit
from tests.rig.evm import NO_ONE, Event
from tests.rig.pledges import pledge

NONE, ACTIVE, SUSPENDED = 0, 1, 2


def test_admit__without_the_role__reverts(evm, world, consortium):
    for caller in (world.hospital, world.operator, world.other):
        with evm.reverts("AccessManagedUnauthorized", caller):
            consortium.admit(
                world.other,
                world.fresh,
                NEW_KEY,
                NEW_METADATA,
                pledge(consortium, world.other, world.fresh),
                sender=caller,
            )


def test_admit__the_zero_account_as_hospital__reverts(evm, world, consortium):
    with evm.reverts("AccountZero"):
        admit(world, NO_ONE, world.fresh)


def test_admit__a_hospital_that_is_admitted__reverts(evm, world, consortium):
    with evm.reverts("HospitalAlreadyAdmitted", world.hospital):
        admit(world, world.hospital, world.fresh)


def test_admit__a_suspended_hospital__reverts(evm, world, consortium):
    """Admission is no way around reinstatement."""
    consortium.suspend(world.hospital, sender=world.admin)
    with evm.reverts("HospitalAlreadyAdmitted", world.hospital):
        admit(world, world.hospital, world.fresh)


def test_admit__without_an_operator__reverts(evm, world, consortium):
    with evm.reverts("AccountZero"):
        admit(world, world.other, NO_ONE)


def test_admit__an_operator_of_another_hospital__reverts(evm, world, consortium):
    with evm.reverts("OperatorTaken", world.operator, world.hospital):
        admit(world, world.other, world.operator)


def test_admit__an_operator_that_is_the_hospital__reverts(evm, world, consortium):
    """A stolen daemon key could take the hospital's tokens out."""
    with evm.reverts("OperatorIsAdmin", world.other, world.other):
        admit(world, world.other, world.other)


def test_admit__a_new_hospital__stores_and_tells_everything(evm, world, consortium):
    evm.travel(1000)

    receipt = admit(world, world.other, world.fresh)

    assert consortium.getHospital(world.other) == (world.fresh.address, evm.now, ACTIVE)
    assert consortium.hospitalOf(world.fresh) == world.other.address
    assert consortium.isOperator(world.other, world.fresh) == (True, True)
    told = {
        "hospital": world.other.address,
        "operator": world.fresh.address,
        "encryptionKey": NEW_KEY,
        "metadata": NEW_METADATA,
    }
    assert receipt.events == (Event("HospitalAdmitted", told, consortium.address),)


def test_admit__a_new_hospital__moves_nothing_of_another(world, consortium):
    before = consortium.getHospital(world.hospital)

    admit(world, world.other, world.fresh)

    assert consortium.getHospital(world.hospital) == before
    assert consortium.hospitalOf(world.operator) == world.hospital.address
    assert consortium.isOperator(world.hospital, world.fresh) == (False, True)
    assert consortium.isOperator(world.other, world.operator) == (False, True)
