"""An audit: every round of a study recomputed from public bytes, with no key and no trust in who computed it first.

First the events are held against the contracts' storage (`evidence`). Then, round by round: each included update's CID,
root, header and range, the sum, its root, the next model, the quorum; each manifest's form, root and weight, and that
it is no longer than the consents active at its second; every payout. With a hospital's disclosure, the consent behind
each leaf. Each aggregator's claim, each proof against an update or a result, each patient's pay. At the end: absences,
everything that was taken from a stake, a bond or the pot, with its cause and where it went, and the model's licences.

Bytes that are had and are wrong are a difference. Bytes that cannot be had are no difference, and no proof either: a
round that needs them is judged neither right nor wrong. Where a proof is missing (of the chain, of the history's start, or
the final model itself), what is left agrees with itself, and may be invented: that is told apart from what is proved.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from medfed import __version__
from medfed.chain.artifacts import artifact
from medfed.chain.calls import Event, checksum
from medfed.chain.contracts import check_rule
from medfed.chain.contracts.claims import AttemptState
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.contracts.payouts import Scores
from medfed.chain.deployment import compiler_version
from medfed.chain.history import was_suspended
from medfed.data.quality import QualityReport
from medfed.errors import (
    ContentMissing,
    ContractRevert,
    Inconsistent,
    InputError,
    IntegrityError,
    NotProved,
    ProtocolError,
    SpecError,
    WrongChain,
)
from medfed.learning.models import Model, initial_model, model_bytes, parse_model
from medfed.protocol.basis import Basis
from medfed.protocol.cid import cid_from_digest, cid_of
from medfed.protocol.commitments import Aggregate, Update, seats_in
from medfed.protocol.consent import Details
from medfed.protocol.documents import Disclosure, StudySpec
from medfed.protocol.layout import is_chunk_right
from medfed.protocol.phase import Outcome, quorum_of
from medfed.protocol.vector import vector_size
from medfed.rounds.census import unheard
from medfed.rounds.contests import open_contest
from medfed.rounds.disputes import CONTESTED, Claim, ContestBook, place_of
from medfed.rounds.evidence import CONTRACTS, Evidence
from medfed.rounds.federation import Federation
from medfed.rounds.history import (
    ConsentBook,
    Enrolment,
    LineageBook,
    RoundHistory,
    StudyHistory,
    asked,
    basis_of,
    bound,
    counted,
    pinned,
    read_round,
    read_study,
)
from medfed.rounds.proceedings import Proceedings
from medfed.rounds.proofs import open_vector, recomputed_root
from medfed.rounds.recompute import RoundPlace, RoundSum, check_manifest, check_update, check_words
from medfed.rounds.scores import Tally
from medfed.rounds.settle import pay_of
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of, model_limit
from medfed.types import Address, BlockStamp, Cid, DatasetId, RoundNumber, Seat, StudyId

__all__ = ["JudgedClaim", "Report", "Verdict", "audit_events", "audit_study"]

RIGHT, WRONG, UNCHECKED = "right", "wrong", "not checked"
_LIMITS = (
    "training on records that are not listed, and invented patients, cannot be seen from public data",
    "how an update was trained is not recomputed: only the hospital has the records",
    "the hospitals' descriptions are not looked at, as nothing follows from them",
)


_BY_WEIGHT = Scores(0, 0, 0)


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """An aggregator's claim: where it stands on chain, and what it is."""

    attempt: int
    seat: int
    state: str
    """pending, objected, accepted, refuted, settled, or lapsed."""
    verdict: str
    """right, wrong, or not checked."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One round: how it ended, what was compared, what could not be."""

    round: int
    state: str
    """open, final, void, tainted (an update in the result was proved wrong) or refuted (the result was)."""
    updates: int
    weight: int
    checks: int
    unchecked: tuple[str, ...] = ()
    """What public data cannot show."""
    missing: tuple[str, ...] = ()
    """Why the verdict is open: bytes it needs that nobody serves."""
    difference: str = ""
    claims: tuple[JudgedClaim, ...] = ()

    @property
    def verdict(self) -> str:
        """right, wrong, or not checked; of a round whose result a proof undid, whether it was rightly so."""
        if self.difference:
            return WRONG
        return UNCHECKED if self.missing or self.state == "open" else RIGHT


