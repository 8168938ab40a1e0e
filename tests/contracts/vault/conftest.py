"""A vault with every kind of token, deployed once per file."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.rig import roles

DELAY = 1000


@pytest.fixture(scope="module")
def world(evm_module):
    """`alice` has 1,000 of an allowed token and has let the vault draw it; `rounds`, `disputes`,
    `rewards` and `market` stand for the contracts that the vault trusts."""
    evm = evm_module
    admin, alice, bob, rounds, sponsor, disputes, rewards, market = evm.actors[:8]
    manager = evm.deploy("AccessManager", admin)
    vault = evm.deploy("StakeVault", manager, rounds, disputes, rewards, market, DELAY)
    roles.open_to(manager, roles.CONSORTIUM, vault, "allowToken")
    roles.open_to(manager, roles.PAUSER, vault, "pause", "unpause")
    roles.give(manager, roles.CONSORTIUM, admin)
    roles.give(manager, roles.PAUSER, admin)
    tokens = {
        name: evm.deploy(name) for name in ("DevelopmentToken", "FalseToken", "SilentToken", "ReentrantToken")
    }
    tokens["FeeToken"] = evm.deploy("FeeToken", 100)
    for token in tokens.values():
        vault.allowToken(token, True)
        for owner in (alice, sponsor):
            token.mint(owner, 1000)
            token.approve(vault, 2**256 - 1, sender=owner)
    token = tokens["DevelopmentToken"]
    return SimpleNamespace(**locals())
