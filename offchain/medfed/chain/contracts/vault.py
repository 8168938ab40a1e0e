"""The StakeVault: the only contract that holds value."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.types import Address, StudyId

__all__ = ["Allowance", "Balance", "Permit", "Pot", "Vault"]


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's tokens in the vault: `free` to use or take out, `locked` as stake or bond. Smallest units."""

    free: int
    locked: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What others, a hospital's operator above all, may lock of an account's tokens: up to `limit`, of which `used` is
    locked now or was slashed. Smallest units."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """What they may lock besides."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Pot:
    """What a study still has to pay out."""

    token: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Permit:
    """An ERC-2612 permission to draw tokens: `deadline` in seconds and a 65-byte signature."""

    deadline: int
    signature: bytes


class Vault(Contract):
    """Calls and views of `StakeVault.sol`."""

    NAME = "StakeVault"

    def deposit(self, token: Address, amount: int, account: Address) -> Call:
        """Put tokens into `account`'s free balance; needs the token's allowance first."""
        return self._change("deposit", token, amount, account)

    def deposit_with_permit(self, token: Address, amount: int, account: Address, permit: Permit) -> Call:
        """Like `deposit`, with the caller's ERC-2612 permission instead of an allowance."""
        r, s, v = permit.signature[:32], permit.signature[32:64], permit.signature[64]
        return self._change("depositWithPermit", token, amount, account, permit.deadline, v, r, s)

    def withdraw(self, account: Address, token: Address, amount: int, receiver: Address) -> Call:
        """Sent by the account, or a hospital's admin account: take free tokens out."""
        return self._change("withdraw", account, token, amount, receiver)

    def set_allowance(self, account: Address, token: Address, limit: int) -> Call:
        """Sent by the account, or a hospital's admin account: what others may lock of its tokens, what is locked now
        included."""
        return self._change("setAllowance", account, token, limit)

    def allow_token(self, token: Address, allowed: bool) -> Call:
        """Sent by the consortium: take a token for deposits, or no longer."""
        return self._change("allowToken", token, allowed)

    def pause(self) -> Call:
        """Sent by the pauser: stop what brings tokens in: deposits, new studies, licence fees; daemons enrol no more by
        themselves. Nothing that runs is touched."""
        return self._change("pause")

    def unpause(self) -> Call:
        """Sent by the pauser: take them again."""
        return self._change("unpause")

    def is_paused(self, block: BlockLike = None) -> bool:
        """Whether deposits, new studies and enrolments are stopped."""
        return bool(self._view(block, "paused"))

    def balance(self, account: Address, token: Address, block: BlockLike = None) -> Balance:
        """The account's free and locked tokens."""
        found = self._view(block, "balanceOf", account, token)
        return Balance(found["free"], found["locked"])

    def allowance(self, account: Address, token: Address, block: BlockLike = None) -> Allowance:
        """What others may lock of the account's tokens, and have locked."""
        found = self._view(block, "allowanceOf", account, token)
        return Allowance(found["limit"], found["used"])

    def delegates(self, account: Address, block: BlockLike = None) -> bool:
        """Whether the account ever set an allowance: only then the vault asks the consortium who speaks for it."""
        return bool(self._view(block, "delegates", account))

    def pot(self, study: StudyId, block: BlockLike = None) -> Pot:
        """What the study still has to pay out."""
        found = self._view(block, "potOf", study)
        return Pot(found["token"], found["amount"])

    def is_allowed(self, token: Address, block: BlockLike = None) -> bool:
        """Whether the consortium takes this token."""
        return bool(self._view(block, "isAllowed", token))

    def burnt(self, token: Address, block: BlockLike = None) -> int:
        """What is nobody's for good, of what was slashed and of pots; smallest units."""
        return int(self._view(block, "burntOf", token))

    def fees_held(self, token: Address, block: BlockLike = None) -> int:
        """The licence fees that are held for the model market."""
        return int(self._view(block, "feesHeld", token))

    def challenger_bps(self, block: BlockLike = None) -> int:
        """The challenger's share of what a proof slashes, in 1/10,000."""
        return int(self._view(block, "CHALLENGER_BPS"))
