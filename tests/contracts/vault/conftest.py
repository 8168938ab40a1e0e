"""A vault with every kind of token, deployed once per file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.rig import roles
from tests.rig.pledges import pledge

__all__ = ["CHALLENGER_BPS", "EVERYBODY", "TRUSTED", "Safe"]

CHALLENGER_BPS = 4000
TRUSTED = ("rounds", "studies", "claims", "payouts", "market")
EVERYBODY = ("alice", "bob", "hospital", "operator", "sponsor")


@dataclass
class Safe:
    """`alice` and `sponsor` have 1,000 of an allowed token and have let the vault draw it; `rounds`, `studies`, `claims`,
    `payouts` and `market` stand for the contracts that the vault trusts. `hospital` is one, with its operator."""

    evm: Any
    vault: Any
    token: Any
    tokens: dict[str, Any]
    consortium: Any
    manager: Any
    admin: Any
    alice: Any
    bob: Any
    sponsor: Any
    hospital: Any
    operator: Any
    rounds: Any
    studies: Any
    claims: Any
    payouts: Any
    market: Any

    def books(self, study=1):
        """Free and locked of everybody, the pot, what is burnt and held as fees, and what the vault has."""
        found = {name: tuple(self.vault.balanceOf(getattr(self, name), self.token)) for name in EVERYBODY}
        return found | {
            "pot": self.vault.potOf(study).amount,
            "burnt": self.vault.burntOf(self.token),
            "fees": self.vault.feesHeld(self.token),
            "vault": self.token.balanceOf(self.vault),
        }

    def owed(self, study=1):
        """All that the vault owes, and what is nobody's."""
        books = self.books(study)
        return (
            sum(map(sum, (books[name] for name in EVERYBODY))) + books["pot"] + books["burnt"] + books["fees"]
        )

    def told(self, receipt):
        """The vault's own events, without the token's."""
        return [(event.name, event.args) for event in receipt.events if event.address == self.vault.address]

    def named(self, account, **more):
        """The arguments that most events have."""
        return {"token": self.token.address, "account": account.address} | more


@pytest.fixture(scope="module")
def deployed(evm_module):
    evm = evm_module
    admin, alice, bob, sponsor, hospital, operator, *trusted = evm.actors[:11]
    manager = evm.deploy("AccessManager", admin)
    consortium = evm.deploy("Consortium", manager)
    vault = evm.deploy("StakeVault", manager, consortium, *trusted, CHALLENGER_BPS)
    restricted = {consortium: ("admit", "suspend", "proposeAdmin"), vault: ("allowToken",)}
    for contract, names in restricted.items():
        roles.open_to(manager, roles.CONSORTIUM, contract, *names)
    roles.open_to(manager, roles.PAUSER, vault, "pause", "unpause")
    for role in (roles.CONSORTIUM, roles.PAUSER):
        roles.give(manager, role, admin)
    consortium.admit(hospital, operator, b"\x11" * 32, b"\x22" * 32, pledge(consortium, hospital, operator))
    tokens = {
        name: evm.deploy(name) for name in ("DevelopmentToken", "FalseToken", "SilentToken", "ReentrantToken")
    }
    tokens["FeeToken"] = evm.deploy("FeeToken", 100)
    for token in tokens.values():
        vault.allowToken(token, True)
        for owner in (alice, sponsor):
            token.mint(owner, 1000)
            token.approve(vault, 2**256 - 1, sender=owner)
    people = (admin, alice, bob, sponsor, hospital, operator)
    return Safe(evm, vault, tokens["DevelopmentToken"], tokens, consortium, manager, *people, *trusted)


@pytest.fixture
def safe(deployed, evm):
    """The vault; what a test does to it is undone."""
    return replace(deployed, evm=evm)


@pytest.fixture
def vault(safe):
    """A vault in which alice, bob and the hospital have 300 each, and study 1 has 500."""
    for account in (safe.alice, safe.bob, safe.hospital):
        safe.vault.deposit(safe.token, 300, account, sender=safe.alice)
    safe.vault.fund(1, safe.token, 500, safe.sponsor, sender=safe.studies)
    return safe.vault
