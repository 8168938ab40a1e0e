"""Who may call what: the contracts of the deployment, the consortium, the pauser."""

from __future__ import annotations

import pytest

from tests.contracts.vault.conftest import TRUSTED
from tests.rig.evm import NO_ONE

MAY = {
    "lock": {"rounds", "claims"},
    "unlock": {"studies", "claims"},
    "slash": {"studies", "claims"},
    "fund": {"studies"},
    "pay": {"studies", "payouts"},
    "collect": {"market"},
    "disburse": {"market"},
}


def call(safe, name, sender):
    values = {
        "lock": (safe.alice, safe.token, 10, False),
        "unlock": (safe.bob, safe.token, 10, False),
        "slash": (1, safe.token, [safe.bob], [1], 0, NO_ONE),
        "fund": (2, safe.token, 5, safe.sponsor),
        "pay": (1, safe.bob, 1),
        "collect": (safe.token, 5, safe.sponsor),
        "disburse": (safe.token, safe.bob, 5),
    }[name]
    return getattr(safe.vault, name)(*values, sender=sender)


@pytest.mark.parametrize("name", MAY)
def test_each_trusted_contract_does_what_is_its_own_and_no_more(evm, safe, vault, name):
    vault.lock(safe.bob, safe.token, 50, False, sender=safe.claims)
    vault.collect(safe.token, 5, safe.sponsor, sender=safe.market)
    for caller in (*TRUSTED, "alice", "admin", "operator"):
        account = getattr(safe, caller)
        if caller in MAY[name]:
            token = evm.snapshot()
            call(safe, name, account)
            evm.restore(token)
        else:
            with evm.reverts("CallerNotTrusted", account):
                call(safe, name, account)


def test_restricted_functions_are_the_roles(evm, safe):
    for function, values in (("allowToken", (safe.token, True)), ("pause", ()), ("unpause", ())):
        with evm.reverts("AccessManagedUnauthorized", safe.bob):
            getattr(safe.vault, function)(*values, sender=safe.bob)


def test_allowing_and_pausing_are_told(evm, safe):
    vault, token = safe.vault, safe.token
    receipt = vault.allowToken(token, False)
    assert safe.told(receipt) == [("TokenAllowed", {"token": token.address, "allowed": False})]
    assert not vault.isAllowed(token)
    with evm.reverts("ExpectedPause"):
        vault.unpause()
    assert vault.pause().named("Paused")
    assert vault.paused()
    with evm.reverts("EnforcedPause"):
        vault.pause()
    assert vault.unpause().named("Unpaused")
    assert not vault.paused()


def test_a_challenger_has_at_most_half(evm, safe):
    """So that whoever lies and proves it by a friend loses at least as much for good."""
    places = (safe.manager, safe.consortium, *(getattr(safe, name) for name in TRUSTED))
    with evm.reverts("ChallengerShareOutOfRange", 5001, 5000):
        evm.deploy("StakeVault", *places, 5001)
    assert evm.deploy("StakeVault", *places, 5000).CHALLENGER_BPS() == 5000
