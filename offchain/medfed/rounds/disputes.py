"""What a round's claims, objections and proofs come to, replayed from their events: the twin of `Claims`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.claims import AttemptState
from medfed.errors import ProtocolError
from medfed.protocol.commitments import Aggregate, bitmap
from medfed.rounds.history import RoundHistory, StudyHistory
from medfed.types import NO_ACCOUNT, Address, Seat

__all__ = ["CONTESTED", "Claim", "ContestBook", "Place", "SeatOf", "expect", "place_of", "time_of"]

CONTESTED = (
    "AttemptMade",
    "Objected",
    "BytesLacking",
    "AttemptAccepted",
    "AttemptRefuted",
    "AttemptSettled",
    "AggregateRefuted",
    "RoundRefuted",
    "UpdateRefuted",
    "UpdateStruck",
    "RoundTainted",
)
"""The events of one round that a `ContestBook` takes, in order of the chain."""

_LOCKED = (AttemptState.PENDING, AttemptState.OBJECTED, AttemptState.ACCEPTED)

Place = tuple[int, int]
"""Where an event stands on the chain: block, and number in the block."""
SeatOf = Callable[[Address, Place], Seat | None]
"""The seat whose hospital an account operated at a place."""


@dataclass
class Claim:
    """An aggregator's claim and where it stands."""

    seat: Seat
    aggregate_hash: bytes
    aggregate: Aggregate
    era: int
    made_at: int
    state: AttemptState = AttemptState.PENDING
    challenger: Address = NO_ACCOUNT
    """Who proved it wrong."""
    objector: Address = NO_ACCOUNT
    """A stranger whose bond is locked."""

    @property
    def refuted(self) -> bool:
        """Whether it was proved wrong."""
        return self.challenger != NO_ACCOUNT


