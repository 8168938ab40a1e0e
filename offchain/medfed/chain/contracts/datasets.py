"""The DatasetRegistry: what hospitals commit to of their datasets, never a record."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol.basis import Basis
from medfed.types import NO_ACCOUNT, Address, DatasetId, HospitalId, StudyId

__all__ = ["Dataset", "DatasetInfo", "Datasets", "Permit", "VersionInfo"]


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a hospital says about a new dataset.

    `records_root` is the Merkle root of record commitments, `schema_hash` and `report` are digests, `records` counts
    patients, `uses` are permitted purposes as bits, `disease` a disease code, `quality` in basis points. `issuer` permits
    studies, of a dataset whose `basis` is a permit. Uses, disease, basis and issuer stay what they are at registration.
    """

    records_root: bytes
    schema_hash: bytes
    report: bytes
    records: int
    uses: int
    disease: int
    quality: int
    basis: Basis = Basis.CONSENT
    issuer: Address = NO_ACCOUNT


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What a hospital says about a later version; as in `DatasetInfo`."""

    records_root: bytes
    schema_hash: bytes
    report: bytes
    records: int
    quality: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the chain stores of a dataset; `updated_at` in seconds, `enrolments` counts running studies. It comes after
    `predecessor`, 0 for none."""

    records_root: bytes
    owner: HospitalId
    records: int
    enrolments: int
    updated_at: int
    uses: int
    disease: int
    version: int
    quality: int
    predecessor: DatasetId
    retired: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class Permit:
    """What a dataset's issuer decided of a study: the digest of its document; it ends when `until_day` since 1970 begins."""

    decision: bytes
    until_day: int


class Datasets(Contract):
    """Calls and views of `DatasetRegistry.sol`."""

    NAME = "DatasetRegistry"

    def register(self, info: DatasetInfo) -> Call:
        """Sent by a hospital's operator: a new dataset of the hospital's."""
        return self._change("register", info)

    def renew(self, predecessor: DatasetId, info: DatasetInfo) -> Call:
        """Sent by the operator of the predecessor's owner: its data as a new dataset."""
        return self._change("renew", predecessor, info)

    def publish(self, dataset: DatasetId, info: VersionInfo) -> Call:
        """Sent by the owner's operator: the next version."""
        return self._change("publish", dataset, info)

    def give_title(self, dataset: DatasetId, title: str) -> Call:
        """Sent by the owner's operator: what the dataset is called, once and for good; patients read it when they sign."""
        return self._change("giveTitle", dataset, title)

    def retire(self, dataset: DatasetId) -> Call:
        """Sent by the owner's admin account: no further enrolments."""
        return self._change("retire", dataset)

    def offer(self, dataset: DatasetId, hospital: HospitalId) -> Call:
        """Sent by the owner's admin account: let another hospital take the dataset over."""
        return self._change("offer", dataset, hospital)

    def withdraw(self, dataset: DatasetId) -> Call:
        """Sent by the owner's admin account: take the offer back."""
        return self._change("withdraw", dataset)

    def accept(self, dataset: DatasetId, info: DatasetInfo) -> Call:
        """Sent by the admin account of the hospital it is offered to: a successor of its own; the dataset is retired."""
        return self._change("accept", dataset, info)

    def permit(self, dataset: DatasetId, study: StudyId, decision: bytes, until_day: int) -> Call:
        """Sent by the dataset's issuer: its use in a study is permitted until a day (since 1970) begins."""
        return self._change("permit", dataset, study, decision, until_day)

    def withdraw_permit(self, dataset: DatasetId, study: StudyId) -> Call:
        """Sent by the dataset's issuer: its use in a study is permitted no more."""
        return self._change("withdrawPermit", dataset, study)

    def registered(self, receipt: Receipt) -> DatasetId:
        """The id that the receipt of `register`, `renew` or `accept` tells."""
        return DatasetId(self._event(receipt, "DatasetRegistered")["dataset"])

    def dataset(self, dataset: DatasetId, block: BlockLike = None) -> Dataset:
        """The stored dataset; version 0 when there is none."""
        found = self._view(block, "getDataset", dataset)
        values = {name: found[name] for name in Dataset.__slots__}
        return Dataset(**{**values, "basis": Basis(values["basis"])})

    def count(self, block: BlockLike = None) -> int:
        """How many datasets there are; ids count from 1."""
        return int(self._view(block, "datasetCount"))

    def owner(self, dataset: DatasetId, block: BlockLike = None) -> HospitalId:
        """The hospital that owns the dataset; raises `ContractRevert` when there is none."""
        return HospitalId(self._view(block, "ownerOf", dataset))

    def describe(self, dataset: DatasetId, block: BlockLike = None) -> tuple[str, bool]:
        """What patients read of it when they sign: number, title, hospital's name, as far as they are given; and whether they
        all are, for good. Raises `ContractRevert` where there is none of that number."""
        text, lasting = self._view(block, "describe", dataset)
        return text, lasting

    def title(self, dataset: DatasetId, block: BlockLike = None) -> str:
        """What the dataset is called, empty before it has a title."""
        return str(self._view(block, "titleOf", dataset))

    def issuer(self, dataset: DatasetId, block: BlockLike = None) -> Address | None:
        """Who permits the dataset's uses, None unless its basis is a permit."""
        found = Address(self._view(block, "issuerOf", dataset))
        return None if found == NO_ACCOUNT else found

    def permit_of(self, dataset: DatasetId, study: StudyId, block: BlockLike = None) -> Permit | None:
        """What the dataset's issuer decided last of a study, None when it permits nothing; the permit may have ended."""
        found = self._view(block, "permitOf", dataset, study)
        return Permit(found["decision"], found["until_day"]) if found["until_day"] else None

    def offered_to(self, dataset: DatasetId, block: BlockLike = None) -> HospitalId | None:
        """The hospital that may take the dataset over, None for none."""
        found = self._view(block, "offeredTo", dataset)
        return None if int(found, 16) == 0 else HospitalId(found)
