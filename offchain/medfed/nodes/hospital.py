"""The hospital's daemon. One cycle does whatever the chain says is still to be done, so that a restart loses nothing.

For each study it has a seat in:
1. Training: fix the cohort of the second before the round opened, ask the policy, train, store the bytes, commit to
them (or abstain).
2. Training closed: publish the bytes, fetch everybody's, check and add each once, attest to the result, pin all of it.
3. Study over: claim what is unlocked, release the stake, unpin what no study needs.
It enrols where the policy says so, and moves a study on whose deadline has passed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medfed.chain.calls import Call
from medfed.chain.clock import ChainClock
from medfed.chain.contracts import check_rule
from medfed.chain.sender import Sender
from medfed.config import HospitalConfig
from medfed.data.cohort import Cohort
from medfed.data.csv_source import load_csv
from medfed.data.patients import load_register
from medfed.data.private_file import load_or_create_secret
from medfed.errors import (
    ContractRevert,
    DataError,
    IntegrityError,
    PolicyRefusal,
    ProtocolError,
    SpecError,
)
from medfed.learning.models import Model, parse_model
from medfed.log import get_logger
from medfed.nodes.journal import AuditLog
from medfed.nodes.policy import check_policy, read_approvals
from medfed.nodes.state import Work, WorkFolder
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.documents import StudySpec
from medfed.protocol.phase import Phase, phase_of, training_ends, voidable_at
from medfed.rounds.cohort import Holdings, round_cohort
from medfed.rounds.federation import Federation
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_round, read_study, study_ids
from medfed.rounds.recompute import Outcome, RoundPlace, RoundSum
from medfed.rounds.settle import due_claims, due_release
from medfed.rounds.study import artefacts, fetch_model, fetch_spec, model_cid_of
from medfed.types import BlockStamp, Cid, HospitalId, RoundNumber, StudyId

__all__ = ["Hospital", "Preview"]

_GRACE_SECONDS = 2
_MONEY_SECONDS = 60.0
# What another participant's transaction in the same block can turn a call into; the next cycle sees it.
_OVERTAKEN = frozenset(
    {
        "AlreadyActed",
        "AlreadyAttested",
        "AlreadyClaimed",
        "AlreadyEnrolled",
        "AlreadyReleased",
        "AttestationClosed",
        "NothingToAdvance",
        "NothingToRecord",
        "NotRunning",
        "NotEnrolling",
        "WrongPhase",
    }
)
_STUDY_FAULTS = (ProtocolError, SpecError, DataError, IntegrityError, PolicyRefusal)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would leave the site in the study's next round, and what would not."""

    study: int
    patients: int
    records: int
    weight: int
    leaves: int
    update_words: int
    update_bytes: int
    refused: str


