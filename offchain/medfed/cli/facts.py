"""A study in words: its phase, its deadline, who has submitted and attested. What `show`, `list` and `watch` tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from medfed.chain.coin import Coin
from medfed.chain.history import hospitals, permit_day
from medfed.cli.amounts import coin_of
from medfed.cli.names import hospital_names
from medfed.cli.offer import offer_facts
from medfed.cli.output import date_of, in_words, printable, table
from medfed.errors import MedFedError
from medfed.protocol.basis import Basis
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import seats_in
from medfed.protocol.consent import DAY
from medfed.protocol.documents import StudySpec
from medfed.protocol.phase import Phase, phase_of, quorum_of, training_ends, voidable_at
from medfed.rounds.federation import Federation
from medfed.rounds.history import (
    Enrolment,
    RoundHistory,
    StudyHistory,
    basis_of,
    read_round,
    read_study,
    refuted_claims,
)
from medfed.rounds.models import find_model
from medfed.rounds.settle import refund_of
from medfed.rounds.study import fetch_spec
from medfed.rounds.takings import REASONS, takings
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["pays", "rendered", "sentence", "study_facts"]

_NAMED = 6
"""More hospitals than this are counted in a table, not named."""

_TITLE = 200


def study_facts(federation: Federation, number: StudyId, now: int) -> dict[str, Any]:
    """All that people ask about a study at second `now`, as plain data. Raises `InputError` for an unknown one."""
    study = read_study(federation.index, number)
    known = hospital_names(federation.index)
    names = {entry.seat: known.get(entry.hospital, entry.hospital) for entry in study.enrolments}
    histories = [
        read_round(federation.index, number, RoundNumber(value)) for value in range(1, study.rounds + 1)
    ]
    rounds = [_round(federation, study, history, names, now) for history in histories]
    money, taken = _money(federation, study), _taken(federation, study, names)
    refund = _refund(study, histories)
    registered, spec = find_model(federation.index, number), _spec(federation, study)
    suspended = {each.hospital for each in hospitals(federation.index) if not each.active}
    return {
        "study": int(number),
        "title": "" if spec is None else printable(spec.title, _TITLE),
        "state": study.ended or ("running" if study.rounds else "enrolling"),
        "sponsor": study.sponsor,
        "spec": cid_from_digest(study.terms.spec),
        "token": study.terms.token,
        **offer_facts(study.terms, None if spec is None else spec.rule),
        "ended_at": study.ended_at,
        "undone_from": int(study.undone_from),
        "pay_at": max(
            (history.unlocked_at(study.terms) for history in histories if pays(history)), default=0
        ),
        "settled_at": study.settled_at,
        **refund,
        "hospitals": [
            _hospital(study, entry, names[entry.seat])
            | {"suspended": entry.hospital in suspended}
            | _ground(federation, study, entry, now)
            for entry in study.enrolments
        ],
        "rounds_planned": study.terms.rounds,
        "rounds": rounds,
        "money": money,
        "taken": taken,
        "remarks": _remarks(federation, study, rounds, (money, taken, refund["refund"])),
        "registered_at": 0 if registered is None else registered.registered_at,
    }


def _hospital(study: StudyHistory, entry: Enrolment, name: str) -> dict[str, Any]:
    """A seat, and what became of its stake: locked, lost to a proof, or released (what was left of it)."""
    lost, released = study.stakes_lost >> entry.seat & 1, study.released >> entry.seat & 1
    return {
        "seat": int(entry.seat),
        "name": name,
        "hospital": entry.hospital,
        "dataset": int(entry.dataset),
        "version": entry.version,
        "records": entry.records,
        "stake": "lost" if lost else "released" if released else "locked",
        "barred_from": int(study.barred.get(entry.seat, 0)),
    }


def _ground(federation: Federation, study: StudyHistory, entry: Enrolment, now: int) -> dict[str, Any]:
    """Why the seat's patients count, and of a permit the day with which it ends; none where no permit stands."""
    basis = basis_of(federation.index, entry.dataset)
    day = permit_day(federation.index, entry.dataset, study.study, now) if basis is Basis.PERMIT else 0
    return {"basis": basis.label, "permitted_until": date_of(day) if now < day * DAY else ""}


def _basis(seat: dict[str, Any]) -> str:
    """The same in words."""
    if seat["basis"] != Basis.PERMIT.label:
        return str(seat["basis"])
    return f"permit until {seat['permitted_until']}" if seat["permitted_until"] else "permit, none stands"