@dataclass(frozen=True, slots=True)
class Report:
    """The whole audit. `difference` is the first one, empty when there is none; `missing` likewise."""

    study: int
    state: str
    rounds: tuple[Verdict, ...]
    checks: int
    difference: str
    missing: str
    unchecked: tuple[str, ...]
    unproved: tuple[str, ...]
    """What was looked at and is right, and may be invented for want of a proof."""
    versions: Mapping[str, str]
    bases: Mapping[int, str]
    """Why the patients of each seat count: consent, opt-out or permit; without those that a difference kept from being read."""
    contradicted: bool = False
    """Whether events and storage differ."""
    disclosed: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By seat: the rounds in which a disclosure has shown which consent stands behind each leaf."""
    lacking: tuple[str, ...] = ()
    """Which of what is unproved is so for want of a file, and not of a proof."""

    @property
    def ok(self) -> bool:
        """Whether all that can be checked was, and is right, proved or not."""
        return not self.difference and not self.missing

    @property
    def proved(self) -> bool:
        """Whether it is right, and no proof is missing."""
        return self.ok and not self.unproved

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.difference:
            return f"WRONG: {self.difference}"
        if self.missing:
            return f"NOT CHECKED: {self.missing}"
        if self.unproved:
            return f"CONSISTENT, NOT PROVED: {'; '.join(self.unproved)}"
        if not any(entry.verdict == RIGHT for entry in self.rounds):
            return "No round has ended yet; what there is, is right."
        return "Everything that can be checked is right."


@dataclass
class _Audit:
    federation: Federation
    study: StudyHistory
    disclosures: Mapping[str, Disclosure]
    block: BlockStamp
    checks: int = 0
    unchecked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    books: dict[DatasetId, ConsentBook] = field(default_factory=dict)
    model: Model | None = None
    """The model that the next round starts from, as far as it could be recomputed."""
    claims: list[JudgedClaim] = field(default_factory=list)
    """Of the round that is looked at."""
    contests: dict[int, ContestBook] = field(default_factory=dict)
    """By round."""
    bases: dict[int, str] = field(default_factory=dict)
    """By seat."""
    reviews: dict[int, Tally | None] = field(default_factory=dict)
    """By round; None where there are no reviews."""
    disclosed: dict[int, list[int]] = field(default_factory=dict)
    """By seat: the rounds whose leaves a disclosure has opened."""
    unproved: list[str] = field(default_factory=list)
    """Of the whole study."""
    lacking: list[str] = field(default_factory=list)
    """Files without which the study is not proved."""
    contradicted: bool = False
    """Whether a difference is one between events and storage."""

    @property
    def evidence(self) -> Evidence:
        """The study's facts in storage."""
        return Evidence(self.federation, self.study, self.block, self.agree)

    @property
    def proceedings(self) -> Proceedings:
        """What the contracts of claims, payouts and licences keep of it."""
        return Proceedings(self.evidence)

    def expect(self, right: bool, otherwise: str) -> None:
        """One comparison."""
        self.checks += 1
        if not right:
            raise ProtocolError(otherwise)

    def agree(self, right: bool, otherwise: str) -> None:
        """One comparison of events with storage: where they differ, who told the events is wrong, and not the study."""
        self.contradicted |= not right
        self.expect(right, otherwise)

    def look(self, what: str, check: Callable[[], object], *, needed: bool = True) -> bool:
        """Whether a check had the bytes it asks for; those that are `needed` leave the verdict open."""
        try:
            check()
        except ContentMissing as exc:
            (self.missing if needed else self.unchecked).append(f"{what}: {exc}")
            return False
        except (ProtocolError, IntegrityError) as exc:
            raise ProtocolError(f"{what}: {exc}") from exc
        self.checks += 1
        return True

    def judge(self, check: Callable[[], None]) -> str:
        """Run one part of the audit; returns its first difference."""
        self.checks, self.unchecked, self.missing = 0, [], []
        try:
            check()
        except ContentMissing as exc:
            self.missing.append(str(exc))
        except Inconsistent as exc:
            self.contradicted = True
            return str(exc)
        except (ProtocolError, IntegrityError, SpecError, WrongChain) as exc:
            return str(exc)
        except ContractRevert as exc:
            self.contradicted = True
            return f"what the events tell cannot have happened: {exc}"
        return ""

    def bound(self, entry: Enrolment, history: RoundHistory) -> int:
        """How many patients the seat's manifest may list."""
        if basis_of(self.federation.index, entry.dataset) is not Basis.CONSENT:
            return bound(self.federation.index, entry, self.study.terms, history)
        return len(self._consented(entry, history))

    def without(self, entry: Enrolment, history: RoundHistory, patients: Iterable[Address]) -> int:
        """How many of these patients, enlisted by the hospital's own word, did not count in the round."""
        if basis_of(self.federation.index, entry.dataset) is Basis.CONSENT:
            active = {patient.lower() for patient in self._consented(entry, history)}
            return len({patient.lower() for patient in patients} - active)
        shown = {checksum(patient) for patient in patients}
        return len(shown - counted(self.federation.index, entry, self.study.terms, history, shown).keys())

    def _consented(self, entry: Enrolment, history: RoundHistory) -> Mapping[Address, Details]:
        """Whose consent was active in the second before the round opened."""
        if entry.dataset not in self.books:
            self.books[entry.dataset] = ConsentBook(self.federation.index, entry.dataset)
        purposes = asked(self.federation.index, entry, self.study.terms)
        return self.books[entry.dataset].active(purposes, history.opened_at - 1)


