"""Money after the work: what a round pays, what is due, and the calls that settle it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medfed.chain.calls import Call
from medfed.chain.contracts import Rounds
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


def pay_of(terms: Mapping[str, Any], history: RoundHistory, reward: int, seat: Seat) -> int:
    """What `claim` pays a seat for a final round, in smallest units; the twin of `FederatedRounds`. Rounded down
    once. Of a result whose weight is that of the updates it includes: the audit checks that first."""
    result = history.result
    if result is None or seat not in history.updates:
        return 0
    pool: int = reward * terms["attester_bps"] // BPS
    attesters = history.attesters.get(history.final_hash, 0)
    total, among = history.weight, attesters.bit_count()
    weight = history.updates[seat].weight if result.included >> seat & 1 else 0
    share = pool * total if attesters >> seat & 1 else 0
    return ((reward - pool) * weight * among + share) // (total * among)


def left_out_pay(terms: Mapping[str, Any], history: RoundHistory, reward: int, result: Aggregate) -> int:
    """What the submitters that a result leaves out would have had; it joins the next round's reward."""
    shared = reward - reward * terms["attester_bps"] // BPS
    return (
        shared * (history.weight - result.weight) // history.weight if result.weight != history.weight else 0
    )


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
    """What slashes added to each round's reward: that of the round running then, or what follows the last one."""
    opened = [(event.block, event.log_index) for event in index.events("RoundOpened", study=study.study)]
    ends = [
        *index.events("StudyCompleted", study=study.study),
        *index.events("StudyAborted", study=study.study),
    ]
    carried: dict[int, int] = {}
    for event in index.events("AbsenceSlashed", study=study.study):
        place = (event.block, event.log_index)
        number = sum(start < place for start in opened)
        after = any((end.block, end.log_index) < place for end in ends)
        carried[number + after] = carried.get(number + after, 0) + event["amount"]
    return carried


def due_refund(index: EventIndex, study: StudyHistory, pot: PotBook) -> int:
    """What `refund` gives the sponsor of an ended study: the rewards of rounds that never were, and what is left over."""
    left = study.terms["rounds"] - len(index.events("RoundFinal", study=study.study))
    due: int = study.terms["reward_per_round"] * left + pot.carried.get(study.rounds + 1, 0)
    return due


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
        if helped and now >= history.final_at + study.terms["dispute_seconds"]:
            yield rounds.claim(study.study, RoundNumber(number), seat, (result, history.updates[seat]))


def due_release(index: EventIndex, rounds: Rounds, study: StudyHistory, seat: Seat, now: int) -> Call | None:
    """The release of a seat's stake and dataset, when it is due at `now`."""
    if not study.ended or index.events("StakeReleased", study=study.study, seat=seat):
        return None
    ready = study.ended_at + (study.terms["dispute_seconds"] if study.rounds else 0)
    return rounds.release(study.study, seat) if now >= ready else None
