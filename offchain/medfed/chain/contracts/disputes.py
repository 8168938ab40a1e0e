"""Disputes: aggregators' claims, objections, challenges, absences."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.openings import Opening
from medfed.types import Address, RoundNumber, Seat, StudyId

__all__ = ["Attempt", "AttemptState", "Contest", "DisputeTerms", "Disputes", "Record"]


class AttemptState(enum.IntEnum):
    """Where an aggregator's claim stands."""

    NONE = 0
    PENDING = 1
    OBJECTED = 2
    ACCEPTED = 3
    REFUTED = 4
    SETTLED = 5


@dataclass(frozen=True, slots=True)
class DisputeTerms:
    """What a study says about disputes, and the bitmap of the seats that may claim no more. Times in seconds, amounts in
    smallest units."""

    words: int
    steps: int
    training_seconds: int
    aggregating_seconds: int
    claim_seconds: int
    dispute_seconds: int
    min_hospitals: int
    max_attempts: int
    weighted: bool
    barred: int
    rule: Address
    bond: int
    token: Address
    stake: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """An aggregator's claim. It has lapsed when its `era` is not that of the round's contest any more. `challenger` proved
    it wrong; `objector` is a stranger with a bond. Both are the zero address when there is none."""

    aggregate_hash: bytes
    state: AttemptState
    seat: Seat
    era: int
    made_at: int
    challenger: Address
    objector: Address


@dataclass(frozen=True, slots=True)
class Contest:
    """What is contested in a round: attempts so far, and since the set changed last; the round is not void before
    `held_until` (seconds). `authors` and `objectors` are bitmaps of seats."""

    count: int
    used: int
    era: int
    held_until: int
    authors: int
    objectors: int


@dataclass(frozen=True, slots=True)
class Record:
    """A seat's absences: rounds in which it was silent, final rounds that left its update out."""

    misses: int
    left_out: int
    slashed: int
    """Of its stake, for absences; smallest units."""


class Disputes(Contract):
    """Calls and views of `Disputes.sol`."""

    NAME = "Disputes"

    # -- a round without a quorum --------------------------------------------------------------------------------

    def submit_aggregate(self, study: StudyId, number: RoundNumber, seat: Seat, aggregate: Aggregate) -> Call:
        """Sent by the seat's operator: claim, against a bond, that this is the round's result."""
        return self._change("submitAggregate", study, number, seat, aggregate)

    def attempted(self, receipt: Receipt) -> int:
        """The number of the attempt that a `submit_aggregate` receipt tells."""
        return int(self._event(receipt, "AttemptMade")["attempt"])

    def object(self, study: StudyId, number: RoundNumber) -> Call:
        """Close the time path of the pending attempt: once for free as a submitter's operator, else against a bond."""
        return self._change("object", study, number)

    def finalise(self, study: StudyId, number: RoundNumber, aggregate: Aggregate) -> Call:
        """By anyone, when its window has closed: make the pending attempt the round's result."""
        return self._change("finalise", study, number, aggregate)

    def settle(
        self, study: StudyId, number: RoundNumber, attempt: int, final_hash: bytes = bytes(32)
    ) -> Call:
        """By anyone, after the round or a proof: end an attempt and free or share out its bonds. `final_hash` is zero unless the
        round is final."""
        return self._change("settle", study, number, attempt, final_hash)

    # -- challenges ----------------------------------------------------------------------------------------------

    def challenge_chunk(
        self, study: StudyId, number: RoundNumber, aggregate: Aggregate, index: int, openings: Sequence[bytes]
    ) -> Call:
        """By anyone: prove an aggregate wrong in one chunk, with `protocol.openings.chunk_openings`."""
        return self._change("challengeChunk", study, number, aggregate, index, list(openings))

    def challenge_weight(
        self, study: StudyId, number: RoundNumber, aggregate: Aggregate, updates: Sequence[Update]
    ) -> Call:
        """By anyone: prove that an aggregate's weight is not that of the included `updates`, by ascending seat."""
        return self._change("challengeWeight", study, number, aggregate, list(updates))

    def challenge_update(
        self,
        study: StudyId,
        number: RoundNumber,
        seat: Seat,
        shown: tuple[Update, int, Opening],
    ) -> Call:
        """By anyone: prove one chunk of an update wrong. `shown` is (update, index, opening)."""
        update, index, opening = shown
        return self._change("challengeUpdate", study, number, seat, update, index, opening.words())

    # -- absences ------------------------------------------------------------------------------------------------

    def record_absences(self, study: StudyId, number: RoundNumber, aggregate: Aggregate) -> Call:
        """By anyone: warn or slash those that were silent, or that the final aggregate left out."""
        return self._change("recordAbsences", study, number, aggregate)

    # -- views ---------------------------------------------------------------------------------------------------

    def terms(self, study: StudyId, block: BlockLike = None) -> DisputeTerms:
        """What a study says about disputes; all zero when there is none."""
        return DisputeTerms(**self._view(block, "getTerms", study))

    def contest(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Contest:
        """What is contested in a round; all zero when nothing is."""
        return Contest(**self._view(block, "getContest", study, number))

    def attempt(self, study: StudyId, number: RoundNumber, attempt: int, block: BlockLike = None) -> Attempt:
        """One attempt; its state is NONE when there is none of this number."""
        found = self._view(block, "getAttempt", study, number, attempt)
        return Attempt(**{**found, "state": AttemptState(found["state"])})

    def slashed(self, study: StudyId, seat: Seat, block: BlockLike = None) -> int:
        """What the study took from a seat's stake."""
        return int(self._view(block, "slashedOf", study, seat))

    def record(self, study: StudyId, seat: Seat, block: BlockLike = None) -> Record:
        """A seat's absences so far."""
        return Record(**self._view(block, "recordOf", study, seat))

    def absences_recorded(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> int:
        """Bitmap of the seats whose absence from a round was warned or slashed."""
        return int(self._view(block, "absencesRecorded", study, number))

    def barred(self, study: StudyId, block: BlockLike = None) -> int:
        """Bitmap of the seats that make no attempt any more in this study."""
        return int(self._view(block, "barred", study))

    def held_until(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> int:
        """Until when (seconds) the round is not void although Aggregating is over; 0 when nothing holds it."""
        return int(self._view(block, "heldUntil", study, number))

    def leader(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Seat:
        """The seat that may make the next attempt before all may; raises `ContractRevert` when nobody may."""
        return Seat(self._view(block, "leaderOf", study, number))

    def slash_bps(self, block: BlockLike = None) -> int:
        """The share of a stake that one absence costs, in 1/10,000."""
        return int(self._view(block, "SLASH_BPS"))

    def challenger_bps(self, block: BlockLike = None) -> int:
        """The challenger's share of what a proof slashes, in 1/10,000."""
        return int(self._view(block, "CHALLENGER_BPS"))
