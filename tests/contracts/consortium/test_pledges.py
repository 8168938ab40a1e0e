"""Nobody's account becomes an operator without its word: for this hospital, contract and chain, and for a time."""

from __future__ import annotations

import pytest

from tests.contracts.consortium.conftest import NEW_KEY, NEW_METADATA
from tests.rig.pledges import FOR_EVER, pledge


def admit(world, operator, word):
    return world.consortium.admit(world.other, operator, NEW_KEY, NEW_METADATA, word, sender=world.admin)


def rotate(world, operator, word):
    return world.consortium.rotateOperator(world.hospital, operator, word, sender=world.hospital)


@pytest.fixture(params=[admit, rotate])
def appoint(request, world, consortium):
    """Either way to appoint an operator."""
    return request.param


def whose(world, appoint):
    return world.other if appoint is admit else world.hospital


def test_the_word_of_another_account_does_not_count(evm, world, appoint):
    """A hospital that names another's account as its own keeps it from serving that one."""
    hospital = whose(world, appoint)
    for signer in (world.admin, world.hospital, world.operator):
        with evm.reverts("NotPledged", hospital, world.fresh):
            appoint(world, world.fresh, pledge(world.consortium, hospital, signer))


def test_the_word_for_another_hospital_does_not_count(evm, world, appoint):
    hospital = whose(world, appoint)
    other = world.hospital if appoint is admit else world.other
    with evm.reverts("NotPledged", hospital, world.fresh):
        appoint(world, world.fresh, pledge(world.consortium, other, world.fresh))


def test_the_word_for_another_contract_does_not_count(evm, world, appoint):
    hospital = whose(world, appoint)
    word = pledge(evm.deploy("Consortium", world.manager), hospital, world.fresh)
    with evm.reverts("NotPledged", hospital, world.fresh):
        appoint(world, world.fresh, word)


def test_the_word_for_another_time_does_not_count(evm, world, appoint):
    """The deadline is signed."""
    hospital = whose(world, appoint)
    _, r, vs = pledge(world.consortium, hospital, world.fresh, evm.now + 10)
    with evm.reverts("NotPledged", hospital, world.fresh):
        appoint(world, world.fresh, (FOR_EVER, r, vs))


@pytest.mark.parametrize("word", [(FOR_EVER, bytes(32), bytes(32)), (FOR_EVER, b"\xff" * 32, b"\xff" * 32)])
def test_what_is_no_signature_does_not_count(evm, world, appoint, word):
    with evm.reverts("NotPledged", whose(world, appoint), world.fresh):
        appoint(world, world.fresh, word)


def test_a_word_is_good_until_its_deadline(evm, world, appoint):
    hospital, deadline = whose(world, appoint), evm.now + 10
    word = pledge(world.consortium, hospital, world.fresh, deadline)
    token = evm.snapshot()
    evm.travel(10)
    appoint(world, world.fresh, word)
    evm.restore(token)
    evm.travel(11)
    with evm.reverts("PledgeExpired", world.fresh, deadline):
        appoint(world, world.fresh, word)


def test_what_an_operator_that_was_replaced_once_said_is_its_hospitals_alone(evm, world, consortium):
    """Within its time the hospital can appoint it again, and nobody else can."""
    word = pledge(consortium, world.hospital, world.fresh, evm.now + 60)
    rotate(world, world.fresh, word)
    rotate(world, world.operator, pledge(consortium, world.hospital, world.operator))
    with evm.reverts("NotPledged", world.other, world.fresh):
        admit(world, world.fresh, word)
    rotate(world, world.fresh, word)
    assert consortium.hospitalOf(world.fresh) == world.hospital.address
