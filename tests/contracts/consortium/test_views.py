"""What the consortium answers about accounts that it knows and that it does not."""

from __future__ import annotations

from tests.rig.evm import NO_ONE
from tests.rig.pledges import pledge


def test_views__of_an_unknown_account__are_empty(world, consortium):
    assert consortium.getHospital(world.other) == (NO_ONE, 0, 0)
    assert consortium.hospitalOf(world.other) == NO_ONE
    assert consortium.isOperator(world.other, world.operator) == (False, False)


def test_is_operator__the_zero_account__operates_nobody(world, consortium):
    """An unknown hospital stores a zero operator, which is not an appointment."""
    assert consortium.isOperator(world.other, NO_ONE) == (False, False)
    assert consortium.isOperator(world.hospital, NO_ONE) == (False, True)
    assert consortium.isOperator(NO_ONE, NO_ONE) == (False, False)


def test_is_operator__the_admin_account__is_not_the_operator(world, consortium):
    assert consortium.isOperator(world.hospital, world.hospital) == (False, True)


def test_a_hospital__takes_two_words(evm, world, consortium):
    """Operator, time and status share one word; the way back from the operator is the other."""
    untouched = [evm.storage(consortium, slot) for slot in range(3)]
    receipt = consortium.admit(
        world.other,
        world.fresh,
        b"\x01" * 32,
        b"\x02" * 32,
        pledge(consortium, world.other, world.fresh),
        sender=world.admin,
    )

    assert [evm.storage(consortium, slot) for slot in range(3)] == untouched
    assert receipt.gas_used <= 92_000
