"""`medfed demo --attack`: the demo's study with liars in it, beside the same study without them.

The liars are those of `liars`; all others are the daemons that hospitals and watchtowers run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.client import connect
from medfed.chain.sender import Sender
from medfed.cli.demo.liars import Absent, Colluder, Overreacher, Poisoner, honest_updates
from medfed.cli.demo.money import gains
from medfed.cli.demo.play import Together, Watch, Worker, hospital_of, judge, perform, play, standing
from medfed.cli.demo.scenario import BOND, Site, Stage, account_of, fund, prepare
from medfed.config import HospitalConfig
from medfed.errors import InputError, TransactionStuck
from medfed.learning.attacks import ATTACKS, attack_named
from medfed.nodes.watchtower import Watchtower
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import seats_in
from medfed.protocol.documents import RuleSpec
from medfed.protocol.phase import quorum_of
from medfed.rounds.federation import Federation
from medfed.rounds.history import read_round, read_study
from medfed.rounds.study import fetch_model, fetch_spec
from medfed.types import Cid, RoundNumber, Seat

__all__ = ["Plan", "another_run", "facts", "perform_attack", "plan_of"]

_FEWEST = 4
"""Hospitals: with three, two liars are more than a third, and a median of three is one of the two honest ones at best."""
_RULES = {
    "sum": RuleSpec(),
    "median": RuleSpec(kind="median"),
    "trimmed-mean": RuleSpec(kind="trimmed-mean", trim=1),
    "multi-krum": RuleSpec(kind="multi-krum", faulty=1),
    "geometric-median": RuleSpec(kind="geometric-median"),
}
_OUT_OF_RANGE = "out of range"
"""The poison that is a lie: no honest update can look like that, so it is struck."""
_POISONS = {
    "signflip": "sign flip",
    "labelflip": "label flip",
    "alie": "a little is enough",
    "ipm": "inner product",
    "outofrange": _OUT_OF_RANGE,
}
"""Short names beside those of `learning.attacks`."""
_KEYWORDS = ("signflip", "scaled", "noise", "labelflip", "alie", "ipm", "outofrange")
"""What one types after `hospital:`, for each attack the shortest name."""
_LIES = ("wrong length", "withheld bytes", "wrong model CID", "left-out update")
"""What the first liar tells in the last rounds, one in each. Who is proved wrong submits no more, so what can be proved comes
last: this one's fourth lie, and the second liar's only one."""
_OTHER_LIE = "wrong word"
_REFUSED = ("left out, openly", "wrong weight")
"""Lies that the contract sees through by itself. They are tried in the last round."""
_QUORUM_LIES_IN, _OUT_OF_RANGE_IN = RoundNumber(2), RoundNumber(2)
_STEP_SECONDS = 225
"""Time that passes when everybody waits: a fraction of what separates one hospital's turn to claim from the others'."""
_MOST_STEPS = 5_000
_WATCHTOWER = "watchtower"

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which attack on a study of which rule. `kind` is aggregator, quorum, hospital or empty; `poison` is what a hospital
    does to its updates."""

    kind: str
    poison: str
    rule: RuleSpec

    def without(self, rule: RuleSpec | None = None) -> Plan:
        """The study without its attack."""
        return Plan("", "", rule or self.rule)


def plan_of(attack: str, rule: str, hospitals: int, rounds: int) -> Plan:
    """What the options `--attack` and `--rule` say. Raises `InputError`."""
    kind, _, name = attack.partition(":")
    if kind not in ("", "aggregator", "quorum", "hospital") or bool(name) != (kind == "hospital"):
        raise InputError(
            f"--attack is aggregator, quorum or hospital:ATTACK (hospital:signflip, say), not {attack}."
        )
    keyword, name = name, _POISONS.get(name, name).replace("-", " ")
    if name not in ("", _OUT_OF_RANGE, *ATTACKS):
        raise InputError(f"There is no attack {keyword!r}; choose from {', '.join(_KEYWORDS)}.")
    chosen = rule or ("median" if kind == "hospital" else "sum")
    if chosen not in _RULES:
        raise InputError(f"--rule is one of {', '.join(_RULES)}, not {chosen}.")
    plan = Plan(kind, name, _RULES[chosen])
    _check_size(plan, hospitals, rounds)
    return plan


