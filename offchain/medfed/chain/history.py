"""What the indexed events tell: consents, hospitals, datasets, studies, rounds, pay. Everything in order of the chain.

`until` is the last block to look at, so that a cycle that took one block sees nothing newer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.consents import consent_event
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.contracts.rounds import StudyTerms
from medfed.chain.index import EventIndex
from medfed.protocol import consent
from medfed.protocol.commitments import Aggregate, Update
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = [
    "Attestation",
    "DatasetRecord",
    "Enrolment",
    "HospitalRecord",
    "Payment",
    "RoundRecord",
    "StudyRecord",
    "attestations",
    "consents",
    "datasets",
    "final_aggregates",
    "hospitals",
    "members",
    "payments",
    "proposals",
    "rounds",
    "studies",
    "updates",
]


@dataclass(frozen=True, slots=True)
class HospitalRecord:
    """A hospital with its present keys: X25519 `encryption_key` and the digest of its metadata."""

    hospital: HospitalId
    operator: Address
    encryption_key: bytes
    metadata: bytes
    active: bool


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One version of a dataset, `block` being that of its publication."""

    dataset: DatasetId
    version: int
    info: DatasetInfo
    block: int


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study as it was posted at `time` (seconds)."""

    study: StudyId
    sponsor: Address
    terms: StudyTerms
    block: int
    time: int | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A hospital's seat and what it pinned."""

    seat: Seat
    hospital: HospitalId
    dataset: DatasetId
    version: int
    records: int


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """A round's course: when it opened (block and second), and which block closed Training, ended it, and how."""

    number: RoundNumber
    block: int
    opened_at: int | None
    closed: int | None = None
    final: int | None = None
    void: int | None = None


@dataclass(frozen=True, slots=True)
class Attestation:
    """Seats (a bitmap) that attested to an aggregate in one transaction."""

    aggregate_hash: bytes
    seats: int
    block: int
    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class Payment:
    """What a seat was paid for a round, in the token's smallest unit."""

    number: RoundNumber
    seat: Seat
    hospital: HospitalId
    amount: int


def consents(index: EventIndex, dataset: DatasetId, *, until: int | None = None) -> list[consent.Event]:
    """Every consent event that touches the dataset: its own, and every patient's revoke-alls."""
    own = [
        event
        for name in ("Granted", "Narrowed", "Revoked")
        for event in index.events(name, contract="ConsentRegistry", until=until, dataset_id=dataset)
    ]
    everywhere = index.events("AllRevoked", contract="ConsentRegistry", until=until)
    return [consent_event(event) for event in _in_order([*own, *everywhere])]


def hospitals(index: EventIndex, *, until: int | None = None) -> list[HospitalRecord]:
    """All hospitals ever admitted, in that order, as they stand."""
    names = (
        "HospitalAdmitted",
        "HospitalSuspended",
        "HospitalReinstated",
        "OperatorRotated",
        "EncryptionKeyRotated",
        "MetadataUpdated",
    )
    found = [event for name in names for event in index.events(name, contract="Consortium", until=until)]
    records: dict[str, HospitalRecord] = {}
    for event in _in_order(found):
        records[event["hospital"]] = _hospital_after(records.get(event["hospital"]), event)
    return list(records.values())


def datasets(
    index: EventIndex, dataset: DatasetId | None = None, *, until: int | None = None
) -> list[DatasetRecord]:
    """The versions of one dataset, or of all."""
    chosen: dict[str, Any] = {} if dataset is None else {"dataset": dataset}
    first = index.events("DatasetRegistered", until=until, **chosen)
    later = index.events("DatasetPublished", until=until, **chosen)
    return [
        DatasetRecord(
            event["dataset"], event.values.get("version", 1), DatasetInfo(**event["info"]), event.block
        )
        for event in _in_order([*first, *later])
    ]


def studies(
    index: EventIndex, study: StudyId | None = None, *, until: int | None = None
) -> list[StudyRecord]:
    """One study as it was posted, or all."""
    found = index.events("StudyCreated", until=until, **_of(study))
    return [
        StudyRecord(event["study"], event["sponsor"], StudyTerms(**event["terms"]), event.block, event.time)
        for event in found
    ]


def members(index: EventIndex, study: StudyId, *, until: int | None = None) -> list[Enrolment]:
    """Who has a seat, by seat."""
    found = index.events("Enrolled", until=until, study=study)
    enrolments = [
        Enrolment(**{key: value for key, value in event.values.items() if key != "study"}) for event in found
    ]
    return sorted(enrolments, key=lambda enrolment: enrolment.seat)


def rounds(index: EventIndex, study: StudyId, *, until: int | None = None) -> list[RoundRecord]:
    """The study's rounds from the first on."""
    records = {
        event["round"]: RoundRecord(event["round"], event.block, event.time)
        for event in index.events("RoundOpened", until=until, study=study)
    }
    for name, key in (("TrainingClosed", "closed"), ("RoundFinal", "final"), ("RoundVoid", "void")):
        for event in index.events(name, until=until, study=study):
            changed: dict[str, Any] = {key: event.block}
            records[event["round"]] = replace(records[event["round"]], **changed)
    return list(records.values())


def updates(
    index: EventIndex, study: StudyId, number: RoundNumber, *, until: int | None = None
) -> dict[Seat, Update]:
    """The commitments of a round by seat."""
    found = index.events("UpdateSubmitted", until=until, study=study, round=number)
    return {event["seat"]: Update(**event["update"]) for event in found}


def proposals(
    index: EventIndex, study: StudyId, number: RoundNumber, *, until: int | None = None
) -> dict[bytes, Aggregate]:
    """Every aggregate that anyone attested to in a round, by its hash."""
    found = index.events("AggregateProposed", until=until, study=study, round=number)
    return {event["aggregate_hash"]: Aggregate(**event["aggregate"]) for event in found}


def attestations(
    index: EventIndex, study: StudyId, number: RoundNumber, *, until: int | None = None
) -> list[Attestation]:
    """Who attested to what in a round."""
    found = index.events("Attested", until=until, study=study, round=number)
    return [
        Attestation(event["aggregate_hash"], event["seats"], event.block, event.tx_hash) for event in found
    ]


def final_aggregates(
    index: EventIndex, study: StudyId, *, until: int | None = None
) -> dict[RoundNumber, tuple[bytes, Aggregate]]:
    """The results of a study's final rounds: hash and aggregate by round."""
    given = {
        event["aggregate_hash"]: Aggregate(**event["aggregate"])
        for event in index.events("AggregateProposed", until=until, study=study)
    }
    found = index.events("RoundFinal", until=until, study=study)
    return {event["round"]: (event["aggregate_hash"], given[event["aggregate_hash"]]) for event in found}


def payments(index: EventIndex, study: StudyId, *, until: int | None = None) -> list[Payment]:
    """What was claimed so far."""
    found = index.events("Claimed", until=until, study=study)
    return [Payment(event["round"], event["seat"], event["hospital"], event["amount"]) for event in found]


def _of(study: StudyId | None) -> dict[str, Any]:
    return {} if study is None else {"study": study}


def _in_order(events: list[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.block, event.log_index))


def _hospital_after(record: HospitalRecord | None, event: Event) -> HospitalRecord:
    if event.name == "HospitalAdmitted" or record is None:
        return HospitalRecord(
            event["hospital"], event["operator"], event["encryption_key"], event["metadata"], active=True
        )
    if event.name in ("HospitalSuspended", "HospitalReinstated"):
        return replace(record, active=event.name == "HospitalReinstated")
    changed = {key: value for key, value in event.values.items() if key not in ("hospital", "previous")}
    return replace(record, **changed)
