"""Claims: aggregators' claims, objections, and who was absent."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol.commitments import NO_AGGREGATE, Aggregate
from medfed.protocol.enumeration import Enumeration
from medfed.types import Address, RoundNumber, Seat, StudyId

__all__ = ["Attempt", "AttemptState", "Claims", "Contest"]

_NOBODY = 64


class AttemptState(Enumeration):
    """Where an aggregator's claim stands."""

    NONE = 0
    PENDING = 1
    OBJECTED = 2
    ACCEPTED = 3
    REFUTED = 4
    SETTLED = 5


@dataclass(frozen=True, slots=True)
class Attempt:
    """An aggregator's claim. It has lapsed when its `era` is not that of the round's contest any more. `challenger` proved
    it wrong; `objector` is a stranger with a bond. Both are the zero address when there is none."""

    aggregate_hash: bytes
    state: AttemptState
    seat: Seat
    era: int
    made_at: int
    claim_seconds: int
    challenger: Address
    objector: Address


@dataclass(frozen=True, slots=True)
class Contest:
    """What is contested in a round: attempts so far, and since the set changed last; the round is not void before
    `held_until` (seconds). `authors`, `objectors`, and those `lacking` somebody's bytes, are bitmaps of seats."""

    count: int
    used: int
    era: int
    held_until: int
    authors: int
    objectors: int
    lacking: int


class Claims(Contract):
    """Calls and views of `Claims.sol`."""

    NAME = "Claims"

    def submit_aggregate(self, study: StudyId, number: RoundNumber, seat: Seat, aggregate: Aggregate) -> Call:
        """Sent by the seat's operator: claim, against a bond, that this is the round's result."""
        return self._change("submitAggregate", study, number, seat, aggregate)

    def attempted(self, receipt: Receipt) -> int:
        """The number of the attempt that a `submit_aggregate` receipt tells."""
        return int(self._event(receipt, "AttemptMade")["attempt"])

    def object(self, study: StudyId, number: RoundNumber, attempt: int) -> Call:
        """Close the time path of this attempt, if it is pending: once for free as a submitter's operator, else against a bond."""
        return self._change("object", study, number, attempt)

    def lack(self, study: StudyId, number: RoundNumber, seat: Seat, missing: int) -> Call:
        """Sent by a submitter's operator that cannot attest: nobody serves it the updates of the bitmap `missing`."""
        return self._change("lack", study, number, seat, missing)

    def finalise(self, study: StudyId, number: RoundNumber, aggregate: Aggregate) -> Call:
        """By anyone, when its window has closed: make the pending attempt the round's result."""
        return self._change("finalise", study, number, aggregate)

    def settle(
        self,
        study: StudyId,
        number: RoundNumber,
        attempt: int,
        claimed: Aggregate,
        result: Aggregate = NO_AGGREGATE,
    ) -> Call:
        """By anyone, after the round or a proof: end an attempt and free or share out its bonds. `result` is the
        round's, where it was final."""
        return self._change("settle", study, number, attempt, claimed, result)

    def record_absences(self, study: StudyId, number: RoundNumber) -> Call:
        """By anyone, when Training has closed: warn or slash those that were absent."""
        return self._change("recordAbsences", study, number)

    # -- views ---------------------------------------------------------------------------------------------------

    def absences_recorded(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> int:
        """Bitmap of the seats whose absence from a round was recorded."""
        return int(self._view(block, "absencesRecorded", study, number))

    def contest(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Contest:
        """What is contested in a round; all zero when nothing is."""
        return Contest(**self._view(block, "getContest", study, number))

    def attempt(self, study: StudyId, number: RoundNumber, attempt: int, block: BlockLike = None) -> Attempt:
        """One attempt; its state is NONE when there is none of this number."""
        found = self._view(block, "getAttempt", study, number, attempt)
        return Attempt(**{**found, "state": AttemptState(found["state"])})

    def held_until(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> int:
        """Until when (seconds) the round is not void although Aggregating is over; 0 when nothing holds it."""
        return int(self._view(block, "heldUntil", study, number))

    def leader(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Seat | None:
        """The seat that may make the next attempt before all may; None when nobody may."""
        seat = int(self._view(block, "leaderOf", study, number))
        return None if seat == _NOBODY else Seat(seat)
