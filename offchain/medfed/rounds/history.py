"""Studies and rounds as the event index tells them: facts of final blocks, no further question to the chain."""

from __future__ import annotations

import functools
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.contracts.studies import StudyTerms
from medfed.chain.history import consents, datasets, is_active, is_permitted, lineage, was_suspended
from medfed.chain.index import EventIndex
from medfed.errors import Inconsistent, InputError, ProtocolError
from medfed.protocol import consent
from medfed.protocol import purposes as duo
from medfed.protocol.basis import Basis, counting
from medfed.protocol.commitments import Aggregate, Update, bitmap, seats_in
from medfed.protocol.documents import StudySpec
from medfed.protocol.layout import Vector
from medfed.protocol.phase import (
    Outcome,
    RoundFacts,
    attestation_ends,
    settled_at,
    training_ends,
    unlocked_at,
)
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = [
    "ConsentBook",
    "Enrolment",
    "LineageBook",
    "RoundHistory",
    "StudyHistory",
    "asked",
    "asked_of_line",
    "basis_of",
    "bound",
    "consented",
    "counted",
    "declined",
    "pinned",
    "read_round",
    "read_study",
    "refuted_claims",
    "study_ids",
    "undoings",
]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A seat with what its hospital pinned, and the codes of the study that it confirmed."""

    seat: Seat
    hospital: HospitalId
    dataset: DatasetId
    version: int
    records: int
    confirmed: int = 0


@dataclass(frozen=True, slots=True)
class StudyHistory:
    """A study so far. `ended` is "completed", "aborted" or empty; `released` and `stakes_lost` are bitmaps of seats."""

    study: StudyId
    sponsor: Address
    terms: StudyTerms
    created_at: int
    enrolments: tuple[Enrolment, ...]
    rounds: int
    """Rounds opened so far; the newest one's number."""
    ended: str
    ended_at: int
    """When it completed or aborted; a completed study that a proof aborts keeps this time."""
    undone_from: int
    """The first round whose result a proof undid; 0 when there is none."""
    barred: Mapping[Seat, RoundNumber]
    """Seats of which an update, a claim, or an attestation was proved wrong: this round and later ones pay them nothing,
    and they submit no more."""
    stakes_lost: int
    """Those that have nothing left of their stake because of a proof."""
    released: int
    refunded: bool

    @property
    def settled_at(self) -> int:
        """When stakes and the sponsor's refund are given back; 0 while the study has not ended."""
        return settled_at(self.ended_at, self.rounds, self.terms.dispute_seconds) if self.ended else 0

    def enrolment(self, hospital: HospitalId) -> Enrolment | None:
        """The seat of a hospital, if it has one."""
        return next((entry for entry in self.enrolments if entry.hospital == hospital), None)

    def entry(self, seat: Seat) -> Enrolment:
        """Who has a seat. Raises `Inconsistent` when nobody has."""
        found = {entry.seat: entry for entry in self.enrolments}
        if seat not in found:
            raise Inconsistent(f"an event names seat {seat}, which nobody took")
        return found[seat]

    def may_submit(self, seat: Seat) -> bool:
        """Whether the seat's hospital may submit updates."""
        return seat not in self.barred

    def pays(self, seat: Seat, number: RoundNumber) -> bool:
        """Whether a round can pay a seat anything, as far as proofs against it go."""
        return number < self.barred.get(seat, number + 1)