def _check_size(plan: Plan, hospitals: int, rounds: int) -> None:
    fewest = {"aggregator": len(_LIES), "quorum": int(_QUORUM_LIES_IN)}.get(plan.kind, 1)
    if plan.poison == _OUT_OF_RANGE:
        fewest = int(_OUT_OF_RANGE_IN)
    if plan.kind and hospitals < _FEWEST:
        raise InputError(
            f"An attack needs --hospitals {_FEWEST} or more, so that the honest ones can matter."
        )
    if rounds < fewest:
        raise InputError(f"--attack {plan.kind} needs --rounds {fewest} or more.")
    if plan.kind in ("aggregator", "quorum") and not plan.rule.per_chunk:
        raise InputError(
            f"No contract can check an aggregate by {plan.rule.kind}; --attack {plan.kind} needs --rule sum, median or trimmed-mean."
        )


# -- the cast ----------------------------------------------------------------------------------------------------------


def perform_attack(plan: Plan, stage: Stage, watch: Watch) -> Callable[[], list[dict[str, Any]]]:
    """Run all rounds with liars, then settle. Returns what tells the lies and what became of them."""
    if plan.poison == _OUT_OF_RANGE:
        perform(stage, watch, Together(_with_an_overreacher(stage)))
        return lambda: _struck_updates(stage)
    if plan.kind == "hospital":
        perform(stage, watch, Together(_with_a_poisoner(stage, plan.poison)))
        return list
    if plan.kind == "quorum":
        perform(stage, watch, _Unhurried(stage, _with_colluders(stage)), attested=False)
        return lambda: _refuted_results(stage)
    workers, liars = _with_false_claims(stage)
    perform(stage, watch, _Unhurried(stage, workers), attested=False)
    return lambda: _false_claims(stage, liars)


def _with_a_poisoner(stage: Stage, poison: str) -> list[Worker]:
    """The last hospital, which is the largest, poisons its updates."""
    honest = [hospital_of(stage, number) for number in range(len(stage.sites) - 1)]
    how = (attack_named(poison), honest_updates(stage.federation, honest))
    return [*honest, Poisoner(*_place(stage, stage.sites[-1]), how)]


def _with_an_overreacher(stage: Stage) -> list[Worker]:
    """The last hospital sends what cannot be right; the watchtower looks as soon as its bytes are public."""
    honest = (hospital_of(stage, number) for number in range(len(stage.sites) - 1))
    liar = Overreacher(*_place(stage, stage.sites[-1]), _OUT_OF_RANGE_IN)
    return [liar, _watchtower(stage), *honest]


def _with_colluders(stage: Stage) -> list[Worker]:
    """As many as make a quorum lie together, before the watchtower and the honest ones can look."""
    honest = len(stage.sites) - quorum_of(len(stage.sites))
    liars = [Colluder(*_place(stage, site), _QUORUM_LIES_IN) for site in stage.sites[honest:]]
    return [*liars, _watchtower(stage), *(hospital_of(stage, number) for number in range(honest))]


def _with_false_claims(stage: Stage) -> tuple[list[Worker], list[Absent]]:
    """So many attest to nothing that there is no quorum; two of these also claim what is not so."""
    honest = quorum_of(len(stage.sites)) - 1
    liar, other, *silent = reversed(stage.sites[honest:])
    last = stage.draft.rounds
    fund(stage, liar, BOND * (len(_LIES) - 1))
    lies = {RoundNumber(number): [lie] for number, lie in enumerate(_LIES, last - len(_LIES) + 1)}
    lies[RoundNumber(last)][:0] = _REFUSED
    absent = [Absent(*_place(stage, site)) for site in silent]
    liars = [
        Absent(*_place(stage, liar), lies),
        Absent(*_place(stage, other), {RoundNumber(last): [_OTHER_LIE]}),
    ]
    others = (hospital_of(stage, number) for number in range(honest))
    # The watchtower proves the first one's lie before the honest can claim what is so: then the second one claims.
    return [liars[0], _watchtower(stage), liars[1], *absent, *others], liars


def _place(stage: Stage, site: Site) -> tuple[Federation, Sender, HospitalConfig, Path]:
    assert site.config is not None  # written when it was admitted
    return stage.federation, stage.sender(site.operator), site.config, site.home