@dataclass
class ContestBook:
    """One round's contest. `undone` are the places of all proofs that undid a result of the study."""

    study: StudyHistory
    history: RoundHistory
    undone: Sequence[Place]
    seat_of: SeatOf
    claims: list[Claim] = field(default_factory=list)
    used: int = 0
    era: int = 0
    held_until: int = 0
    authors: int = 0
    """Bitmap of those that made a claim since the set changed last, or one that was proved wrong: they lead no more."""
    objectors: int = 0
    """Bitmap of the submitters that objected since then."""
    lacking: int = 0
    """Bitmap of the submitters that said whose bytes they lack."""
    _proof: Event | None = None
    """The last one."""
    _effects: int = 1
    """What the last proof has done so far."""
    _set: int = field(init=False)
    """Bitmap of the submitters whose updates nobody had proved wrong by then."""

    def __post_init__(self) -> None:
        self._set = self.history.submitted | bitmap(list(self.history.removed))

    def replay(self, events: Iterable[Event]) -> ContestBook:
        """Apply `CONTESTED` events, oldest first. Raises `ProtocolError` for one that the contract cannot have
        emitted."""
        steps: dict[str, Callable[[Event], None]] = {
            "AttemptMade": self._made,
            "Objected": self._objected,
            "BytesLacking": self._lacks,
            "AttemptAccepted": self._accepted,
            "AttemptRefuted": self._refuted,
            "AttemptSettled": self._settled,
            "AggregateRefuted": self._proved,
            "RoundRefuted": self._result_undone,
            "UpdateRefuted": self._proved,
            "UpdateStruck": self._struck,
            "RoundTainted": self._result_undone,
        }
        for event in sorted(events, key=place_of):
            steps[event.name](event)
        expect(self._effects > 0, "a proof had no effect")
        return self

    def standing(self) -> Iterator[tuple[int, Claim]]:
        """The claims over the present set, with their numbers."""
        return ((number, claim) for number, claim in enumerate(self.claims) if claim.era == self.era)

    def settlement(self, claim: Claim, now: int, at: Place | None = None) -> tuple[int, int] | None:
        """What settling a claim at second `now` slashes of its author's and of its objector's bond; None while it cannot
        be settled. `at` is the place of a settlement that has happened."""
        bond, history = self.study.terms.bond, self.history
        if claim.refuted:
            return bond, 0
        if claim.era != self.era:
            return 0, 0
        stranger = claim.objector != NO_ACCOUNT
        if history.void:
            return 0, bond if stranger and not self.is_cut_short(at) else 0
        result = history.result
        if result is None or now < history.unlocked_at(self.study.terms):
            return None
        if history.undone or claim.aggregate.included != result.included:
            return 0, 0
        if claim.aggregate.root != result.root:
            return bond, 0
        return 0, bond if stranger else 0

    def is_cut_short(self, at: Place | None = None) -> bool:
        """Whether, by what came before place `at`, the void round may have been ended by a proof against an earlier one:
        then nobody had the time to attest, to object or to prove."""
        last = self.history.void and self.history.number == self.study.rounds
        return last and any(at is None or place < at for place in self.undone)

    # -- events ----------------------------------------------------------------------------------------------------

    def _made(self, event: Event) -> None:
        aggregate, at = Aggregate(**event["aggregate"]), time_of(event)
        digest = aggregate.digest(self.history.study, self.history.number)
        expect(event["attempt"] == len(self.claims), "the claims of the round are not numbered in order")
        expect(event["aggregate_hash"] == digest, "a claim's hash is not that of its aggregate")
        self.claims.append(Claim(Seat(event["seat"]), digest, aggregate, self.era, at))
        self.used += 1
        self.authors |= 1 << event["seat"]
        self.held_until = at + 2 * self.study.terms.claim_seconds

    def _objected(self, event: Event) -> None:
        claim, bond = self._claim(event, (AttemptState.PENDING,)), self.study.terms.bond
        expect(event["bond"] in (0, bond), "an objection had another bond than the study's terms")
        claim.state = AttemptState.OBJECTED
        if event["bond"]:
            claim.objector = event["objector"]
        else:
            seat = self.seat_of(event["objector"], place_of(event))
            own = 0 if seat is None else 1 << seat
            expect(
                bool(own & self._set & ~self.objectors),
                f"{event['objector']} objected without a bond, which it may not",
            )
            self.objectors |= own
        self.held_until = time_of(event) + self.study.terms.claim_seconds

    def _lacks(self, event: Event) -> None:
        seat, missing = 1 << event["seat"], event["missing"]
        expect(not self.lacking & seat, f"seat {event['seat']} said twice whose bytes it lacks")
        expect(
            bool(missing) and not missing & seat and not (missing | seat) & ~self._set,
            f"seat {event['seat']} said that it lacks its own bytes, or some of an update that is not in the set",
        )
        self.lacking |= seat

    def _accepted(self, event: Event) -> None:
        claim = self._claim(event, (AttemptState.PENDING,))
        expect(claim.aggregate_hash == self.history.final_hash, "another claim than the result was accepted")
        expect(
            time_of(event) >= claim.made_at + self.study.terms.claim_seconds,
            "a claim was accepted before its window had closed",
        )
        claim.state = AttemptState.ACCEPTED

    def _refuted(self, event: Event) -> None:
        claim = self._claim(event, _LOCKED)
        self._by_proof(event, aggregate_hash=claim.aggregate_hash, challenger=event["challenger"])
        if claim.state == AttemptState.PENDING:
            self.held_until = min(self.held_until, time_of(event) + self.study.terms.claim_seconds)
        claim.state, claim.challenger = AttemptState.REFUTED, event["challenger"]

    def _settled(self, event: Event) -> None:
        number = event["attempt"]
        claim = self._claim(event, (*_LOCKED, AttemptState.REFUTED), lapsed=True)
        due = self.settlement(claim, time_of(event), place_of(event))
        expect(due is not None, f"claim {number} was settled before the round's claims unlocked")
        expect(
            (event["from_author"], event["from_objector"]) == due,
            f"claim {number} was settled for {event['from_author']} and {event['from_objector']}, "
            f"it should be {' and '.join(map(str, due or ()))}",
        )
        claim.state = AttemptState.SETTLED

    def _proved(self, event: Event) -> None:
        expect(self._effects > 0, "a proof had no effect")
        self._proof, self._effects = event, 0

    def _by_proof(self, event: Event, **said: Any) -> None:
        """An effect of the last proof, which must have `said` the same in the same transaction."""
        proof = self._proof
        expect(
            proof is not None
            and proof.tx_hash == event.tx_hash
            and all(proof.values.get(name) == value for name, value in said.items()),
            f"{event.name} follows from no proof",
        )
        self._effects += 1

    def _result_undone(self, event: Event) -> None:
        expect(
            event["aggregate_hash"] == self.history.final_hash, "another result than the round's was undone"
        )
        said = {"aggregate_hash": event["aggregate_hash"]} if event.name == "RoundRefuted" else {}
        self._by_proof(event, **said)

    def _struck(self, event: Event) -> None:
        self._by_proof(event, seat=event["seat"])
        if event["seat"] not in self.history.removed:
            return  # the round was over, its set stays
        self._set &= ~(1 << event["seat"])
        self.era += 1
        self.used = self.objectors = 0
        self.authors = bitmap([claim.seat for claim in self.claims if claim.refuted])
        self.held_until = max(self.held_until, time_of(event) + self.study.terms.claim_seconds)

    def _claim(self, event: Event, states: tuple[AttemptState, ...], *, lapsed: bool = False) -> Claim:
        """The claim of an event, which must be in one of `states` and, unless it may have `lapsed`, over the present
        set."""
        number = int(event["attempt"])
        expect(number < len(self.claims), f"claim {number} was never made")
        claim = self.claims[number]
        expect(
            claim.state in states and (lapsed or claim.era == self.era),
            f"claim {number} was {claim.state.name.lower()} when {event.name} says that it was not",
        )
        return claim


def place_of(event: Event) -> Place:
    """Where an event stands on the chain."""
    return event.block, event.log_index


def time_of(event: Event) -> int:
    """The second of an event's block. Raises `ProtocolError` when it is not known."""
    if event.time is None:
        raise ProtocolError(f"the time of block {event.block} is not known")
    return event.time


def expect(right: bool, otherwise: str) -> None:
    """Raise `ProtocolError` with the sentence `otherwise` unless something is right."""
    if not right:
        raise ProtocolError(otherwise)