def audit_study(
    federation: Federation,
    number: StudyId,
    disclosures: tuple[Disclosure, ...] = (),
    tell: Callable[[str], object] = lambda _: None,
) -> Report:
    """Recompute a study; `tell` hears what is looked at.

    Before a study is called wrong all events are read anew, once; where they differ from storage or receipts still, the node that
    told them is named, and no study is called wrong by them. Raises `InputError` for an unknown study or a disclosure of another
    one, `ProtocolError` where its events cannot be read at all, `Transient` when chain or store does not answer.
    """
    federation.sync()
    report = audit_events(federation, number, disclosures, tell)
    if report.difference and federation.census.read_anew(report.difference):
        report = audit_events(federation, number, disclosures, tell)
    if not report.difference or federation.client.is_recorded:
        return report
    index = federation.index
    why = report.difference if report.contradicted else unheard(federation.contracts, index, index.checkpoint)
    if not why:
        return report
    liar = f"{federation.client.label} tells other events than the contracts keep ({why}); ask another node"
    return replace(report, difference="", missing=liar)


def audit_events(
    federation: Federation,
    number: StudyId,
    disclosures: tuple[Disclosure, ...] = (),
    tell: Callable[[str], object] = lambda _: None,
) -> Report:
    """`audit_study` by the events that the index holds, whoever told them."""
    block = federation.index.sync()
    study = read_study(federation.index, number)
    audit = _Audit(federation, study, _given(federation, study, disclosures), block)
    specs: list[StudySpec] = []
    tell("events against the contracts' storage")
    difference = audit.judge(lambda: specs.append(_check_start(audit)))
    if difference or not specs:
        return _report(audit, (), difference)
    before, checks = audit.unchecked, audit.checks
    histories = {
        value: read_round(federation.index, number, RoundNumber(value))
        for value in range(1, study.rounds + 1)
    }
    verdicts = []
    for history in histories.values():
        tell(f"round {history.number} of {study.rounds}")
        verdicts.append(_round(audit, specs[0], history))
    found = [f"Round {entry.round}: {entry.difference}" for entry in verdicts if entry.difference]
    # What follows the rounds is only looked at when they are right: it builds on them.
    last = audit.judge(lambda: None if found else _check_end(audit, histories))
    if not found:
        _look_for_final_model(audit, specs[0], histories)
    audit.unchecked, audit.checks = before + audit.unchecked, audit.checks + checks
    return _report(audit, tuple(verdicts), next(iter([*found, last]), ""))


