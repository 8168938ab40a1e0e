"""`lock` and `unlock`: stakes and bonds."""

from __future__ import annotations

import pytest


def test_no_more_than_is_free(evm, safe, vault):
    vault.setAllowance(safe.hospital, safe.token, 1000, sender=safe.hospital)
    for delegated in (False, True):
        for amount in (301, 2**128, 2**256 - 1):
            with evm.reverts("FreeBalanceTooSmall", safe.hospital, safe.token, 300, amount):
                vault.lock(safe.hospital, safe.token, amount, delegated, sender=safe.claims)


@pytest.mark.parametrize(("limit", "used", "amount"), [(0, 0, 1), (99, 0, 100), (150, 100, 51), (50, 100, 1)])
def test_others_lock_no_more_than_is_allowed(evm, safe, vault, limit, used, amount):
    """All that is locked by others counts together, whatever it is for."""
    vault.setAllowance(safe.hospital, safe.token, 100, sender=safe.hospital)
    if used:
        vault.lock(safe.hospital, safe.token, used, True, sender=safe.rounds)
    vault.setAllowance(safe.hospital, safe.token, limit, sender=safe.hospital)
    with evm.reverts("AllowanceTooSmall", safe.hospital, safe.token, limit, used, amount):
        vault.lock(safe.hospital, safe.token, amount, True, sender=safe.claims)


def test_an_allowance_is_for_one_token(evm, safe, vault):
    other = safe.tokens["SilentToken"]
    vault.deposit(other, 10, safe.hospital, sender=safe.alice)
    vault.setAllowance(safe.hospital, safe.token, 10, sender=safe.hospital)
    with evm.reverts("AllowanceTooSmall", safe.hospital, other, 0, 0, 10):
        vault.lock(safe.hospital, other, 10, True, sender=safe.rounds)


def test_who_locks_its_own_needs_no_allowance(safe, vault):
    before = safe.books()
    receipt = vault.lock(safe.alice, safe.token, 120, False, sender=safe.claims)
    assert safe.told(receipt) == [("Locked", safe.named(safe.alice, amount=120))]
    assert safe.books() == before | {"alice": (180, 120)}
    assert tuple(vault.allowanceOf(safe.alice, safe.token)) == (0, 0)


def test_who_was_replaced_locks_nothing(evm, safe, vault):
    vault.setAllowance(safe.hospital, safe.token, 0, sender=safe.hospital)
    safe.consortium.proposeAdmin(safe.hospital, safe.bob)
    evm.travel(30 * 86_400)
    safe.consortium.acceptAdmin(safe.hospital, sender=safe.bob)
    with evm.reverts("NotTheAccounts", safe.hospital, safe.hospital):
        vault.lock(safe.hospital, safe.token, 1, False, sender=safe.claims)


def test_while_paused_all_that_is_in_is_still_used(evm, safe, vault):
    """A pause keeps tokens from coming in; who is there goes on."""
    vault.setAllowance(safe.hospital, safe.token, 100, sender=safe.hospital)
    vault.pause()
    vault.lock(safe.hospital, safe.token, 1, True, sender=safe.rounds)
    vault.lock(safe.hospital, safe.token, 1, True, sender=safe.claims)
    assert safe.books()["hospital"] == (298, 2)


def test_what_others_lock_uses_the_allowance_and_gives_it_back(safe, vault):
    vault.setAllowance(safe.hospital, safe.token, 200, sender=safe.hospital)
    before = safe.books()
    locked = vault.lock(safe.hospital, safe.token, 200, True, sender=safe.rounds)
    assert safe.told(locked) == [("Locked", safe.named(safe.hospital, amount=200))]
    assert safe.books() == before | {"hospital": (100, 200)}
    assert vault.allowanceOf(safe.hospital, safe.token).used == 200
    unlocked = vault.unlock(safe.hospital, safe.token, 150, True, sender=safe.studies)
    assert safe.told(unlocked) == [("Unlocked", safe.named(safe.hospital, amount=150))]
    assert safe.books() == before | {"hospital": (250, 50)}
    assert vault.allowanceOf(safe.hospital, safe.token).used == 50


def test_no_more_is_unlocked_than_is_locked(evm, safe, vault):
    """No clamp hides that somebody counted wrong."""
    vault.lock(safe.alice, safe.token, 100, False, sender=safe.claims)
    for amount in (101, 2**128 + 1, 2**256 - 1):
        with evm.reverts("LockedBalanceTooSmall", safe.alice, safe.token, 100, amount):
            vault.unlock(safe.alice, safe.token, amount, False, sender=safe.claims)


def test_nor_given_back_that_was_not_used(evm, safe, vault):
    """Locked by the account itself, unlocked as if it had been by others: a fault of the caller's, told as one."""
    vault.lock(safe.alice, safe.token, 100, False, sender=safe.claims)
    with evm.reverts("Panic", 0x11):
        vault.unlock(safe.alice, safe.token, 100, True, sender=safe.claims)
