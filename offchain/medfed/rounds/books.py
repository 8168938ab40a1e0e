"""The money of a study, replayed from its events: every cause says what the contracts must have moved for it, to the
smallest unit and in order, and nothing else may have moved."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from medfed.chain.calls import Event
from medfed.errors import ProtocolError
from medfed.protocol.commitments import seats_in
from medfed.rounds.disputes import Claim, expect, place_of, time_of
from medfed.rounds.history import RoundHistory, StudyHistory
from medfed.rounds.settle import BPS, refund_of
from medfed.types import NO_ACCOUNT, RoundNumber, Seat

__all__ = ["MONEY", "MoneyBook", "Rates"]

_CAUSES = (
    *("StudyCreated", "TrainingClosed", "RoundFinal", "AbsencesRecorded", "AttemptSettled"),
    *("AggregateRefuted", "UpdateRefuted", "Claimed", "PatientPaid", "StakeReleased", "Refunded"),
)
_EFFECTS = (
    *("UpdateStruck", "RoundTainted", "RoundRefuted", "Compensated", "StakeLost"),
    *("CarelessSlashed", "Funded", "Slashed", "Kept", "ChallengerPaid", "Burnt", "Paid"),
)
MONEY = (*_CAUSES, *_EFFECTS)
"""The events of a study that a `MoneyBook` takes, in order of the chain."""
_SLASHED_FROM_MISS, _COUNTER_LIMIT = 2, 255  # as in Studies.sol


class Rates(NamedTuple):
    """What the contracts were deployed with: shares in 1/10,000."""

    slash_bps: int
    challenger_bps: int


class _Due(NamedTuple):
    """What must come next, in the transaction of its cause."""

    tx: bytes
    name: str
    said: Mapping[str, Any]


@dataclass
class MoneyBook:
    """A study's stakes and its pot. `rounds` and their `claims` by number."""

    study: StudyHistory
    rounds: Mapping[int, RoundHistory]
    claims: Mapping[int, Sequence[Claim]]
    rates: Rates
    left: dict[Seat, int] = field(init=False)
    """Of each seat's stake."""
    lost: int = 0
    """Bitmap of those who lost all that was left to a proof."""
    misses: Counter[Seat] = field(default_factory=Counter)
    pot: int = 0
    _due: deque[_Due] = field(default_factory=deque)
    _claiming: list[Event] = field(default_factory=list)
    """The rounds of one claim: they are paid at one go, at its end."""
    _seen: set[tuple[object, ...]] = field(default_factory=set)
    _closed: set[int] = field(default_factory=set)
    _final: set[int] = field(default_factory=set)
    _undone: set[int] = field(default_factory=set)
    _gone: Counter[int] = field(default_factory=Counter)
    """By round, how many updates have left its set."""

    def __post_init__(self) -> None:
        self.left = {entry.seat: self.study.terms.stake for entry in self.study.enrolments}

    def replay(self, events: Iterable[Event]) -> MoneyBook:
        """Apply `MONEY` events, oldest first. Raises `ProtocolError` when something moved that should not have, did not,
        or went elsewhere."""
        causes: dict[str, Callable[[Event], None]] = {
            "StudyCreated": self._created,
            "TrainingClosed": lambda event: self._closed.add(event["round"]),
            "RoundFinal": lambda event: self._final.add(event["round"]),
            "AbsencesRecorded": self._absent,
            "AttemptSettled": self._settled,
            "AggregateRefuted": self._aggregate_refuted,
            "UpdateRefuted": self._update_refuted,
            "Claimed": self._claimed,
            "PatientPaid": lambda event: self._pay(event, event["patient"], event["amount"]),
            "StakeReleased": self._released,
            "Refunded": self._refunded,
        }
        for event in sorted(events, key=place_of):
            if event.name != "Claimed":
                self._end_claim()
            if event.name in causes:
                self._nothing_due()
                causes[event.name](event)
            else:
                self._take(event)
        self._end_claim()
        self._nothing_due()
        return self

    def taken(self, seat: Seat) -> int:
        """What was taken from a seat's stake."""
        return self.study.terms.stake - self.left[seat]

    # -- what is due -----------------------------------------------------------------------------------------------

    def _owe(self, cause: Event, name: str, **said: Any) -> None:
        self._due.append(_Due(cause.tx_hash, name, said))

    def _take(self, event: Event) -> None:
        """An effect, which must be what is due next."""
        expect(bool(self._due), f"{_told(event.name, event.values)} follows from nothing")
        due = self._due.popleft()
        right = due.tx == event.tx_hash and due.name == event.name
        expect(
            right and all(_same(event[name], value) for name, value in due.said.items()),
            f"{_told(event.name, event.values)} came where {_told(due.name, due.said)} was due",
        )

    def _nothing_due(self) -> None:
        if self._due:
            raise ProtocolError(f"{_told(self._due[0].name, self._due[0].said)} was due, and did not come")

    def _end_claim(self) -> None:
        """What was claimed by one call is paid before anything else happens."""
        if self._claiming:
            first, amount = self._claiming[0], sum(event["amount"] for event in self._claiming)
            self._claiming = []
            self._pay(first, first["hospital"], amount)

    def _slash(
        self, cause: Event, moved: Sequence[tuple[str, int]], *, kept: int = 0, challenger: str = NO_ACCOUNT
    ) -> None:
        """What `StakeVault.slash` does: the challenger has its share of all, as far as half of it goes that is not kept;
        the rest is burnt."""
        token, study = self.study.terms.token, self.study.study
        for account, amount in moved:
            self._owe(cause, "Slashed", study=study, token=token, account=account, amount=amount)
        rest = sum(amount for _, amount in moved)
        share = 0 if challenger == NO_ACCOUNT else rest * self.rates.challenger_bps // BPS
        share = min(share, rest // 2 - kept)
        rest -= kept
        if kept:
            self.pot += kept
            self._owe(cause, "Kept", amount=kept)
        if share:
            self._owe(cause, "ChallengerPaid", challenger=challenger, amount=share)
        if rest != share:
            self._owe(cause, "Burnt", token=token, amount=rest - share)

    def _pay(self, cause: Event, account: str, amount: int) -> None:
        self.pot -= amount
        self._owe(cause, "Paid", account=account, amount=amount)

    # -- a study's course ------------------------------------------------------------------------------------------

    def _created(self, event: Event) -> None:
        terms = self.study.terms
        self.pot = terms.reward_per_round * terms.rounds
        said = {"token": terms.token, "from": self.study.sponsor, "amount": self.pot}
        self._owe(event, "Funded", **said)

    def _absent(self, event: Event) -> None:
        """A first absence warns, but in the first round; every other costs a part of the stake."""
        number, slashed = event["round"], 0
        for seat in seats_in(event["warned"] | event["slashed"]):
            self._once(event, number, seat, what=f"seat {seat} was absent from round {number}")
            expect(
                not self.lost >> seat & 1,
                f"seat {seat} was absent when it had lost its stake to a proof already",
            )
            self.misses[seat] = min(_COUNTER_LIMIT, self.misses[seat] + 1)
            if self.misses[seat] >= _SLASHED_FROM_MISS or number == 1:
                slashed |= 1 << seat
        expect(
            event["slashed"] == slashed and not event["warned"] & slashed,
            f"the absences of round {number} were not judged by the rule",
        )
        self._slash_parts(event, slashed)

    def _settled(self, event: Event) -> None:
        claim = self.claims[event["round"]][event["attempt"]]
        if event["from_author"]:
            author = (self._hospital(claim.seat), event["from_author"])
            self._slash(event, [author], challenger=claim.challenger)
        if event["from_objector"]:
            self._slash(event, [(claim.objector, event["from_objector"])])

    # -- proofs ----------------------------------------------------------------------------------------------------

    def _aggregate_refuted(self, event: Event) -> None:
        """Against a result: who attested to it loses everything, whatever else was proved before."""
        history = self.rounds[event["round"]]
        if history.number not in self._final or event["aggregate_hash"] != history.final_hash:
            return  # against claims alone: their bonds are slashed when they are settled
        attesters = history.attesters.get(history.final_hash, 0)
        said = {"round": history.number, "aggregate_hash": history.final_hash, "attesters": attesters}
        self._owe(event, "RoundRefuted", **said)
        self._undone.add(history.number)
        self._lose(event, attesters, event["challenger"])

    def _update_refuted(self, event: Event) -> None:
        """Its author loses everything; who attested to a result with it in it a part."""
        history, seat = self.rounds[event["round"]], Seat(event["seat"])
        number, update = history.number, history.committed(seat)
        self._owe(event, "UpdateStruck", round=number, seat=seat, weight=update.weight)
        attesters = self._taint(event, history, seat)
        kept = self._leave(event, history, seat) if seat in history.removed else 0
        self._lose(event, 1 << seat, event["challenger"], kept)
        careless = attesters & ~self.lost
        if careless:
            self._owe(event, "CarelessSlashed", round=number, seats=careless)
            self._slash_parts(event, careless)

    def _taint(self, event: Event, history: RoundHistory, seat: Seat) -> int:
        """Who attested to a result that a wrong update undoes."""
        result, number = history.result, history.number
        if number not in self._final or number in self._undone:
            return 0
        if result is None or not result.included >> seat & 1:
            return 0
        attesters = history.attesters.get(history.final_hash, 0)
        said = {"round": number, "aggregate_hash": history.final_hash, "attesters": attesters}
        self._owe(event, "RoundTainted", **said)
        self._undone.add(number)
        return attesters

    def _leave(self, event: Event, history: RoundHistory, seat: Seat) -> int:
        """An update leaves the set of an open round. Where too few remain after updates were due, half of what is left
        of its stake is for these, up to the round's reward: returned."""
        number, terms = history.number, self.study.terms
        before = len(history.updates) + len(history.removed) - self._gone[number]
        self._gone[number] += 1
        due = number in self._closed or time_of(event) >= history.opened_at + terms.training_seconds
        if not due or before != terms.min_hospitals:
            return 0
        amount = min(self.left[seat] // 2, terms.reward_per_round)
        if amount:
            self._owe(event, "Compensated", round=number, amount=amount)
        return amount

    def _lose(self, event: Event, seats: int, challenger: str, kept: int = 0) -> None:
        """All that is left of these stakes."""
        seats &= ~self.lost
        if not seats:
            return
        self._owe(event, "StakeLost", round=event["round"], seats=seats)
        moved = [(self._hospital(seat), self.left[seat]) for seat in seats_in(seats)]
        self._slash(event, moved, kept=kept, challenger=challenger)
        self.lost |= seats
        self.left |= dict.fromkeys(seats_in(seats), 0)

    def _slash_parts(self, event: Event, seats: int) -> None:
        """What one absence, or one careless attestation, costs of a stake, as far as that is there."""
        part, moved = self.study.terms.stake * self.rates.slash_bps // BPS, []
        for seat in seats_in(seats):
            amount = min(part, self.left[seat])
            self.left[seat] -= amount
            moved.append((self._hospital(seat), amount))
        self._slash(event, moved)

    # -- money out -------------------------------------------------------------------------------------------------

    def _claimed(self, event: Event) -> None:
        seat, number = event["seat"], RoundNumber(event["round"])
        self._once(event, number, seat, what=f"seat {seat} was paid for round {number}")
        self._claiming.append(event)

    def _released(self, event: Event) -> None:
        seat = Seat(event["seat"])
        self._once(event, seat, what=f"the stake of seat {seat} was released")
        expect(
            event["amount"] == self.left[seat],
            f"seat {seat} got {event['amount']} of its stake back, {self.left[seat]} were left of it",
        )
        self._settled_by(event, "a stake was released")

    def _refunded(self, event: Event) -> None:
        self._once(event, what="the sponsor was refunded")
        due = refund_of(self.study, len(self._final))
        expect(event["amount"] == due, f"the sponsor was refunded {event['amount']}, the due is {due}")
        expect(event["sponsor"] == self.study.sponsor, f"the refund went to {event['sponsor']}")
        self._settled_by(event, "the sponsor was refunded")
        self._pay(event, self.study.sponsor, due)

    def _settled_by(self, event: Event, what: str) -> None:
        settled = self.study.settled_at
        expect(bool(settled) and time_of(event) >= settled, f"{what} before anybody may")

    def _once(self, event: Event, *key: object, what: str) -> None:
        expect((event.name, *key) not in self._seen, f"{what} twice")
        self._seen.add((event.name, *key))

    def _hospital(self, seat: Seat) -> str:
        return self.study.entry(seat).hospital


def _same(told: object, due: object) -> bool:
    if isinstance(told, str) and isinstance(due, str):
        return told.lower() == due.lower()
    return told == due


def _told(name: str, said: Mapping[str, Any]) -> str:
    """An event in words."""
    values = ", ".join(
        f"{key} {value.hex() if isinstance(value, bytes) else value}" for key, value in said.items()
    )
    return f"{name} ({values})"