def _given(
    federation: Federation, study: StudyHistory, disclosures: tuple[Disclosure, ...]
) -> dict[str, Disclosure]:
    """Disclosures by hospital. Raises `InputError` for one that is not of this study."""
    place = (federation.client.chain_id, federation.contracts.rounds.address.lower(), study.study)
    seats = {(entry.hospital.lower(), entry.dataset) for entry in study.enrolments}
    for shown in disclosures:
        of = (shown.chain_id, shown.contract.lower(), shown.study)
        if of != place or (shown.hospital.lower(), shown.dataset) not in seats:
            raise InputError(
                f"The disclosure of {shown.hospital} is of study {shown.study} with dataset {shown.dataset} on chain "
                f"{shown.chain_id}; it proves nothing about study {study.study} here."
            )
    return {shown.hospital.lower(): shown for shown in disclosures}


def _report(audit: _Audit, verdicts: tuple[Verdict, ...], difference: str) -> Report:
    study = audit.study
    missing = [
        f"Round {entry.round}: {text}" for entry in verdicts for text in entry.missing
    ] or audit.missing
    return Report(
        study=study.study,
        state=study.ended or ("running" if study.rounds else "enrolling"),
        rounds=verdicts,
        checks=audit.checks + sum(entry.checks for entry in verdicts),
        difference=difference,
        missing=missing[0] if missing else "",
        unchecked=(*audit.unchecked, *_LIMITS, audit.federation.client.doubt),
        unproved=(*audit.federation.client.unproved, *audit.unproved, *audit.lacking),
        versions=_versions(audit.federation),
        bases=audit.bases,
        contradicted=audit.contradicted,
        disclosed={seat: tuple(numbers) for seat, numbers in sorted(audit.disclosed.items())},
        lacking=tuple(audit.lacking),
    )


def _versions(federation: Federation) -> dict[str, str]:
    compiled = hashlib.sha256(b"".join(artifact(name).runtime for name in CONTRACTS)).hexdigest()
    return {
        "medfed": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "solc": compiler_version(),
        "code": f"sha256:{compiled}",
        "rounds": federation.contracts.rounds.address,
    }


# -- before the first round ----------------------------------------------------------------------------------------


def _check_start(audit: _Audit) -> StudySpec:
    """Code, terms, seats, consents, datasets, spec, initial model. Raises `ContentMissing` without the spec."""
    store, evidence = audit.federation.store, audit.evidence
    replace(evidence, expect=audit.expect).check_code()
    try:
        evidence.check_start()
    except NotProved as exc:
        audit.unproved.append(str(exc))
    evidence.check_study()
    for entry in audit.study.enrolments:
        book = LineageBook(audit.federation.index, entry.dataset)
        audit.bases[int(entry.seat)] = book.basis.label
        for dataset in book.datasets:
            evidence.check_consents(dataset)
        _check_dataset(audit, entry)
    spec = fetch_spec(store, audit.study)
    check_rule(audit.federation.client, spec.rule, audit.study.terms.rule)
    audit.model = initial_model(spec)
    found = cid_of(model_bytes(audit.model, spec))
    audit.expect(
        found == spec.initial_model_cid,
        f"the initial model is {spec.initial_model_cid}, from the seed it comes to {found}",
    )
    _published(audit, "the initial model", Cid(spec.initial_model_cid), model_limit(spec))
    return spec