def _round(
    federation: Federation, study: StudyHistory, history: RoundHistory, names: Mapping[Seat, str], now: int
) -> dict[str, Any]:
    facts = history.facts(study.terms)
    phase = phase_of(facts, now)
    deadline = {Phase.TRAINING: training_ends, Phase.AGGREGATING: voidable_at}.get(phase, lambda _: 0)(facts)
    result = history.result
    lacking = federation.index.events("BytesLacking", study=study.study, round=history.number)
    refuted = refuted_claims(federation.index, study=study.study, round=history.number)
    return {
        "round": int(history.number),
        "phase": phase.name.lower(),
        "opened_at": history.opened_at,
        "deadline": deadline,
        "submitted": _named(sorted(history.updates), names),
        "abstained": _named(sorted(history.abstained), names),
        "struck": _named(sorted(history.struck), names),
        "refuted_claims": _named(sorted({seat for _, seat in refuted}), names),
        "lacking": {names[Seat(e["seat"])]: _named(seats_in(e["missing"]), names) for e in lacking},
        "attested": _named(seats_in(history.attested), names),
        "answerable": _named(seats_in(history.answerable), names),
        "weight": history.weight,
        "included": _named(seats_in(result.included), names) if result else [],
        "left_out": _named(seats_in(history.left_out), names),
        "kept_away": _named(sorted(history.kept_away), names) if pays(history) else [],
        "compensation": history.compensation,
        "compensated": _named(sorted(history.updates.keys() - history.struck), names)
        if history.compensation
        else [],
        "aggregate": cid_from_digest(result.cid) if result else "",
        "model": cid_from_digest(result.model) if result else "",
    }


def _named(seats: Iterable[Seat], names: Mapping[Seat, str]) -> list[str]:
    return [names[seat] for seat in seats]


def _spec(federation: Federation, study: StudyHistory) -> StudySpec | None:
    try:
        return fetch_spec(federation.store, study)
    except MedFedError:
        return None


def _refund(study: StudyHistory, histories: list[RoundHistory]) -> dict[str, Any]:
    """What the sponsor has back of an ended study: rewards of rounds that never were final, in smallest units."""
    finals = sum(history.stands or history.undone for history in histories)
    refund = refund_of(study, finals) if study.ended else 0
    return {"finals": finals, "refund": refund, "refunded": study.refunded}


def _taken(federation: Federation, study: StudyHistory, names: Mapping[Seat, str]) -> list[dict[str, Any]]:
    """What each seat lost, in which round and why; `cause` is one of `takings.REASONS`."""
    return [
        {
            "seat": int(each.seat),
            "name": names[each.seat],
            "round": int(each.round),
            "amount": each.amount,
            "cause": each.cause,
        }
        for each in takings(federation.index, study)
    ]


def pays(history: RoundHistory) -> bool:
    """Whether a round pays anybody, of those that have ended."""
    return history.stands or history.undone or (history.void and history.compensation > 0)


def _money(federation: Federation, study: StudyHistory) -> dict[str, int]:
    """What a study took from stakes and bonds, where that went, and what was burnt; smallest units."""
    named = {
        "slashed": "Slashed",
        "challengers": "ChallengerPaid",
        "compensations": "Kept",
        "burnt": "Burnt",
    }
    return {
        key: sum(event["amount"] for event in federation.index.events(name, study=study.study))
        for key, name in named.items()
    }


def _remarks(
    federation: Federation,
    study: StudyHistory,
    rounds: list[dict[str, Any]],
    moved: tuple[Mapping[str, int], list[dict[str, Any]], int],
) -> list[str]:
    """What went otherwise than planned, in words."""
    money, taken, refund = moved
    odd = ("struck", "refuted_claims", "answerable", "left_out", "kept_away", "lacking")
    if not refund and not any(money.values()) and not any(entry[name] for entry in rounds for name in odd):
        return []
    coin = coin_of(federation, study.terms.token)
    told = [text for entry in rounds for text in _round_remarks(entry, coin)]
    back = [f"The sponsor's refund: {coin.text(refund)}."] if refund else []
    return told + _taken_remarks(taken, coin) + _money_remarks(money, coin) + back


def _taken_remarks(taken: list[dict[str, Any]], coin: Coin) -> list[str]:
    """Who lost what, those together that lost as much by the same."""
    groups: dict[tuple[int, int, str], list[str]] = {}
    for each in taken:
        groups.setdefault((each["round"], each["amount"], each["cause"]), []).append(each["name"])
    return [
        f"Round {number}: {', '.join(names)} lost {coin.text(amount)}{' each' * (len(names) > 1)}: {REASONS[cause]}."
        for (number, amount, cause), names in groups.items()
    ]


