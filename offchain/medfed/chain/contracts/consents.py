"""The ConsentRegistry: which patient consents to which use of which dataset.

What a patient signs is a message of `protocol.typed`; with its signature it is a `SignedMessage` that anyone may bring.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from medfed.chain.calls import Call, Event, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.chain.errors import error_name
from medfed.errors import ContractRevert
from medfed.protocol import consent
from medfed.protocol.consent import NO_DETAILS, Details, RevokeAll, Word
from medfed.protocol.typed import GrantMessage, NarrowMessage, RevokeAllMessage, RevokeMessage
from medfed.types import Address, DatasetId

__all__ = ["Consents", "SignedMessage", "Skipped", "consent_event"]

_WALLET_GAS = 1_000_000
"""More than the contract allows a wallet, and few enough that a 64th of it answers for one that burns them all."""
_KINDS = {
    "Granted": consent.Granted,
    "Narrowed": consent.Narrowed,
    "Revoked": consent.Revoked,
    "AllRevoked": consent.AllRevoked,
}
_DETAILS = [field.name for field in fields(Details)]


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A patient's decision with the signature over it: 65 bytes, or what the patient's contract wallet takes."""

    message: GrantMessage | NarrowMessage | RevokeMessage | RevokeAllMessage
    signature: bytes

    def flat(self) -> dict[str, Any]:
        """The fields of the contract's struct by name."""
        found = {field.name: getattr(self.message, field.name) for field in fields(self.message)}
        found.pop("dataset", None)  # the contract knows what it is called
        said = {name: found.pop(name) for name in _DETAILS if name in found}
        return {
            **found,
            **({"details": Details(**said).packed()} if said else {}),
            "signature": self.signature,
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """An item of a batch that did not count: its place, whose it is, the name of the error (empty: none is known)."""

    index: int
    patient: Address
    reason: str


def consent_event(event: Event) -> consent.Event:
    """An event of this contract in the form of `protocol.consent`; raises `KeyError` for one that is no consent."""
    values = {("dataset" if name == "dataset_id" else name): value for name, value in event.values.items()}
    if "details" in values:
        values["details"] = Details.unpack(values["details"])
    made: consent.Event = _KINDS[event.name](**values)
    return made


class Consents(Contract):
    """Calls and views of `ConsentRegistry.sol`."""

    NAME = "ConsentRegistry"

    # -- by the patient's own account ----------------------------------------------------------------------------

    def grant(
        self, dataset: DatasetId, purposes: int, expiry_day: int, details: Details = NO_DETAILS
    ) -> Call:
        """Consent, in place of any earlier consent; `expiry_day` counts days since 1970."""
        return self._change("grant", dataset, purposes, expiry_day, details.packed())

    def narrow(
        self, dataset: DatasetId, purposes: int, expiry_day: int, details: Details = NO_DETAILS
    ) -> Call:
        """Take some of the consent away and keep the rest."""
        return self._change("narrow", dataset, purposes, expiry_day, details.packed())

    def revoke(self, dataset: DatasetId) -> Call:
        """End the consent for one dataset."""
        return self._change("revoke", dataset)

    def revoke_all(self) -> Call:
        """End every consent."""
        return self._change("revokeAll")

    # -- by the patient's signature, sent by anyone ---------------------------------------------------------------

    def grant_by_sig(self, item: SignedMessage) -> Call:
        """A signed grant."""
        return self._change("grantBySig", item.flat())

    def narrow_by_sig(self, item: SignedMessage) -> Call:
        """A signed narrowing."""
        return self._change("narrowBySig", item.flat())

    def revoke_by_sig(self, item: SignedMessage) -> Call:
        """A signed revocation."""
        return self._change("revokeBySig", item.flat())

    def revoke_all_by_sig(self, item: SignedMessage) -> Call:
        """A signed revoke-all."""
        return self._change("revokeAllBySig", item.flat())

    def grant_batch(self, items: Sequence[SignedMessage]) -> Call:
        """Signed grants; one that does not count sinks no other, see `skipped`."""
        return self._change("grantBatch", [item.flat() for item in items])

    def narrow_batch(self, items: Sequence[SignedMessage]) -> Call:
        """Signed narrowings."""
        return self._change("narrowBatch", [item.flat() for item in items])

    def revoke_batch(self, items: Sequence[SignedMessage]) -> Call:
        """Signed revocations."""
        return self._change("revokeBatch", [item.flat() for item in items])

    def revoke_all_batch(self, items: Sequence[SignedMessage]) -> Call:
        """Signed revoke-alls."""
        return self._change("revokeAllBatch", [item.flat() for item in items])

    def skipped(self, receipt: Receipt) -> list[Skipped]:
        """The items of a batch that did not count."""
        found = (event for event in self.events(receipt) if event.name == "SignatureSkipped")
        return [Skipped(event["index"], event["patient"], error_name(event["reason"])) for event in found]

    # -- by the dataset's owner ----------------------------------------------------------------------------------

    def revoke_for(self, patient: Address, dataset: DatasetId) -> Call:
        """End a patient's consent on their behalf (a lost key, a request on paper)."""
        return self._change("revokeFor", patient, dataset)

    # -- views ---------------------------------------------------------------------------------------------------

    def is_active(
        self, patient: Address, dataset: DatasetId, purposes: int, at: int, block: BlockLike = None
    ) -> bool:
        """Whether the current word makes `purposes` active at second `at`; no wherever it cannot tell."""
        return bool(self._view(block, "isActive", patient, dataset, purposes, at))

    def was_active(
        self, patient: Address, dataset: DatasetId, purposes: int, at: int, shown: consent.History
    ) -> bool:
        """Whether `purposes` was active when the past second `at` had ended, from the words shown newest first."""
        words = shown.words, [each.packed() for each in shown.details], shown.revoke_alls
        return bool(self._view(None, "wasActive", patient, dataset, purposes, at, *words))

    def word(self, patient: Address, dataset: DatasetId, block: BlockLike = None) -> Word:
        """The latest word; all zero when there never was one."""
        return Word(**self._view(block, "wordOf", patient, dataset))

    def details(self, patient: Address, dataset: DatasetId, block: BlockLike = None) -> Details:
        """What the latest word says beyond itself."""
        return Details.unpack(self._view(block, "detailsOf", patient, dataset))

    def revoke_all_word(self, patient: Address, block: BlockLike = None) -> RevokeAll:
        """The patient's latest revoke-all; all zero when there never was one."""
        return RevokeAll(**self._view(block, "revokeAllOf", patient))

    def is_wallet_signature(self, wallet: Address, digest: bytes, signature: bytes) -> bool:
        """Whether the contract at `wallet` takes the signature now (ERC-1271)."""
        call = self._change("isWalletSignature", wallet, digest, signature, gas=_WALLET_GAS)
        try:
            return bool(self.interface.decode("isWalletSignature", self.client.read(call)))
        except ContractRevert:
            return False

    def states(
        self, patients: Sequence[Address], dataset: DatasetId, block: BlockLike = None
    ) -> list[consent.State]:
        """What the chain keeps of many patients and one dataset."""
        places = [(patient, dataset) for patient in patients]
        words = [Word(**word) for word in self._views(block, "wordOf", places)]
        revoked = self._views(block, "revokeAllOf", [(patient,) for patient in patients])
        said = [place for place, word in zip(places, words, strict=True) if word.detailed]
        details = dict(zip(said, self._views(block, "detailsOf", said), strict=True))
        return [
            consent.State(
                word,
                RevokeAll(**last),
                Details.unpack(details[place]) if place in details else NO_DETAILS,
            )
            for place, word, last in zip(places, words, revoked, strict=True)
        ]

    @staticmethod
    def history(events: Iterable[Event]) -> list[consent.Event]:
        """Indexed events of this contract in the form of `protocol.consent`; batch reports are left out."""
        return [consent_event(event) for event in events if event.name in _KINDS]