@dataclass(frozen=True, slots=True)
class RoundHistory:
    """A round so far. Times in seconds of chain time, 0 for what has not happened. Plain `int`s of seats are bitmaps."""

    study: StudyId
    number: RoundNumber
    opened_at: int
    closed_at: int
    finals_before: int
    """How many rounds were final before it."""
    updates: Mapping[Seat, Update]
    """The set: the updates that may be in a result."""
    removed: Mapping[Seat, Update]
    """Updates that were proved wrong while the round was open: they are in no result."""
    abstained: frozenset[Seat]
    struck: frozenset[Seat]
    """Seats whose update was proved wrong, removed ones among them; it earns nothing."""
    proposals: Mapping[bytes, Aggregate]
    attesters: Mapping[bytes, int]
    """By aggregate hash."""
    attested: int
    """The seats whose attestation to anything stands: since an update left the set last."""
    outcome: Outcome
    final_hash: bytes
    final_at: int
    """When it became final, also of a result that was undone since."""
    ended_at: int
    """When it became final or void."""
    answerable: int
    """Who had attested to a result that a proof undid."""
    compensation: int
    """What a void round pays to those in its set that are not struck, in smallest units."""
    kept_away: Mapping[Seat, int]
    """Of a round that has ended: the seats without an update whose hospitals were suspended while it trained, and the
    weight that each could have submitted. Pay is shared out as if they had."""

    @property
    def submitted(self) -> int:
        """The set, as a bitmap."""
        return bitmap(list(self.updates))

    @property
    def weight(self) -> int:
        """Of the whole set."""
        return sum(update.weight for update in self.updates.values())

    @property
    def due(self) -> int:
        """Among how many seats pay is shared out: those that submitted, and those that were kept from it."""
        return len(self.updates) + len(self.kept_away)

    @property
    def due_weight(self) -> int:
        """Of all these."""
        return self.weight + sum(self.kept_away.values())

    @property
    def result(self) -> Aggregate | None:
        """The aggregate that made the round final, whether a proof undid it since or not."""
        return self.proposals.get(self.final_hash)

    @property
    def stands(self) -> bool:
        """Whether the round is final and no proof undid its result."""
        return self.outcome is Outcome.FINAL

    @property
    def undone(self) -> bool:
        """Whether a proof undid the round's result."""
        return self.outcome in (Outcome.TAINTED, Outcome.REFUTED)

    @property
    def void(self) -> bool:
        """Whether the round ended without a result."""
        return self.outcome is Outcome.VOID

    @property
    def left_out(self) -> int:
        """The submitters that the result leaves out."""
        return 0 if self.result is None else self.submitted & ~self.result.included

    @property
    def result_attesters(self) -> int:
        """Who attested to the result, of those that are in the set: each has its part of what is for attesters."""
        return self.attesters.get(self.final_hash, 0) & self.submitted

    def committed(self, seat: Seat) -> Update:
        """What a seat submitted, whether it counts still or was proved wrong. Raises `Inconsistent` when it did not."""
        update = self.updates.get(seat) or self.removed.get(seat)
        if update is None:
            raise Inconsistent(
                f"an event of round {self.number} names an update of seat {seat}, which it did not submit"
            )
        return update

    def left_out_updates(self, included: int) -> list[Update]:
        """What `attest` is shown of the set beside the seats `included`, by ascending seat."""
        return [update for seat, update in sorted(self.updates.items()) if not included >> seat & 1]

    def vectors(self, terms: StudyTerms) -> tuple[Vector, ...]:
        """What an update of the round consists of."""
        return terms.vectors(statistics=not self.finals_before)

    def trained_until(self, terms: StudyTerms) -> int:
        """When Training of a round that has ended was over; a proof may have ended the study before."""
        return min(training_ends(self.facts(terms)), self.ended_at)

    def unlocked_at(self, terms: StudyTerms) -> int:
        """When its disputes are over and its claims unlock; 0 while it is open."""
        return unlocked_at(self.ended_at, terms.dispute_seconds) if self.ended_at else 0

    def attestation_ends(self, terms: StudyTerms) -> int:
        """When attestations to its result are no longer taken; 0 when it has none."""
        return attestation_ends(self.final_at, terms.dispute_seconds) if self.final_at else 0

    def facts(self, terms: StudyTerms) -> RoundFacts:
        """What the round's phase depends on."""
        return RoundFacts(
            opened_at=self.opened_at,
            closed_at=self.closed_at,
            outcome=self.outcome,
            submitters=len(self.updates),
            training_seconds=terms.training_seconds,
            aggregating_seconds=terms.aggregating_seconds,
            min_hospitals=terms.min_hospitals,
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
        terms=StudyTerms.of(created[0]["terms"]),
        created_at=_time(created[0]),
        enrolments=tuple(_enrolment(event) for event in index.events("Enrolled", study=study)),
        rounds=len(index.events("RoundOpened", study=study)),
        # A completed study may still be aborted by a proof; its time stays that of its completion.
        ended=ends[-1][0] if ends else "",
        ended_at=_time(ends[0][1]) if ends else 0,
        undone_from=min((event["round"] for event in undoings(index, study=study)), default=0),
        barred=_barred(index, study),
        stakes_lost=_all_seats(index.events("StakeLost", study=study), "seats"),
        released=bitmap([Seat(event["seat"]) for event in index.events("StakeReleased", study=study)]),
        refunded=bool(index.events("Refunded", study=study)),
    )


