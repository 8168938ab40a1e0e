"""What is contested in a study's rounds, as the event index tells it: for those that claim, object and settle; and who
was absent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medfed.chain.calls import Call, Event
from medfed.chain.contracts.claims import AttemptState, Claims
from medfed.chain.history import was_suspended
from medfed.chain.index import EventIndex
from medfed.protocol.commitments import NO_AGGREGATE, bitmap, seats_in
from medfed.protocol.phase import training_ends
from medfed.rounds.disputes import CONTESTED, Claim, ContestBook, Place, SeatOf, place_of
from medfed.rounds.history import RoundHistory, StudyHistory, undoings
from medfed.types import RoundNumber, Seat

__all__ = [
    "absent",
    "due_absences",
    "open_contest",
    "pending",
    "read_contest",
    "settle_call",
    "unsettled_rounds",
]


def read_contest(index: EventIndex, study: StudyHistory, history: RoundHistory) -> ContestBook:
    """A round's claims and objections so far. Raises `ProtocolError` for events that no contract can have emitted."""
    where: dict[str, Any] = {"study": study.study, "round": history.number}
    found = [event for name in CONTESTED for event in index.events(name, **where)]
    return open_contest(index, study, history).replay(found)


def open_contest(index: EventIndex, study: StudyHistory, history: RoundHistory) -> ContestBook:
    """A round's contest before anything happened in it."""
    undone = [place_of(event) for event in undoings(index, study=study.study)]
    return ContestBook(study, history, undone, _seats(index, study))


def pending(book: ContestBook) -> Claim | None:
    """The claim that becomes final unless somebody objects."""
    return next((claim for _, claim in book.standing() if claim.state is AttemptState.PENDING), None)


def settle_call(claims: Claims, book: ContestBook, attempt: int) -> Call:
    """The call that settles a claim."""
    study, number = book.history.study, book.history.number
    result = book.history.result or NO_AGGREGATE
    return claims.settle(study, number, attempt, book.claims[attempt].aggregate, result)


def unsettled_rounds(index: EventIndex, study: StudyHistory) -> list[RoundNumber]:
    """The rounds in which a claim still holds a bond."""
    settled = index.events("AttemptSettled", study=study.study)
    over = {(event["round"], event["attempt"]) for event in settled}
    made = index.events("AttemptMade", study=study.study)
    return sorted({RoundNumber(e["round"]) for e in made if (e["round"], e["attempt"]) not in over})


# -- absences ------------------------------------------------------------------------------------------------------


def due_absences(index: EventIndex, study: StudyHistory, history: RoundHistory) -> int:
    """Bitmap of the seats that were absent from a round that has ended, as long as that is recorded, and are not yet."""
    settled = study.settled_at
    if not history.ended_at or (settled and index.checkpoint.timestamp >= settled):
        return 0
    found = absent(read_contest(index, study, history), history.ended_at) & ~study.stakes_lost
    for event in index.events("AbsencesRecorded", study=study.study, round=history.number):
        found &= ~(event["warned"] | event["slashed"])
    return bitmap([seat for seat in seats_in(found) if not _is_excused(index, study, history, seat)])


def absent(book: ContestBook, now: int, at: Place | None = None) -> int:
    """Bitmap of the seats that, at second `now`, were silent in a round whose Training was over, or did nothing for one
    that ended void although enough had submitted; by what came before place `at`. Suspensions are another matter."""
    return _silent(book, now) | _mute(book, at)


def _silent(book: ContestBook, now: int) -> int:
    """Who neither submitted nor abstained; nobody where nobody submitted, or Training was not over."""
    study, history = book.study, book.history
    submitted = history.submitted | bitmap(list(history.removed))
    if not submitted or not _has_trained(study, history, now):
        return 0
    seats = bitmap([entry.seat for entry in study.enrolments])
    return seats & ~(submitted | bitmap(list(history.abstained)))


def _mute(book: ContestBook, at: Place | None) -> int:
    """Which submitters neither attested, objected, claimed nor said whose bytes they lack."""
    study, history = book.study, book.history
    failed = history.void and len(history.updates) >= study.terms.min_hospitals
    if not failed or book.is_cut_short(at):
        return 0
    return history.submitted & ~(history.attested | book.authors | book.objectors | book.lacking)


def _has_trained(study: StudyHistory, history: RoundHistory, now: int) -> bool:
    """Whether Training ran to its end; a proof against an earlier round may have ended the study before."""
    last = bool(study.ended) and history.number == study.rounds
    return (study.ended_at if last else now) >= training_ends(history.facts(study.terms))


def _is_excused(index: EventIndex, study: StudyHistory, history: RoundHistory, seat: Seat) -> bool:
    hospital = study.entry(seat).hospital
    return was_suspended(index, hospital, history.opened_at, history.ended_at)


# -- operators -----------------------------------------------------------------------------------------------------


def _seats(index: EventIndex, study: StudyHistory) -> SeatOf:
    """Which seat an account acted for."""
    appointed: dict[Seat, Sequence[Event]] = {}

    def operator(seat: Seat, at: Place) -> str:
        if seat not in appointed:
            hospital = study.entry(seat).hospital
            found = [
                event
                for name in ("HospitalAdmitted", "OperatorRotated")
                for event in index.events(name, hospital=hospital)
            ]
            appointed[seat] = sorted(found, key=place_of)
        earlier = [event["operator"] for event in appointed[seat] if place_of(event) < at]
        return str(earlier[-1]) if earlier else ""

    def seat_of(account: str, at: Place) -> Seat | None:
        seats = (entry.seat for entry in study.enrolments)
        return next((seat for seat in seats if operator(seat, at) == account), None)

    return seat_of
