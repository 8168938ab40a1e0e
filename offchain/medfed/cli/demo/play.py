"""The demo's rounds: the hospitals' daemons do the work, this watches, and sends one patient's revocation during
round 2.

Round 2 cannot end before the revocation is on the chain: the patient's hospital holds the study from round 2 on
(`medfed hospital hold`) and goes on (`medfed hospital resume`) once the patient has revoked. So the cohorts, and with
them the model, do not depend on how quick anybody is.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from medfed.cli.demo.scenario import HELD_FROM, Stage
from medfed.errors import ConfigError, TransactionStuck
from medfed.learning.evaluate import Metrics, evaluate
from medfed.learning.models import Model, predict
from medfed.nodes.holds import HOLDS, resume
from medfed.nodes.hospital import Hospital
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.documents import StudySpec
from medfed.rounds.audit import Report, audit_study
from medfed.rounds.history import RoundHistory, consented, read_round, read_study
from medfed.rounds.study import fetch_model, fetch_spec
from medfed.types import Cid, RoundNumber

__all__ = [
    "Team",
    "Together",
    "Watch",
    "Worker",
    "compare",
    "hospital_of",
    "judge",
    "perform",
    "play",
    "result_of",
    "standing",
]

_STALLED_SECONDS = 300.0
_POLL = 0.01
_ATTEMPTS = 3
"""Starts in a row that may fail before the demo gives up on a hospital's process."""
_TRY_AGAIN = 75
_PHASES = {"training": ("UpdateSubmitted", "Abstained"), "aggregating": ("Attested",)}

Tell = Callable[[str], object]


@dataclass
class Watch:
    """Sees each round open, close and end, by the wall clock."""

    stage: Stage
    tell: Tell
    seen: dict[tuple[int, str], float] = field(default_factory=dict)
    revoked: bool = False

    def look(self) -> bool:
        """Read what is new; returns whether the study is over."""
        index = self.stage.federation.index
        self.stage.federation.sync()
        study = read_study(index, self.stage.study)
        for value in range(1, study.rounds + 1):
            if (value, "final") not in self.seen:
                self._see(read_round(index, study.study, RoundNumber(value)))
        if study.rounds >= HELD_FROM and not self.revoked:
            self._revoke()
        return bool(study.ended)

    def attested(self) -> bool:
        """Whether everybody has attested to every round; the slower ones share the attesters' pay too."""
        self.stage.federation.sync()
        index = self.stage.federation.index
        rounds = (read_round(index, self.stage.study, RoundNumber(number)) for number, _ in self.finals())
        return all(history.attested == history.submitted for history in rounds)

    def released(self) -> bool:
        """Whether every hospital has its stake back, which it gets after its pay."""
        self.stage.federation.sync()
        found = self.stage.federation.index.events("StakeReleased", study=self.stage.study)
        return len(found) == len(self.stage.sites)

    def finals(self) -> list[tuple[int, str]]:
        """The rounds that were seen to end."""
        return [key for key in self.seen if key[1] == "final"]

    def seconds(self, number: int) -> dict[str, float]:
        """Seconds of a round by phase."""
        opened, closed, final = (self.seen[number, what] for what in ("opened", "closed", "final"))
        return {"training": round(closed - opened, 4), "aggregating": round(final - closed, 4)}

    def _see(self, history: RoundHistory) -> None:
        self._mark(history.number, "opened", True)
        self._mark(history.number, "closed", bool(history.closed_at))
        if self._mark(history.number, "final", bool(history.final_at)):
            what = f"{len(history.updates)} hospitals, weight {history.weight}"
            self.tell(f"Round {history.number} of {self.stage.draft.rounds}: {what}")

    def _mark(self, number: int, what: str, happened: bool) -> bool:
        if not happened or (number, what) in self.seen:
            return False
        self.seen[number, what] = time.monotonic()
        return True

    def _revoke(self) -> None:
        """One patient of the first hospital revokes, by a transaction of their own; then the hospital goes on."""
        self.revoked = True
        site, index = self.stage.sites[0], self.stage.consents.revoker
        call = self.stage.federation.contracts.consents.revoke(site.dataset)
        self.stage.sender(site.wallet.account(index)).send(call)
        resume(site.home / HOLDS, self.stage.study)


class Team(Protocol):
    """All hospitals of the demo at work."""

    def work(self, watch: Watch) -> None:
        """Let them work for a moment."""


def play(stage: Stage, watch: Watch, *, processes: Path | None = None) -> None:
    """Run all rounds, then settle: in this process, hospital by hospital, or each hospital as a process with the
    settings file `processes`."""
    with _team(stage, processes) as team:
        perform(stage, watch, team)