def read_round(index: EventIndex, study: StudyId, number: RoundNumber) -> RoundHistory:
    """A round so far; all zero when it has not opened."""
    where: dict[str, Any] = {"study": study, "round": number}
    final, void = index.events("RoundFinal", **where), index.events("RoundVoid", **where)
    strikes = index.events("UpdateStruck", **where)
    # Once the round has ended, its set stays.
    left = [event for event in strikes if all(_place(event) < _place(end) for end in (*final, *void))]
    gone = {event["seat"] for event in left}
    submitted = {Seat(e["seat"]): Update(**e["update"]) for e in index.events("UpdateSubmitted", **where)}
    attestations, proofs = index.events("Attested", **where), undoings(index, **where)
    history = RoundHistory(
        study=study,
        number=number,
        opened_at=_first_time(index.events("RoundOpened", **where)),
        closed_at=_first_time(index.events("TrainingClosed", **where)),
        finals_before=sum(event["round"] < number for event in index.events("RoundFinal", study=study)),
        updates={seat: update for seat, update in submitted.items() if seat not in gone},
        removed={seat: update for seat, update in submitted.items() if seat in gone},
        abstained=frozenset(Seat(e["seat"]) for e in index.events("Abstained", **where)),
        struck=frozenset(Seat(event["seat"]) for event in strikes),
        proposals={
            bytes(e["aggregate_hash"]): Aggregate(**e["aggregate"])
            for e in index.events("AggregateProposed", **where)
        },
        attesters=_attesters(attestations),
        attested=_all_seats(_after(attestations, left), "seats"),
        outcome=_outcome(final, void, proofs),
        final_hash=bytes(final[0]["aggregate_hash"]) if final else b"",
        final_at=_first_time(final),
        ended_at=_first_time([*final, *void]),
        answerable=_all_seats(proofs, "attesters"),
        compensation=_amount(index.events("Compensated", **where)),
        kept_away={},
    )
    return replace(history, kept_away=_kept_away(index, history))


def refuted_claims(index: EventIndex, **where: Any) -> list[tuple[RoundNumber, Seat]]:
    """Round and author of each claim that was proved wrong. Raises `ProtocolError` for one that nobody made."""
    made = {(e["round"], e["attempt"]): Seat(e["seat"]) for e in index.events("AttemptMade", **where)}
    refuted = [(e["round"], e["attempt"]) for e in index.events("AttemptRefuted", **where)]
    if not made.keys() >= set(refuted):
        raise ProtocolError("a claim was proved wrong that nobody made")
    return [(RoundNumber(key[0]), made[key]) for key in refuted]


def asked(index: EventIndex, entry: Enrolment, study: StudyTerms | StudySpec) -> int:
    """What the patients of a seat's dataset are asked for: the study's purposes, so far as the hospital confirmed them,
    as they read for the dataset's disease.

    Raises `ProtocolError` for a version of the dataset that nobody registered.
    """
    met = duo.met(study.purposes, entry.confirmed)
    if not met & duo.Purpose.DS:
        return met
    info = pinned(index, entry)
    if info is None:
        raise ProtocolError(f"nobody registered version {entry.version} of dataset {entry.dataset}")
    return duo.asked(met, info.disease, study.disease)


def asked_of_line(
    index: EventIndex, entry: Enrolment, study: StudyTerms | StudySpec, line: Iterable[DatasetId]
) -> tuple[int, ...]:
    """`asked` for each dataset of a line that ends with the seat's, as it reads for that dataset's own disease. Raises as `asked`."""
    versions = dict.fromkeys(line, 1) | {entry.dataset: entry.version}
    places = [replace(entry, dataset=dataset, version=version) for dataset, version in versions.items()]
    return tuple(asked(index, place, study) for place in places)


