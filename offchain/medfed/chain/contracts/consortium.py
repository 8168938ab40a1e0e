"""The Consortium: who is a hospital, with which keys."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.types import Address, HospitalId

__all__ = ["Consortium", "Hospital", "HospitalStatus"]


class HospitalStatus(enum.IntEnum):
    """A hospital's standing, numbered as in the contract."""

    NONE = 0
    ACTIVE = 1
    SUSPENDED = 2


@dataclass(frozen=True, slots=True)
class Hospital:
    """What the chain stores of a hospital; `admitted_at` in seconds. Encryption key and metadata are in events."""

    operator: Address
    admitted_at: int
    status: HospitalStatus


class Consortium(Contract):
    """Calls and views of `Consortium.sol`."""

    NAME = "Consortium"

    def admit(self, hospital: HospitalId, operator: Address, encryption_key: bytes, metadata: bytes) -> Call:
        """Admit a hospital: its cold admin account, its daemon's account, its X25519 key, its metadata's digest."""
        return self._change("admit", hospital, operator, encryption_key, metadata)

    def suspend(self, hospital: HospitalId) -> Call:
        """Stop a hospital from registering and enrolling; its running rounds count it as abstaining."""
        return self._change("suspend", hospital)

    def reinstate(self, hospital: HospitalId) -> Call:
        """Lift a suspension."""
        return self._change("reinstate", hospital)

    def rotate_operator(self, operator: Address) -> Call:
        """Sent by the hospital's admin account: another daemon key."""
        return self._change("rotateOperator", operator)

    def rotate_encryption_key(self, encryption_key: bytes) -> Call:
        """Sent by the hospital's admin account: another X25519 key."""
        return self._change("rotateEncryptionKey", encryption_key)

    def update_metadata(self, metadata: bytes) -> Call:
        """Sent by the hospital's admin account: the digest of new metadata."""
        return self._change("updateMetadata", metadata)

    def hospital(self, hospital: HospitalId, block: BlockLike = None) -> Hospital:
        """The stored hospital; status NONE when it was never admitted."""
        found = self._view(block, "getHospital", hospital)
        return Hospital(found["operator"], found["admitted_at"], HospitalStatus(found["status"]))

    def hospital_of(self, operator: Address, block: BlockLike = None) -> HospitalId | None:
        """The hospital that an operator works for, None when it works for none."""
        found = self._view(block, "hospitalOf", operator)
        return None if int(found, 16) == 0 else HospitalId(found)

    def is_operator(
        self, hospital: HospitalId, account: Address, block: BlockLike = None
    ) -> tuple[bool, bool]:
        """(whether the account is this hospital's operator, whether the hospital is active)."""
        operator, active = self._view(block, "isOperator", hospital, account)
        return bool(operator), bool(active)
