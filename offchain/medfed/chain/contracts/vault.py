"""The StakeVault: the only contract that holds value."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.types import Address, StudyId

__all__ = ["Balance", "Exit", "Permit", "Pot", "Vault"]


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's tokens in the vault: `free` to use or take out, `locked` as stake. Smallest units."""

    free: int
    locked: int


@dataclass(frozen=True, slots=True)
class Exit:
    """Tokens on their way out, still slashable until `available_at` (seconds)."""

    amount: int
    available_at: int


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

    def request_exit(self, token: Address, amount: int) -> Call:
        """Start the exit delay for free tokens."""
        return self._change("requestExit", token, amount)

    def cancel_exit(self, token: Address) -> Call:
        """Put exiting tokens back into the free balance."""
        return self._change("cancelExit", token)

    def withdraw(self, token: Address, receiver: Address) -> Call:
        """Take out what has waited long enough."""
        return self._change("withdraw", token, receiver)

    def allow_token(self, token: Address, allowed: bool) -> Call:
        """Sent by the consortium: take a token for deposits, or no longer."""
        return self._change("allowToken", token, allowed)

    def pause(self) -> Call:
        """Sent by the pauser: stop deposits."""
        return self._change("pause")

    def unpause(self) -> Call:
        """Sent by the pauser: take deposits again."""
        return self._change("unpause")

    def is_paused(self, block: BlockLike = None) -> bool:
        """Whether deposits are stopped."""
        return bool(self._view(block, "paused"))

    def balance(self, account: Address, token: Address, block: BlockLike = None) -> Balance:
        """The account's free and locked tokens."""
        found = self._view(block, "balanceOf", account, token)
        return Balance(found["free"], found["locked"])

    def exit(self, account: Address, token: Address, block: BlockLike = None) -> Exit:
        """The account's tokens on their way out."""
        found = self._view(block, "exitOf", account, token)
        return Exit(found["amount"], found["available_at"])

    def pot(self, study: StudyId, block: BlockLike = None) -> Pot:
        """What the study still has to pay out."""
        found = self._view(block, "potOf", study)
        return Pot(found["token"], found["amount"])

    def is_allowed(self, token: Address, block: BlockLike = None) -> bool:
        """Whether the consortium takes this token."""
        return bool(self._view(block, "isAllowed", token))

    def exit_delay(self, block: BlockLike = None) -> int:
        """Seconds between `request_exit` and `withdraw`."""
        return int(self._view(block, "exitDelay"))
