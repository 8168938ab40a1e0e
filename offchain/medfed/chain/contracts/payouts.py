"""Payouts: the pay of hospitals and patients, and reviews of updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_hash.auto import keccak

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol.commitments import NO_AGGREGATE, Aggregate, Update
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = ["Earned", "PatientLeaf", "Payouts", "Review", "Scores", "review_hash"]


@dataclass(frozen=True, slots=True)
class Earned:
    """One round that a seat is to be paid for: its own update, and the round's result unless it is void."""

    round: RoundNumber
    update: Update
    aggregate: Aggregate = NO_AGGREGATE


@dataclass(frozen=True, slots=True)
class Review:
    """The reviews of one round: bitmaps of seats, and the sum of the scores once tallied.

    `counted` says that at least half of the submitters revealed.
    """

    committed: int
    revealed: int
    total: int
    tallied: bool
    counted: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """How a reviewed round is shared: a seat's score, the sum of all, the bitmap of the reviewers that are paid."""

    score: int
    total: int
    revealers: int


@dataclass(frozen=True, slots=True)
class PatientLeaf:
    """What ties a patient to a cohort: dataset and salt of the leaf, its index among `count` leaves, and the neighbours
    on its way up."""

    dataset: DatasetId
    salt: bytes
    index: int
    count: int
    proof: Sequence[bytes]


def review_hash(
    place: tuple[StudyId, RoundNumber, Seat], hospital: HospitalId, scores: Sequence[int], salt: bytes
) -> bytes:
    """keccak256(abi.encode(study, round, seat, hospital, scores, salt)): what a reviewer commits to."""
    types = ["uint64", "uint16", "uint8", "address", "int16[]", "bytes32"]
    return bytes(keccak(encode(types, [*place, hospital, list(scores), salt])))


class Payouts(Contract):
    """Calls and views of `Payouts.sol`. A `place` is a study, a round and a seat."""

    NAME = "Payouts"

    def claim(self, study: StudyId, seat: Seat, earned: Sequence[Earned]) -> Call:
        """By anyone: pay a seat for rounds whose disputes are over."""
        return self._change("claim", study, seat, list(earned))

    def commit_review(self, place: tuple[StudyId, RoundNumber, Seat], result: bytes, review: bytes) -> Call:
        """Sent by a submitter's operator, in the first half of the dispute window. `result` is the round's hash."""
        return self._change("commitReview", *place, result, review)

    def reveal_review(
        self,
        place: tuple[StudyId, RoundNumber, Seat],
        result: bytes,
        scores: Sequence[int],
        salt: bytes,
    ) -> Call:
        """Sent by the same operator, in the second half. `scores` of the submitted seats, ascending, each an int16."""
        return self._change("revealReview", *place, result, list(scores), salt)

    def tally(self, study: StudyId, number: RoundNumber, result: bytes) -> Call:
        """By anyone, when the dispute window is over."""
        return self._change("tally", study, number, result)

    def claim_patient(
        self,
        place: tuple[StudyId, RoundNumber, Seat],
        work: tuple[Aggregate, Update],
        leaf: PatientLeaf,
    ) -> Call:
        """Sent by the patient of the leaf. Links the patient's account to the study, for everybody to see."""
        return self._change("claimPatient", *place, *work, leaf)

    # -- views ---------------------------------------------------------------------------------------------------

    def scores(self, study: StudyId, number: RoundNumber, seat: Seat, block: BlockLike = None) -> Scores:
        """A seat's score in a reviewed round; a total of 0 where the round is paid by weight."""
        return Scores(*self._view(block, "scoresOf", study, number, seat))

    def share(
        self,
        place: tuple[StudyId, RoundNumber, Seat],
        work: tuple[Aggregate, Update],
        block: BlockLike = None,
    ) -> tuple[int, int]:
        """(score, total): a seat's part of what a round gives to updates; raises `ContractRevert` for who earns
        nothing in it. `work` is (the round's result, the seat's update)."""
        score, total = self._view(block, "shareOf", *place, *work)
        return int(score), int(total)

    def patient_share(
        self,
        place: tuple[StudyId, RoundNumber, Seat],
        work: tuple[Aggregate, Update],
        patient: Address,
        leaf: PatientLeaf,
    ) -> tuple[bytes, int, int]:
        """(leaf, part, whole): a patient's part of what the round gives to patients; reverts for who is not in the
        cohort."""
        digest, part, whole = self._view(None, "patientShareOf", *place, *work, patient, leaf)
        return bytes(digest), int(part), int(whole)

    def review(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Review:
        """The reviews of a round."""
        return Review(**self._view(block, "getReview", study, number))
