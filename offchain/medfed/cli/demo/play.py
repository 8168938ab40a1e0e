"""The demo's rounds: the hospitals' daemons do the work, this watches, and sends one patient's revocation during
round 2."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medfed.cli.demo.scenario import Stage
from medfed.errors import TransactionStuck
from medfed.learning.evaluate import Metrics, evaluate
from medfed.learning.models import Model, predict
from medfed.nodes.hospital import Hospital
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.documents import StudySpec
from medfed.rounds.audit import Report, audit_study
from medfed.rounds.history import RoundHistory, read_round, read_study
from medfed.rounds.study import fetch_model, fetch_spec
from medfed.types import Cid, RoundNumber

__all__ = ["Watch", "compare", "judge", "play", "result_of", "settle"]

_STALLED_SECONDS = 300.0
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
        for value in range(max(1, study.rounds - 1), study.rounds + 1):
            history = read_round(index, study.study, RoundNumber(value))
            self._mark(value, "opened", True)
            self._mark(value, "closed", bool(history.closed_at))
            if self._mark(value, "final", bool(history.final_at)):
                self.tell(
                    f"Round {value} of {self.stage.draft.rounds}: {len(history.updates)} hospitals, {history.weight} patients"
                )
        if study.rounds >= 2 and not self.revoked:
            self._revoke()
        return bool(study.ended)

    def seconds(self, number: int) -> dict[str, float]:
        """Seconds of a round by phase."""
        opened, closed, final = (self.seen[number, what] for what in ("opened", "closed", "final"))
        return {"training": round(closed - opened, 4), "aggregating": round(final - closed, 4)}

    def _mark(self, number: int, what: str, happened: bool) -> bool:
        if not happened or (number, what) in self.seen:
            return False
        self.seen[number, what] = time.monotonic()
        return True

    def _revoke(self) -> None:
        """One patient of the first hospital revokes, by a transaction of their own."""
        self.revoked = True
        site, index = self.stage.consents.revoker
        patient = self.stage.sites[site].wallet.account(index)
        call = self.stage.federation.contracts.consents.revoke(self.stage.sites[site].dataset)
        self.stage.sender(patient).send(call)


def play(stage: Stage, watch: Watch, *, processes: Path | None = None) -> None:
    """Run all rounds: in this process, hospital by hospital, or each hospital as a process with the settings file
    `processes`."""
    if processes is None:
        hospitals = [_hospital(stage, number) for number in range(len(stage.sites))]
        _play_here(hospitals, watch)
    else:
        _play_apart(stage, watch, processes)


def _hospital(stage: Stage, number: int) -> Hospital:
    site = stage.sites[number]
    assert site.config is not None  # written when it was admitted
    return Hospital(stage.federation, stage.sender(site.operator), site.config, site.folder / "state")


def _play_here(hospitals: list[Hospital], watch: Watch) -> None:
    while not watch.look():
        for hospital in hospitals:
            hospital.execute()
            watch.look()
    for hospital in hospitals:  # the last round's late attestations
        hospital.execute()


def _play_apart(stage: Stage, watch: Watch, settings: Path) -> None:
    commands = [_command(settings, site.folder) for site in stage.sites]
    running = [_start(command, site.folder) for command, site in zip(commands, stage.sites, strict=True)]
    quiet = time.monotonic()
    try:
        while not watch.look():
            for number, process in enumerate(running):
                if process.poll() is not None:  # killed, or lost its chain: a daemon is simply started again
                    running[number] = _start(commands[number], stage.sites[number].folder)
            if time.monotonic() - quiet > _STALLED_SECONDS:
                raise TransactionStuck(
                    "The hospitals' processes made no progress; their logs are in the demo's folder."
                )
            quiet = max([quiet, *watch.seen.values()])
            threading.Event().wait(0.01)
        _await_attestations(stage)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def _await_attestations(stage: Stage) -> None:
    """Give the slower hospitals a moment to attest to the last round too; they share the attesters' pay."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        stage.federation.sync()
        study = read_study(stage.federation.index, stage.study)
        history = read_round(stage.federation.index, stage.study, RoundNumber(study.rounds))
        if history.attested == history.submitted:
            return
        threading.Event().wait(0.05)


def _command(settings: Path, folder: Path) -> list[str]:
    program = [sys.executable, "-m", "medfed", "--config", str(settings), "hospital", "run"]
    return [*program, "--hospital", str(folder / "hospital.toml"), "--home", str(folder / "state")]


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "daemon.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def settle(stage: Stage) -> None:
    """Let the dispute window pass, then claim, release and refund."""
    client = stage.federation.client
    client.travel(601)
    for number in range(len(stage.sites)):
        _hospital(stage, number).execute()
    stage.sender(stage.cast.sponsor).send(stage.federation.contracts.rounds.refund(stage.study))
    stage.federation.sync()


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
    hospital = _hospital(stage, number)
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
    rounds = [_round_result(stage, watch, spec, number) for number in range(1, study.rounds + 1)]
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
        },
        "rounds": rounds,
        "consents": _consents(stage),
        "payouts": _payouts(stage),
        "names": stage.names(),
        "token": {"symbol": token.symbol(), "decimals": token.decimals()},
        "verified": _verdict(report),
        "unchecked": sorted(
            {note for entry in report.rounds for note in entry.unchecked} | set(report.unchecked)
        ),
    }


def _round_result(stage: Stage, watch: Watch, spec: StudySpec, number: int) -> dict[str, Any]:
    history = read_round(stage.federation.index, stage.study, RoundNumber(number))
    result = history.result
    assert result is not None  # a void round cannot happen with hospitals that all answer
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
    from medfed.rounds.history import consented

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
        "revoked": 1,
    }


def _payouts(stage: Stage) -> dict[str, int]:
    paid: dict[str, int] = {str(site.id): 0 for site in stage.sites}
    for event in stage.federation.index.events("Claimed", study=stage.study):
        paid[event["hospital"]] += event["amount"]
    for event in stage.federation.index.events("Refunded", study=stage.study):
        paid[event["sponsor"]] = event["amount"]
    return paid


def _verdict(report: Report) -> bool | str:
    return True if report.ok else report.difference
