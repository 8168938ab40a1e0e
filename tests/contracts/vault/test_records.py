"""Each entry point's success in full: its events, the balances it moves, and that nobody else's move."""

from __future__ import annotations

import pytest

from tests.contracts.vault.conftest import DELAY


@pytest.fixture
def vault(evm, world):
    """A vault in which alice and bob have 300 each, and study 1 has 500."""
    for account in (world.alice, world.bob):
        world.vault.deposit(world.token, 300, account, sender=world.alice)
    world.vault.fund(1, world.token, 500, world.sponsor, sender=world.rounds)
    return world.vault


def state(world):
    """Free, locked, exiting of all, the pot, and what the vault has."""
    accounts = (world.alice, world.bob, world.sponsor)
    books = [
        (*world.vault.balanceOf(account, world.token), world.vault.exitOf(account, world.token).amount)
        for account in accounts
    ]
    return books, world.vault.potOf(1).amount, world.token.balanceOf(world.vault)


def told(receipt, world):
    """The vault's own events, without the token's."""
    return [(event.name, event.args) for event in receipt.events if event.address == world.vault.address]


def test_deposit(evm, world, vault):
    receipt = vault.deposit(world.token, 40, world.bob, sender=world.alice)
    names = {"token": world.token.address, "account": world.bob.address, "from": world.alice.address}
    assert told(receipt, world) == [("Deposited", names | {"amount": 40})]
    assert state(world) == ([(300, 0, 0), (340, 0, 0), (0, 0, 0)], 500, 1140)


def test_request_exit_twice_then_cancel(evm, world, vault):
    """The second request starts the delay of all of it anew."""
    names = {"token": world.token.address, "account": world.alice.address}
    vault.requestExit(world.token, 100, sender=world.alice)
    evm.travel(400)
    receipt = vault.requestExit(world.token, 50, sender=world.alice)
    available = evm.now + DELAY
    assert told(receipt, world) == [("ExitRequested", names | {"amount": 50, "availableAt": available})]
    assert tuple(vault.exitOf(world.alice, world.token)) == (150, available)
    assert state(world) == ([(150, 0, 150), (300, 0, 0), (0, 0, 0)], 500, 1100)
    evm.travel(DELAY - 1)
    with evm.reverts("ExitNotAvailable", available, available - 1):
        vault.withdraw(world.token, world.alice, sender=world.alice)
    cancelled = vault.cancelExit(world.token, sender=world.alice)
    assert told(cancelled, world) == [("ExitCancelled", names | {"amount": 150})]
    assert state(world) == ([(300, 0, 0), (300, 0, 0), (0, 0, 0)], 500, 1100)


def test_withdraw(evm, world, vault):
    vault.requestExit(world.token, 100, sender=world.alice)
    evm.travel(DELAY)
    receipt = vault.withdraw(world.token, world.bob, sender=world.alice)
    names = {"token": world.token.address, "account": world.alice.address, "to": world.bob.address}
    assert told(receipt, world) == [("Withdrawn", names | {"amount": 100})]
    assert state(world) == ([(200, 0, 0), (300, 0, 0), (0, 0, 0)], 500, 1000)
    assert tuple(vault.exitOf(world.alice, world.token)) == (0, 0)


def test_withdraw_to_nobody_or_to_the_vault(evm, world, vault):
    vault.requestExit(world.token, 100, sender=world.alice)
    evm.travel(DELAY)
    for receiver in ("0x" + "00" * 20, vault):
        with evm.reverts("ReceiverRefused", receiver):
            vault.withdraw(world.token, receiver, sender=world.alice)


def test_request_exit_of_nothing(evm, world, vault):
    with evm.reverts("AmountZero"):
        vault.requestExit(world.token, 0, sender=world.alice)


def test_lock_and_unlock(evm, world, vault):
    names = {"token": world.token.address, "account": world.alice.address}
    locked = vault.lock(world.alice, world.token, 120, sender=world.rounds)
    assert told(locked, world) == [("Locked", names | {"amount": 120})]
    assert state(world) == ([(180, 120, 0), (300, 0, 0), (0, 0, 0)], 500, 1100)
    unlocked = vault.unlock(world.alice, world.token, 200, sender=world.rounds)
    assert told(unlocked, world) == [("Unlocked", names | {"amount": 120})]
    assert state(world) == ([(300, 0, 0), (300, 0, 0), (0, 0, 0)], 500, 1100)


def test_slash(evm, world, vault):
    """Locked first, then what is on its way out, then free; into the pot, out of nobody else's."""
    vault.lock(world.alice, world.token, 100, sender=world.rounds)
    vault.requestExit(world.token, 50, sender=world.alice)
    names = {"study": 1, "token": world.token.address, "account": world.alice.address}
    for amount, expected in ((60, (150, 40, 50)), (60, (150, 0, 30)), (60, (120, 0, 0)), (500, (0, 0, 0))):
        before = sum(state(world)[0][0])
        receipt = vault.slash(world.alice, world.token, amount, 1, sender=world.disputes)
        taken = before - sum(expected)
        assert receipt.value == taken == min(amount, before)
        assert told(receipt, world) == [("Slashed", names | {"amount": taken})]
        assert state(world)[0] == [expected, (300, 0, 0), (0, 0, 0)]
    assert state(world)[1:] == (800, 1100)


def test_fund_and_pay(evm, world, vault):
    funded = vault.fund(2, world.token, 70, world.sponsor, sender=world.rounds)
    names = {"study": 2, "token": world.token.address, "from": world.sponsor.address}
    assert told(funded, world) == [("Funded", names | {"amount": 70})]
    assert tuple(vault.potOf(2)) == (world.token.address, 70)
    paid = vault.pay(1, world.bob, 30, sender=world.rounds)
    assert told(paid, world) == [("Paid", {"study": 1, "account": world.bob.address, "amount": 30})]
    assert state(world) == ([(300, 0, 0), (330, 0, 0), (0, 0, 0)], 470, 1170)


def test_a_token_that_is_no_longer_allowed_can_leave(evm, world, vault):
    receipt = vault.allowToken(world.token, False)
    assert told(receipt, world) == [("TokenAllowed", {"token": world.token.address, "allowed": False})]
    with evm.reverts("TokenNotAllowed", world.token):
        vault.deposit(world.token, 1, world.alice, sender=world.alice)
    with evm.reverts("TokenNotAllowed", world.token):
        vault.fund(2, world.token, 1, world.sponsor, sender=world.rounds)
    vault.requestExit(world.token, 300, sender=world.alice)
    evm.travel(DELAY)
    assert vault.withdraw(world.token, world.alice, sender=world.alice).named("Withdrawn")


def test_restricted_functions_are_the_roles(evm, world, vault):
    for call in (
        lambda: vault.allowToken(world.token, True, sender=world.bob),
        lambda: vault.pause(sender=world.bob),
        lambda: vault.unpause(sender=world.bob),
    ):
        with evm.reverts("AccessManagedUnauthorized", world.bob):
            call()


def test_a_withdrawal_cannot_enter_again(evm, world, vault):
    """A token that calls back while it is paid out finds the door shut, and the balance gone already."""
    token = world.tokens["ReentrantToken"]
    vault.deposit(token, 10, token, sender=world.alice)
    token.run(vault, vault.encode("requestExit", token, 10))
    evm.travel(DELAY)
    token.hook(vault, vault.encode("withdraw", token, world.alice))
    token.run(vault, vault.encode("withdraw", token, world.alice))
    assert (token.calls(), token.succeeded()) == (1, False)
    assert token.balanceOf(vault) == 0
