"""The Consortium: who is a hospital, with which keys."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.chain.keys import Account
from medfed.protocol.enumeration import Enumeration
from medfed.protocol.typed import ServiceMessage, compact, consortium_domain, digest
from medfed.types import Address, HospitalId

__all__ = ["Consortium", "Hospital", "HospitalStatus", "Pledge", "Proposal"]

_GAS_TO_SUSPEND = 200_000
"""Told instead of estimated: in a later second than the change before it, a change takes two slots more."""


class HospitalStatus(Enumeration):
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


@dataclass(frozen=True, slots=True)
class Proposal:
    """An account that may become a hospital's admin account from `effective_at` on (seconds)."""

    admin: Address
    effective_at: int


@dataclass(frozen=True, slots=True)
class Pledge:
    """An operator's word that it serves a hospital, good until `deadline` (seconds); `signature` has 65 bytes."""

    deadline: int
    signature: bytes


class Consortium(Contract):
    """Calls and views of `Consortium.sol`."""

    NAME = "Consortium"

    def pledge(self, operator: Account, hospital: HospitalId, deadline: int) -> Pledge:
        """Signed by the account that is to be the hospital's operator."""
        domain = consortium_domain(self.client.chain_id, self.address)
        signature = operator.sign_digest(digest(domain, ServiceMessage(hospital, deadline)))
        return Pledge(deadline, signature)

    def admit(
        self,
        hospital: HospitalId,
        operator: Address,
        encryption_key: bytes,
        metadata: bytes,
        pledge: Pledge,
    ) -> Call:
        """Admit a hospital: its cold admin account, its daemon's account with that one's word, its X25519 key, its
        metadata's digest."""
        return self._change("admit", hospital, operator, encryption_key, metadata, _words(pledge))

    def suspend(self, hospital: HospitalId) -> Call:
        """Stop a hospital from registering and enrolling; its running rounds count it as abstaining."""
        return self._change("suspend", hospital, gas=_GAS_TO_SUSPEND)

    def reinstate(self, hospital: HospitalId) -> Call:
        """Lift a suspension."""
        return self._change("reinstate", hospital, gas=_GAS_TO_SUSPEND)

    def give_name(self, hospital: HospitalId, name: str) -> Call:
        """By the consortium: what the hospital is called, once and for good; patients read it when they sign."""
        return self._change("giveName", hospital, name)

    def propose_admin(self, hospital: HospitalId, admin: Address) -> Call:
        """By the consortium: another admin account for a hospital that lost its key; it may accept after a notice."""
        return self._change("proposeAdmin", hospital, admin)

    def withdraw_admin(self, hospital: HospitalId) -> Call:
        """By the consortium: take a proposal back."""
        return self._change("withdrawAdmin", hospital)

    def veto_admin(self, hospital: HospitalId) -> Call:
        """Sent by the hospital's admin account, or its operator while it is active: end a proposal."""
        return self._change("vetoAdmin", hospital)

    def accept_admin(self, hospital: HospitalId) -> Call:
        """Sent by the proposed account, when the notice is over: speak for the hospital from now on."""
        return self._change("acceptAdmin", hospital)

    def rotate_operator(self, hospital: HospitalId, operator: Address, pledge: Pledge) -> Call:
        """Sent by the hospital's admin account: another daemon key, with its word."""
        return self._change("rotateOperator", hospital, operator, _words(pledge))

    def rotate_encryption_key(self, hospital: HospitalId, encryption_key: bytes) -> Call:
        """Sent by the hospital's admin account: another X25519 key."""
        return self._change("rotateEncryptionKey", hospital, encryption_key)

    def update_metadata(self, hospital: HospitalId, metadata: bytes) -> Call:
        """Sent by the hospital's admin account: the digest of new metadata."""
        return self._change("updateMetadata", hospital, metadata)

    def hospital(self, hospital: HospitalId, block: BlockLike = None) -> Hospital:
        """The stored hospital; status NONE when it was never admitted."""
        found = self._view(block, "getHospital", hospital)
        return Hospital(found["operator"], found["admitted_at"], HospitalStatus(found["status"]))

    def name_of(self, hospital: HospitalId, block: BlockLike = None) -> str:
        """What the hospital is called, empty before it is named."""
        return str(self._view(block, "nameOf", hospital))

    def admin_of(self, account: Address, block: BlockLike = None) -> Address:
        """Who speaks for an account: itself, unless it is a hospital whose admin account was replaced."""
        return Address(self._view(block, "adminOf", account))

    def proposal(self, hospital: HospitalId, block: BlockLike = None) -> Proposal | None:
        """The admin account that is proposed for a hospital, None when there is none."""
        found = self._view(block, "getProposal", hospital)
        return None if int(found["admin"], 16) == 0 else Proposal(**found)

    def was_suspended(self, hospital: HospitalId, first: int, last: int, block: BlockLike = None) -> bool:
        """Whether the hospital was suspended in any of the seconds `first` to `last`."""
        return bool(self._view(block, "wasSuspended", hospital, first, last))

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


def _words(pledge: Pledge) -> tuple[int, bytes, bytes]:
    """As the contract takes it."""
    return pledge.deadline, *compact(pledge.signature)
