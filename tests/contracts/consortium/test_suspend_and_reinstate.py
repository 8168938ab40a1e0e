"""`suspend` and `reinstate`: a status that goes back and forth, and nothing else."""

from __future__ import annotations

import pytest

from tests.rig.evm import Event

NONE, ACTIVE, SUSPENDED = 0, 1, 2


@pytest.mark.parametrize("function", ["suspend", "reinstate"])
def test_status__without_the_role__reverts(evm, world, consortium, function):
    """Not even the hospital itself."""
    for caller in (world.hospital, world.operator, world.other):
        with evm.reverts("AccessManagedUnauthorized", caller):
            getattr(consortium, function)(world.hospital, sender=caller)


def test_suspend__an_unknown_hospital__reverts(evm, world, consortium):
    with evm.reverts("HospitalNotActive", world.other, NONE):
        consortium.suspend(world.other, sender=world.admin)


def test_suspend__twice__reverts(evm, world, consortium):
    consortium.suspend(world.hospital, sender=world.admin)
    with evm.reverts("HospitalNotActive", world.hospital, SUSPENDED):
        consortium.suspend(world.hospital, sender=world.admin)


def test_suspend__an_active_hospital__changes_its_status_only(world, consortium):
    receipt = consortium.suspend(world.hospital, sender=world.admin)

    assert consortium.getHospital(world.hospital) == (world.operator.address, world.admitted_at, SUSPENDED)
    assert consortium.hospitalOf(world.operator) == world.hospital.address
    assert consortium.isOperator(world.hospital, world.operator) == (True, False)
    told = {"hospital": world.hospital.address}
    assert receipt.events == (Event("HospitalSuspended", told, consortium.address),)


def test_reinstate__an_unknown_hospital__reverts(evm, world, consortium):
    with evm.reverts("HospitalNotSuspended", world.other, NONE):
        consortium.reinstate(world.other, sender=world.admin)


def test_reinstate__an_active_hospital__reverts(evm, world, consortium):
    with evm.reverts("HospitalNotSuspended", world.hospital, ACTIVE):
        consortium.reinstate(world.hospital, sender=world.admin)


def test_reinstate__a_suspended_hospital__is_as_before(evm, world, consortium):
    before = consortium.getHospital(world.hospital)
    consortium.suspend(world.hospital, sender=world.admin)
    evm.travel(500)

    receipt = consortium.reinstate(world.hospital, sender=world.admin)

    assert consortium.getHospital(world.hospital) == before
    assert consortium.isOperator(world.hospital, world.operator) == (True, True)
    told = {"hospital": world.hospital.address}
    assert receipt.events == (Event("HospitalReinstated", told, consortium.address),)