def pinned(index: EventIndex, entry: Enrolment) -> DatasetInfo | None:
    """What the hospital said of the version that a seat pinned; None for one that nobody registered."""
    versions = datasets(index, entry.dataset)
    return next((each.info for each in versions if each.version == entry.version), None)


def consented(
    index: EventIndex, dataset: DatasetId, purposes: int, at: int
) -> dict[Address, consent.Details]:
    """The patients whose consent to `purposes` for this dataset was active when second `at` had ended, with its details."""
    return ConsentBook(index, dataset).active(purposes, at)


def basis_of(index: EventIndex, dataset: DatasetId) -> Basis:
    """The ground on which the dataset's patients count. Raises `ProtocolError` for a dataset that nobody registered."""
    versions = datasets(index, dataset)
    if not versions:
        raise ProtocolError(f"nobody registered dataset {dataset}")
    return versions[0].info.basis


def counted(
    index: EventIndex,
    entry: Enrolment,
    study: StudyTerms | StudySpec,
    history: RoundHistory,
    patients: Iterable[Address],
) -> dict[Address, consent.Details]:
    """Which of these enlisted patients count in a round, with what their consents are about: by what the chain kept in the
    second before it opened. Raises as `asked` and `basis_of`."""
    at, book = history.opened_at - 1, LineageBook(index, entry.dataset)
    requests = asked_of_line(index, entry, study, book.datasets)
    if not _may_count(index, entry, history, book.basis):
        return {}
    book.replay(at)
    found = {each: counting(book.basis, book.states(each), requests, at) for each in patients}
    return {patient: details for patient, details in found.items() if details is not None}


def bound(index: EventIndex, entry: Enrolment, study: StudyTerms | StudySpec, history: RoundHistory) -> int:
    """How many patients a seat's manifest may list, whoever looks: those who consented in the second before the round opened;
    on another basis the pinned records, or none without a permit. Raises as `counted`.

    Objections take nothing off it: anybody may post one, and who is enlisted is not public.
    """
    basis = basis_of(index, entry.dataset)
    if basis is Basis.CONSENT:
        return len(consented(index, entry.dataset, asked(index, entry, study), history.opened_at - 1))
    return entry.records if _may_count(index, entry, history, basis) else 0


def _may_count(index: EventIndex, entry: Enrolment, history: RoundHistory, basis: Basis) -> bool:
    """Whether anybody may: without a permit that stands, nobody does where the basis is one."""
    if basis is not Basis.PERMIT:
        return True
    return is_permitted(index, entry.dataset, history.study, history.opened_at - 1)


class ConsentBook:
    """The consents of one dataset, read once and replayed once: for many seconds, asked for in ascending order."""

    def __init__(self, index: EventIndex, dataset: DatasetId) -> None:
        self.states: defaultdict[Address, consent.State] = defaultdict(consent.State)
        """What the chain kept of each patient after the last second that was asked for."""
        self._events = consents(index, dataset)
        self._done = 0

    def active(self, purposes: int, at: int) -> dict[Address, consent.Details]:
        """The patients whose consent to `purposes` was active when second `at` had ended, with its details.

        Raises `ContractRevert` for events that no contract can have emitted.
        """
        self.replay(at)
        return {
            patient: state.details
            for patient, state in self.states.items()
            if consent.is_active(state, purposes, at)
        }

    def later(self, at: int) -> list[consent.Event]:
        """What came after second `at`."""
        return [event for event in self._events if event.at > at]

    def replay(self, at: int | None = None) -> None:
        """Replay all events up to second `at`, or all there are."""
        for event in islice(self._events, self._done, None):
            if at is not None and event.at > at:
                return
            self.states[event.patient] = consent.apply(self.states[event.patient], event)
            self._done += 1


