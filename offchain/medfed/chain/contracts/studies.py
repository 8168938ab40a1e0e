"""Studies: what sponsors offer and ask for, and where the money of studies ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol.enumeration import Enumeration
from medfed.protocol.layout import Vector
from medfed.types import Address, RoundNumber, Seat, StudyId

__all__ = ["Offer", "Pools", "ScoreMode", "Studies", "StudyTerms"]

_BPS = 10_000


class ScoreMode(Enumeration):
    """How the part of a round's reward that is for its updates is shared out."""

    WEIGHT = 0
    EQUAL = 1
    REVIEWED = 2


@dataclass(frozen=True, slots=True)
class Pools:
    """What is for whom of a round's reward, in smallest units; `score_mode` says how the updates' part is shared out."""

    attesters: int
    patients: int
    updates: int
    score_mode: ScoreMode


@dataclass(frozen=True, slots=True)
class StudyTerms:
    """What a sponsor offers and asks for. Amounts in the token's smallest unit, times in seconds, shares in 1/10,000.

    `spec` is the digest inside the study spec's CID; `enrol_deadline` is a moment, the other times are lengths. With
    `max_attempts` 0 only a quorum ends a round. An update consists of the `statistics` until a first round was final,
    where there are any, and of `training` after that.
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
    patient_bps: int
    claim_seconds: int
    max_attempts: int
    bond: int
    score_mode: ScoreMode
    sponsor_fee_bps: int
    training: tuple[Vector, ...]
    statistics: tuple[Vector, ...] = ()

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The terms in a decoded struct, e.g. of `StudyCreated`."""
        vectors = {name: tuple(map(Vector.of, found[name])) for name in ("training", "statistics")}
        return cls(**{**found, **vectors, "score_mode": ScoreMode(found["score_mode"])})

    def vectors(self, *, statistics: bool) -> tuple[Vector, ...]:
        """What an update of a training or a statistics round consists of; the latter's is no other where the study has no
        statistics. The twin of `Studies.vectorsOf`."""
        return (self.statistics if statistics else ()) or self.training

    def pools(self) -> Pools:
        """How a round's reward is shared out; the twin of `Studies.poolsOf`."""
        attesters, patients = (
            self.reward_per_round * bps // _BPS for bps in (self.attester_bps, self.patient_bps)
        )
        updates = self.reward_per_round - attesters - patients
        return Pools(attesters, patients, updates, self.score_mode)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a study says about money and claims, but for what enrolling needs; whether the sponsor had the refund, and the
    bitmap of the seats whose stake was released."""

    reward_per_round: int
    bond: int
    claim_seconds: int
    attester_bps: int
    patient_bps: int
    score_mode: ScoreMode
    rule: Address
    max_attempts: int
    sponsor_fee_bps: int
    refunded: bool
    released: int


class Studies(Contract):
    """Calls and views of `Studies.sol`."""

    NAME = "Studies"

    def create(self, terms: StudyTerms) -> Call:
        """Post a study; the vault must be allowed to draw all rounds' rewards from the sponsor."""
        return self._change("create", terms)

    def created(self, receipt: Receipt) -> StudyId:
        """The id that a `create` receipt tells."""
        return StudyId(self._event(receipt, "StudyCreated")["study"])

    def release(self, study: StudyId, seat: Seat) -> Call:
        """By anyone, after the study: give what is left of a seat's stake, and its dataset, free."""
        return self._change("release", study, seat)

    def refund(self, study: StudyId) -> Call:
        """By anyone, after the study: give the sponsor the rewards of the rounds that never became final."""
        return self._change("refund", study)

    # -- views ---------------------------------------------------------------------------------------------------

    def study_count(self, block: BlockLike = None) -> int:
        """How many studies there are; ids count from 1."""
        return int(self._view(block, "studyCount"))

    def offer(self, study: StudyId, block: BlockLike = None) -> Offer:
        """What the study offers; all zero when there is none."""
        found = self._view(block, "getOffer", study)
        return Offer(**{**found, "score_mode": ScoreMode(found["score_mode"])})

    def vectors(
        self, study: StudyId, *, statistics: bool = False, block: BlockLike = None
    ) -> tuple[Vector, ...]:
        """What an update of a training or a statistics round consists of; the same where the study has no statistics."""
        return tuple(map(Vector.of, self._view(block, "vectorsOf", study, statistics)))

    def pools(self, study: StudyId, block: BlockLike = None) -> Pools:
        """A round's reward, shared out."""
        found = self._view(block, "poolsOf", study)
        return Pools(**{**found, "score_mode": ScoreMode(found["score_mode"])})

    def taken(self, study: StudyId, seat: Seat, block: BlockLike = None) -> int:
        """What the study took from a seat's stake, smallest units."""
        return int(self._view(block, "takenOf", study, seat))

    def misses(self, study: StudyId, seat: Seat, block: BlockLike = None) -> int:
        """In how many rounds a seat was absent."""
        return int(self._view(block, "missesOf", study, seat))

    def stakes_lost(self, study: StudyId, block: BlockLike = None) -> int:
        """Bitmap of the seats that have nothing left of their stake because of a proof."""
        return int(self._view(block, "stakesLost", study))

    def compensation(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> int:
        """What a void round pays to those that stayed in its set, smallest units."""
        return int(self._view(block, "compensationOf", study, number))

    def released(self, study: StudyId, block: BlockLike = None) -> int:
        """Bitmap of the seats whose stake was released."""
        return self.offer(study, block).released

    def is_refunded(self, study: StudyId, block: BlockLike = None) -> bool:
        """Whether the sponsor had the refund."""
        return self.offer(study, block).refunded

    def slash_bps(self, block: BlockLike = None) -> int:
        """The share of a stake that an absence, or attesting without care, costs, in 1/10,000."""
        return int(self._view(block, "SLASH_BPS"))
