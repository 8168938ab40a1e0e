"""The AccessManager as a deployment wires it, for tests of contracts with restricted functions."""

from __future__ import annotations

from typing import Any

from eth_utils import keccak
from eth_utils.abi import collapse_if_tuple

from tests.rig.evm import Contract

__all__ = ["ADMIN", "CONSORTIUM", "PAUSER", "give", "open_to", "selector"]

ADMIN, CONSORTIUM, PAUSER = 0, 1, 2


def selector(contract: Contract, function: str) -> bytes:
    """The four bytes that name a function, which must not be overloaded."""
    (entry,) = (part for part in contract.abi if part["type"] == "function" and part["name"] == function)
    types = ",".join(collapse_if_tuple(part) for part in entry["inputs"])
    return bytes(keccak(text=f"{function}({types})")[:4])


def open_to(manager: Contract, role: int, contract: Contract, *functions: str) -> None:
    """Let `role` call these functions of `contract`; sent by the manager's admin, the first actor."""
    manager.setTargetFunctionRole(contract, [selector(contract, name) for name in functions], role)


def give(manager: Contract, role: int, account: Any) -> None:
    """Give a role without delay."""
    manager.grantRole(role, account, 0)