class LineageBook:
    """The words on one dataset and, where the basis asks through them, on its predecessors."""

    def __init__(self, index: EventIndex, dataset: DatasetId) -> None:
        self.basis = basis_of(index, dataset)
        self.datasets = (dataset,) if self.basis is Basis.CONSENT else lineage(index, dataset)
        """Newest first."""
        self._books = [ConsentBook(index, each) for each in self.datasets]

    def states(self, patient: Address) -> tuple[consent.State, ...]:
        """What the chain kept of a patient and each dataset after the last second that was asked for."""
        return tuple(book.states.get(patient, consent.State()) for book in self._books)

    def later(self, at: int) -> list[consent.Event]:
        """What came after second `at`, each dataset on its own."""
        return [event for book in self._books for event in book.later(at)]

    def replay(self, at: int) -> None:
        """Replay all events up to second `at`."""
        for book in self._books:
            book.replay(at)


def undoings(index: EventIndex, **where: Any) -> list[Event]:
    """The proofs that undid a result, of either kind."""
    return [*index.events("RoundTainted", **where), *index.events("RoundRefuted", **where)]


def _outcome(final: list[Event], void: list[Event], undoings: list[Event]) -> Outcome:
    if any(event.name == "RoundRefuted" for event in undoings):
        return Outcome.REFUTED
    if undoings:
        return Outcome.TAINTED
    return Outcome.FINAL if final else Outcome.VOID if void else Outcome.OPEN


def _barred(index: EventIndex, study: StudyId) -> dict[Seat, RoundNumber]:
    """From which round on each seat is barred that a proof was against: its update, its claim, or a result it attested to."""
    proofs = [
        *refuted_claims(index, study=study),
        *((e["round"], Seat(e["seat"])) for e in index.events("UpdateStruck", study=study)),
        *((e["round"], seat) for e in undoings(index, study=study) for seat in seats_in(e["attesters"])),
    ]
    found: dict[Seat, RoundNumber] = {}
    for number, seat in proofs:
        found[seat] = min(found.get(seat, number), number)
    return found


def _kept_away(index: EventIndex, history: RoundHistory) -> dict[Seat, int]:
    """Who was kept from submitting to a round that has ended by a suspension alone, and the most that each could have; the
    twin of `Payouts._addKeptAway`."""
    if not history.ended_at or not index.events("HospitalSuspended"):
        return {}
    study = read_study(index, history.study)
    terms = study.terms
    span = history.opened_at, history.trained_until(terms)
    found = {}
    for entry in study.enrolments:
        most = min(entry.records, terms.max_weight)
        able = most >= terms.cohort_step and study.pays(entry.seat, history.number)
        if entry.seat in history.updates or not able or declined(index, history, entry):
            continue
        if was_suspended(index, entry.hospital, *span):
            found[entry.seat] = most - most % terms.cohort_step
    return found


def declined(index: EventIndex, history: RoundHistory, entry: Enrolment) -> bool:
    """Whether a seat abstained while its hospital was active: nobody kept it away, whatever came after."""
    where: dict[str, Any] = {"study": history.study, "round": history.number, "seat": entry.seat}
    return any(
        is_active(index, entry.hospital, _place(event)) for event in index.events("Abstained", **where)
    )


def _attesters(attestations: list[Event]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for event in attestations:
        digest = bytes(event["aggregate_hash"])
        found[digest] = found.get(digest, 0) | event["seats"]
    return found


def _after(events: list[Event], others: list[Event]) -> list[Event]:
    """The events that came after all the others."""
    since = max(map(_place, others), default=(-1, -1))
    return [event for event in events if _place(event) > since]


def _all_seats(events: list[Event], name: str) -> int:
    """The seats that any of these events names, as a bitmap."""
    return functools.reduce(operator.or_, (int(event[name]) for event in events), 0)


def _amount(events: list[Event]) -> int:
    return sum(int(event["amount"]) for event in events)


def _enrolment(event: Event) -> Enrolment:
    return Enrolment(
        seat=Seat(event["seat"]),
        hospital=HospitalId(event["hospital"]),
        dataset=DatasetId(event["dataset"]),
        version=event["version"],
        records=event["records"],
        confirmed=event["confirmed"],
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
