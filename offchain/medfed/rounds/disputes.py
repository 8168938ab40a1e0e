"""What a round's claims, objections and proofs come to, replayed from their events: the twin of `Disputes`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medfed.chain.calls import Event
from medfed.chain.contracts.disputes import AttemptState
from medfed.errors import ProtocolError
from medfed.protocol.chunks import CHUNK_WORDS
from medfed.protocol.commitments import Aggregate, seats_in
from medfed.rounds.history import RoundHistory, StudyHistory
from medfed.types import Address, Seat

__all__ = [
    "CONTESTED",
    "NOBODY",
    "SLASHING",
    "Claim",
    "ContestBook",
    "SlashBook",
    "is_chunk_right",
    "place_of",
]

BPS = 10_000
CONTESTED = (
    "AttemptMade",
    "Objected",
    "AttemptAccepted",
    "AttemptRefuted",
    "AttemptSettled",
    "AggregateRefuted",
    "RoundRefuted",
    "UpdateRefuted",
    "UpdateStruck",
)
"""The events of one round that a `ContestBook` takes, in order of the chain."""
SLASHING = (
    "RoundOpened",
    "StudyCompleted",
    "StudyAborted",
    "Slashed",
    "AbsenceSlashed",
    "AttemptSettled",
    "AggregateRefuted",
    "UpdateRefuted",
    "UpdateStruck",
    "RoundRefuted",
    "ChallengerPaid",
    "Forfeited",
)
"""The events of a study that a `SlashBook` takes, in order of the chain."""

NOBODY = Address("0x" + "00" * 20)
_LOCKED = (AttemptState.PENDING, AttemptState.OBJECTED, AttemptState.ACCEPTED)


@dataclass
class Claim:
    """An aggregator's claim and where it stands."""

    seat: Seat
    aggregate_hash: bytes
    aggregate: Aggregate
    era: int
    made_at: int
    state: AttemptState = AttemptState.PENDING
    challenger: Address = NOBODY
    """Who proved it wrong."""
    objector: Address = NOBODY
    """A stranger whose bond is locked."""

    @property
    def refuted(self) -> bool:
        """Whether it was proved wrong."""
        return self.challenger != NOBODY