def perform(stage: Stage, watch: Watch, team: Team, *, attested: bool = True) -> None:
    """As `play`, by a given team. Unless everybody has `attested` in the end, there is nothing to wait for."""
    _until(watch.look, team, watch)
    if attested:
        _until(watch.attested, team, watch)
    watch.tell("Settling: the dispute window passes, everybody is paid")
    stage.federation.client.travel(stage.dispute_seconds + 1)
    _until(watch.released, team, watch)
    stage.sender(stage.cast.sponsor).send(stage.federation.contracts.studies.refund(stage.study))
    stage.federation.sync()


def _until(done: Callable[[], bool], team: Team, watch: Watch) -> None:
    """Let the hospitals work until something is done. Raises `TransactionStuck` when nothing happens for minutes."""
    head, since = -1, time.monotonic()
    while not done():
        now = watch.stage.federation.client.head().number
        if now != head:
            head, since = now, time.monotonic()
        if time.monotonic() - since > _STALLED_SECONDS:
            raise TransactionStuck(
                f"Nothing happened for {_STALLED_SECONDS:.0f} s; run the demo again with --keep and look at the hospitals' daemon.log."
            )
        team.work(watch)


@contextmanager
def _team(stage: Stage, settings: Path | None) -> Iterator[Team]:
    if settings is None:
        yield Together([hospital_of(stage, number) for number in range(len(stage.sites))])
        return
    apart = _Apart(stage, settings)
    try:
        yield apart
    finally:
        apart.stop()


class Worker(Protocol):
    """A daemon."""

    def execute(self) -> bool:
        """Do what can be done now."""


class Together:
    """All daemons in this process, one after the other."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    def work(self, watch: Watch) -> None:
        """One cycle of each."""
        for worker in self._workers:
            worker.execute()
            watch.look()


class _Apart:
    """Each hospital as an operating-system process. One that was killed is started again."""

    def __init__(self, stage: Stage, settings: Path) -> None:
        self._sites = stage.sites
        self._commands = [_command(settings, site.folder) for site in stage.sites]
        self._failures = [0] * len(stage.sites)
        self._running = [
            _start(command, site.folder) for command, site in zip(self._commands, self._sites, strict=True)
        ]

    def work(self, watch: Watch) -> None:
        del watch
        for number, process in enumerate(self._running):
            if process.poll() is not None:
                self._check(number, process.returncode)
                self._running[number] = _start(self._commands[number], self._sites[number].folder)
        threading.Event().wait(_POLL)

    def stop(self) -> None:
        """End them as a service manager does."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _check(self, number: int, code: int) -> None:
        """A kill is a negative code and costs nothing; a daemon that ends by itself again and again will not mend."""
        self._failures[number] += code >= 0 and code != _TRY_AGAIN
        if self._failures[number] >= _ATTEMPTS:
            site = self._sites[number]
            raise ConfigError(
                f"The process of {site.name} ended by itself: {_last_line(site.folder / 'daemon.log')}"
            )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it wrote nothing."


def hospital_of(stage: Stage, number: int) -> Hospital:
    """The daemon of a site."""
    site = stage.sites[number]
    assert site.config is not None  # written when it was admitted
    return Hospital(stage.federation, stage.sender(site.operator), site.config, site.home)


def _command(settings: Path, folder: Path) -> list[str]:
    program = [sys.executable, "-m", "medfed", "--config", str(settings), "hospital", "run"]
    return [*program, "--hospital", str(folder / "hospital.toml"), "--home", str(folder / "state")]


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "daemon.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def compare(stage: Stage, spec: StudySpec) -> tuple[float, dict[str, float]]:
    """AUC on the held-out patients of pooled training on all consented records of round 1, and of each hospital
    alone."""
    from medfed.learning.simulate import pooled, train_alone
    from medfed.learning.train import Records

    parts = {}
    for number, site in enumerate(stage.sites):
        rows = _consented_rows(stage, number)
        parts[site.name] = Records(site.data.matrix(spec.columns)[rows], site.data.labels[rows])
    alone = {name: judge(stage, spec, train_alone(spec, records)).auc for name, records in parts.items()}
    return judge(stage, spec, train_alone(spec, pooled(list(parts.values())))).auc, alone


def _consented_rows(stage: Stage, number: int) -> Any:
    from medfed.rounds.cohort import round_cohort
    from medfed.rounds.recompute import RoundPlace

    federation = stage.federation
    hospital = hospital_of(stage, number)
    study = read_study(federation.index, stage.study)
    entry = study.enrolment(stage.sites[number].id)
    history = read_round(federation.index, stage.study, RoundNumber(1))
    spec = fetch_spec(federation.store, study)
    place = RoundPlace(
        federation.client.chain_id, federation.contracts.rounds.address, stage.study, RoundNumber(1), spec
    )
    assert entry is not None  # every site of the demo is enrolled
    cohort = round_cohort(federation.index, place, history, entry, hospital.holdings)
    return cohort.rows if cohort else np.empty(0, dtype=np.int64)


