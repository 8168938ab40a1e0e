"""The phase of a round, from stored facts and the time: the twin of `FederatedRounds.phase`."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Outcome", "Phase", "RoundFacts", "phase_of", "quorum_of", "training_ends", "voidable_at"]


class Phase(enum.IntEnum):
    """Where a round stands. Screening and Unmasking belong to masked studies."""

    NONE = 0
    TRAINING = 1
    SCREENING = 2
    UNMASKING = 3
    AGGREGATING = 4
    FINAL = 5
    VOID = 6


class Outcome(enum.IntEnum):
    """How a round ended."""

    OPEN = 0
    FINAL = 1
    VOID = 2


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """What a phase depends on. Times in seconds of chain time; `closed_at` is 0 until all members have acted."""

    opened_at: int
    closed_at: int
    outcome: Outcome
    submitters: int
    training_seconds: int
    aggregating_seconds: int
    min_hospitals: int


def phase_of(facts: RoundFacts, now: int) -> Phase:
    """The phase at second `now`."""
    if not facts.opened_at:
        return Phase.NONE
    if facts.outcome is not Outcome.OPEN:
        return Phase.FINAL if facts.outcome is Outcome.FINAL else Phase.VOID
    return Phase.TRAINING if not facts.closed_at and now < training_ends(facts) else Phase.AGGREGATING


def training_ends(facts: RoundFacts) -> int:
    """When Training closed, or will at the latest."""
    return facts.closed_at or facts.opened_at + facts.training_seconds


def voidable_at(facts: RoundFacts, held_until: int = 0) -> int:
    """From when on anyone may void the open round: at once when too few submitted, else when Aggregating is over and
    nothing contested holds it any more."""
    closed = training_ends(facts)
    if facts.submitters < facts.min_hospitals:
        return closed
    return max(closed + facts.aggregating_seconds, held_until)


def quorum_of(submitters: int) -> int:
    """How many equal attestations make a round final: two thirds of its submitters, rounded up."""
    return -(-2 * submitters // 3)