def _check_dataset(audit: _Audit, entry: Enrolment) -> None:
    """What was pinned is what the hospital published, and its quality report says the same."""
    info = pinned(audit.federation.index, entry)
    audit.expect(
        info is not None and info.records == entry.records,
        f"dataset {entry.dataset} was enrolled with {entry.records} records, its version {entry.version} has others",
    )
    assert info is not None
    audit.evidence.check_dataset(entry, info)
    audit.look(
        f"the quality report of dataset {entry.dataset}", lambda: _check_quality(audit, info), needed=False
    )


def _check_quality(audit: _Audit, info: DatasetInfo) -> None:
    data = audit.federation.store.get(cid_from_digest(info.report), QualityReport.maximum)
    report = QualityReport.from_bytes(data)
    said = (info.records, f"0x{info.schema_hash.hex()}", info.quality)
    audit.expect(
        (report.records, report.schema_hash, report.score) == said,
        "it says other things about the dataset than the chain",
    )


def _published(audit: _Audit, what: str, cid: Cid, limit: int) -> None:
    """Bytes that were recomputed anyway: are they there, and are they what they should be?"""
    audit.look(what, lambda: audit.federation.store.get(cid, limit), needed=False)


# -- a round -------------------------------------------------------------------------------------------------------


def _round(audit: _Audit, spec: StudySpec, history: RoundHistory) -> Verdict:
    rounds = audit.federation.contracts.rounds.address
    place = RoundPlace(audit.federation.client.chain_id, rounds, history.study, history.number, spec)
    start, audit.model = audit.model, None if history.result else audit.model
    audit.claims = []
    difference = audit.judge(lambda: _check_round(audit, place, history, start))
    return Verdict(
        round=history.number,
        state=history.outcome.name.lower(),
        updates=len(history.updates),
        weight=history.weight,
        checks=audit.checks,
        unchecked=tuple(audit.unchecked),
        missing=tuple(audit.missing),
        difference=difference,
        claims=tuple(audit.claims),
    )


def _check_round(audit: _Audit, place: RoundPlace, history: RoundHistory, start: Model | None) -> None:
    audit.evidence.check_round(history)
    contest = audit.proceedings.check_contest(history)
    audit.contests[history.number] = contest
    audit.reviews[history.number] = audit.proceedings.check_reviews(history)
    _check_pay(audit, history)
    for event in audit.evidence.events("UpdateRefuted", round=history.number):
        _check_strike(audit, place, history, event)
    _check_claims(audit, place, contest, start)
    result = history.result
    if result is None:
        audit.unchecked.append("it has no result to compare with, so its updates are not recomputed")
        return
    _check_quorum(audit, history, result)
    entries = {entry.seat: entry for entry in audit.study.enrolments}
    total = RoundSum(place, entries)
    for seat, update in sorted(history.updates.items()):
        work = audit.study.entry(seat), update
        if result.included >> seat & 1:
            _check_included(audit, history, total, work)
        else:
            _check_left_out(audit, place, history, work)
    if not audit.missing:
        if history.undone:
            _check_undone(audit, place, history, result)
        else:
            _check_result(audit, history, total, start)
    _published(audit, "the published sum", cid_from_digest(result.cid), vector_size(place.spec.size))
    _published(audit, "the published model", cid_from_digest(result.model), model_limit(place.spec))


def _check_quorum(audit: _Audit, history: RoundHistory, result: Aggregate) -> None:
    attesters = history.attesters.get(history.final_hash, 0)
    removed = sum(1 << seat for seat in history.removed)
    audit.expect(
        not result.included & ~history.submitted and not attesters & ~(history.submitted | removed),
        "somebody is in the sum or attested who had not submitted",
    )
    submitters = len(history.updates)
    audit.expect(
        submitters >= audit.study.terms.min_hospitals,
        "the round has a result, and fewer updates than the study asks for",
    )
    audit.expect(
        result.included.bit_count() >= quorum_of(submitters),
        "the sum has fewer than two thirds of the updates",
    )
    weight = sum(update.weight for seat, update in history.updates.items() if result.included >> seat & 1)
    audit.expect(result.weight == weight, f"the sum says weight {result.weight}, its updates have {weight}")
    by_time = audit.evidence.events("AttemptAccepted", round=history.number)
    for event in by_time:
        heard = _heard(audit, history, event).bit_count()
        audit.expect(
            heard >= quorum_of(submitters),
            f"a claim became final by time while {heard} of {submitters} submitters could have objected or had attested",
        )
    final = audit.evidence.events("RoundFinal", round=history.number)[0]
    decided = 0
    for event in audit.evidence.events("Attested", round=history.number):
        if event["aggregate_hash"] == history.final_hash and place_of(event) < place_of(final):
            decided |= event["seats"]
    # Who attested and was struck before the round was final counts no more.
    enough = by_time or (decided & history.submitted).bit_count() >= quorum_of(submitters)
    audit.expect(bool(enough), "fewer than two thirds attested, and no claim became final by time")


