"""Money after the work: what a round pays, what is due, and the calls that settle it."""

from __future__ import annotations

from collections.abc import Iterator

from medfed.chain.calls import Call
from medfed.chain.contracts import Payouts, Studies
from medfed.chain.contracts.payouts import Earned, Scores
from medfed.chain.contracts.studies import ScoreMode, StudyTerms
from medfed.chain.index import EventIndex
from medfed.protocol.commitments import NO_AGGREGATE
from medfed.rounds.history import RoundHistory, StudyHistory, read_round
from medfed.rounds.reviews import awaits_tally, is_reviewed, read_scores
from medfed.types import RoundNumber, Seat

__all__ = [
    "BPS",
    "MOST_ROUNDS",
    "due_claims",
    "due_release",
    "pay_of",
    "refund_of",
    "unpaid_rounds",
]

BPS = 10_000
MOST_ROUNDS = 64
"""Rounds that one transaction claims: well below the gas that one may use."""
_BY_WEIGHT = Scores(0, 0, 0)


def pay_of(terms: StudyTerms, history: RoundHistory, seat: Seat, scores: Scores = _BY_WEIGHT) -> int:
    """What `claim` pays a seat that is not barred for a round that has ended, in smallest units; the twin of `Payouts`.
    Rounded down once.

    Of a result whose weight is that of the updates it includes. `scores` is what `Payouts.scoresOf` says of the seat in
    a reviewed study. Parts that nobody earns, as of updates left out or of hospitals kept away, are nobody's.
    """
    if seat not in history.updates:
        return 0
    result = history.result
    if result is None:
        return _compensation_of(terms, history, seat)
    sharers = history.result_attesters
    score, total = _part_of(terms, history, seat)
    if terms.score_mode is ScoreMode.REVIEWED:
        sharers = scores.revealers or sharers
        if scores.total:
            score, total = scores.score * result.weight, scores.total * history.due_weight
    score = score if result.included >> seat & 1 else 0
    pools, due = terms.pools(), history.due
    share = pools.attesters * total if sharers >> seat & 1 else 0
    return (pools.updates * score * due + share) // (total * due)


def refund_of(study: StudyHistory, finals: int) -> int:
    """What `refund` gives the sponsor of an ended study: the rewards of the rounds that never became final."""
    return study.terms.reward_per_round * (study.terms.rounds - finals)


def _compensation_of(terms: StudyTerms, history: RoundHistory, seat: Seat) -> int:
    """A seat's part of what a struck stake left for those that remain in a void round."""
    if not history.void:
        return 0
    score, total = _part_of(terms, history, seat)
    return history.compensation * score // total


def _part_of(terms: StudyTerms, history: RoundHistory, seat: Seat) -> tuple[int, int]:
    """A submitter's part of what is due to all: by weight, or equally."""
    if terms.score_mode is ScoreMode.EQUAL:
        return 1, history.due
    return history.updates[seat].weight, history.due_weight


# -- what is due -----------------------------------------------------------------------------------------------------


def due_claims(
    index: EventIndex, payouts: Payouts, study: StudyHistory, seat: Seat, now: int
) -> Iterator[Call]:
    """The claims of a seat for all that is unlocked at `now` and was not claimed yet, several rounds at a time.

    A reviewed round is among them when its tally is known.
    """
    due = [
        Earned(history.number, history.updates[seat], history.result or NO_AGGREGATE)
        for history in _unpaid(index, study, seat)
        if now >= history.unlocked_at(study.terms) and not awaits_tally(index, study, history)
    ]
    for start in range(0, len(due), MOST_ROUNDS):
        yield payouts.claim(study.study, seat, due[start : start + MOST_ROUNDS])


def unpaid_rounds(index: EventIndex, study: StudyHistory, seat: Seat) -> list[RoundNumber]:
    """The rounds that have ended and pay a seat something which was not claimed yet, whether that is unlocked or not."""
    return [history.number for history in _unpaid(index, study, seat)]


def due_release(studies: Studies, study: StudyHistory, seat: Seat, now: int) -> Call | None:
    """The release of a seat's stake and dataset, when it is due at `now`."""
    if not study.ended or study.released >> seat & 1 or now < study.settled_at:
        return None
    return studies.release(study.study, seat)


def _unpaid(index: EventIndex, study: StudyHistory, seat: Seat) -> Iterator[RoundHistory]:
    claimed = {event["round"] for event in index.events("Claimed", study=study.study, seat=seat)}
    for value in range(1, study.rounds + 1):
        number = RoundNumber(value)
        if number in claimed or not study.pays(seat, number):
            continue
        history = read_round(index, study.study, number)
        scores = read_scores(index, history).of(seat) if is_reviewed(study) else _BY_WEIGHT
        if history.ended_at and pay_of(study.terms, history, seat, scores):
            yield history
