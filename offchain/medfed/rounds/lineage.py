"""Where a model comes from: datasets, study, rounds with every update and result, registration, licences; each with
its CID and the transaction that put it on chain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medfed.chain.calls import Event
from medfed.chain.index import EventIndex
from medfed.errors import InputError, MedFedError
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import seats_in
from medfed.rounds.federation import Federation
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_study
from medfed.rounds.licences import ROUND_SHARE, round_shares
from medfed.rounds.models import find_model, licences, read_rounds
from medfed.rounds.reviews import awaits_tally, is_reviewed, read_scores
from medfed.rounds.study import fetch_spec
from medfed.types import Cid, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = [
    "Attester",
    "Contribution",
    "LicenceLine",
    "Lineage",
    "ModelLine",
    "RoundLine",
    "Source",
    "StudyLine",
    "read_lineage",
]


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset at the version that its hospital enrolled with. `report` is its quality report."""

    seat: Seat
    hospital: HospitalId
    dataset: DatasetId
    version: int
    records: int
    report: Cid
    published_tx: bytes
    enrolled_tx: bytes


@dataclass(frozen=True, slots=True)
class StudyLine:
    """What was asked for. Title and initial model are empty where the spec cannot be had."""

    study: StudyId
    title: str
    spec: Cid
    initial_model: str
    created_tx: bytes
    ended: str


@dataclass(frozen=True, slots=True)
class Contribution:
    """One update: `share` of its round, between 0 and 1; None while a review is not tallied."""

    seat: Seat
    update: Cid
    cohort: Cid
    weight: int
    included: bool
    refuted: bool
    share: float | None
    tx: bytes


@dataclass(frozen=True, slots=True)
class Attester:
    """Who recomputed a result and signed for it, and where."""

    seat: Seat
    tx: bytes


@dataclass(frozen=True, slots=True)
class RoundLine:
    """A round: `outcome` is open, final, void, tainted or refuted; the last two were final, and an update in the result,
    or the result, was proved wrong. `claimed` tells that a bonded claim became final without a quorum."""

    number: RoundNumber
    outcome: str
    contributions: tuple[Contribution, ...]
    aggregate: str
    model: str
    attesters: tuple[Attester, ...]
    claimed: bool
    opened_tx: bytes
    final_tx: bytes


@dataclass(frozen=True, slots=True)
class LicenceLine:
    """A licence that was sold. Who holds it is no part of where the model comes from."""

    number: int
    version: int
    terms: Cid
    tx: bytes


