"""ModelMarket: licences of finished models. A model's id is its study's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.chain.contracts.payouts import PatientLeaf
from medfed.protocol.commitments import Aggregate, Update
from medfed.types import Address, RoundNumber, Seat, StudyId

__all__ = ["Licence", "Market", "ModelInfo", "Sale", "Terms"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A registered model. Digests are those of the CIDs; `registered_at` is 0 when there is none; `superseded_by` 0 for none."""

    digest: bytes
    spec: bytes
    registered_at: int
    finals: int
    versions: int
    withdrawn: bool
    superseded_by: StudyId


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence costs and allows. `price` in smallest units of `token` (the zero address: not for sale),
    `duration` in seconds (0 without an end), `licence` the digest of the CID of its text."""

    token: Address
    price: int
    duration: int
    transferable: bool
    licence: bytes


@dataclass(frozen=True, slots=True)
class Sale:
    """Terms with the second in which they begin."""

    terms: Terms
    begin: int


@dataclass(frozen=True, slots=True)
class Licence:
    """One sold licence. `expires_at` in seconds, 0 without an end."""

    model: StudyId
    version: int
    expires_at: int
    transferable: bool


class Market(Contract):
    """Calls and views of `ModelMarket.sol`."""

    NAME = "ModelMarket"

    def credit(
        self, study: StudyId, number: RoundNumber, aggregate: Aggregate, updates: Mapping[Seat, Update]
    ) -> Call:
        """By anyone: put the scores of these seats of a final round into the study's book."""
        return self._change("credit", study, number, aggregate, list(updates), list(updates.values()))

    def register(self, study: StudyId, last: Aggregate) -> Call:
        """By anyone, when all final rounds are in the book: freeze the shares. `last` is the last final aggregate."""
        return self._change("register", study, last)

    def set_terms(self, model: StudyId, terms: Terms) -> Call:
        """Sent by the sponsor or the consortium: sell under these terms when the notice is over, or none from now on."""
        return self._change("setTerms", model, terms)

    def version_set(self, receipt: Receipt) -> int:
        """The number of the terms that a `set_terms` receipt tells."""
        return int(self._event(receipt, "TermsSet")["version"])

    def buy(self, model: StudyId, version: int, max_price: int, receiver: Address) -> Call:
        """Buy a licence; the vault must be allowed to draw the price from the buyer."""
        return self._change("buy", model, version, max_price, receiver)

    def sold(self, receipt: Receipt) -> int:
        """The number of the licence that a `buy` receipt tells."""
        return int(self._event(receipt, "LicenceSold")["licence"])

    def withdraw_model(self, model: StudyId) -> Call:
        """Sent by the sponsor or the consortium: sell no more; licences stay."""
        return self._change("withdrawModel", model)

    def supersede(self, model: StudyId, by: StudyId) -> Call:
        """Sent by the sponsor or the consortium: point to a later model."""
        return self._change("supersede", model, by)

    def claim_fees(self, model: StudyId, seat: Seat, token: Address) -> Call:
        """By anyone: a seat's part of the fees, into its hospital's free balance."""
        return self._change("claimFees", model, seat, token)

    def claim_sponsor_fees(self, model: StudyId, token: Address) -> Call:
        """By anyone: the sponsor's part of the fees, into its free balance."""
        return self._change("claimSponsorFees", model, token)

    def claim_patient_fees(
        self,
        place: tuple[StudyId, RoundNumber, Seat],
        token: Address,
        work: tuple[Aggregate, Update],
        leaf: PatientLeaf,
    ) -> Call:
        """Sent by the patient of the leaf. Links the patient's account to the study, for everybody to see."""
        return self._change("claimPatientFees", *place, token, *work, leaf)

    def model(self, model: StudyId, block: BlockLike = None) -> ModelInfo:
        """A model's record; all zero when it is not registered."""
        return ModelInfo(**self._view(block, "getModel", model))

    def sale(self, model: StudyId, version: int, block: BlockLike = None) -> Sale:
        """The terms of one version."""
        found = self._view(block, "getTerms", model, version)
        return Sale(Terms(**{name: found[name] for name in Terms.__slots__}), found["begin"])

    def licence(self, number: int, block: BlockLike = None) -> Licence:
        """A sold licence; all zero when there is none of this number."""
        return Licence(**self._view(block, "getLicence", number))

    def is_licensed(self, account: Address, number: int, block: BlockLike = None) -> bool:
        """Whether the account holds this licence and it has not ended."""
        return bool(self._view(block, "isLicensed", account, number))

    def share(self, model: StudyId, seat: Seat, block: BlockLike = None) -> tuple[int, int]:
        """(share, total): a seat's part of the hospitals' fees."""
        share, total = self._view(block, "shareOf", model, seat)
        return int(share), int(total)

    def fees(self, model: StudyId, token: Address, block: BlockLike = None) -> int:
        """All fees that the model has brought in this token, smallest units."""
        return int(self._view(block, "feesOf", model, token))

    def licence_count(self, block: BlockLike = None) -> int:
        """How many licences were sold; they are numbered from 1."""
        return int(self._view(block, "licenceCount"))
