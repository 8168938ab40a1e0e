"""The AccessManager: who holds which role, and which function asks for which."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.types import Address

__all__ = ["AccessManager", "Role"]


class Role(enum.IntEnum):
    """Role numbers. ADMIN grants and wires roles; CONSORTIUM admits and suspends; PAUSER stops what is new."""

    ADMIN = 0
    CONSORTIUM = 1
    PAUSER = 2


class AccessManager(Contract):
    """OpenZeppelin's AccessManager."""

    NAME = "AccessManager"

    def grant_role(self, role: Role, account: Address, delay: int = 0) -> Call:
        """Give a role; `delay` in seconds is how long the holder must announce each use beforehand."""
        return self._change("grantRole", int(role), account, delay)

    def revoke_role(self, role: Role, account: Address) -> Call:
        """Take a role away."""
        return self._change("revokeRole", int(role), account)

    def renounce_role(self, role: Role, account: Address) -> Call:
        """Give up one's own role; `account` is the sender, named again to be sure."""
        return self._change("renounceRole", int(role), account)

    def label_role(self, role: Role, label: str) -> Call:
        """Name a role for block explorers."""
        return self._change("labelRole", int(role), label)

    def set_target_function_role(self, target: Address, selectors: list[bytes], role: Role) -> Call:
        """Let `role` call these functions of `target`."""
        return self._change("setTargetFunctionRole", target, selectors, int(role))

    def multicall(self, calls: Sequence[Call]) -> Call:
        """Several calls of this contract as one transaction, all or nothing, in the sender's name."""
        return self._change("multicall", [call.data for call in calls])

    def has_role(self, role: Role, account: Address, block: BlockLike = None) -> bool:
        """Whether the account holds the role now."""
        held, _ = self._view(block, "hasRole", int(role), account)
        return bool(held)

    def target_function_role(self, target: Address, selector: bytes, block: BlockLike = None) -> int:
        """The role that the function asks for."""
        return int(self._view(block, "getTargetFunctionRole", target, selector))