@dataclass(frozen=True, slots=True)
class ModelLine:
    """The finished model; `registered_tx` is empty while it is not registered. `shares` of the fees by seat, together 1 or,
    where updates were left out, less."""

    model: str
    registered_tx: bytes
    registered_at: int
    shares: dict[Seat, float]
    withdrawn: bool
    superseded_by: StudyId | None
    licences: tuple[LicenceLine, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The whole tree, from dataset to model."""

    study: StudyLine
    sources: tuple[Source, ...]
    rounds: tuple[RoundLine, ...]
    model: ModelLine


def read_lineage(federation: Federation, number: StudyId) -> Lineage:
    """The lineage of a study's model so far. Raises `InputError` where no round is final."""
    index = federation.index
    study = read_study(index, number)
    rounds = read_rounds(index, study)
    finals = [history for history in rounds if history.stands]
    if not finals:
        raise InputError(f"Study {number} has no model yet: none of its rounds is final.")
    return Lineage(
        study=_study(federation, study),
        sources=tuple(_source(index, number, entry) for entry in study.enrolments),
        rounds=tuple(_round(index, study, history) for history in rounds),
        model=_model(index, number, finals[-1]),
    )


def _study(federation: Federation, study: StudyHistory) -> StudyLine:
    created = federation.index.events("StudyCreated", study=study.study)[0]
    try:
        spec = fetch_spec(federation.store, study)
        title, initial = spec.title, str(spec.initial_model_cid)
    except MedFedError:
        title, initial = "", ""
    cid = cid_from_digest(study.terms.spec)
    return StudyLine(study.study, title, cid, initial, created.tx_hash, study.ended)


def _source(index: EventIndex, study: StudyId, entry: Enrolment) -> Source:
    versions = index.events("DatasetRegistered", dataset=entry.dataset)
    versions += index.events("DatasetPublished", dataset=entry.dataset)
    published = next(event for event in versions if event.values.get("version", 1) == entry.version)
    enrolled = index.events("Enrolled", study=study, seat=entry.seat)[0]
    report = cid_from_digest(published["info"]["report"])
    place = (entry.seat, entry.hospital, entry.dataset, entry.version, entry.records)
    return Source(*place, report, published.tx_hash, enrolled.tx_hash)


def _round(index: EventIndex, study: StudyHistory, history: RoundHistory) -> RoundLine:
    def told(name: str) -> list[Event]:
        return index.events(name, study=study.study, round=history.number)

    result, attested = history.result, told("Attested")
    ours = [event for event in attested if event["aggregate_hash"] == history.final_hash]
    attesters = [Attester(seat, event.tx_hash) for event in ours for seat in seats_in(event["seats"])]
    return RoundLine(
        number=history.number,
        outcome=history.outcome.name.lower(),
        contributions=tuple(_contributions(index, study, history)),
        aggregate=cid_from_digest(result.cid) if result else "",
        model=cid_from_digest(result.model) if result else "",
        attesters=tuple(attesters) if result else (),
        claimed=bool(told("AttemptAccepted")),
        opened_tx=_tx(told("RoundOpened")),
        final_tx=_tx(told("RoundFinal")),
    )


def _contributions(index: EventIndex, study: StudyHistory, history: RoundHistory) -> Iterable[Contribution]:
    """Of all that submitted, those included: what each is worth. Updates that were proved wrong are shown, too."""
    shares = _round_shares(index, study, history)
    sent = {
        event["seat"]: event.tx_hash
        for event in index.events("UpdateSubmitted", study=study.study, round=history.number)
    }
    included = history.result.included if history.result else 0
    for seat, update in sorted({**history.updates, **history.removed}.items()):
        yield Contribution(
            seat=seat,
            update=cid_from_digest(update.cid),
            cohort=cid_from_digest(update.cohort_cid),
            weight=update.weight,
            included=bool(included >> seat & 1),
            refuted=seat in history.struck,
            share=None if shares is None else shares.get(seat, 0) / ROUND_SHARE,
            tx=sent[seat],
        )


def _round_shares(index: EventIndex, study: StudyHistory, history: RoundHistory) -> dict[Seat, int] | None:
    if awaits_tally(index, study, history):
        return None
    found = round_shares(study.terms, history, read_scores(index, history) if is_reviewed(study) else None)
    return {seat: share for seat, share in found.items() if study.pays(seat, history.number)}


def _model(index: EventIndex, study: StudyId, last: RoundHistory) -> ModelLine:
    assert last.result is not None
    found = find_model(index, study)
    if found is None:
        return ModelLine(cid_from_digest(last.result.model), b"", 0, {}, False, None, ())
    total = ROUND_SHARE * found.finals
    sold = [
        LicenceLine(
            each.number, each.version, cid_from_digest(found.sales[each.version - 1].terms.licence), each.tx
        )
        for each in licences(index, study)
    ]
    return ModelLine(
        model=cid_from_digest(found.model),
        registered_tx=found.tx,
        registered_at=found.registered_at,
        shares={Seat(seat): share / total for seat, share in enumerate(found.shares)},
        withdrawn=found.withdrawn,
        superseded_by=found.superseded_by,
        licences=tuple(sold),
    )


def _tx(events: Sequence[Event]) -> bytes:
    return events[0].tx_hash if events else b""
