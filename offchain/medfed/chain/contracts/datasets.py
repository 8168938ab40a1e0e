"""The DatasetRegistry: datasets as owned tokens, never a record."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.types import DatasetId, HospitalId

__all__ = ["Dataset", "DatasetInfo", "Datasets"]


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a hospital says about a dataset version.

    `records_root` is the Merkle root of record commitments, `schema_hash` and `report` are digests, `records` counts
    patients, `uses` are permitted purposes as bits, `disease` a disease code, `quality` in basis points.
    """

    records_root: bytes
    schema_hash: bytes
    report: bytes
    records: int
    uses: int
    disease: int
    quality: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the chain stores of a dataset; `updated_at` in seconds, `enrolments` counts running studies."""

    records_root: bytes
    records: int
    uses: int
    disease: int
    version: int
    quality: int
    enrolments: int
    updated_at: int
    retired: bool


class Datasets(Contract):
    """Calls and views of `DatasetRegistry.sol`."""

    NAME = "DatasetRegistry"

    def register(self, info: DatasetInfo) -> Call:
        """Sent by a hospital's operator: a new dataset, owned by the hospital's admin account."""
        return self._change("register", info)

    def publish(self, dataset: DatasetId, info: DatasetInfo) -> Call:
        """Sent by the owner's operator: the next version."""
        return self._change("publish", dataset, info)

    def retire(self, dataset: DatasetId) -> Call:
        """Sent by the owner's operator: no further enrolments."""
        return self._change("retire", dataset)

    def registered(self, receipt: Receipt) -> DatasetId:
        """The id that a `register` receipt tells."""
        return DatasetId(self._event(receipt, "DatasetRegistered")["dataset"])

    def dataset(self, dataset: DatasetId, block: BlockLike = None) -> Dataset:
        """The stored dataset; raises `ContractRevert` when there is none."""
        found = self._view(block, "getDataset", dataset)
        return Dataset(**{name: found[name] for name in Dataset.__slots__})

    def count(self, block: BlockLike = None) -> int:
        """How many datasets there are; ids count from 1."""
        return int(self._view(block, "datasetCount"))

    def owner(self, dataset: DatasetId, block: BlockLike = None) -> HospitalId:
        """The hospital that owns the dataset."""
        return HospitalId(self._view(block, "ownerOf", dataset))