def _heard(audit: _Audit, history: RoundHistory, accepted: Event) -> int:
    """Bitmap of the submitters that were free to object to a claim while it waited, or attested to it; the twin of
    `Claims._requireHeard`."""
    index, before = audit.federation.index, place_of(accepted)
    found = [event for name in CONTESTED for event in audit.evidence.events(name, round=history.number)]
    book = open_contest(index, audit.study, history).replay([e for e in found if place_of(e) < before])
    claim = book.claims[accepted["attempt"]]
    window = claim.made_at, claim.made_at + audit.study.terms.claim_seconds
    free = 0
    for seat in history.updates:
        if not was_suspended(index, audit.study.entry(seat).hospital, *window, before):
            free |= 1 << seat
    attested = 0
    for event in audit.evidence.events("Attested", round=history.number):
        if event["aggregate_hash"] == claim.aggregate_hash and place_of(event) < before:
            attested |= event["seats"]
    return history.submitted & (free & ~book.objectors | attested)


def _check_included(
    audit: _Audit, history: RoundHistory, total: RoundSum, work: tuple[Enrolment, Update]
) -> None:
    entry, update = work
    store, place = audit.federation.store, total.place
    if entry.seat not in history.struck:  # whether it was struck rightly is looked at apart
        audit.look(
            f"the update of seat {entry.seat}",
            lambda: total.include(entry.seat, update.weight, check_words(store, place, entry, update)),
        )
    audit.look(f"the manifest of seat {entry.seat}", lambda: _check_manifest(audit, history, place, work))


def _check_left_out(
    audit: _Audit, place: RoundPlace, history: RoundHistory, work: tuple[Enrolment, Update]
) -> None:
    """Why the quorum left an update out: by the bytes, where they can be had."""
    entry, _ = work
    try:
        check_update(audit.federation.store, place, *work, audit.bound(entry, history))
    except ProtocolError:
        audit.checks += 1  # rightly so: it breaks the protocol
    except (ContentMissing, IntegrityError) as exc:
        audit.unchecked.append(f"why the update of seat {entry.seat} was left out: {exc}")
    else:
        audit.unchecked.append(
            f"the update of seat {entry.seat} was left out and is right; whether it was there in time cannot be seen"
        )


def _check_result(audit: _Audit, history: RoundHistory, total: RoundSum, start: Model | None) -> None:
    spec = total.place.spec
    if start is None:
        start = _model_before(audit, spec, history.number)
    outcome = total.outcome(start)
    for name in ("cid", "root", "model", "included", "weight"):
        audit.expect(
            getattr(outcome.aggregate, name) == getattr(history.result, name),
            f"the aggregate's {name} is not what the updates come to",
        )
    audit.model = parse_model(outcome.model_file, spec)


def _check_undone(audit: _Audit, place: RoundPlace, history: RoundHistory, result: Aggregate) -> None:
    """A result that counts no more: rightly refuted, or with an update that was struck and nothing else to be refuted."""
    included = {seat: update for seat, update in history.updates.items() if result.included >> seat & 1}
    right = recomputed_root(audit.federation.store, place, included) == result.root
    if history.outcome is Outcome.REFUTED:
        audit.expect(not right, "its result was proved wrong, and is what the updates come to")
    else:
        audit.expect(right, "the aggregate's root is not what the updates come to")


