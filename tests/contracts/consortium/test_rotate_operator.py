"""`rotateOperator`: by the cold admin account alone, to an account that serves nobody."""

from __future__ import annotations

from tests.contracts.consortium.conftest import admit, rotate
from tests.rig.evm import NO_ONE, Event
from tests.rig.pledges import pledge

SUSPENDED = 2


def test_rotate_operator__by_anyone_but_the_admin__reverts(evm, world, consortium):
    """A stolen operator key cannot appoint its successor, and the consortium cannot take a hospital over."""
    for caller in (world.operator, world.admin, world.other):
        with evm.reverts("NotTheAdmin", world.hospital, caller):
            consortium.rotateOperator(
                world.hospital, world.fresh, pledge(consortium, world.hospital, world.fresh), sender=caller
            )


def test_rotate_operator__to_the_zero_account__reverts(evm, world, consortium):
    with evm.reverts("AccountZero"):
        rotate(world, NO_ONE)


def test_rotate_operator__of_an_unknown_hospital__reverts(evm, world, consortium):
    with evm.reverts("HospitalUnknown", world.other):
        consortium.rotateOperator(
            world.other, world.fresh, pledge(consortium, world.other, world.fresh), sender=world.other
        )


def test_rotate_operator__to_the_admin_account__reverts(evm, world, consortium):
    with evm.reverts("OperatorIsAdmin", world.hospital, world.hospital):
        rotate(world, world.hospital)


def test_rotate_operator__to_itself__reverts(evm, world, consortium):
    with evm.reverts("OperatorTaken", world.operator, world.hospital):
        rotate(world, world.operator)


def test_rotate_operator__to_that_of_another__reverts(evm, world, consortium):
    admit(world, world.other, world.fresh)
    with evm.reverts("OperatorTaken", world.fresh, world.other):
        rotate(world, world.fresh)


def test_rotate_operator__to_a_new_account__ends_the_old_one_at_once(world, consortium):
    receipt = rotate(world, world.fresh)

    found = consortium.getHospital(world.hospital)
    assert found == (world.fresh.address, world.admitted_at, 1)
    assert consortium.hospitalOf(world.fresh) == world.hospital.address
    assert consortium.hospitalOf(world.operator) == NO_ONE
    assert consortium.isOperator(world.hospital, world.operator) == (False, True)
    assert consortium.isOperator(world.hospital, world.fresh) == (True, True)
    told = {
        "hospital": world.hospital.address,
        "previous": world.operator.address,
        "operator": world.fresh.address,
    }
    assert receipt.events == (Event("OperatorRotated", told, consortium.address),)


def test_rotate_operator__while_suspended__works_and_stays_suspended(world, consortium):
    """A stolen key is a reason for suspension, so it must be possible to replace it then."""
    consortium.suspend(world.hospital, sender=world.admin)

    rotate(world, world.fresh)

    assert consortium.getHospital(world.hospital).status == SUSPENDED
    assert consortium.isOperator(world.hospital, world.fresh) == (True, False)


def test_rotate_operator__frees_the_old_account_for_others(world, consortium):
    rotate(world, world.fresh)

    admit(world, world.other, world.operator)

    assert consortium.hospitalOf(world.operator) == world.other.address


def test_rotate_operator__there_and_back__is_as_before(world, consortium):
    before = consortium.getHospital(world.hospital)

    rotate(world, world.fresh)
    rotate(world, world.operator)

    assert consortium.getHospital(world.hospital) == before
    assert consortium.hospitalOf(world.operator) == world.hospital.address
    assert consortium.hospitalOf(world.fresh) == NO_ONE
