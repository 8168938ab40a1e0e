"""`servedBy`: one storage read that always agrees with the two records behind it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.consortium.conftest import rotate
from tests.rig.evm import NO_ONE, Revert
from tests.rig.pledges import pledge

ACTIVE = 1
STEPS = ("suspend", "reinstate", "rotate", "rotate_back", "admit_other")


def test_served_by__a_stranger_or_an_admin_account__is_nobody(world, consortium):
    for account in (world.other, world.hospital, NO_ONE):
        assert consortium.servedBy(account) == (NO_ONE, False)


def take(world, consortium, step):
    """One change of the roster; what the rules refuse changes nothing."""
    calls = {
        "suspend": lambda: consortium.suspend(world.hospital, sender=world.admin),
        "reinstate": lambda: consortium.reinstate(world.hospital, sender=world.admin),
        "rotate": lambda: rotate(world, world.fresh),
        "rotate_back": lambda: rotate(world, world.operator),
        "admit_other": lambda: consortium.admit(
            world.other,
            world.fresh,
            b"\x33" * 32,
            b"\x44" * 32,
            pledge(consortium, world.other, world.fresh),
            sender=world.admin,
        ),
    }
    try:
        calls[step]()
    except Revert:
        return


def test_served_by__after_any_history__is_what_the_records_say(world, evm_module):
    """INV-20: for each account, the hospital whose operator it is, and whether that hospital is active."""

    @settings(max_examples=30)
    @given(st.lists(st.sampled_from(STEPS), max_size=8))
    def agrees(steps):
        token = evm_module.snapshot()
        for step in steps:
            take(world, world.consortium, step)
        for account in (world.operator, world.fresh):
            hospital, active = world.consortium.servedBy(account)
            assert hospital == world.consortium.hospitalOf(account)
            found = world.consortium.getHospital(hospital)
            assert active == (found.status == ACTIVE)
            assert hospital == NO_ONE or found.operator == account.address
        evm_module.restore(token)

    agrees()
