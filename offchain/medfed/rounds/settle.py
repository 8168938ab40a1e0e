"""Money after the work: what a round pays, what is due, and the calls that settle it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medfed.chain.calls import Call, Event
from medfed.chain.contracts import Rounds
from medfed.chain.contracts.rewards import Scores
from medfed.chain.contracts.rounds import ScoreMode
from medfed.chain.index import EventIndex
from medfed.protocol.commitments import Aggregate
from medfed.rounds.history import RoundHistory, StudyHistory, read_round
from medfed.types import RoundNumber, Seat

__all__ = [
    "BPS",
    "PotBook",
    "due_claims",
    "due_refund",
    "due_release",
    "left_out_pay",
    "pay_of",
    "slashed_into",
]

BPS = 10_000
_BY_WEIGHT = Scores(0, 0, 0)


def pay_of(
    terms: Mapping[str, Any], history: RoundHistory, reward: int, seat: Seat, scores: Scores = _BY_WEIGHT
) -> int:
    """What `claim` pays a seat for a final round, in smallest units; the twin of `FederatedRounds`. Rounded down
    once. Of a result whose weight is that of the updates it includes: the audit checks that first.

    `scores` is what `Rewards.scoresOf` says of the seat in a reviewed study.
    """
    result = history.result
    if result is None or seat not in history.updates or seat in history.struck:
        return 0
    attester_pool, update_pool = _pools(terms, reward)
    attesters = history.attesters.get(history.final_hash, 0)
    score, total = history.updates[seat].weight, history.weight
    if terms["score_mode"] == ScoreMode.EQUAL:
        score, total = 1, len(history.updates)
    elif terms["score_mode"] == ScoreMode.REVIEWED:
        attesters = scores.revealers or attesters
        if scores.total:
            score, total = scores.score * result.weight, scores.total * history.weight
    among = attesters.bit_count()
    score = score if result.included >> seat & 1 else 0
    share = attester_pool * total if attesters >> seat & 1 else 0
    return (update_pool * score * among + share) // (total * among)


def left_out_pay(terms: Mapping[str, Any], history: RoundHistory, reward: int, result: Aggregate) -> int:
    """What the submitters that a result leaves out would have had; it joins the next round's reward."""
    if result.included == history.submitted:
        return 0
    kept, total = result.weight, history.weight
    if terms["score_mode"] == ScoreMode.EQUAL:
        kept, total = result.included.bit_count(), len(history.updates)
    return _pools(terms, reward)[1] * (total - kept) // total


def _pools(terms: Mapping[str, Any], reward: int) -> tuple[int, int]:
    """The attesters' part of a round's reward, and that of the updates. The rest is the patients'."""
    attesters, patients = (reward * terms[name] // BPS for name in ("attester_bps", "patient_bps"))
    return attesters, reward - attesters - patients


@dataclass
class PotBook:
    """A study's pot, round by round: what each pays, and what is carried on. Slashes join where the contract puts
    them."""

    terms: Mapping[str, Any]
    carried: dict[int, int]

    def reward(self, number: RoundNumber) -> int:
        """What round `number` pays in all."""
        return int(self.terms["reward_per_round"]) + self.carried.get(number, 0)

    def close(self, history: RoundHistory) -> None:
        """Account for a round that ended: a void one passes on what it carried, a final one what it left out."""
        result = history.result
        if result is not None:
            left = left_out_pay(self.terms, history, self.reward(history.number), result)
        else:
            left = self.carried.get(history.number, 0) if history.void else 0
        if left:
            self.carried[history.number + 1] = self.carried.get(history.number + 1, 0) + left


def slashed_into(index: EventIndex, study: StudyHistory) -> dict[int, int]:
    """What slashed tokens added to each round's reward; to the sponsor's refund under number 0."""
    carried: dict[int, int] = {}
    for event in index.events("Forfeited", study=study.study):
        carried[event["round"]] = carried.get(event["round"], 0) + event["amount"]
    return carried


def due_refund(index: EventIndex, study: StudyHistory, pot: PotBook) -> int:
    """What `refund` gives the sponsor of an ended study: the rewards of rounds that pay nobody, and what is left over.

    Of what was slashed after the end, as much as had been slashed when the refund was taken.
    """
    refuted = [event["round"] for event in index.events("RoundRefuted", study=study.study)]
    following = min(refuted, default=study.rounds + 1)
    finals = sum(event["round"] < following for event in index.events("RoundFinal", study=study.study))
    due: int = study.terms["reward_per_round"] * (study.terms["rounds"] - finals)
    taken = next((_order(event) for event in index.events("Refunded", study=study.study)), None)
    forfeited = (
        event["amount"]
        for event in index.events("Forfeited", study=study.study, round=0)
        if taken is None or _order(event) < taken
    )
    due += pot.carried.get(following, 0) + sum(forfeited)
    return due


def _order(event: Event) -> tuple[int, int]:
    return event.block, event.log_index


def due_claims(
    index: EventIndex, rounds: Rounds, study: StudyHistory, seat: Seat, now: int
) -> Iterator[Call]:
    """The claims of a seat that are unlocked at `now` and were not made yet."""
    claimed = {event["round"] for event in index.events("Claimed", study=study.study, seat=seat)}
    for number in range(1, study.rounds + 1):
        history = read_round(index, study.study, RoundNumber(number))
        result = history.result
        if result is None or number in claimed or seat not in history.updates:
            continue
        helped = (result.included | history.attesters.get(history.final_hash, 0)) >> seat & 1
        if seat in history.struck or 0 < study.void_from <= number:
            continue
        helped |= bool(index.events("ReviewRevealed", study=study.study, round=number, seat=seat))
        if helped and now >= history.final_at + study.terms["dispute_seconds"]:
            yield rounds.claim(study.study, RoundNumber(number), seat, (result, history.updates[seat]))


def due_release(index: EventIndex, rounds: Rounds, study: StudyHistory, seat: Seat, now: int) -> Call | None:
    """The release of a seat's stake and dataset, when it is due at `now`."""
    if not study.ended or index.events("StakeReleased", study=study.study, seat=seat):
        return None
    ready = study.ended_at + (study.terms["dispute_seconds"] if study.rounds else 0)
    return rounds.release(study.study, seat) if now >= ready else None
