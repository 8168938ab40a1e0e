"""What the indexed events tell of consents, hospitals and datasets, in order of the chain. `rounds.history` tells of
studies.

`until` is the last block to look at, so that a cycle that took one block sees nothing newer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.consents import consent_event
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.index import EventIndex
from medfed.errors import Inconsistent, ProtocolError
from medfed.protocol import consent
from medfed.protocol.basis import Basis
from medfed.types import Address, DatasetId, HospitalId, StudyId

__all__ = [
    "DatasetRecord",
    "HospitalRecord",
    "consents",
    "datasets",
    "hospitals",
    "is_active",
    "is_permitted",
    "lineage",
    "permit_day",
    "was_suspended",
]


@dataclass(frozen=True, slots=True)
class HospitalRecord:
    """A hospital with its present keys: who speaks for it, its daemon, X25519 `encryption_key`; the digest of its metadata;
    and what it is called, empty before it is named."""

    hospital: HospitalId
    admin: Address
    operator: Address
    encryption_key: bytes
    metadata: bytes
    active: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One version of a dataset, `block` being that of its publication. Every version has the uses and the disease of the
    first."""

    dataset: DatasetId
    version: int
    info: DatasetInfo
    block: int


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
    """All hospitals ever admitted, in that order, as they stand. Raises `Inconsistent` for one that never was."""
    names = (
        "HospitalAdmitted",
        "HospitalNamed",
        "HospitalSuspended",
        "HospitalReinstated",
        "AdminReplaced",
        "OperatorRotated",
        "EncryptionKeyRotated",
        "MetadataUpdated",
    )
    found = [event for name in names for event in index.events(name, contract="Consortium", until=until)]
    records: dict[str, HospitalRecord] = {}
    for event in _in_order(found):
        records[event["hospital"]] = _hospital_after(records.get(event["hospital"]), event)
    return list(records.values())


def was_suspended(
    index: EventIndex,
    hospital: HospitalId,
    first: int,
    last: int,
    before: tuple[int, int] | None = None,
) -> bool:
    """Whether a hospital was suspended in any of the seconds `first` to `last`; the twin of `Consortium.wasSuspended`.

    By what came before a place: block, and number in the block.
    """
    changes = [_time(event) for event in _changes(index, hospital, before)]
    # Who was active before the first second was suspended by the first change since.
    return sum(at < first for at in changes) % 2 == 1 or any(first <= at <= last for at in changes)


def is_active(index: EventIndex, hospital: HospitalId, before: tuple[int, int]) -> bool:
    """Whether a hospital that was admitted might act at a place: block, and number in the block."""
    return len(_changes(index, hospital, before)) % 2 == 0


def datasets(
    index: EventIndex, dataset: DatasetId | None = None, *, until: int | None = None
) -> list[DatasetRecord]:
    """The versions of one dataset, or of all. Raises `Inconsistent` for one that was registered twice, or never."""
    chosen: dict[str, Any] = {} if dataset is None else {"dataset": dataset}
    found = [
        event
        for name in ("DatasetRegistered", "DatasetPublished")
        for event in index.events(name, until=until, **chosen)
    ]
    records: dict[tuple[DatasetId, int], DatasetRecord] = {}
    for event in _in_order(found):
        number, version = event["dataset"], event.values.get("version", 1)
        first = records.get((number, 1))
        if (first is None) != (event.name == "DatasetRegistered"):
            often = "never" if first is None else "twice"
            raise Inconsistent(f"dataset {number} has a version {version}, and was registered {often}")
        info = _info(event["info"]) if first is None else replace(first.info, **event["info"])
        records[number, version] = DatasetRecord(number, version, info, event.block)
    return list(records.values())


def lineage(index: EventIndex, dataset: DatasetId) -> tuple[DatasetId, ...]:
    """The dataset and its predecessors, newest first. Raises `ProtocolError` for a predecessor that is not older."""
    before = {event["dataset"]: event["predecessor"] for event in index.events("DatasetRegistered")}
    found = [dataset]
    while predecessor := before.get(found[-1], 0):
        if predecessor >= found[-1]:
            raise ProtocolError(f"dataset {found[-1]} comes after dataset {predecessor}, which is not older")
        found.append(DatasetId(predecessor))
    return tuple(found)


def permit_day(index: EventIndex, dataset: DatasetId, study: StudyId, at: int) -> int:
    """With which day since 1970 the permit ends, or ended, that stood for the dataset's use in a study when second `at` had
    ended; 0 for none."""
    decisions = _in_order(
        [
            event
            for name in ("StudyPermitted", "PermitWithdrawn")
            for event in index.events(name, dataset=dataset, study=study)
            if _time(event) <= at
        ]
    )
    return decisions[-1].values.get("until_day", 0) if decisions else 0


def is_permitted(index: EventIndex, dataset: DatasetId, study: StudyId, at: int) -> bool:
    """Whether the dataset's issuer permitted its use in a study when second `at` had ended."""
    return at < permit_day(index, dataset, study, at) * consent.DAY


def _info(values: dict[str, Any]) -> DatasetInfo:
    return DatasetInfo(**{**values, "basis": Basis(values["basis"])})


def _changes(index: EventIndex, hospital: HospitalId, before: tuple[int, int] | None) -> list[Event]:
    """Suspensions and reinstatements: they take turns."""
    found = [
        event
        for name in ("HospitalSuspended", "HospitalReinstated")
        for event in index.events(name, hospital=hospital)
    ]
    return [event for event in found if before is None or (event.block, event.log_index) < before]


def _time(event: Event) -> int:
    if event.time is None:
        raise ProtocolError(f"the time of block {event.block} is not known")
    return event.time


def _in_order(events: list[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.block, event.log_index))


def _hospital_after(record: HospitalRecord | None, event: Event) -> HospitalRecord:
    if event.name == "HospitalAdmitted":
        keys = (event["hospital"], event["operator"], event["encryption_key"], event["metadata"])
        return HospitalRecord(event["hospital"], *keys, active=True)
    if record is None:
        raise Inconsistent(f"{event.name} is told of {event['hospital']}, which was never admitted")
    if event.name in ("HospitalSuspended", "HospitalReinstated"):
        return replace(record, active=event.name == "HospitalReinstated")
    changed = {key: value for key, value in event.values.items() if key not in ("hospital", "previous")}
    return replace(record, **changed)
