"""FederatedRounds: studies and their rounds."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.phase import Outcome, Phase
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = [
    "Absence",
    "Ballot",
    "Round",
    "Rounds",
    "ScoreMode",
    "SeatInfo",
    "Study",
    "StudyState",
    "StudyTerms",
]


_GAS_TO_ATTEST = 250_000
"""Told instead of estimated: whoever turns out to be the last needs twice the gas, as that ends the round and opens
the next."""


class StudyState(enum.IntEnum):
    """Where a study stands."""

    NONE = 0
    ENROLLING = 1
    RUNNING = 2
    COMPLETED = 3
    ABORTED = 4


class ScoreMode(enum.IntEnum):
    """How the part of a round's reward that is for its updates is shared out."""

    WEIGHT = 0
    EQUAL = 1
    REVIEWED = 2


@dataclass(frozen=True, slots=True)
class StudyTerms:
    """What a sponsor offers and asks for. Amounts in the token's smallest unit, times in seconds, shares in 1/10,000.

    `spec` is the digest inside the study spec's CID; `enrol_deadline` is a moment, the other times are lengths.
    `words` and `steps` are the codec's size and steps; with `max_attempts` 0 only a quorum ends a round.
    """

    spec: bytes
    token: Address
    reward_per_round: int
    stake: int
    rule: Address
    purposes: int
    disease: int
    enrol_deadline: int
    min_hospitals: int
    max_hospitals: int
    rounds: int
    max_voids: int
    cohort_step: int
    training_seconds: int
    aggregating_seconds: int
    dispute_seconds: int
    max_weight: int
    attester_bps: int
    words: int
    steps: int
    claim_seconds: int
    max_attempts: int
    bond: int
    score_mode: ScoreMode
    patient_bps: int
    sponsor_fee_bps: int


@dataclass(frozen=True, slots=True)
class Study:
    """A study as the chain stores it: its terms, and how far it is. `round` is the newest one, 0 while enrolling.

    Rounds from `void_from` on (0: none) pay nobody; `struck` is the bitmap of the seats that lost their stake to a proof.
    What the terms say about disputes is in `Disputes.terms`.
    """

    state: StudyState
    members: int
    min_hospitals: int
    round: int
    finals: int
    rounds: int
    voids: int
    cohort_step: int
    training_seconds: int
    aggregating_seconds: int
    dispute_seconds: int
    max_weight: int
    attester_bps: int
    patient_bps: int
    void_from: int
    score_mode: ScoreMode
    token: Address
    reward_per_round: int
    sponsor: Address
    enrol_deadline: int
    purposes: int
    disease: int
    max_hospitals: int
    rule: Address
    stake: int
    spec: bytes
    ended_at: int
    refunded: bool
    max_voids: int
    sponsor_fee_bps: int
    struck: int
    forfeited: int


@dataclass(frozen=True, slots=True)
class SeatInfo:
    """A hospital's place in a study, with what it pinned on enrolling. `dataset` is 0 once the stake is released.

    `struck` when an update of it was proved wrong: it submits no more.
    """

    hospital: HospitalId
    dataset: DatasetId
    version: int
    records: int
    struck: bool


@dataclass(frozen=True, slots=True)
class Round:
    """A round as stored. `submitted` and `attested` are bitmaps of seats; `closed_at` is 0 until all have acted."""

    opened_at: int
    closed_at: int
    total_weight: int
    acted: int
    submitted: int
    attested: int
    outcome: Outcome
    finals_before: int


@dataclass(frozen=True, slots=True)
class Ballot:
    """Who attested to one aggregate, and who was paid for it; `final_at` is 0 unless it is the round's result."""

    attesters: int
    claimed: int
    included: int
    final_at: int
    weight: int


@dataclass(frozen=True, slots=True)
class Absence:
    """Bitmaps of the seats that abstained, and of those whose update was proved wrong."""

    abstained: int
    struck: int


