"""What is contested in a study's rounds, as the event index tells it: for those that claim, object and settle."""

from __future__ import annotations

from typing import Any

from medfed.chain.contracts.disputes import AttemptState
from medfed.chain.index import EventIndex
from medfed.protocol.commitments import bitmap
from medfed.rounds.disputes import CONTESTED, Claim, ContestBook, place_of
from medfed.rounds.history import RoundHistory, StudyHistory
from medfed.types import RoundNumber, Seat

__all__ = ["barred_seats", "due_absences", "pending", "read_contest", "struck_seats", "unsettled_rounds"]


def read_contest(index: EventIndex, study: StudyHistory, history: RoundHistory) -> ContestBook:
    """A round's claims and objections so far. Raises `ProtocolError` for events that no contract can have emitted."""
    refuted = [(event["round"], place_of(event)) for event in index.events("RoundRefuted", study=study.study)]
    where: dict[str, Any] = {"study": study.study, "round": history.number}
    found = [event for name in CONTESTED for event in index.events(name, **where)]
    return ContestBook(study.terms, history, refuted).replay(found)


def pending(book: ContestBook) -> Claim | None:
    """The claim that becomes final unless somebody objects."""
    return next((claim for _, claim in book.standing() if claim.state is AttemptState.PENDING), None)


def unsettled_rounds(index: EventIndex, study: StudyHistory) -> list[RoundNumber]:
    """The rounds in which a claim still holds a bond."""
    settled = index.events("AttemptSettled", study=study.study)
    over = {(event["round"], event["attempt"]) for event in settled}
    made = index.events("AttemptMade", study=study.study)
    return sorted({RoundNumber(e["round"]) for e in made if (e["round"], e["attempt"]) not in over})


def barred_seats(index: EventIndex, study: StudyHistory) -> int:
    """Bitmap of the seats that make no claim any more, since one of theirs was proved wrong."""
    made = {(e["round"], e["attempt"]): e["seat"] for e in index.events("AttemptMade", study=study.study)}
    refuted = index.events("AttemptRefuted", study=study.study)
    return bitmap([Seat(made[event["round"], event["attempt"]]) for event in refuted])


def struck_seats(index: EventIndex, study: StudyHistory) -> int:
    """Bitmap of the seats that lost their stake to a proof: they may not submit any more."""
    found = bitmap([Seat(event["seat"]) for event in index.events("UpdateStruck", study=study.study)])
    for event in index.events("RoundRefuted", study=study.study):
        found |= event["seats"]
    return found


def due_absences(index: EventIndex, study: StudyHistory, history: RoundHistory) -> int:
    """Bitmap of the seats that were silent in a round that has ended, or that its result left out, and whose absence
    nobody has recorded."""
    if not (history.final_at or history.void) or _is_cut_short(study, history):
        return 0
    silent = bitmap([entry.seat for entry in study.enrolments])
    silent &= ~(history.submitted | bitmap(list(history.abstained)) | struck_seats(index, study))
    left_out = history.submitted & ~history.result.included if history.result else 0
    recorded = [
        Seat(event["seat"])
        for name in ("AbsenceWarned", "AbsenceSlashed")
        for event in index.events(name, study=study.study, round=history.number)
    ]
    return (silent | left_out) & ~bitmap(recorded)


def _is_cut_short(study: StudyHistory, history: RoundHistory) -> bool:
    """Whether a proof against an earlier round ended the study, and this round before its Training was over."""
    end = history.closed_at or history.opened_at + study.terms["training_seconds"]
    return bool(study.ended) and history.number == study.rounds and study.ended_at < end