def _watchtower(stage: Stage) -> Watchtower:
    account = account_of(stage.seed, _WATCHTOWER)
    stage.federation.client.set_balance(account.address, 10**20)
    return Watchtower(stage.federation, stage.sender(account))


class _Unhurried(Together):
    """Lets time pass when nobody has anything to do."""

    def __init__(self, stage: Stage, workers: Iterable[Worker]) -> None:
        super().__init__(list(workers))
        self._client = stage.federation.client
        self._steps = 0

    def work(self, watch: Watch) -> None:
        """One cycle of each, then perhaps a while."""
        before = self._client.head().number
        super().work(watch)
        if self._client.head().number == before:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise TransactionStuck("The study does not end, however much time passes; this is a bug.")
            self._client.travel(_STEP_SECONDS)


# -- what became of it -------------------------------------------------------------------------------------------------


def facts(
    plan: Plan,
    stage: Stage,
    result: dict[str, Any],
    lies: list[dict[str, Any]],
    others: Callable[[Plan], Stage],
) -> dict[str, Any]:
    """What the attack did, as data. `others` plays the same study by another plan."""
    honest = others(plan.without())
    found: dict[str, Any] = {"kind": plan.kind, "rule": plan.rule.kind, "poison": plan.poison, "lies": lies}
    found |= {"gains": gains(stage, _names(stage), gains(honest, _names(honest)))}
    plain = _models(honest)[-1]
    found |= {"model_cid_without": plain, "same_model": plain == result["model_cid"]}
    if plan.kind == "hospital" and plan.poison != _OUT_OF_RANGE:
        return found | _poisoned(plan, stage, result, (honest, others))
    study = read_study(stage.federation.index, stage.study)
    return found | {
        "ended": study.ended,
        "undone_from": int(study.undone_from),
        "completed_by": _answering(stage),
    }


def another_run(options: tuple[int, int, int], folder: Path, tell: Tell) -> Callable[[Plan], Stage]:
    """Plays the study by another plan, on an embedded chain of its own, with its files below `folder`."""

    def run(plan: Plan) -> Stage:
        home = folder / f"beside-{plan.kind or 'honest'}-{plan.rule.kind}"
        home.mkdir()
        stage = prepare(connect("embedded:"), f"local:{home / 'store'}", home, options, _mute, plan.rule)
        watch = Watch(stage, _mute)
        tell(
            f"The same study {f'with {plan.poison}' if plan.kind else 'without the attack'}, by {plan.rule.kind}"
        )
        if plan.kind:
            perform_attack(plan, stage, watch)
        else:
            play(stage, watch)
        return stage

    return run


def _mute(_: str) -> None:
    """What is played beside the demo tells nothing."""


def _models(stage: Stage) -> list[Cid]:
    index, found = stage.federation.index, []
    for number in standing(stage):
        result = read_round(index, stage.study, number).result
        assert result is not None  # only for those that stand
        found.append(cid_from_digest(result.model))
    return found


def _poisoned(
    plan: Plan, stage: Stage, result: dict[str, Any], beside: tuple[Stage, Callable[[Plan], Stage]]
) -> dict[str, Any]:
    """AUC round by round: attacked by the study's rule, attacked under plain averaging, not attacked."""
    ours = [entry["auc"] for entry in result["rounds"]]
    plain, others = RuleSpec(), beside[1]
    averaged = ours if plan.rule == plain else _aucs(others(Plan(plan.kind, plan.poison, plain)))
    honest = _aucs(beside[0])
    rounds = [
        {"round": number, "attacked": each[0], "averaged": each[1], "honest": each[2]}
        for number, each in enumerate(zip(ours, averaged, honest, strict=True), 1)
    ]
    return {"attacker": stage.sites[-1].name, "auc": rounds}


def _aucs(stage: Stage) -> list[float]:
    store = stage.federation.store
    spec = fetch_spec(store, read_study(stage.federation.index, stage.study))
    return [judge(stage, spec, fetch_model(store, spec, cid)).auc for cid in _models(stage)]


