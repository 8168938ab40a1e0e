"""A dataset's record commitments: one salted leaf per record under one root, so that a record can be shown later.

leaf = keccak256(tag ‖ salt ‖ sha256(canonical JSON of the record)), with
salt = HMAC-SHA256(hospital secret, tag ‖ record id).
The record has the year of its clinical date, where it has one: what lies in a patient's window is settled beforehand.
The root commits to how many records there are (`leaf_tree`). Leaves are sorted: neither the order of the file nor a
record's place in it shows. The root also depends on every id, value and label.
"""

from __future__ import annotations

import hashlib
import hmac

from eth_hash.auto import keccak

from medfed.data.dataset import Dataset
from medfed.errors import DataError
from medfed.protocol.canonical import canonical_json
from medfed.protocol.leaf_tree import leaf_root
from medfed.protocol.leaves import SECRET_BYTES

__all__ = ["ROOT_TAG", "record_leaf", "record_leaves", "records_root"]

ROOT_TAG = b"medfed records root"
"""What the root is bound to."""
_TAG = hashlib.sha256(b"medfed record").digest()


def records_root(dataset: Dataset, secret: bytes) -> bytes:
    """`recordsRoot` of `DatasetRegistry`: 32 bytes that change with any record. `secret` is the hospital's own."""
    return leaf_root(ROOT_TAG, b"".join(record_leaves(dataset, secret)))


def record_leaves(dataset: Dataset, secret: bytes) -> list[bytes]:
    """The commitments of all records, sorted. Raises `DataError` for a secret that is not 32 bytes."""
    return sorted(record_leaf(dataset, row, secret) for row in range(len(dataset)))


def record_leaf(dataset: Dataset, row: int, secret: bytes) -> bytes:
    """The commitment of one record, 32 bytes."""
    if len(secret) != SECRET_BYTES:
        raise DataError(f"A hospital's secret has {SECRET_BYTES} bytes, not {len(secret)}.")
    name = dataset.record_ids[row]
    values = dict(zip(dataset.columns.features, dataset.features[row].tolist(), strict=True))
    said = {"features": values, "id": name, "label": int(dataset.labels[row])}
    year = dataset.year(row)
    record = canonical_json(said if year is None else {**said, "year": year})
    salt = hmac.digest(secret, _TAG + name.encode(), "sha256")
    return bytes(keccak(_TAG + salt + hashlib.sha256(record).digest()))
