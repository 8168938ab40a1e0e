"""Rewards: reviews of updates, the patients' pay, and what nobody claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_hash.auto import keccak

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol.commitments import Aggregate, Update
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = ["PatientLeaf", "Review", "Rewards", "Scores", "review_hash"]


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
    """What ties a patient to a cohort: the dataset and salt of the leaf, and the leaf's Merkle proof."""

    dataset: DatasetId
    salt: bytes
    proof: Sequence[bytes]


def review_hash(
    place: tuple[StudyId, RoundNumber, Seat], hospital: HospitalId, scores: Sequence[int], salt: bytes
) -> bytes:
    """keccak256(abi.encode(study, round, seat, hospital, scores, salt)): what a reviewer commits to."""
    types = ["uint64", "uint16", "uint8", "address", "int16[]", "bytes32"]
    return bytes(keccak(encode(types, [*place, hospital, list(scores), salt])))


class Rewards(Contract):
    """Calls and views of `Rewards.sol`."""

    NAME = "Rewards"

    def commit_review(
        self, place: tuple[StudyId, RoundNumber, Seat], final_hash: bytes, review: bytes
    ) -> Call:
        """Sent by a submitter's operator, in the first half of the dispute window."""
        return self._change("commitReview", *place, final_hash, review)

    def reveal_review(
        self,
        place: tuple[StudyId, RoundNumber, Seat],
        final_hash: bytes,
        scores: Sequence[int],
        salt: bytes,
    ) -> Call:
        """Sent by the same operator, in the second half. `scores` of the submitted seats, ascending, each an int16."""
        return self._change("revealReview", *place, final_hash, list(scores), salt)

    def tally(self, study: StudyId, number: RoundNumber, final_hash: bytes) -> Call:
        """By anyone, when the dispute window is over."""
        return self._change("tally", study, number, final_hash)

    def claim_patient(
        self,
        place: tuple[StudyId, RoundNumber, Seat],
        work: tuple[Aggregate, Update],
        leaf: PatientLeaf,
    ) -> Call:
        """Sent by the patient of the leaf. Links the patient's account to the study, for everybody to see."""
        return self._change("claimPatient", *place, *work, leaf)

    def sweep(self, study: StudyId) -> Call:
        """By anyone, a long time after the study: what nobody claimed goes to the sponsor."""
        return self._change("sweep", study)

    def scores(self, study: StudyId, number: RoundNumber, seat: Seat, block: BlockLike = None) -> Scores:
        """A seat's score in a reviewed round; a total of 0 where the round is paid by weight."""
        return Scores(*self._view(block, "scoresOf", study, number, seat))

    def review(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Review:
        """The reviews of a round."""
        return Review(**self._view(block, "getReview", study, number))

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

    def sweep_delay(self, block: BlockLike = None) -> int:
        """Seconds between the end of a study's last claims and its sweep."""
        return int(self._view(block, "SWEEP_DELAY"))