def _money_remarks(money: Mapping[str, int], coin: Coin) -> list[str]:
    if not any(money.values()):
        return []
    parts = {"who proved it": money["challengers"], "those that it harmed": money["compensations"]}
    went = "".join(f", {coin.text(amount)} went to {who}" for who, amount in parts.items() if amount)
    return [
        f"Taken from stakes and bonds: {coin.text(money['slashed'])}{went}. Burnt, so nobody's: {coin.text(money['burnt'])}."
    ]


def _round_remarks(entry: Mapping[str, Any], coin: Coin) -> Iterator[str]:
    head, unpaid = f"Round {entry['round']}:", "who attested to it are paid nothing from this round on"
    if entry["phase"] == "refuted":
        yield f"{head} its result was proved wrong; {unpaid}: {', '.join(entry['answerable'])}."
    if entry["struck"]:
        yield f"{head} proved wrong was the update of {', '.join(entry['struck'])}."
    if entry["refuted_claims"]:
        yield f"{head} proved wrong was a claim of {', '.join(entry['refuted_claims'])}, paid nothing from this round on."
    if entry["phase"] == "tainted":
        yield f"{head} that update is in its result; {unpaid}: {', '.join(entry['answerable'])}."
    if entry["left_out"]:
        yield f"{head} left out was the update of {', '.join(entry['left_out'])}; what that would have had is nobody's."
    if entry["kept_away"]:
        who = ", ".join(entry["kept_away"])
        yield f"{head} {who} could not submit, being suspended; what that would have had is nobody's."
    if entry["compensation"]:
        amount = coin.text(entry["compensation"])
        yield f"{head} {amount} of a lost stake are for {', '.join(entry['compensated'])}."
    for who, missing in entry["lacking"].items():
        yield f"{head} {who} cannot get the bytes of {', '.join(missing)}."


def sentence(facts: dict[str, Any], now: int) -> str:
    """Where a study stands at second `now`, and what comes next until when."""
    state, rounds = facts["state"], facts["rounds"]
    if state == "enrolling":
        return _enrolling(facts, now)
    if state == "running":
        return _running(facts, rounds[-1], now)
    return _over(facts, now)


def _over(facts: dict[str, Any], now: int) -> str:
    what = "pay and stakes" if facts["pay_at"] else "stakes"
    left = max(facts["pay_at"], facts["settled_at"]) - now
    unlock = f"unlock in {in_words(left)}" if left > 0 else "are unlocked"
    return f"{_done(facts)}; {what} {unlock}{_to_sponsor(facts, waits=left > 0)}."


def _done(facts: dict[str, Any]) -> str:
    """How a study ended, and how many rounds were final, whether a proof undid one since or not."""
    undone, planned = facts["undone_from"], facts["rounds_planned"]
    head = f"{facts['state'].capitalize()}: {facts['finals']} of {planned} rounds"
    if not undone:
        return f"{head} are final"
    wrong = sum(entry["phase"] in ("tainted", "refuted") for entry in facts["rounds"])
    later = ", and later ones are built on it" if undone < len(facts["rounds"]) else ""
    return f"{head} were final, {wrong} proved wrong later; the result of round {undone} was undone{later}"


def _to_sponsor(facts: dict[str, Any], *, waits: bool) -> str:
    """What becomes of the rewards of rounds that never were final; nothing where all were."""
    never = facts["rounds_planned"] - facts["finals"]
    if not never:
        return ""
    rewards = f"the reward{'s' * (never > 1)} of {never} round{'s' * (never > 1)}"
    if facts["refunded"]:
        return f"; the sponsor has back {rewards}"
    return f", {'when' if waits else 'and'} `medfed study refund {facts['study']}` gives the sponsor back {rewards}"


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


def _standing(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The final rounds that nothing is wrong with, as far as proofs go: also none before them was undone."""
    end = facts["undone_from"] or len(facts["rounds"]) + 1
    return [entry for entry in facts["rounds"] if entry["phase"] == "final" and entry["round"] < end]


def rendered(facts: dict[str, Any], now: int) -> list[Any]:
    """A study for a terminal: title, sentence, a table of rounds, the newest model."""
    title = f"Study {facts['study']}" + (f": {facts['title']}" if facts["title"] else "")
    parts: list[Any] = [title, sentence(facts, now)]
    if facts["hospitals"]:
        columns = ["Seat#", "Hospital", "Dataset#", "Version#", "Records#", "Basis", "Stake"]
        rows = [
            (
                h["seat"],
                f"{h['name']}, suspended" if h["suspended"] else h["name"],
                *(h[name] for name in ("dataset", "version", "records")),
                *(_basis(h), h["stake"]),
            )
            for h in facts["hospitals"]
        ]
        parts.append(table("Hospitals", columns, rows))
    if facts["rounds"]:
        parts.append(_rounds(facts))
    parts += facts["remarks"]
    models = [entry["model"] for entry in _standing(facts)]
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