def _model_before(audit: _Audit, spec: StudySpec, number: RoundNumber) -> Model:
    """The published model that a round starts from, where the rounds before could not be recomputed."""
    cid = model_cid_of(audit.federation.index, audit.study, spec, number)
    return fetch_model(audit.federation.store, spec, cid)


def _check_manifest(
    audit: _Audit, history: RoundHistory, place: RoundPlace, work: tuple[Enrolment, Update]
) -> None:
    entry, update = work
    try:
        manifest = check_manifest(audit.federation.store, place, entry, update, audit.bound(entry, history))
    except ProtocolError as exc:
        others = seats_in(history.attested & ~(1 << entry.seat))
        by = f" Attested to by seats {', '.join(map(str, others))}." if others else ""
        raise ProtocolError(f"{exc}{by}") from exc
    audit.checks += 2
    disclosure = audit.disclosures.get(entry.hospital.lower())
    if disclosure is None:
        audit.unchecked.append(
            f"which consent stands behind each leaf of seat {entry.seat}: needs its disclosure"
        )
        return
    basis = basis_of(audit.federation.index, entry.dataset)
    patients = disclosure.patients(manifest, update.weight, place.spec.cohort_step)
    without = audit.without(entry, history, patients)
    said = "not consented" if basis is Basis.CONSENT else "objected, or their hospital had no permit,"
    audit.expect(not without, f"{without} of its patients had {said} at second {history.opened_at - 1}")
    audit.disclosed.setdefault(entry.seat, []).append(history.number)


def _check_pay(audit: _Audit, history: RoundHistory) -> None:
    """Hospitals and patients, to the smallest unit; nobody before the claims unlock, and nobody who is barred."""
    study, reviews = audit.study, audit.reviews[history.number]
    claimed = audit.evidence.events("Claimed", round=history.number)
    for event in [*claimed, *audit.evidence.events("PatientPaid", round=history.number)]:
        unlocked = history.unlocked_at(study.terms)
        audit.expect(bool(unlocked) and (event.time or 0) >= unlocked, "pay was taken before it was unlocked")
    for event in claimed:
        seat = Seat(event["seat"])
        scores = reviews.of(seat) if reviews else _BY_WEIGHT
        due = pay_of(study.terms, history, seat, scores)
        audit.expect(event["amount"] == due, f"seat {seat} was paid {event['amount']}, its due is {due}")
        audit.expect(
            study.pays(seat, history.number), f"seat {seat} was paid for a round that pays it nothing"
        )
        audit.expect(
            event["hospital"] == study.entry(seat).hospital,
            f"the pay of seat {seat} went to {event['hospital']}",
        )
    if audit.proceedings.check_patients(history):
        audit.unchecked.append("which leaf stands behind a patient's pay: its salt is in no event")
    if reviews and reviews.revealers:
        audit.unchecked.append("that each review is the one committed to: its salt is in no event")


# -- disputes ------------------------------------------------------------------------------------------------------


def _check_claims(audit: _Audit, place: RoundPlace, contest: ContestBook, start: Model | None) -> None:
    """Recompute each claim over the round's present set. A wrong one that still may become final is a difference."""
    standing = dict(contest.standing())
    truth, why = _truth(audit, place, contest.history, start) if standing else (None, "")
    for number, claim in enumerate(contest.claims):
        verdict, reason = UNCHECKED, why
        if number not in standing:
            reason = "the set has changed since"
        elif truth is not None:
            wrong = [name for name in ("root", "weight", "cid", "model") if _differs(claim, truth, name)]
            verdict = WRONG if wrong else RIGHT
            reason = f"its {wrong[0]} is not what the updates come to" if wrong else ""
        state = "refuted" if claim.refuted else claim.state.name.lower() if number in standing else "lapsed"
        audit.claims.append(JudgedClaim(number, claim.seat, state, verdict, reason))
        if number not in standing:
            continue
        if truth is not None:
            _judge_claim(audit, contest, number, (claim, truth, reason))
        elif claim.state is AttemptState.PENDING and contest.history.outcome is Outcome.OPEN:
            audit.missing.append(f"claim {number} of seat {claim.seat}: {why}")