@dataclass
class ContestBook:
    """One round's contest. `refuted` are the study's proofs against final rounds: number, and place on the chain."""

    terms: Mapping[str, Any]
    history: RoundHistory
    refuted: Sequence[tuple[int, tuple[int, int]]]
    claims: list[Claim] = field(default_factory=list)
    used: int = 0
    era: int = 0
    held_until: int = 0
    authors: int = 0
    objections: int = 0
    """Free ones, since the set changed last."""
    _proof: Event | None = None
    """The last one."""
    _effects: int = 1
    """What the last proof has done so far."""

    def replay(self, events: Iterable[Event]) -> ContestBook:
        """Apply `CONTESTED` events, oldest first. Raises `ProtocolError` for one that the contract cannot have
        emitted."""
        steps: dict[str, Callable[[Event], None]] = {
            "AttemptMade": self._made,
            "Objected": self._objected,
            "AttemptAccepted": self._accepted,
            "AttemptRefuted": self._refuted,
            "AttemptSettled": self._settled,
            "AggregateRefuted": self._proved,
            "RoundRefuted": self._result_refuted,
            "UpdateRefuted": self._proved,
            "UpdateStruck": self._struck,
        }
        for event in sorted(events, key=place_of):
            steps[event.name](event)
        _expect(self._effects > 0, "a proof had no effect")
        return self

    def standing(self) -> Iterator[tuple[int, Claim]]:
        """The claims over the present set, with their numbers."""
        return ((number, claim) for number, claim in enumerate(self.claims) if claim.era == self.era)

    def _made(self, event: Event) -> None:
        aggregate, at = Aggregate(**event["aggregate"]), _time(event)
        digest = aggregate.digest(self.history.study, self.history.number)
        _expect(event["attempt"] == len(self.claims), "the claims of the round are not numbered in order")
        _expect(event["aggregate_hash"] == digest, "a claim's hash is not that of its aggregate")
        self.claims.append(Claim(Seat(event["seat"]), digest, aggregate, self.era, at))
        self.used += 1
        self.authors |= 1 << event["seat"]
        self.held_until = at + 2 * self.terms["claim_seconds"]

    def _objected(self, event: Event) -> None:
        claim = self._claim(event, (AttemptState.PENDING,))
        _expect(
            event["bond"] in (0, self.terms["bond"]), "an objection had another bond than the study's terms"
        )
        claim.state = AttemptState.OBJECTED
        if event["bond"]:
            claim.objector = event["objector"]
        else:
            self.objections += 1
        self.held_until = _time(event) + self.terms["claim_seconds"]

    def _accepted(self, event: Event) -> None:
        claim = self._claim(event, (AttemptState.PENDING,))
        _expect(claim.aggregate_hash == self.history.final_hash, "another claim than the result was accepted")
        _expect(
            _time(event) >= claim.made_at + self.terms["claim_seconds"],
            "a claim was accepted before its window had closed",
        )
        claim.state = AttemptState.ACCEPTED

    def _refuted(self, event: Event) -> None:
        claim = self._claim(event, _LOCKED)
        self._by_proof(event, aggregate_hash=claim.aggregate_hash, challenger=event["challenger"])
        if claim.state == AttemptState.PENDING:
            self.held_until = min(self.held_until, _time(event) + self.terms["claim_seconds"])
        claim.state, claim.challenger = AttemptState.REFUTED, event["challenger"]

    def _settled(self, event: Event) -> None:
        number = event["attempt"]
        claim = self._claim(event, (*_LOCKED, AttemptState.REFUTED), lapsed=True)
        due = self._due(claim, event)
        _expect(
            (event["from_author"], event["from_objector"]) == due,
            f"claim {number} was settled for {event['from_author']} and {event['from_objector']}, "
            f"it should be {due[0]} and {due[1]}",
        )
        claim.state = AttemptState.SETTLED

    def _proved(self, event: Event) -> None:
        _expect(self._effects > 0, "a proof had no effect")
        self._proof, self._effects = event, 0

    def _by_proof(self, event: Event, **said: Any) -> None:
        """An effect of the last proof, which must have `said` the same in the same transaction."""
        proof = self._proof
        _expect(
            proof is not None
            and proof.tx_hash == event.tx_hash
            and all(proof.values.get(name) == value for name, value in said.items()),
            f"{event.name} follows from no proof",
        )
        self._effects += 1

    def _result_refuted(self, event: Event) -> None:
        _expect(
            event["aggregate_hash"] == self.history.final_hash, "another result than the round's was refuted"
        )
        self._by_proof(event, aggregate_hash=event["aggregate_hash"])

    def _struck(self, event: Event) -> None:
        self._by_proof(event, seat=event["seat"])
        if event["seat"] not in self.history.removed:
            return  # the round was final, its set stays
        self.era += 1
        self.used = self.authors = self.objections = 0
        self.held_until = max(self.held_until, _time(event) + self.terms["claim_seconds"])

    def _due(self, claim: Claim, event: Event) -> tuple[int, int]:
        """What is slashed of the author's and of the objector's bond."""
        history, result = self.history, self.history.result
        if claim.refuted:
            return self.terms["bond"], 0
        lapsed = claim.era != self.era or result is None
        if lapsed or any(number <= history.number and at < place_of(event) for number, at in self.refuted):
            return 0, 0
        assert result is not None
        _expect(
            _time(event) >= history.final_at + self.terms["dispute_seconds"],
            "a claim was settled before the round's claims unlocked",
        )
        confirmed = history.final_hash == claim.aggregate_hash
        by_author = not confirmed and result.included == history.submitted
        by_objector = confirmed and claim.objector != NOBODY
        return self.terms["bond"] * by_author, self.terms["bond"] * by_objector

    def _claim(self, event: Event, states: tuple[AttemptState, ...], *, lapsed: bool = False) -> Claim:
        """The claim of an event, which must be in one of `states` and, unless it may have `lapsed`, over the present
        set."""
        number = int(event["attempt"])
        _expect(number < len(self.claims), f"claim {number} was never made")
        claim = self.claims[number]
        _expect(
            claim.state in states and (lapsed or claim.era == self.era),
            f"claim {number} was {claim.state.name.lower()} when {event.name} says that it was not",
        )
        return claim