class Hospital:
    """One hospital's work. `home` holds what must survive a kill; `sender` signs with the operator's key."""

    def __init__(self, federation: Federation, sender: Sender, config: HospitalConfig, home: Path) -> None:
        self._fed = federation
        self._sender = sender
        self._config = config
        self._rounds = federation.contracts.rounds
        self._clock = ChainClock(federation.client)
        self._approvals = home / "approvals.json"
        place = f"{federation.client.chain_id}-{federation.client.genesis_hash.hex()[:8]}-{self._rounds.address[2:10]}"
        self._work = WorkFolder(home / "work" / place)
        self._audit = AuditLog(home / "audit.jsonl")
        self._specs: dict[StudyId, StudySpec] = {}
        self._models: dict[Cid, Model] = {}
        self._sums: dict[tuple[StudyId, RoundNumber], RoundSum] = {}
        self._outcomes: dict[tuple[StudyId, RoundNumber], Outcome] = {}
        self._closed: set[tuple[StudyId, RoundNumber]] = set()
        self._told: dict[Any, str] = {}
        self._checked_money = 0.0
        self._log = get_logger(hospital=config.name)

    # -- what is asked once ------------------------------------------------------------------------------------------

    @cached_property
    def id(self) -> HospitalId:
        """The hospital that the operator's key serves. Raises `PolicyRefusal` when it serves none."""
        found = self._fed.contracts.consortium.hospital_of(self._sender.address)
        if found is None:
            raise PolicyRefusal(
                f"The key {self._sender.address} is no admitted hospital's operator; ask the consortium to admit it."
            )
        return found

    @cached_property
    def holdings(self) -> Holdings:
        """Records, register and secret, read when first needed. Raises `DataError`, `ConfigError`."""
        return Holdings(
            load_csv(self._config.records, label=self._config.label),
            load_register(self._config.patients),
            load_or_create_secret(self._config.secret),
        )

    # -- one cycle ---------------------------------------------------------------------------------------------------

    def execute(self) -> bool:
        """Do all that can be done at the newest final block; returns whether bytes of others are awaited."""
        head = self._clock.see(self._fed.sync())
        self._watch_money(head)
        awaiting = False
        for number in study_ids(self._fed.index):
            with self._contained(number):
                awaiting |= self._study(read_study(self._fed.index, number), head)
        return awaiting

    def _study(self, study: StudyHistory, head: BlockStamp) -> bool:
        entry = study.enrolment(self.id)
        if entry is None:
            self._consider(study, head)
            return False
        if study.ended:
            self._settle(study, entry, head)
        if not study.rounds:
            self._advance_enrolment(study, head)
            return False
        awaiting = False
        for value in range(1, study.rounds + 1):
            number = RoundNumber(value)
            if (study.study, number) not in self._closed:
                awaiting |= self._round(study, entry, read_round(self._fed.index, study.study, number), head)
        return awaiting

    def _round(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, head: BlockStamp) -> bool:
        now = self._clock.estimate(head)
        facts = history.facts(study.terms)
        phase = phase_of(facts, now)
        if (
            phase is Phase.TRAINING
            and entry.seat not in history.updates
            and entry.seat not in history.abstained
        ):
            self._train(study, entry, history)
            return False
        closed = bool(history.closed_at) or history.final_at or now >= training_ends(facts) + _GRACE_SECONDS
        if phase is Phase.VOID or (history.closed_at and entry.seat not in history.updates):
            self._close(history)
            return False
        if not closed:
            return False
        if entry.seat in history.updates:
            self._publish(history)
        return self._attest(study, entry, history, now)

    # -- enrolling ---------------------------------------------------------------------------------------------------

    def _consider(self, study: StudyHistory, head: BlockStamp) -> None:
        """Take a seat, if the study is open, the policy allows it and the hospital has what it takes."""
        dataset = self._config.dataset
        open_ = not study.rounds and not study.ended and len(study.enrolments) < study.terms["max_hospitals"]
        if not self._config.policy.enrol or dataset is None or not open_:
            return
        if self._clock.estimate(head) >= study.terms["enrol_deadline"]:
            return
        self._check_study(study)
        self._send("enrol", self._rounds.enrol(study.study, dataset), study=study.study)  # type: ignore[arg-type]

    def _check_study(self, study: StudyHistory) -> StudySpec:
        """The study's spec, if the hospital may take part at all. Raises `PolicyRefusal`, `DataError`,
        `ProtocolError`."""
        spec = self._spec(study)
        check_policy(self._config.policy, study, spec, read_approvals(self._approvals))
        self.holdings.dataset.matrix(spec.columns)
        return spec

    def _advance_enrolment(self, study: StudyHistory, head: BlockStamp) -> None:
        full = len(study.enrolments) == study.terms["max_hospitals"]
        if full or self._clock.estimate(head) >= study.terms["enrol_deadline"]:
            self._send("advance", self._rounds.advance(study.study), study=study.study)

    # -- training ----------------------------------------------------------------------------------------------------

    def _train(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> None:
        work = self._work.load(study.study, history.number) or self._make_work(study, entry, history)
        if work is None:
            call = self._rounds.abstain(study.study, history.number, entry.seat)
            self._send("abstain", call, study=study.study, round=history.number)
            return
        call = self._rounds.submit_update(study.study, history.number, entry.seat, work.update)
        self._send("submit", call, study=study.study, round=history.number, weight=work.update.weight)

    def _make_work(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> Work | None:
        """Train and store, or None to abstain: too few consents, or a policy that says no by now."""
        try:
            spec = self._check_study(study)
        except PolicyRefusal as exc:
            self._tell("abstain", study.study, str(exc))
            return None
        place = self._place(study, history, spec)
        cohort = round_cohort(self._fed.index, place, history, entry, self.holdings)
        if cohort is None or len(cohort.members) < self._config.policy.smallest_cohort:
            self._tell(
                "abstain", study.study, f"Round {history.number}: too few patients consent for a cohort."
            )
            return None
        model = self._model(study, spec, history.number)
        return self._trained(place, entry, cohort, model)

    def _trained(self, place: RoundPlace, entry: Enrolment, cohort: Cohort, model: Model) -> Work:
        from medfed.learning.train import (
            Records,
            train,
        )  # torch: 2 s and hundreds of MB, only for those who train

        started = time.monotonic()
        dataset = self.holdings.dataset
        features = dataset.matrix(place.spec.columns)[cohort.rows]
        delta = train(
            place.spec, model, Records(features, dataset.labels[cohort.rows]), entry.seat, place.number
        )
        words = place.spec.codec.encode(delta, place.spec.rule.coded_weight(cohort.weight))
        work = self._work.save(place.number, place.header(self.id), words, cohort.manifest(), cohort.weight)
        seconds = round(time.monotonic() - started, 3)
        self._note(
            "trained",
            study=place.study,
            round=place.number,
            weight=cohort.weight,
            records=len(cohort.rows),
            seconds=str(seconds),
        )
        return work

    # -- after training ----------------------------------------------------------------------------------------------

    def _publish(self, history: RoundHistory) -> None:
        key = ("published", history.study, history.number)
        if key in self._told:
            return
        work = self._work.load(history.study, history.number)
        if work is None:
            raise DataError(
                f"The bytes of round {history.number} of study {history.study} are gone; restore them from the backup."
            )
        self._fed.store.put(work.update_file)
        self._fed.store.put(work.manifest_file)
        self._told[key] = ""
        self._note(
            "published", study=history.study, round=history.number, cid=cid_from_digest(work.update.cid)
        )

    def _attest(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> bool:
        """Recompute and attest; returns whether bytes are still awaited."""
        if self._is_over(study, entry, history, now):
            self._close(history)
            return False
        outcome = self._recomputed(study, history, now)
        if outcome is None:
            if not history.final_at:
                self._void(study, history, now)
            return True
        digest = outcome.aggregate.digest(study.study, history.number)
        if history.final_at and digest != history.final_hash:
            self._tell(
                "disagree",
                (study.study, history.number),
                f"Round {history.number} of study {study.study} ended with another result than the one recomputed here.",
            )
            self._close(history)
            return False
        if not history.final_at or now < history.final_at + study.terms["dispute_seconds"]:
            self._send_attestation(study, entry, history, outcome, digest)
        return False

    def _is_over(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> bool:
        if entry.seat not in history.updates or history.attested >> entry.seat & 1:
            return bool(history.final_at or history.void)
        return bool(history.final_at) and now >= history.final_at + study.terms["dispute_seconds"]

    def _recomputed(self, study: StudyHistory, history: RoundHistory, now: int) -> Outcome | None:
        """The round's outcome, once every update that can be had is in the sum."""
        entry = study.enrolment(self.id)
        if entry is None or entry.seat not in history.updates or history.attested >> entry.seat & 1:
            return None
        key = (study.study, history.number)
        spec = self._spec(study)
        if key not in self._sums:
            entries = {each.seat: each for each in study.enrolments}
            self._sums[key] = RoundSum(self._place(study, history, spec), entries)
        found = self._sums[key]
        wanted = (
            history.updates
            if not history.result
            else {s: u for s, u in history.updates.items() if history.result.included >> s & 1}
        )
        found.add(self._fed.store, wanted, lambda seat, why: self._tell("update", (*key, seat), why))
        patience = training_ends(history.facts(study.terms)) + study.terms["aggregating_seconds"] // 2
        if any(seat in wanted for seat in found.missing) and (history.final_at or now < patience):
            return None
        if len(found.weights) < study.terms["min_hospitals"]:
            return None
        if key not in self._outcomes:
            model = self._model(study, spec, history.number)
            self._outcomes = {key: found.outcome(model)}
        return self._outcomes[key]

    def _send_attestation(
        self, study: StudyHistory, entry: Enrolment, history: RoundHistory, outcome: Outcome, digest: bytes
    ) -> None:
        store = self._fed.store
        store.put(outcome.aggregate_file)
        self._models = {store.put(outcome.model_file): parse_model(outcome.model_file, self._spec(study))}
        for update in history.updates.values():
            for cid in (cid_from_digest(update.cid), cid_from_digest(update.cohort_cid)):
                if store.has(cid):
                    store.pin(cid)
        place = (study.study, history.number, entry.seat)
        call = (
            self._rounds.attest_hash(*place, digest)
            if digest in history.proposals
            else self._rounds.attest(*place, outcome.aggregate)
        )
        self._send("attest", call, study=study.study, round=history.number, aggregate="0x" + digest.hex())

    def _void(self, study: StudyHistory, history: RoundHistory, now: int) -> None:
        """Move on a round that cannot end any more."""
        if now >= voidable_at(history.facts(study.terms)):
            self._send("advance", self._rounds.advance(study.study), study=study.study, round=history.number)

    def _close(self, history: RoundHistory) -> None:
        """Nothing more to do in a round."""
        key = (history.study, history.number)
        if history.final_at or history.void:
            self._closed.add(key)
            self._sums.pop(key, None)

    # -- after the study -----------------------------------------------------------------------------------------------

    def _settle(self, study: StudyHistory, entry: Enrolment, head: BlockStamp) -> None:
        key = ("settled", study.study)
        if key in self._told:
            return
        now = self._clock.estimate(head)
        for call in due_claims(self._fed.index, self._rounds, study, entry.seat, now):
            self._send("claim", call, study=study.study)
        release = due_release(self._fed.index, self._rounds, study, entry.seat, now)
        if release is not None:
            self._send("release", release, study=study.study)
        if self._fed.index.events("StakeReleased", study=study.study, seat=entry.seat):
            self._unpin(study)
            self._work.discard(study.study)
            self._told[key] = ""

    def _unpin(self, study: StudyHistory) -> None:
        """Let go of what no study needs any more; the spec and the final model stay."""
        others = [
            read_study(self._fed.index, each) for each in study_ids(self._fed.index) if each != study.study
        ]
        needed = {
            cid for other in others if not other.ended and other.rounds for cid in self._artefacts(other)
        }
        mine = self._artefacts(study)
        for cid in mine[1:-1]:
            if cid not in needed and cid != mine[-1]:
                self._fed.store.unpin(cid)

    def _artefacts(self, study: StudyHistory) -> list[Cid]:
        return artefacts(self._fed.index, study, self._spec(study))

    # -- for people
    # ------------------------------------------------------------------------------------------------------

    def preview(self, number: StudyId) -> Preview:
        """What would leave the site if a round of the study opened now."""
        head = self._fed.sync()
        study = read_study(self._fed.index, number)
        spec = self._spec(study)
        entry = study.enrolment(self.id) or self._would_be_entry(study)
        moment = RoundHistory(
            number,
            RoundNumber(study.rounds + 1),
            head.timestamp + 1,
            0,
            {},
            frozenset(),
            {},
            {},
            0,
            frozenset(),
            b"",
            0,
            False,
        )
        cohort = round_cohort(self._fed.index, self._place(study, moment, spec), moment, entry, self.holdings)
        return Preview(
            study=number,
            patients=len(cohort.members) if cohort else 0,
            records=len(cohort.rows) if cohort else 0,
            weight=cohort.weight if cohort else 0,
            leaves=len(cohort.leaves) if cohort else 0,
            update_words=spec.size,
            update_bytes=4 * spec.size,
            refused=self._refusal(study),
        )

    def _would_be_entry(self, study: StudyHistory) -> Enrolment:
        if self._config.dataset is None:
            raise DataError(
                "The hospital's file names no dataset yet; register it with `medfed dataset register`."
            )
        info = self._fed.contracts.datasets.dataset(self._config.dataset)  # type: ignore[arg-type]
        return Enrolment(len(study.enrolments), self.id, self._config.dataset, info.version, info.records)  # type: ignore[arg-type]

    def _refusal(self, study: StudyHistory) -> str:
        try:
            self._check_study(study)
        except PolicyRefusal as exc:
            return str(exc)
        return ""

    # -- helpers -----------------------------------------------------------------------------------------------
    # ------------

    def _place(self, study: StudyHistory, history: RoundHistory, spec: StudySpec) -> RoundPlace:
        return RoundPlace(self._fed.client.chain_id, self._rounds.address, study.study, history.number, spec)

    def _spec(self, study: StudyHistory) -> StudySpec:
        if study.study not in self._specs:
            spec = fetch_spec(self._fed.store, study)
            check_rule(self._fed.client, spec.rule, study.terms["rule"])
            self._specs[study.study] = spec
        return self._specs[study.study]

    def _model(self, study: StudyHistory, spec: StudySpec, number: RoundNumber) -> Model:
        cid = model_cid_of(self._fed.index, study, spec, number)
        if cid not in self._models:
            self._models = {cid: fetch_model(self._fed.store, spec, cid)}
        return self._models[cid]

    @contextmanager
    def _contained(self, study: StudyId) -> Iterator[None]:
        """A fault of one study is told and stops no other; the next cycle looks at it again."""
        try:
            yield
        except _STUDY_FAULTS as exc:
            self._tell("refused", study, str(exc))
        except ContractRevert as exc:
            if exc.name not in _OVERTAKEN:
                self._tell("reverted", (study, exc.name), str(exc))

    def _send(self, what: str, call: Call, **facts: Any) -> None:
        receipt = self._sender.send(call)
        self._note(what, **facts, transaction="0x" + receipt.tx_hash.hex(), gas=receipt.gas_used)

    def _note(self, event: str, **facts: Any) -> None:
        self._audit.write(event, **facts)
        self._log.info(event, **facts)

    def _tell(self, event: str, key: Any, why: str) -> None:
        """Say something once, not in every cycle."""
        if self._told.get((event, key)) != why:
            self._told[event, key] = why
            self._audit.write(event, reason=why)
            self._log.warning(event, reason=why)

    def _watch_money(self, head: BlockStamp) -> None:
        """Warn when gas money runs out or clocks run apart; once a minute is enough."""
        if time.monotonic() - self._checked_money < _MONEY_SECONDS and self._checked_money:
            return
        self._checked_money = time.monotonic()
        settings = self._config.daemon
        ether = self._fed.client.balance(self._sender.address) / 10**18
        if ether < settings.low_ether:
            self._log.warning("gas money runs out", operator=self._sender.address, ether=round(ether, 6))
        drift = self._clock.drift(head)
        if not self._fed.client.is_development and abs(drift) > settings.clock_seconds:
            self._log.warning("clocks run apart", seconds=round(drift))
