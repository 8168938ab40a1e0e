"""Rounds and terms made up for tests of what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from medfed.chain.contracts.studies import ScoreMode, StudyTerms
from medfed.protocol.commitments import Aggregate, Update, bitmap
from medfed.protocol.layout import Vector
from medfed.protocol.phase import Outcome
from medfed.rounds.history import RoundHistory
from medfed.types import Address, RoundNumber, Seat, StudyId

__all__ = ["DIGEST", "final_round", "open_round", "terms", "updates", "void_round"]

ZERO, DIGEST = bytes(32), b"\x07" * 32
NOBODY = Address("0x" + "00" * 20)


def terms(**changes) -> StudyTerms:
    values = {
        "spec": ZERO,
        "token": NOBODY,
        "reward_per_round": 9000,
        "stake": 500,
        "rule": NOBODY,
        "purposes": 2,
        "disease": 0,
        "enrol_deadline": 1000,
        "min_hospitals": 2,
        "max_hospitals": 64,
        "rounds": 2,
        "max_voids": 1,
        "cohort_step": 8,
        "training_seconds": 1000,
        "aggregating_seconds": 1000,
        "dispute_seconds": 300,
        "max_weight": 400,
        "attester_bps": 1000,
        "patient_bps": 0,
        "claim_seconds": 50,
        "max_attempts": 3,
        "bond": 60,
        "score_mode": ScoreMode.WEIGHT,
        "sponsor_fee_bps": 0,
        "training": (Vector(300, 1000, weighted=True),),
    }
    return StudyTerms(**(values | changes))


def updates(weights: Mapping[int, int]) -> dict[Seat, Update]:
    return {Seat(seat): Update(ZERO, ZERO, ZERO, ZERO, weight) for seat, weight in weights.items()}


def open_round(weights: Mapping[int, int], **changes) -> RoundHistory:
    """A round of study 1 with these submitters."""
    values = {
        "study": StudyId(1),
        "number": RoundNumber(1),
        "opened_at": 1,
        "closed_at": 2,
        "finals_before": 0,
        "updates": updates(weights),
        "removed": {},
        "abstained": frozenset(),
        "struck": frozenset(),
        "proposals": {},
        "attesters": {},
        "attested": 0,
        "outcome": Outcome.OPEN,
        "final_hash": b"",
        "final_at": 0,
        "ended_at": 0,
        "answerable": 0,
        "compensation": 0,
        "kept_away": {},
    }
    return RoundHistory(**(values | changes))


def void_round(weights: Mapping[int, int], compensation: int = 0, **changes) -> RoundHistory:
    return open_round(weights, outcome=Outcome.VOID, ended_at=3, compensation=compensation, **changes)


def final_round(
    weights: Mapping[int, int], included: Collection[int], attesters: Collection[int], **changes
) -> RoundHistory:
    """One that is final with an aggregate of those included, by those who attested."""
    weight = sum(weights[seat] for seat in included)
    result = Aggregate(ZERO, ZERO, ZERO, bitmap([Seat(seat) for seat in included]), weight)
    seats = bitmap([Seat(seat) for seat in attesters])
    values = {
        "proposals": {DIGEST: result},
        "attesters": {DIGEST: seats},
        "attested": seats,
        "outcome": Outcome.FINAL,
        "final_hash": DIGEST,
        "final_at": 3,
        "ended_at": 3,
    }
    return open_round(weights, **(values | changes))
