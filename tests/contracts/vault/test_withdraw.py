"""`withdraw` and `setAllowance`: who speaks for an account."""

from __future__ import annotations

import pytest

from tests.contracts.vault.conftest import TRUSTED
from tests.rig.evm import NO_ONE
from tests.rig.pledges import pledge


def withdraw(safe, account, amount, to, sender):
    return safe.vault.withdraw(account, safe.token, amount, to, sender=sender)


@pytest.mark.parametrize("what", ["withdraw", "setAllowance"])
def test_only_the_account_itself_or_a_hospitals_admin(evm, safe, vault, what):
    """Not its operator, not who it works with, not a contract that the vault trusts."""

    def act(account, sender):
        if what == "withdraw":
            return withdraw(safe, account, 1, safe.bob, sender)
        return vault.setAllowance(account, safe.token, 1, sender=sender)

    strangers = (safe.operator, safe.bob, safe.admin, *(getattr(safe, name) for name in TRUSTED))
    for sender in strangers:
        with evm.reverts("NotTheAccounts", safe.hospital, sender):
            act(safe.hospital, sender)
    with evm.reverts("NotTheAccounts", safe.alice, safe.hospital):
        act(safe.alice, safe.hospital)
    act(safe.hospital, safe.hospital)
    act(safe.alice, safe.alice)


@pytest.mark.parametrize("what", ["withdraw", "setAllowance"])
def test_a_replaced_admin_account_speaks_for_its_hospital_no_more(evm, safe, vault, what):
    """The new one does, for the old id; and for itself too."""
    successor = safe.bob
    vault.setAllowance(safe.hospital, safe.token, 0, sender=safe.hospital)
    replaced(safe, safe.hospital, successor)

    def act(account, sender):
        if what == "withdraw":
            return withdraw(safe, account, 1, safe.alice, sender)
        return vault.setAllowance(account, safe.token, 1, sender=sender)

    with evm.reverts("NotTheAccounts", safe.hospital, safe.hospital):
        act(safe.hospital, safe.hospital)
    act(safe.hospital, successor)
    act(successor, successor)


def replaced(safe, hospital, successor):
    """The consortium has the hospital's admin account replaced."""
    safe.consortium.proposeAdmin(hospital, successor)
    safe.evm.travel(30 * 86_400)
    safe.consortium.acceptAdmin(hospital, sender=successor)


def test_whoever_never_acted_as_a_hospital_is_nobody_elses(evm, safe, vault):
    """The consortium can admit anybody unasked: a patient, a challenger, a sponsor. It has no way to what they own."""
    thief, patient = safe.bob, safe.alice
    safe.consortium.admit(
        patient, evm.actors[40], b"\x11" * 32, b"\x22" * 32, pledge(safe.consortium, patient, evm.actors[40])
    )
    replaced(safe, patient, thief)
    assert not vault.delegates(patient)
    with evm.reverts("NotTheAccounts", patient, thief):
        withdraw(safe, patient, 1, thief, thief)
    with evm.reverts("NotTheAccounts", patient, thief):
        vault.setAllowance(patient, safe.token, 1, sender=thief)
    withdraw(safe, patient, 300, patient, patient)


def test_a_suspended_hospital_has_its_own(safe, vault):
    safe.consortium.suspend(safe.hospital)
    withdraw(safe, safe.hospital, 300, safe.hospital, safe.hospital)
    assert safe.token.balanceOf(safe.hospital) == 300


def test_not_to_where_it_would_be_lost(evm, safe, vault):
    for receiver in (NO_ONE, vault, *(getattr(safe, name) for name in TRUSTED)):
        with evm.reverts("ReceiverRefused", receiver):
            withdraw(safe, safe.alice, 1, receiver, safe.alice)


def test_no_more_than_is_free_and_not_nothing(evm, safe, vault):
    with evm.reverts("AmountZero"):
        withdraw(safe, safe.alice, 0, safe.bob, safe.alice)
    vault.lock(safe.alice, safe.token, 70, False, sender=safe.claims)
    for amount in (231, 2**128, 2**256 - 1):
        with evm.reverts("FreeBalanceTooSmall", safe.alice, safe.token, 230, amount):
            withdraw(safe, safe.alice, amount, safe.bob, safe.alice)
    withdraw(safe, safe.alice, 230, safe.bob, safe.alice)


def test_it_is_sent_at_once_and_told(safe, vault):
    before = safe.books()
    receipt = withdraw(safe, safe.hospital, 100, safe.bob, safe.hospital)
    assert safe.told(receipt) == [("Withdrawn", safe.named(safe.hospital, to=safe.bob.address, amount=100))]
    assert safe.books() == before | {"hospital": (200, 0), "vault": before["vault"] - 100}
    assert safe.token.balanceOf(safe.bob) == 100


def test_whatever_stops_deposits_stops_no_withdrawal(safe, vault):
    """A pause, or a token that is no longer allowed."""
    vault.pause()
    vault.allowToken(safe.token, False)
    withdraw(safe, safe.alice, 300, safe.alice, safe.alice)
    assert safe.books()["alice"] == (0, 0)


def test_a_token_cannot_enter_again(safe):
    """One that calls back while it is paid out finds the door shut, and the balance gone already."""
    token, vault = safe.tokens["ReentrantToken"], safe.vault
    vault.deposit(token, 10, token, sender=safe.alice)
    call = vault.encode("withdraw", token, token, 10, safe.alice)
    token.hook(vault, call)
    token.run(vault, call)
    assert (token.calls(), token.succeeded()) == (1, False)
    assert token.balanceOf(vault) == 0


def test_an_allowance_is_kept_and_told(safe, vault):
    """What is in use stays so; a smaller limit takes nothing back."""
    receipt = vault.setAllowance(safe.hospital, safe.token, 150, sender=safe.hospital)
    assert safe.told(receipt) == [("AllowanceSet", safe.named(safe.hospital, limit=150))]
    assert vault.delegates(safe.hospital)
    vault.lock(safe.hospital, safe.token, 100, True, sender=safe.rounds)
    assert tuple(vault.allowanceOf(safe.hospital, safe.token)) == (150, 100)
    vault.setAllowance(safe.hospital, safe.token, 20, sender=safe.hospital)
    assert tuple(vault.allowanceOf(safe.hospital, safe.token)) == (20, 100)
