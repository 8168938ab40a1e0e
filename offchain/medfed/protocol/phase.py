"""When phases end, and the phase of a round from stored facts and the time: the twin of `types/Clock.sol` and of
`FederatedRounds.phase`."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.protocol.enumeration import Enumeration

__all__ = [
    "Outcome",
    "Phase",
    "RoundFacts",
    "attestation_ends",
    "longest_round",
    "phase_of",
    "quorum_of",
    "settled_at",
    "training_ends",
    "unlocked_at",
    "voidable_at",
]


class Phase(Enumeration):
    """Where a round stands. Screening and Unmasking belong to masked studies."""

    NONE = 0
    TRAINING = 1
    SCREENING = 2
    UNMASKING = 3
    AGGREGATING = 4
    FINAL = 5
    VOID = 6
    TAINTED = 7
    REFUTED = 8


class Outcome(Enumeration):
    """How a round ended. Tainted and refuted ones were final: an update in the result, or the result, was proved
    wrong."""

    OPEN = 0
    FINAL = 1
    VOID = 2
    TAINTED = 3
    REFUTED = 4


_ENDED = {
    Outcome.FINAL: Phase.FINAL,
    Outcome.VOID: Phase.VOID,
    Outcome.TAINTED: Phase.TAINTED,
    Outcome.REFUTED: Phase.REFUTED,
}


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
        return _ENDED[facts.outcome]
    return Phase.TRAINING if now < training_ends(facts) else Phase.AGGREGATING


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


def attestation_ends(final_at: int, dispute_seconds: int) -> int:
    """When attestations to a result that became final at `final_at` are no longer taken: whoever attests has half of
    the window to answer for it."""
    return final_at + dispute_seconds // 2


def unlocked_at(ended_at: int, dispute_seconds: int) -> int:
    """When a round that ended at `ended_at` can no longer be disputed: its claims unlock."""
    return ended_at + dispute_seconds


def settled_at(ended_at: int, newest: int, dispute_seconds: int) -> int:
    """When an ended study's stakes, and the rest of its pot, are given back; `newest` is its last round, 0 for none."""
    return ended_at + dispute_seconds if newest else ended_at


def longest_round(training: int, aggregating: int, claim: int, max_attempts: int, leavers: int) -> int:
    """The longest that a round lasts if everybody uses up every phase (seconds), as terms are judged by.

    `leavers` is how many updates may leave the set before too few remain.
    """
    held = (leavers + 1) * max_attempts * 2 * claim
    return training + aggregating + held + leavers * claim