def _false_claims(stage: Stage, liars: list[Absent]) -> list[dict[str, Any]]:
    """Each false claim, how it was caught, and what it cost; also those that the contract did not take."""
    told = {(str(liar.id), int(number)): lie for liar in liars for number, lie in liar.told.items()}
    rows = []
    for event in _events(stage, "AttemptMade"):
        lie = told.get((_hospital(stage, event["seat"]), event["round"]))
        if lie is not None:
            rows.append(_caught(stage, event, lie))
    for liar in liars:
        rows += [
            {
                "round": refusal.number,
                "lie": refusal.lie,
                "liar": _name(stage, liar.id),
                "caught": refusal.error,
                "by": "contract",
                "slashed": 0,
                "transaction": "",
            }
            for refusal in liar.refusals
        ]
    return sorted(rows, key=lambda row: (row["round"], row["transaction"] != ""))


def _caught(stage: Stage, made: Event, lie: str) -> dict[str, Any]:
    where = {"round": made["round"], "attempt": made["attempt"]}
    proved, objected, settled = (
        _events(stage, name, **where) for name in ("AttemptRefuted", "Objected", "AttemptSettled")
    )
    row = {
        "round": made["round"],
        "lie": lie,
        "liar": _name(stage, _hospital(stage, made["seat"])),
        "caught": "",
        "by": "nobody",
        "slashed": sum(event["from_author"] for event in settled),
        "transaction": "",
    }
    for event in (proved or objected)[:1]:
        by = _name(stage, event["challenger"] if proved else event["objector"])
        row |= {"caught": _proof(stage, event) if proved else "objection", "by": by}
        row["transaction"] = "0x" + event.tx_hash.hex()
    return row


def _refuted_results(stage: Stage) -> list[dict[str, Any]]:
    """The results that were proved wrong after they had become final."""
    return [
        _proved(stage, event, "wrong word", seats_in(event["attesters"]))
        for event in _events(stage, "RoundRefuted")
    ]


def _struck_updates(stage: Stage) -> list[dict[str, Any]]:
    """The updates that were proved wrong."""
    return [
        _proved(stage, event, "word out of range", [Seat(event["seat"])])
        for event in _events(stage, "UpdateStruck")
    ]


def _proved(stage: Stage, event: Event, lie: str, liars: Sequence[Seat]) -> dict[str, Any]:
    """A row about what a proof against hospitals did: `event` is of the proof's transaction."""
    proofs = [*_events(stage, "AggregateRefuted"), *_events(stage, "UpdateRefuted")]
    proof = next(each for each in proofs if each.tx_hash == event.tx_hash)
    slashed = [each for each in _events(stage, "Slashed") if each.tx_hash == event.tx_hash]
    return {
        "round": event["round"],
        "lie": lie,
        "liar": ", ".join(_name(stage, _hospital(stage, seat)) for seat in liars),
        "caught": f"proof, chunk {proof['index']}",
        "by": _name(stage, proof["challenger"]),
        "slashed": sum(each["amount"] for each in slashed),
        "transaction": "0x" + event.tx_hash.hex(),
    }


def _proof(stage: Stage, event: Event) -> str:
    """What a transaction proved of an aggregate."""
    proofs = (each for each in _events(stage, "AggregateRefuted") if each.tx_hash == event.tx_hash)
    return f"proof, chunk {next(proofs)['index']}"


def _answering(stage: Stage) -> list[str]:
    """Who answers for the results of the rounds: those that attested to them, or claimed them."""
    seats: set[Seat] = set()
    for number in standing(stage):
        history = read_round(stage.federation.index, stage.study, number)
        seats.update(seats_in(history.attesters[history.final_hash]))
    return [_name(stage, _hospital(stage, seat)) for seat in sorted(seats)]


def _events(stage: Stage, name: str, **where: Any) -> list[Event]:
    found = stage.federation.index.events(name, study=stage.study)
    return [event for event in found if all(event[key] == value for key, value in where.items())]


def _enrolments(stage: Stage) -> Any:
    return read_study(stage.federation.index, stage.study).enrolments


def _hospital(stage: Stage, seat: int) -> str:
    return next(str(entry.hospital) for entry in _enrolments(stage) if entry.seat == seat)


def _name(stage: Stage, account: str) -> str:
    operators = {str(site.operator.address): site.name for site in stage.sites}
    return (operators | _names(stage)).get(str(account), str(account))


def _names(stage: Stage) -> dict[str, str]:
    """Whose money it is, by account."""
    return stage.names() | {str(account_of(stage.seed, _WATCHTOWER).address): _WATCHTOWER}
