"""A consortium with one hospital, deployed once per file."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.rig import roles
from tests.rig.pledges import pledge

KEY, METADATA = b"\x11" * 32, b"\x22" * 32
NEW_KEY, NEW_METADATA = b"\x33" * 32, b"\x44" * 32
"""Of a hospital that a test admits."""
RESTRICTED = ("admit", "giveName", "suspend", "reinstate", "proposeAdmin", "withdrawAdmin")


@pytest.fixture(scope="module")
def world(evm_module):
    """`admin` admits; `hospital` and `operator` are admitted; `other` and `fresh` are nobody."""
    evm = evm_module
    _, admin, hospital, operator, other, fresh = evm.actors[:6]
    manager = evm.deploy("AccessManager", evm.actors[0])
    consortium = evm.deploy("Consortium", manager)
    roles.open_to(manager, roles.CONSORTIUM, consortium, *RESTRICTED)
    roles.give(manager, roles.CONSORTIUM, admin)
    consortium.admit(hospital, operator, KEY, METADATA, pledge(consortium, hospital, operator), sender=admin)
    return SimpleNamespace(
        admin=admin,
        hospital=hospital,
        operator=operator,
        other=other,
        fresh=fresh,
        manager=manager,
        consortium=consortium,
        admitted_at=evm.now,
    )


def admit(world, hospital, operator):
    """With the operator's word, by the one who may."""
    word = pledge(world.consortium, hospital, operator)
    return world.consortium.admit(hospital, operator, NEW_KEY, NEW_METADATA, word, sender=world.admin)


def rotate(world, operator):
    """By the hospital, with the new operator's word."""
    word = pledge(world.consortium, world.hospital, operator)
    return world.consortium.rotateOperator(world.hospital, operator, word, sender=world.hospital)


@pytest.fixture
def consortium(world, evm):
    """The consortium; what a test does to it is undone."""
    return world.consortium