def _judge_claim(
    audit: _Audit, contest: ContestBook, number: int, found: tuple[Claim, Aggregate, str]
) -> None:
    """Whether a claim stands where it should, by what it is."""
    claim, truth, reason = found
    if claim.refuted:
        audit.expect(
            _is_provable(claim.aggregate, truth),
            f"claim {number} was proved wrong, and is what the updates come to",
        )
    elif claim.state is AttemptState.PENDING and contest.history.outcome is Outcome.OPEN:
        closes = claim.made_at + contest.study.terms.claim_seconds
        cure = "challenge it" if _is_provable(claim.aggregate, truth) else "object to it"
        audit.expect(
            not reason,
            f"claim {number} of seat {claim.seat} is wrong: {reason}; it becomes final at second {closes} unless "
            f"somebody does {cure}",
        )


def _differs(claim: Claim, truth: Aggregate, name: str) -> bool:
    return bool(getattr(claim.aggregate, name) != getattr(truth, name))


def _is_provable(claimed: Aggregate, truth: Aggregate) -> bool:
    """Whether the contract can tell that an aggregate is wrong: by its root."""
    return claimed.root != truth.root


def _truth(
    audit: _Audit, place: RoundPlace, history: RoundHistory, start: Model | None
) -> tuple[Aggregate | None, str]:
    """The aggregate over all of a round's updates, or why it cannot be had."""
    total = RoundSum(place, {entry.seat: entry for entry in audit.study.enrolments})
    store = audit.federation.store
    try:
        for seat, update in history.updates.items():
            total.include(seat, update.weight, check_words(store, place, audit.study.entry(seat), update))
        before = start if start is not None else _model_before(audit, place.spec, history.number)
        return total.outcome(before).aggregate, ""
    except (ContentMissing, IntegrityError) as exc:
        return None, str(exc)
    except ProtocolError as exc:
        return None, f"it is over an update that is wrong: {exc}"


def _check_strike(audit: _Audit, place: RoundPlace, history: RoundHistory, event: Event) -> None:
    """Whether the chunk that cost a hospital its stake is wrong."""
    seat, index = Seat(event["seat"]), event["index"]
    update, entry = history.committed(seat), audit.study.entry(seat)
    try:
        opened = open_vector(audit.federation.store, place, update.cid, update.update_root)
    except (ContentMissing, IntegrityError, ProtocolError) as exc:
        audit.unchecked.append(f"whether the update of seat {seat} was struck rightly: {exc}")
        return
    chunk = opened.opening(index).chunk
    right = (
        chunk == place.header(entry.hospital).chunk()
        if index == 0
        else is_chunk_right(place.vectors, chunk, index, update.weight)
    )
    audit.expect(not right, f"chunk {index} of the update of seat {seat} was proved wrong, and is right")


# -- after the last round ------------------------------------------------------------------------------------------


def _look_for_final_model(audit: _Audit, spec: StudySpec, histories: Mapping[int, RoundHistory]) -> None:
    """What a study is for has to be there: it was recomputed, and whoever has a bundle without it has no model."""
    finals = [history for history in histories.values() if history.result and not history.undone]
    if finals and finals[-1].result:
        cid = cid_from_digest(finals[-1].result.model)
        try:
            audit.federation.store.get(cid, model_limit(spec))
        except ContentMissing as exc:
            audit.lacking.append(f"the final model, of round {finals[-1].number}: {exc}")


def _check_end(audit: _Audit, histories: Mapping[int, RoundHistory]) -> None:
    """Absences, all that moved, the market."""
    audit.evidence.check_conduct(audit.contests)
    audit.proceedings.check_money(histories, audit.contests)
    audit.proceedings.check_market(histories, audit.reviews)
