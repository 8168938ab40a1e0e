"""`fund`, `pay`: what studies have for rewards; `collect`, `disburse`: licence fees."""

from __future__ import annotations


def test_a_pot_is_funded_once_in_an_allowed_token_and_in_full(evm, safe):
    vault, fee = safe.vault, safe.tokens["FeeToken"]
    with evm.reverts("TokenNotAllowed", safe.bob):
        vault.fund(1, safe.bob, 5, safe.sponsor, sender=safe.studies)
    with evm.reverts("FundedShort", 495, 500):
        vault.fund(1, fee, 500, safe.sponsor, sender=safe.studies)
    with evm.reverts("ERC20InsufficientBalance"):
        vault.fund(1, safe.token, 1001, safe.sponsor, sender=safe.studies)
    with evm.reverts("SafeCastOverflowedUintDowncast", 96, 2**96):
        vault.fund(1, safe.token, 2**96, safe.sponsor, sender=safe.studies)
    vault.fund(1, safe.token, 0, safe.sponsor, sender=safe.studies)
    with evm.reverts("AlreadyFunded", 1):
        vault.fund(1, safe.token, 500, safe.sponsor, sender=safe.studies)
    vault.pause()
    with evm.reverts("EnforcedPause"):
        vault.fund(2, safe.token, 5, safe.sponsor, sender=safe.studies)


def test_funding_draws_the_rewards(safe, vault):
    before = safe.books(2)
    receipt = vault.fund(2, safe.token, 70, safe.sponsor, sender=safe.studies)
    own = {"study": 2, "token": safe.token.address, "from": safe.sponsor.address}
    assert safe.told(receipt) == [("Funded", own | {"amount": 70})]
    assert safe.books(2) == before | {"pot": 70, "vault": before["vault"] + 70}
    assert tuple(vault.potOf(2)) == (safe.token.address, 70)


def test_a_token_cannot_fund_a_pot_twice(safe):
    """One that calls back finds the pot taken and the door shut."""
    token = safe.tokens["ReentrantToken"]
    token.hook(safe.vault, safe.vault.encode("deposit", token, 1, safe.alice))
    safe.vault.fund(1, token, 100, safe.sponsor, sender=safe.studies)
    assert (token.calls(), token.succeeded(), safe.vault.potOf(1).amount) == (1, False, 100)


def test_a_pot_pays_no_more_than_it_has(evm, safe, vault):
    before = safe.books()
    receipt = vault.pay(1, safe.bob, 499, sender=safe.payouts)
    assert safe.told(receipt) == [("Paid", {"study": 1, "account": safe.bob.address, "amount": 499})]
    assert safe.books() == before | {"pot": 1, "bob": (799, 0)}
    for amount in (2, 2**96 + 1, 2**256 - 1):
        with evm.reverts("PotTooSmall", 1, 1, amount):
            vault.pay(1, safe.bob, amount, sender=safe.studies)
    with evm.reverts("PotTooSmall", 9, 0, 1):
        vault.pay(9, safe.bob, 1, sender=safe.studies)


def test_fees_are_held_by_what_arrived_and_shared_out_of_that(evm, safe):
    vault, fee = safe.vault, safe.tokens["FeeToken"]
    receipt = vault.collect(fee, 1000, safe.sponsor, sender=safe.market)
    assert receipt.value == 990 == fee.balanceOf(vault) == vault.feesHeld(fee)
    own = {"token": fee.address}
    assert safe.told(receipt) == [("Collected", own | {"from": safe.sponsor.address, "amount": 990})]
    shared = vault.disburse(fee, safe.bob, 989, sender=safe.market)
    assert safe.told(shared) == [("Disbursed", own | {"account": safe.bob.address, "amount": 989})]
    assert (tuple(vault.balanceOf(safe.bob, fee)), vault.feesHeld(fee)) == ((989, 0), 1)
    with evm.reverts("Panic", 0x11):
        vault.disburse(fee, safe.bob, 2, sender=safe.market)


def test_fees_come_in_allowed_tokens_and_while_nothing_is_paused(evm, safe):
    vault = safe.vault
    with evm.reverts("TokenNotAllowed", safe.bob):
        vault.collect(safe.bob, 1, safe.sponsor, sender=safe.market)
    vault.pause()
    with evm.reverts("EnforcedPause"):
        vault.collect(safe.token, 1, safe.sponsor, sender=safe.market)


def test_the_markets_own_account_has_no_part_of_the_fees(evm, safe):
    """Nobody brings tokens into it, and what it holds for others is no balance of its own."""
    vault = safe.vault
    vault.collect(safe.token, 5, safe.sponsor, sender=safe.market)
    assert tuple(vault.balanceOf(safe.market, safe.token)) == (0, 0)
    with evm.reverts("ReceiverRefused", safe.market):
        vault.deposit(safe.token, 5, safe.market, sender=safe.alice)
    with evm.reverts("FreeBalanceTooSmall", safe.market, safe.token, 0, 5):
        vault.withdraw(safe.market, safe.token, 5, safe.bob, sender=safe.market)
