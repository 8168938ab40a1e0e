"""`deposit` and `depositWithPermit`: what comes in, and whose it is."""

from __future__ import annotations

import pytest

from tests.contracts.vault.conftest import TRUSTED
from tests.rig.evm import CHAIN_ID, NO_ONE

KINDS = {
    "EIP712Domain": [
        ("name", "string"),
        ("version", "string"),
        ("chainId", "uint256"),
        ("verifyingContract", "address"),
    ],
    "Permit": [
        ("owner", "address"),
        ("spender", "address"),
        ("value", "uint256"),
        ("nonce", "uint256"),
        ("deadline", "uint256"),
    ],
}


def permit(safe, amount, deadline):
    """Alice's permission: v, r, s."""
    token = safe.token
    domain = {"name": "MedFed Development Token", "version": "1", "chainId": CHAIN_ID}
    message = {
        "owner": safe.alice.address,
        "spender": safe.vault.address,
        "value": amount,
        "nonce": 0,
        "deadline": deadline,
    }
    kinds = {name: [{"name": part, "type": kind} for part, kind in parts] for name, parts in KINDS.items()}
    typed = {"types": kinds, "primaryType": "Permit", "message": message}
    signature = safe.alice.sign(typed | {"domain": domain | {"verifyingContract": token.address}})
    return signature[64], signature[:32], signature[32:64]


def ways(safe):
    """Both ways in, of any token, amount and account."""
    nothing = (safe.evm.now + 100, 27, bytes(32), bytes(32))

    def with_permit(token, amount, account):
        return safe.vault.depositWithPermit(token, amount, account, *nothing, sender=safe.alice)

    def plain(token, amount, account):
        return safe.vault.deposit(token, amount, account, sender=safe.alice)

    return plain, with_permit


@pytest.mark.parametrize("way", [0, 1])
def test_bad_deposits_are_refused(evm, safe, way):
    deposit = ways(safe)[way]
    with evm.reverts("TokenNotAllowed", safe.bob):
        deposit(safe.bob, 1, safe.alice)
    for account in (NO_ONE, safe.vault, *(getattr(safe, name) for name in TRUSTED)):
        with evm.reverts("ReceiverRefused", account):
            deposit(safe.token, 1, account)
    with evm.reverts("AmountZero"):
        deposit(safe.token, 0, safe.alice)
    with evm.reverts("ERC20InsufficientBalance", safe.alice, 1000, 1001):
        deposit(safe.token, 1001, safe.alice)
    safe.vault.pause()
    with evm.reverts("EnforcedPause"):
        deposit(safe.token, 1, safe.alice)


def test_it_is_credited_to_the_account_named(safe, vault):
    before = safe.books()
    receipt = vault.deposit(safe.token, 40, safe.bob, sender=safe.alice)
    assert safe.told(receipt) == [
        ("Deposited", safe.named(safe.bob) | {"from": safe.alice.address, "amount": 40})
    ]
    assert safe.books() == before | {"bob": (340, 0), "vault": before["vault"] + 40}


def test_a_permit_needs_no_transaction_before(evm, safe):
    """The token checks a signature that the owner made for the vault."""
    safe.token.approve(safe.vault, 0, sender=safe.alice)
    deadline = evm.now + 100
    v, r, s = permit(safe, 25, deadline)
    with evm.reverts("ERC20InsufficientAllowance"):
        safe.vault.deposit(safe.token, 25, safe.alice, sender=safe.alice)
    receipt = safe.vault.depositWithPermit(safe.token, 25, safe.bob, deadline, v, r, s, sender=safe.alice)
    assert safe.told(receipt)[0][1]["amount"] == 25
    assert safe.books()["bob"] == (25, 0)


def test_a_permit_that_was_handed_in_before_is_no_failure(evm, safe):
    """Somebody does it to make the call fail; the allowance is there."""
    safe.token.approve(safe.vault, 0, sender=safe.alice)
    deadline = evm.now + 100
    v, r, s = permit(safe, 25, deadline)
    safe.token.permit(safe.alice, safe.vault, 25, deadline, v, r, s, sender=safe.bob)
    safe.vault.depositWithPermit(safe.token, 25, safe.alice, deadline, v, r, s, sender=safe.alice)
    assert safe.books()["alice"] == (25, 0)


def test_a_permit_that_is_worth_nothing_brings_nothing(evm, safe):
    safe.token.approve(safe.vault, 0, sender=safe.alice)
    with evm.reverts("ERC20InsufficientAllowance"):
        safe.vault.depositWithPermit(
            safe.token, 25, safe.alice, evm.now + 100, 27, bytes(32), bytes(32), sender=safe.alice
        )


def test_nobody_deposits_what_is_anothers(evm, safe):
    """Only the caller's own tokens are drawn, though alice has approved the vault."""
    with evm.reverts("ERC20InsufficientAllowance"):
        safe.vault.deposit(safe.token, 10, safe.bob, sender=safe.bob)


def test_what_arrived_is_credited(safe):
    """A token that keeps a fee credits less than was sent."""
    fee = safe.tokens["FeeToken"]
    (event,) = safe.told(safe.vault.deposit(fee, 1000, safe.alice, sender=safe.alice))
    assert event[1]["amount"] == 990 == fee.balanceOf(safe.vault)
    assert tuple(safe.vault.balanceOf(safe.alice, fee)) == (990, 0)


def test_a_token_without_an_answer_is_taken(safe):
    silent = safe.tokens["SilentToken"]
    safe.vault.deposit(silent, 10, safe.alice, sender=safe.alice)
    assert tuple(safe.vault.balanceOf(safe.alice, silent)) == (10, 0)


def test_a_token_that_answers_false_is_refused(evm, safe):
    false = safe.tokens["FalseToken"]
    false.refuse(True)
    with evm.reverts("SafeERC20FailedOperation", false):
        safe.vault.deposit(false, 10, safe.alice, sender=safe.alice)


def test_a_token_cannot_enter_again(safe):
    token = safe.tokens["ReentrantToken"]
    token.hook(safe.vault, safe.vault.encode("deposit", token, 1, safe.alice))
    safe.vault.deposit(token, 10, safe.alice, sender=safe.alice)
    assert (token.calls(), token.succeeded()) == (1, False)
    assert tuple(safe.vault.balanceOf(safe.alice, token)) == (10, 0)
