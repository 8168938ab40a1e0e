"""What attackers and their victims have, and how far an attack came."""

from __future__ import annotations

from tests.rig.evm import Revert

__all__ = ["everybody", "loss", "owed", "stopped", "wealth"]


def wealth(world, *accounts, token=None):
    """All that some accounts have of a token: in hand, free in the vault, and locked there."""
    token = token or world.token
    balances = [world.vault.balanceOf(account, token) for account in accounts]
    return sum(each.free + each.locked for each in balances) + sum(map(token.balanceOf, accounts))


def loss(world, before, *accounts):
    """What some accounts have less than `before`."""
    return before - wealth(world, *accounts)


def everybody(world):
    """Every account that the tests of this folder give money to."""
    return [
        world.sponsor,
        world.stranger,
        world.admin,
        *world.hospitals,
        *world.operators,
        *world.evm.actors[3:10],
    ]


def owed(world, *studies, accounts=(), token=None):
    """All that the vault owes of a token, and what is nobody's: its balance has to be at least that."""
    token, vault = token or world.token, world.vault
    balances = [vault.balanceOf(account, token) for account in (*everybody(world), *accounts)]
    pots = [vault.potOf(study) for study in studies]
    return (
        sum(each.free + each.locked for each in balances)
        + sum(pot.amount for pot in pots if pot.token == token.address)
        + vault.feesHeld(token)
        + vault.burntOf(token)
    )


def stopped(*steps):
    """Take the steps of an attack until the contracts refuse one; the name of that error, None if all were taken."""
    for step in steps:
        try:
            step()
        except Revert as refusal:
            return refusal.name
    return None
