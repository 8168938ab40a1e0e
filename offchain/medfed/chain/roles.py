"""The roles of a deployment: which function asks for which, who is to hold them, and how they change hands.

The admin's roles change hands in two steps, as a mistyped address would lose the deployment for good: the new admin gets
them beside the old one, and takes them from the old one itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from medfed.chain.calls import Call
from medfed.chain.contracts import AccessManager, Consortium, Market, Role, Vault
from medfed.chain.contracts.base import Contract
from medfed.chain.params import Parameters
from medfed.errors import ConfigError
from medfed.types import NO_ACCOUNT, Address

__all__ = [
    "RESTRICTED",
    "announcing",
    "check_holders",
    "named_holders",
    "restricted_names",
    "role_name",
    "taking_over",
    "wanted_holders",
    "withdrawing",
]

_PUBLIC = (1 << 64) - 1
"""The role that everybody holds."""
RESTRICTED: tuple[tuple[type[Contract], tuple[str, ...], Role], ...] = (
    (
        Consortium,
        ("admit", "giveName", "suspend", "reinstate", "proposeAdmin", "withdrawAdmin"),
        Role.CONSORTIUM,
    ),
    (Vault, ("allowToken",), Role.CONSORTIUM),
    (Vault, ("pause", "unpause"), Role.PAUSER),
    (Market, ("setTerms", "withdrawModel", "supersede"), Role.CONSORTIUM),
)
"""Which functions ask for which role."""


def restricted_names() -> list[str]:
    """The contracts with functions that ask for a role."""
    return list(dict.fromkeys(kind.NAME for kind, _, _ in RESTRICTED))


def role_name(number: int) -> str:
    """A role as people read it."""
    if number == _PUBLIC:
        return "PUBLIC"
    return Role(number).name if number in list(Role) else f"role {number}"


def named_holders(parameters: Parameters) -> dict[Role, Address]:
    """Whom the parameters name for a role."""
    named = {Role.CONSORTIUM: parameters.consortium, Role.PAUSER: parameters.pauser}
    return {role: Address(account) for role, account in named.items() if account is not None}


def wanted_holders(parameters: Parameters, admin: Address) -> dict[Role, Address]:
    """Who is to hold each role, apart from any others that the consortium may choose later."""
    return {**dict.fromkeys(Role, admin), **named_holders(parameters)}


def check_holders(holders: Mapping[Role, Address], places: Mapping[str, Address]) -> None:
    """Raise `ConfigError` for a holder that can never act: nobody, or one of the deployment's own contracts."""
    names = {
        NO_ACCOUNT: "nobody's address",
        **{at: f"the {name} of this deployment" for name, at in places.items()},
    }
    for role, holder in holders.items():
        if holder in names:
            raise ConfigError(
                f"{holder} is {names[holder]} and could never use the role {role.name}; name an account that somebody has the key of."
            )


def announcing(
    manager: AccessManager, admins: tuple[Address, Address], holders: Mapping[Role, Address]
) -> Iterator[Call]:
    """What gives the new admin of `admins` (old, new) every role that the old one holds and `holders` leaves to it."""
    old, new = admins
    for role in Role:
        if holders[role] == new and manager.has_role(role, old) and not manager.has_role(role, new):
            yield manager.grant_role(role, new)


def taking_over(
    manager: AccessManager, admins: tuple[Address, Address], holders: Mapping[Role, Address]
) -> Iterator[Call]:
    """What the new admin of `admins` (old, new) sends: it takes from the old one what that gave it."""
    old, new = admins
    for role in Role:
        if holders[role] == new and manager.has_role(role, old) and manager.has_role(role, new):
            yield manager.revoke_role(role, old)


def withdrawing(
    manager: AccessManager, announced: Address, holders: Mapping[Role, Address]
) -> Iterator[Call]:
    """What takes an announced admin's roles back; those that `holders` gives it apart from that stay."""
    for role in Role:
        if holders[role] != announced and manager.has_role(role, announced):
            yield manager.revoke_role(role, announced)
