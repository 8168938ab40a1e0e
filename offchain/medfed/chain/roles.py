"""The roles of a deployment: which function asks for which, and who is to hold them."""

from __future__ import annotations

from medfed.chain.contracts import Consortium, Market, Role, Vault
from medfed.chain.contracts.base import Contract
from medfed.chain.params import Parameters
from medfed.types import Address

__all__ = ["RESTRICTED", "restricted_names", "role_name", "wanted_holders"]

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


def wanted_holders(parameters: Parameters, admin: Address) -> dict[Role, Address]:
    """Who is to hold each role, apart from any others that the consortium may choose later."""
    return {
        Role.ADMIN: admin,
        Role.CONSORTIUM: Address(parameters.consortium or admin),
        Role.PAUSER: Address(parameters.pauser or admin),
    }
