"""A study in words: its phase, its deadline, who has submitted and attested. What `show`, `list` and `watch` tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from medfed.cli.names import hospital_names
from medfed.cli.output import in_words, printable, table
from medfed.errors import MedFedError
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import seats_in
from medfed.protocol.phase import Phase, phase_of, quorum_of, training_ends, voidable_at
from medfed.rounds.federation import Federation
from medfed.rounds.history import RoundHistory, StudyHistory, read_round, read_study
from medfed.rounds.models import find_model
from medfed.rounds.study import fetch_spec
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["rendered", "sentence", "study_facts"]

_NAMED = 6
"""More hospitals than this are counted in a table, not named."""

_TITLE = 200


def study_facts(federation: Federation, number: StudyId, now: int) -> dict[str, Any]:
    """All that people ask about a study at second `now`, as plain data. Raises `InputError` for an unknown one."""
    study = read_study(federation.index, number)
    known = hospital_names(federation)
    names = {entry.seat: known.get(entry.hospital, entry.hospital) for entry in study.enrolments}
    rounds = [
        _round(study, read_round(federation.index, number, RoundNumber(value)), names, now)
        for value in range(1, study.rounds + 1)
    ]
    registered = find_model(federation.index, number)
    return {
        "study": int(number),
        "title": _title(federation, study),
        "state": study.ended or ("running" if study.rounds else "enrolling"),
        "sponsor": study.sponsor,
        "spec": cid_from_digest(study.terms["spec"]),
        "token": study.terms["token"],
        "reward_per_round": study.terms["reward_per_round"],
        "stake": study.terms["stake"],
        "min_hospitals": study.terms["min_hospitals"],
        "max_hospitals": study.terms["max_hospitals"],
        "enrol_deadline": study.terms["enrol_deadline"],
        "ended_at": study.ended_at,
        "pay_at": _pay_at(federation, study, rounds),
        "hospitals": [
            {
                "seat": int(entry.seat),
                "name": names[entry.seat],
                "hospital": entry.hospital,
                "dataset": int(entry.dataset),
                "version": entry.version,
                "records": entry.records,
            }
            for entry in study.enrolments
        ],
        "rounds_planned": study.terms["rounds"],
        "rounds": rounds,
        "registered_at": 0 if registered is None else registered.registered_at,
    }


def _round(study: StudyHistory, history: RoundHistory, names: Mapping[Seat, str], now: int) -> dict[str, Any]:
    facts = history.facts(study.terms)
    phase = phase_of(facts, now)
    deadline = {Phase.TRAINING: training_ends, Phase.AGGREGATING: voidable_at}.get(phase, lambda _: 0)(facts)
    result = history.result
    return {
        "round": int(history.number),
        "phase": phase.name.lower(),
        "opened_at": history.opened_at,
        "deadline": deadline,
        "submitted": _named(sorted(history.updates), names),
        "abstained": _named(sorted(history.abstained), names),
        "attested": _named(seats_in(history.attested), names),
        "weight": history.weight,
        "included": _named(seats_in(result.included), names) if result else [],
        "aggregate": cid_from_digest(result.cid) if result else "",
        "model": cid_from_digest(result.model) if result else "",
    }


def _named(seats: Iterable[Seat], names: Mapping[Seat, str]) -> list[str]:
    return [names[seat] for seat in seats]


def _title(federation: Federation, study: StudyHistory) -> str:
    try:
        return printable(fetch_spec(federation.store, study).title, _TITLE)
    except MedFedError:
        return ""


def _pay_at(federation: Federation, study: StudyHistory, rounds: list[dict[str, Any]]) -> int:
    """When the last final round's pay unlocks; 0 while none is final."""
    finals = [entry["round"] for entry in rounds if entry["phase"] == "final"]
    if not finals:
        return 0
    last = read_round(federation.index, study.study, RoundNumber(finals[-1]))
    return int(last.final_at + study.terms["dispute_seconds"])


def sentence(facts: dict[str, Any], now: int) -> str:
    """Where a study stands at second `now`, and what comes next until when."""
    state, rounds = facts["state"], facts["rounds"]
    if state == "enrolling":
        return _enrolling(facts, now)
    if state == "running":
        return _running(facts, rounds[-1], now)
    finals = sum(entry["phase"] == "final" for entry in rounds)
    done = f"{state.capitalize()}: {finals} of {facts['rounds_planned']} rounds are final"
    if not finals:
        return f"{done}; stakes are free, the sponsor is refunded by `medfed study refund {facts['study']}`."
    left = facts["pay_at"] - now
    return f"{done}; pay and stakes " + (f"unlock in {in_words(left)}." if left > 0 else "are unlocked.")


def _enrolling(facts: dict[str, Any], now: int) -> str:
    enrolled, least = len(facts["hospitals"]), facts["min_hospitals"]
    left = facts["enrol_deadline"] - now
    if left <= 0:
        return (
            f"Enrolment is over with {enrolled} hospitals; `medfed study advance {facts['study']}` goes on."
        )
    ready = " The sponsor may open it." if enrolled >= least else ""
    return (
        f"Enrolling: {enrolled} of at least {least} hospitals have a seat; {in_words(left)} are left.{ready}"
    )


def _running(facts: dict[str, Any], last: dict[str, Any], now: int) -> str:
    number, total = last["round"], len(facts["hospitals"])
    head, left = f"Round {number}, {last['phase']}:", last["deadline"] - now
    if last["phase"] == "training":
        acted = len(last["submitted"]) + len(last["abstained"])
        return f"{head} {acted} of {total} hospitals have acted; it ends in {in_words(left)} at the latest."
    if last["phase"] == "aggregating":
        attested, needed = len(last["attested"]), quorum_of(len(last["submitted"]))
        if left <= 0:
            return f"{head} it can end only void; `medfed study advance {facts['study']}` goes on."
        return f"{head} {attested} of {needed} attestations it needs; void in {in_words(left)} without them."
    return f"{head} the next one opens."


def rendered(facts: dict[str, Any], now: int) -> list[Any]:
    """A study for a terminal: title, sentence, a table of rounds, the newest model."""
    title = f"Study {facts['study']}" + (f": {facts['title']}" if facts["title"] else "")
    parts: list[Any] = [title, sentence(facts, now)]
    if facts["hospitals"]:
        columns = ["Seat#", "Hospital", "Dataset#", "Version#", "Records#"]
        rows = [(h["seat"], h["name"], h["dataset"], h["version"], h["records"]) for h in facts["hospitals"]]
        parts.append(table("Hospitals", columns, rows))
    if facts["rounds"]:
        parts.append(_rounds(facts))
    models = [entry["model"] for entry in facts["rounds"] if entry["model"]]
    parts += [f"Model {models[-1]}"] if models else []
    registered = f"Its model is registered; `medfed model show {facts['study']}` has the licence's terms."
    return parts + ([registered] if facts["registered_at"] else [])


def _rounds(facts: dict[str, Any]) -> Any:
    total = len(facts["hospitals"])
    rows = [
        (
            entry["round"],
            entry["phase"],
            _who(entry["submitted"], total),
            _who(entry["attested"], len(entry["submitted"])),
            entry["weight"],
        )
        for entry in facts["rounds"]
    ]
    return table("Rounds", ["Round#", "Phase", "Submitted", "Attested", "Weight#"], rows)


def _who(names: list[str], total: int) -> str:
    if not names:
        return "–"
    if len(names) == total:
        return f"all {total}"
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names)} of {total}"
