"""The AccessManager: who holds which role, and which function asks for which."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.types import Address

__all__ = ["Access", "AccessManager", "Role"]


class Role(enum.IntEnum):
    """Role numbers. ADMIN grants and wires roles; CONSORTIUM admits and suspends; PAUSER stops what is new."""

    ADMIN = 0
    CONSORTIUM = 1
    PAUSER = 2


@dataclass(frozen=True, slots=True)
class Access:
    """How an account holds a role: from which second on (0 for never), after how many seconds of notice it may act, and after
    how many from `effect` on (0 where no change is coming)."""

    since: int
    delay: int
    pending: int
    effect: int


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

    def set_role_admin(self, role: Role, admin: Role) -> Call:
        """Let the holders of `admin` give and take `role`."""
        return self._change("setRoleAdmin", int(role), int(admin))

    def set_role_guardian(self, role: Role, guardian: Role) -> Call:
        """Let the holders of `guardian` cancel what those of `role` have announced."""
        return self._change("setRoleGuardian", int(role), int(guardian))

    def set_grant_delay(self, role: Role, seconds: int) -> Call:
        """How long after a grant the role begins; a longer wait from five days on."""
        return self._change("setGrantDelay", int(role), seconds)

    def set_admin_delay(self, target: Address, seconds: int) -> Call:
        """How long changes of the target's functions, authority or closure are announced; a longer wait from five days on."""
        return self._change("setTargetAdminDelay", target, seconds)

    def set_closed(self, target: Address, closed: bool) -> Call:
        """Close the target's restricted functions to everybody, or open them again."""
        return self._change("setTargetClosed", target, closed)

    def multicall(self, calls: Sequence[Call]) -> Call:
        """Several calls of this contract as one transaction, all or nothing, in the sender's name."""
        return self._change("multicall", [call.data for call in calls])

    def execute(self, target: Address, call: Call) -> Call:
        """Another contract's call in this one's name, which that one takes for the sender's by its role."""
        return self._change("execute", target, call.data)

    def has_role(self, role: Role, account: Address, block: BlockLike = None) -> bool:
        """Whether the account holds the role now."""
        held, _ = self._view(block, "hasRole", int(role), account)
        return bool(held)

    def target_function_role(self, target: Address, selector: bytes, block: BlockLike = None) -> int:
        """The role that the function asks for."""
        return int(self._view(block, "getTargetFunctionRole", target, selector))

    def role_admin(self, role: Role, block: BlockLike = None) -> int:
        """The role that gives and takes this one."""
        return int(self._view(block, "getRoleAdmin", int(role)))

    def role_guardian(self, role: Role, block: BlockLike = None) -> int:
        """The role that cancels what holders of this one have announced."""
        return int(self._view(block, "getRoleGuardian", int(role)))

    def grant_delay(self, role: Role, block: BlockLike = None) -> int:
        """Seconds from a grant of the role to its first use."""
        return int(self._view(block, "getRoleGrantDelay", int(role)))

    def admin_delay(self, target: Address, block: BlockLike = None) -> int:
        """Seconds from announcing to making a change of the target's functions, authority or closure."""
        return int(self._view(block, "getTargetAdminDelay", target))

    def is_closed(self, target: Address, block: BlockLike = None) -> bool:
        """Whether nobody can call the target's restricted functions."""
        return bool(self._view(block, "isTargetClosed", target))

    def access(self, role: Role, account: Address, block: BlockLike = None) -> Access:
        """How an account holds a role, if it does."""
        return Access(*map(int, self._view(block, "getAccess", int(role), account)))
