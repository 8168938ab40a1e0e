"""`wasSuspended`: exact for every span of seconds, whatever happened within one of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

EVER = 2**256 - 1


def suspend(world):
    return world.consortium.suspend(world.hospital, sender=world.admin)


def reinstate(world):
    return world.consortium.reinstate(world.hospital, sender=world.admin)


def test_was_suspended__never__is_false(evm, world, consortium):
    for hospital in (world.hospital, world.other):
        assert not consortium.wasSuspended(hospital, 0, EVER)
        assert not consortium.wasSuspended(hospital, evm.now, evm.now)


def test_was_suspended__from_the_second_of_the_suspension_to_that_of_the_end(evm, world, consortium):
    began = evm.travel(10)
    suspend(world)
    ended = evm.travel(10)
    reinstate(world)
    evm.travel(10)

    spans = {
        (began - 5, began - 1): False,
        (began - 5, began): True,
        (began, began): True,
        (began + 1, ended - 1): True,
        (ended, ended): True,
        (ended, ended + 5): True,
        (ended + 1, ended + 5): False,
        (began - 5, ended + 5): True,
        (0, began - 1): False,
        (0, EVER): True,
        (ended + 1, EVER): False,
    }
    assert {span: consortium.wasSuspended(world.hospital, *span) for span in spans} == spans
    assert not consortium.wasSuspended(world.other, 0, EVER)


def test_was_suspended__while_it_is__is_true_from_then_on(evm, world, consortium):
    began = evm.travel(10)
    suspend(world)
    evm.travel(10)
    for span in ((began, began), (evm.now, evm.now), (evm.now + 100, evm.now + 200), (0, EVER)):
        assert consortium.wasSuspended(world.hospital, *span)
    assert not consortium.wasSuspended(world.hospital, 0, began - 1)


def test_was_suspended__and_reinstated_within_a_second__was_so_in_that_second(evm, world, consortium):
    at = evm.travel(10)
    suspend(world)
    reinstate(world)
    evm.travel(10)
    assert consortium.wasSuspended(world.hospital, at, at)
    assert not consortium.wasSuspended(world.hospital, 0, at - 1)
    assert not consortium.wasSuspended(world.hospital, at + 1, EVER)


def test_was_suspended__reinstated_and_suspended_within_a_second__was_so_throughout(evm, world, consortium):
    began = evm.travel(10)
    suspend(world)
    evm.travel(10)
    reinstate(world)
    suspend(world)
    evm.travel(10)
    for second in range(began, evm.now):
        assert consortium.wasSuspended(world.hospital, second, second)


def test_was_suspended__of_no_seconds__is_false(evm, world, consortium):
    suspend(world)
    assert not consortium.wasSuspended(world.hospital, evm.now + 1, evm.now)


def test_was_suspended__costs_one_read_where_it_never_was(evm, world, consortium):
    """A cold read is 2,100 gas; the transaction comes to about 22,600 without any."""
    cost = evm.send(
        consortium.address, consortium.encode("wasSuspended", world.hospital, evm.now - 100, evm.now)
    )
    assert cost.gas_used < 22_600 + 2 * 2_100 - 200


@settings(max_examples=15)
@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=5))
def test_was_suspended__after_any_history__is_what_each_second_saw(world, evm_module, steps):
    """Seconds with several changes, neighbouring ones among them, against a record of every state of every second."""
    token = evm_module.snapshot()
    start, active, seen = evm_module.now, True, {evm_module.now: {True}}
    for wait, changes in steps:
        for second in range(evm_module.now + 1, evm_module.travel(wait) + 1):
            seen[second] = {active}
        for _ in range(changes):
            (suspend if active else reinstate)(world)
            active = not active
            seen[evm_module.now].add(active)
    for since in range(start - 1, evm_module.now + 1):
        for until in range(since, evm_module.now + 2):
            wanted = any(False in seen.get(second, set()) for second in range(since, until + 1))
            wanted |= until > evm_module.now and not active
            assert world.consortium.wasSuspended(world.hospital, since, until) == wanted
    evm_module.restore(token)
