"""Studies and rounds as the event index tells them: facts of final blocks, no further question to the chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.consents import consent_event
from medfed.chain.index import EventIndex
from medfed.errors import InputError
from medfed.protocol import consent
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.phase import Outcome, RoundFacts
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = [
    "ConsentBook",
    "Enrolment",
    "RoundHistory",
    "StudyHistory",
    "consented",
    "read_round",
    "read_study",
    "study_ids",
]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A seat with what its hospital pinned."""

    seat: Seat
    hospital: HospitalId
    dataset: DatasetId
    version: int
    records: int


@dataclass(frozen=True, slots=True)
class StudyHistory:
    """A study so far. `terms` are those of `StudyCreated`; `ended` is "completed", "aborted" or empty."""

    study: StudyId
    sponsor: Address
    terms: Mapping[str, Any]
    created_at: int
    enrolments: tuple[Enrolment, ...]
    rounds: int
    """Rounds opened so far; the newest one's number."""
    ended: str
    ended_at: int
    void_from: int
    """The first round that was proved wrong: it and later ones pay nobody; 0 when there is none."""

    def enrolment(self, hospital: HospitalId) -> Enrolment | None:
        """The seat of a hospital, if it has one."""
        return next((entry for entry in self.enrolments if entry.hospital == hospital), None)


@dataclass(frozen=True, slots=True)
class RoundHistory:
    """A round so far. Times in seconds of chain time, 0 for what has not happened."""

    study: StudyId
    number: RoundNumber
    opened_at: int
    closed_at: int
    updates: Mapping[Seat, Update]
    abstained: frozenset[Seat]
    proposals: Mapping[bytes, Aggregate]
    attesters: Mapping[bytes, int]
    """Bitmap of attesters by aggregate hash."""
    attested: int
    """Bitmap of the seats whose attestation to anything stands: since an update left the set last."""
    struck: frozenset[Seat]
    """Seats whose update was proved wrong. Those of an open round are not in `updates` any more."""
    final_hash: bytes
    final_at: int
    void: bool
    removed: Mapping[Seat, Update] = field(default_factory=dict)
    """Updates that were proved wrong while the round was open: they are in no sum."""

    @property
    def submitted(self) -> int:
        """Bitmap of the seats that submitted."""
        return sum(1 << seat for seat in self.updates)

    @property
    def weight(self) -> int:
        """Of all submitted updates."""
        return sum(update.weight for update in self.updates.values())

    @property
    def result(self) -> Aggregate | None:
        """The final aggregate, if the round is final."""
        return self.proposals.get(self.final_hash)

    def facts(self, terms: Mapping[str, Any]) -> RoundFacts:
        """What the round's phase depends on."""
        outcome = Outcome.FINAL if self.final_at else Outcome.VOID if self.void else Outcome.OPEN
        return RoundFacts(
            opened_at=self.opened_at,
            closed_at=self.closed_at,
            outcome=outcome,
            submitters=len(self.updates),
            training_seconds=terms["training_seconds"],
            aggregating_seconds=terms["aggregating_seconds"],
            min_hospitals=terms["min_hospitals"],
        )


def study_ids(index: EventIndex) -> list[StudyId]:
    """Every study, oldest first."""
    return [StudyId(event["study"]) for event in index.events("StudyCreated")]


def read_study(index: EventIndex, study: StudyId) -> StudyHistory:
    """A study so far. Raises `InputError` when there is none with this number."""
    created = index.events("StudyCreated", study=study)
    if not created:
        raise InputError(
            f"There is no study {study} on this chain; `medfed study list` shows those that are."
        )
    ends = [("completed", event) for event in index.events("StudyCompleted", study=study)]
    ends += [("aborted", event) for event in index.events("StudyAborted", study=study)]
    return StudyHistory(
        study=study,
        sponsor=Address(created[0]["sponsor"]),
        terms=created[0]["terms"],
        created_at=_time(created[0]),
        enrolments=tuple(_enrolment(event) for event in index.events("Enrolled", study=study)),
        rounds=len(index.events("RoundOpened", study=study)),
        # A completed study may still be aborted by a proof; its time stays that of its completion.
        ended=ends[-1][0] if ends else "",
        ended_at=_time(ends[0][1]) if ends else 0,
        void_from=min((e["round"] for e in index.events("RoundRefuted", study=study)), default=0),
    )