def judge(stage: Stage, spec: StudySpec, model: Model) -> Metrics:
    """A model on the held-out patients."""
    data = stage.held_out
    return evaluate(predict(model, spec, data.matrix(spec.columns)), data.labels)


def result_of(stage: Stage, watch: Watch, kinds: tuple[str, str]) -> dict[str, Any]:
    """Everything the demo has to tell, as data."""
    federation = stage.federation
    study = read_study(federation.index, stage.study)
    spec = fetch_spec(federation.store, study)
    rounds = [_round_result(stage, watch, spec, number) for number in standing(stage)]
    pooled_auc, site_auc = compare(stage, spec)
    final = fetch_model(federation.store, spec, Cid(rounds[-1]["model_cid"]))
    metrics = judge(stage, spec, final)
    report = audit_study(federation, stage.study)
    token = federation.contracts.token(stage.token)
    return {
        "study": stage.study,
        "seed": stage.seed,
        "chain": kinds[0],
        "store": kinds[1],
        "model_cid": rounds[-1]["model_cid"],
        "federated_auc": metrics.auc,
        "pooled_auc": pooled_auc,
        "site_auc": site_auc,
        "brier": metrics.brier,
        "calibration": {
            "predicted": [part.predicted for part in metrics.calibration],
            "observed": [part.observed for part in metrics.calibration],
            "count": [part.count for part in metrics.calibration],
        },
        "rounds": rounds,
        "rule": spec.rule.kind,
        "held_out": len(stage.held_out),
        "consents": _consents(stage),
        "payouts": _payouts(stage),
        "reward": study.terms.reward_per_round * study.terms.rounds,
        "left": federation.contracts.vault.pot(stage.study).amount,
        "burnt": sum(event["amount"] for event in federation.index.events("Burnt", study=stage.study)),
        "names": stage.names(),
        "token": {"symbol": token.symbol(), "decimals": token.decimals()},
        "verified": _verdict(report),
        "unchecked": sorted(
            {note for entry in report.rounds for note in entry.unchecked} | set(report.unchecked)
        ),
    }


def standing(stage: Stage) -> list[RoundNumber]:
    """The rounds whose result nobody proved wrong, and that of no earlier one."""
    index = stage.federation.index
    study = read_study(index, stage.study)
    end = study.undone_from or study.rounds + 1
    numbers = [RoundNumber(value) for value in range(1, end)]
    return [number for number in numbers if read_round(index, stage.study, number).stands]


def _round_result(stage: Stage, watch: Watch, spec: StudySpec, number: int) -> dict[str, Any]:
    history = read_round(stage.federation.index, stage.study, RoundNumber(number))
    result = history.result
    assert result is not None  # only for those that stand
    model = fetch_model(stage.federation.store, spec, cid_from_digest(result.model))
    metrics = judge(stage, spec, model)
    return {
        "round": number,
        "participants": len(history.updates),
        "records": _records(stage, history),
        "auc": metrics.auc,
        "accuracy": metrics.accuracy,
        "gas": _gas(stage, number),
        "seconds": watch.seconds(number),
        "aggregate_cid": cid_from_digest(result.cid),
        "model_cid": cid_from_digest(result.model),
    }


def _records(stage: Stage, history: RoundHistory) -> int:
    """Records that trained: in these data every patient has one, and all consented ones of a site train."""
    at, total = history.opened_at - 1, 0
    for entry in read_study(stage.federation.index, stage.study).enrolments:
        if entry.seat in history.updates:
            total += len(consented(stage.federation.index, entry.dataset, stage.draft.purposes, at))
    return total


def _gas(stage: Stage, number: int) -> dict[str, int]:
    spent = {}
    for phase, names in _PHASES.items():
        events = [
            event
            for name in names
            for event in stage.federation.index.events(name, study=stage.study, round=number)
        ]
        hashes = {event.tx_hash for event in events}
        receipts = (stage.federation.client.receipt(each) for each in hashes)
        spent[phase] = sum(receipt.gas_used for receipt in receipts if receipt is not None)
    return spent


def _consents(stage: Stage) -> dict[str, int]:
    found = stage.consents
    return {
        "granted": found.granted,
        "other_purpose": found.other_purpose,
        "none": found.none,
        "direct": found.direct,
        "revoked": int(stage.draft.rounds >= HELD_FROM),
    }


def _payouts(stage: Stage) -> dict[str, int]:
    paid: dict[str, int] = {str(site.id): 0 for site in stage.sites}
    for event in stage.federation.index.events("Claimed", study=stage.study):
        paid[event["hospital"]] += event["amount"]
    for event in stage.federation.index.events("Refunded", study=stage.study):
        paid[event["sponsor"]] = event["amount"]
    return paid


def _verdict(report: Report) -> bool | str:
    return True if report.ok else report.verdict