class Rounds(Contract):
    """Calls and views of `FederatedRounds.sol`."""

    NAME = "FederatedRounds"

    # -- a study -------------------------------------------------------------------------------------------------

    def create_study(self, terms: StudyTerms) -> Call:
        """Post a study; the vault must be allowed to draw all rounds' rewards from the sponsor."""
        return self._change("createStudy", terms)

    def created(self, receipt: Receipt) -> StudyId:
        """The id that a `create_study` receipt tells."""
        return StudyId(self._event(receipt, "StudyCreated")["study"])

    def enrol(self, study: StudyId, dataset: DatasetId) -> Call:
        """Sent by a hospital's operator: take a seat with a dataset and a stake."""
        return self._change("enrol", study, dataset)

    def enrolled(self, receipt: Receipt) -> Seat:
        """The seat that an `enrol` receipt tells."""
        return Seat(self._event(receipt, "Enrolled")["seat"])

    def cancel(self, study: StudyId) -> Call:
        """Sent by the sponsor while hospitals enrol: take the study back."""
        return self._change("cancel", study)

    def advance(self, study: StudyId) -> Call:
        """By anyone: do what time allows."""
        return self._change("advance", study)

    def release(self, study: StudyId, seat: Seat) -> Call:
        """By anyone, after the study: give a seat's stake and dataset free."""
        return self._change("release", study, seat)

    def refund(self, study: StudyId) -> Call:
        """By anyone, after the study: give the sponsor what no round will pay out."""
        return self._change("refund", study)

    # -- a round -------------------------------------------------------------------------------------------------

    def submit_update(self, study: StudyId, number: RoundNumber, seat: Seat, update: Update) -> Call:
        """Sent by the seat's operator: commit to an update."""
        return self._change("submitUpdate", study, number, seat, update)

    def abstain(self, study: StudyId, number: RoundNumber, seat: Seat) -> Call:
        """Sent by the seat's operator: present without work. By anyone for a suspended hospital."""
        return self._change("abstain", study, number, seat)

    def attest(self, study: StudyId, number: RoundNumber, seat: Seat, aggregate: Aggregate) -> Call:
        """Sent by the seat's operator: attest to an aggregate given in full."""
        return self._change("attest", study, number, seat, aggregate, gas=_GAS_TO_ATTEST)

    def attest_hash(self, study: StudyId, number: RoundNumber, seat: Seat, aggregate_hash: bytes) -> Call:
        """Sent by the seat's operator: attest to an aggregate that somebody gave in full before."""
        return self._change("attestHash", study, number, seat, aggregate_hash, gas=_GAS_TO_ATTEST)

    def attest_by_sig(
        self, study: StudyId, number: RoundNumber, aggregate: Aggregate, signatures: Mapping[Seat, bytes]
    ) -> Call:
        """By anyone: hand in operators' 65-byte signatures, by seat."""
        packed = b"".join(_compact(signature) for signature in signatures.values())
        return self._change("attestBySig", study, number, aggregate, list(signatures), packed)

    def claim(self, study: StudyId, number: RoundNumber, seat: Seat, work: tuple[Aggregate, Update]) -> Call:
        """By anyone: pay a seat for a final round. `work` is (the final aggregate, the seat's update)."""
        return self._change("claim", study, number, seat, *work)

    # -- by the pauser -------------------------------------------------------------------------------------------

    def pause(self) -> Call:
        """Stop new studies and enrolments; nothing that runs is touched."""
        return self._change("pause")

    def unpause(self) -> Call:
        """Take new studies and enrolments again."""
        return self._change("unpause")

    # -- views ---------------------------------------------------------------------------------------------------

    def study_count(self, block: BlockLike = None) -> int:
        """How many studies there are; ids count from 1."""
        return int(self._view(block, "studyCount"))

    def study(self, study: StudyId, block: BlockLike = None) -> Study:
        """The study's record; its state is NONE when there is none."""
        found = self._view(block, "getStudy", study)
        kinds = {"state": StudyState(found["state"]), "score_mode": ScoreMode(found["score_mode"])}
        return Study(**{**found, **kinds})

    def seat(self, study: StudyId, seat: Seat, block: BlockLike = None) -> SeatInfo:
        """A seat's record."""
        return SeatInfo(**self._view(block, "getSeat", study, seat))

    def seat_of(self, study: StudyId, hospital: HospitalId, block: BlockLike = None) -> Seat | None:
        """The seat of a hospital, None when it has none."""
        enrolled, seat = self._view(block, "seatOf", study, hospital)
        return Seat(seat) if enrolled else None

    def round(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Round:
        """A round's record; all zero when it has not opened."""
        found = self._view(block, "getRound", study, number)
        return Round(**{**found, "outcome": Outcome(found["outcome"])})

    def ballot(
        self, study: StudyId, number: RoundNumber, aggregate_hash: bytes, block: BlockLike = None
    ) -> Ballot:
        """The ballot of one aggregate."""
        return Ballot(**self._view(block, "getBallot", study, number, aggregate_hash))

    def absence(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Absence:
        """Who abstained, and whose update was proved wrong."""
        return Absence(**self._view(block, "getAbsence", study, number))

    def commitment(self, study: StudyId, number: RoundNumber, seat: Seat, block: BlockLike = None) -> bytes:
        """A seat's commitment for a round; zero when it has not submitted."""
        return bytes(self._view(block, "updateOf", study, number, seat))

    def commitments(
        self, study: StudyId, number: RoundNumber, seats: Iterable[Seat], block: BlockLike = None
    ) -> dict[Seat, bytes]:
        """The commitments of many seats for a round; zero for one that has not submitted."""
        wanted = list(seats)
        found = self._views(block, "updateOf", [(study, number, seat) for seat in wanted])
        return {seat: bytes(value) for seat, value in zip(wanted, found, strict=True)}

    def carried_into(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> int:
        """What a round pays on top of the study's reward."""
        return int(self._view(block, "carriedInto", study, number))

    def phase(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Phase:
        """The phase of a round at the time of `block`."""
        return Phase(self._view(block, "phase", study, number))

    def hash_aggregate(self, study: StudyId, number: RoundNumber, aggregate: Aggregate) -> bytes:
        """The hash that attestations name."""
        return bytes(self._view(None, "hashAggregate", study, number, aggregate))

    def is_paused(self, block: BlockLike = None) -> bool:
        """Whether new studies and enrolments are stopped."""
        return bool(self._view(block, "paused"))


def _compact(signature: bytes) -> bytes:
    """65 bytes r, s, v as 64 bytes r, vs (ERC-2098)."""
    head = signature[32] | (0x80 if signature[64] in (1, 28) else 0)
    return signature[:32] + bytes([head]) + signature[33:64]
