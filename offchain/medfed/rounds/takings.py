"""What a study took from its hospitals' stakes and bonds, in which round and why: the vault's own events, each with its cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.index import EventIndex
from medfed.errors import ProtocolError
from medfed.rounds.disputes import place_of
from medfed.rounds.history import StudyHistory
from medfed.types import RoundNumber, Seat

__all__ = ["REASONS", "Taking", "takings"]

REASONS: Mapping[str, str] = {
    "update": "an update of it was proved wrong",
    "result": "it attested to a result that was proved wrong",
    "careless": "it attested to a result with an update that was proved wrong",
    "absence": "it was absent",
    "claim": "a claim of it was proved wrong, or another result became final",
    "objection": "it objected, and no proof came",
}
"""What each cause is in words."""
_CAUSES = ("StakeLost", "CarelessSlashed", "AbsencesRecorded", "AttemptSettled")
"""Each comes before what it takes, in the same transaction."""


@dataclass(frozen=True, slots=True)
class Taking:
    """What one seat lost by one fault: `amount` in smallest units, `cause` a name in `REASONS`."""

    seat: Seat
    round: RoundNumber
    amount: int
    cause: str


def takings(index: EventIndex, study: StudyHistory) -> list[Taking]:
    """What was taken from the seats of a study, oldest first; nothing of strangers' bonds. Raises `ProtocolError` for what was
    taken without a cause."""
    seats = {str(entry.hospital): entry.seat for entry in study.enrolments}
    slashed = index.events("Slashed", study=study.study)
    taken = [event for event in slashed if event["amount"] and event["account"] in seats]
    causes = [event for name in _CAUSES for event in index.events(name, study=study.study)] if taken else []
    causes.sort(key=place_of)
    return [_taking(index, event, seats[event["account"]], causes) for event in taken]


def _taking(index: EventIndex, taken: Event, seat: Seat, causes: list[Event]) -> Taking:
    cause = next((event for event in reversed(causes) if place_of(event) < place_of(taken)), None)
    if cause is None or cause.tx_hash != taken.tx_hash:
        raise ProtocolError(f"something was taken from seat {seat} without a cause")
    return Taking(seat, RoundNumber(cause["round"]), taken["amount"], _named(index, cause, seat))


def _named(index: EventIndex, cause: Event, seat: Seat) -> str:
    where: dict[str, Any] = {"study": cause["study"], "round": cause["round"]}
    if cause.name == "StakeLost":
        strikes = index.events("UpdateStruck", **where, seat=seat)
        return "update" if any(event.tx_hash == cause.tx_hash for event in strikes) else "result"
    if cause.name == "AttemptSettled":
        made = index.events("AttemptMade", **where, attempt=cause["attempt"], seat=seat)
        return "claim" if made else "objection"
    return "careless" if cause.name == "CarelessSlashed" else "absence"