def read_round(index: EventIndex, study: StudyId, number: RoundNumber) -> RoundHistory:
    """A round so far; all zero when it has not opened."""
    where: dict[str, Any] = {"study": study, "round": number}
    proposals = {
        bytes(e["aggregate_hash"]): Aggregate(**e["aggregate"])
        for e in index.events("AggregateProposed", **where)
    }
    attesters: dict[bytes, int] = {}
    for event in index.events("Attested", **where):
        digest = bytes(event["aggregate_hash"])
        attesters[digest] = attesters.get(digest, 0) | event["seats"]
    final = index.events("RoundFinal", **where)
    strikes = index.events("UpdateStruck", **where)
    left = [event for event in strikes if not final or _place(event) < _place(final[0])]
    since = max(map(_place, left), default=(0, 0))
    attested = 0
    for event in index.events("Attested", **where):
        attested |= event["seats"] if _place(event) > since else 0
    gone = {event["seat"] for event in left}
    submitted = {Seat(e["seat"]): Update(**e["update"]) for e in index.events("UpdateSubmitted", **where)}
    return RoundHistory(
        study=study,
        number=number,
        opened_at=_first_time(index.events("RoundOpened", **where)),
        closed_at=_first_time(index.events("TrainingClosed", **where)),
        updates={seat: update for seat, update in submitted.items() if seat not in gone},
        abstained=frozenset(Seat(e["seat"]) for e in index.events("Abstained", **where)),
        proposals=proposals,
        attesters=attesters,
        attested=attested,
        struck=frozenset(Seat(event["seat"]) for event in strikes),
        final_hash=bytes(final[0]["aggregate_hash"]) if final else b"",
        final_at=_first_time(final),
        void=bool(index.events("RoundVoid", **where)),
        removed={seat: update for seat, update in submitted.items() if seat in gone},
    )


def consented(index: EventIndex, dataset: DatasetId, purposes: int, at: int) -> frozenset[Address]:
    """The patients whose consent to `purposes` for this dataset was active when second `at` had ended."""
    return ConsentBook(index, dataset).active(purposes, at)


class ConsentBook:
    """The consents of one dataset, read once and replayed once: for many seconds, asked for in ascending order."""

    def __init__(self, index: EventIndex, dataset: DatasetId) -> None:
        self.states: defaultdict[Address, consent.State] = defaultdict(consent.State)
        """What the chain kept of each patient after the last second that was asked for."""
        self._events = list(_consent_events(index, dataset))
        self._done = 0

    def active(self, purposes: int, at: int) -> frozenset[Address]:
        """The patients whose consent to `purposes` was active when second `at` had ended.

        Raises `ContractRevert` for events that no contract can have emitted.
        """
        self.replay(at)
        return frozenset(
            patient for patient, state in self.states.items() if consent.is_active(state, purposes, at)
        )

    def replay(self, at: int | None = None) -> None:
        """Replay all events up to second `at`, or all there are."""
        for event in islice(self._events, self._done, None):
            if at is not None and event.at > at:
                return
            self.states[event.patient] = consent.apply(self.states[event.patient], event)
            self._done += 1


def _consent_events(index: EventIndex, dataset: DatasetId) -> Iterator[consent.Event]:
    found = [
        event
        for name in ("Granted", "Narrowed", "Revoked")
        for event in index.events(name, dataset_id=dataset)
    ]
    found += index.events("AllRevoked")
    for event in sorted(found, key=lambda event: (event.block, event.log_index)):
        yield consent_event(event)


def _enrolment(event: Event) -> Enrolment:
    return Enrolment(
        seat=Seat(event["seat"]),
        hospital=HospitalId(event["hospital"]),
        dataset=DatasetId(event["dataset"]),
        version=event["version"],
        records=event["records"],
    )


def _place(event: Event) -> tuple[int, int]:
    return event.block, event.log_index


def _time(event: Event) -> int:
    if event.time is None:
        raise InputError(
            f"The event index lacks the time of block {event.block}; delete it, it is read anew."
        )
    return event.time


def _first_time(events: list[Event]) -> int:
    return _time(events[0]) if events else 0