@dataclass
class SlashBook:
    """Where a study's slashed tokens came from and where they went: each slash has its cause, a challenger gets its
    share, the rest goes where `FederatedRounds.forfeit` puts it."""

    study: StudyHistory
    slash_bps: int
    challenger_bps: int
    left: dict[Seat, int] = field(init=False)
    """Of each seat's stake."""
    struck: set[Seat] = field(default_factory=set)
    _round: int = 0
    _taken: list[tuple[str, int]] = field(default_factory=list)
    _due: list[tuple[str, int]] = field(default_factory=list)
    _challenger: str = ""
    _reward: int = 0

    def __post_init__(self) -> None:
        self.left = {entry.seat: self.study.terms["stake"] for entry in self.study.enrolments}

    def replay(self, events: Iterable[Event], claims: Mapping[int, Sequence[Claim]]) -> SlashBook:
        """Apply `SLASHING` events, oldest first; `claims` by round. Raises `ProtocolError` when something was slashed
        that should not be, was not, or went elsewhere."""
        steps: dict[str, Callable[[Event], None]] = {
            "RoundOpened": self._opened,
            "StudyCompleted": self._ended,
            "StudyAborted": self._ended,
            "Slashed": lambda event: self._note(self._taken, event["account"], event["amount"]),
            "AbsenceSlashed": self._absent,
            "AttemptSettled": lambda event: self._settled(event, claims),
            "AggregateRefuted": self._proved,
            "UpdateRefuted": self._proved,
            "UpdateStruck": lambda event: self._strike([Seat(event["seat"])]),
            "RoundRefuted": lambda event: self._strike(seats_in(event["seats"])),
            "ChallengerPaid": self._paid,
            "Forfeited": self._forfeited,
        }
        for event in sorted(events, key=place_of):
            steps[event.name](event)
        _expect(
            not self._taken and not self._due,
            "what was slashed went nowhere, or what was due was not slashed",
        )
        return self

    def _opened(self, event: Event) -> None:
        self._round = event["round"]

    def _ended(self, _: Event) -> None:
        self._round = 0

    def _absent(self, event: Event) -> None:
        seat, amount = Seat(event["seat"]), event["amount"]
        due = min(self.study.terms["stake"] * self.slash_bps // BPS, self.left[seat])
        _expect(seat not in self.struck, f"seat {seat} was slashed when it had lost its stake already")
        _expect(amount == due, f"seat {seat} was slashed {amount} for an absence, it should be {due}")
        self.left[seat] -= amount
        self._challenger = ""
        self._note(self._due, self._hospital(seat), amount)

    def _settled(self, event: Event, claims: Mapping[int, Sequence[Claim]]) -> None:
        claim = claims[event["round"]][event["attempt"]]
        self._challenger = claim.challenger if claim.refuted else ""
        self._note(self._due, self._hospital(claim.seat), event["from_author"])
        self._note(self._due, claim.objector, event["from_objector"])

    def _proved(self, event: Event) -> None:
        self._challenger = event["challenger"]

    def _strike(self, seats: Sequence[Seat]) -> None:
        for seat in seats:
            if seat not in self.struck:
                self._note(self._due, self._hospital(seat), self.left[seat])
                self.struck.add(seat)

    def _paid(self, event: Event) -> None:
        due = self._share()
        _expect(
            (event["challenger"], event["amount"]) == (self._challenger, due),
            f"{event['challenger']} was paid {event['amount']} for a proof, it should be {due}",
        )
        self._reward = due

    def _forfeited(self, event: Event) -> None:
        taken, due = sum(amount for _, amount in self._taken), self._share()
        _expect(
            sorted(self._taken) == sorted(self._due),
            "what was slashed is not what was due, or not from those who owed it",
        )
        _expect(self._reward == due, f"{self._challenger} was not paid {due} for a proof")
        _expect(
            (event["round"], event["amount"]) == (self._round, taken - due),
            f"{event['amount']} of what was slashed joined round {event['round']}, "
            f"it should be {taken - due} in round {self._round}",
        )
        self._taken, self._due, self._reward = [], [], 0

    def _share(self) -> int:
        """The challenger's part of what is being slashed."""
        taken = sum(amount for _, amount in self._taken)
        return taken * self.challenger_bps // BPS if self._challenger else 0

    @staticmethod
    def _note(entries: list[tuple[str, int]], account: str, amount: int) -> None:
        if amount:
            entries.append((account.lower(), amount))

    def _hospital(self, seat: Seat) -> str:
        return next(entry.hospital for entry in self.study.enrolments if entry.seat == seat)


def is_chunk_right(chunk: bytes, index: int, words: int, limit: int) -> bool:
    """Whether chunk `index` >= 1 of an update has no word beyond `limit` and only zeros after its `words`; the twin of
    what `challengeUpdate` asks."""
    found = np.abs(np.frombuffer(chunk, dtype=">i4").astype(np.int64))
    inside = max(0, min(CHUNK_WORDS, words - (index - 1) * CHUNK_WORDS))
    return bool((found[:inside] <= limit).all() and not found[inside:].any())


def place_of(event: Event) -> tuple[int, int]:
    """Where an event stands on the chain."""
    return event.block, event.log_index


def _time(event: Event) -> int:
    if event.time is None:
        raise ProtocolError(f"the time of block {event.block} is not known")
    return event.time


def _expect(right: bool, otherwise: str) -> None:
    if not right:
        raise ProtocolError(otherwise)
