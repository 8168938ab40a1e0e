"""A cohort manifest: who trained in one round, readable by each patient for themselves only.

The file is the leaves, 32 bytes each and strictly increasing, and behind them one header of 32 bytes:
"medfed/cohort", version (1 byte), study (8), round (2), dataset (4), count of the leaves (4), big-endian. So leaf i
stands at byte 32 · i, and 2^15 leaves fill a chunk of the store; as leaves are hashes, whoever looks for one knows
about where it stands. No manifest names a chain or a contract: the salts inside of the leaves do.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from medfed.errors import ProtocolError
from medfed.protocol.cid import CHUNK_SIZE
from medfed.protocol.leaf_tree import LEAF_BYTES, MAX_LEAVES, leaf_proof
from medfed.protocol.leaves import Use, cohort_root
from medfed.types import DatasetId, RoundNumber, StudyId

__all__ = ["CohortManifest", "is_listed", "leaf_counts", "manifest_size"]

_HEADER = struct.Struct(">13sBQHII")
_MAGIC, _VERSION = b"medfed/cohort", 2


def manifest_size(count: int) -> int:
    """Bytes of a manifest of `count` leaves."""
    return count * LEAF_BYTES + _HEADER.size


def leaf_counts(weight: int, step: int) -> tuple[int, ...]:
    """How many leaves a cohort of this weight may have: n patients have weight ⌊n / step⌋ · step and ⌈n / step⌉ · step
    leaves. Steps of one patient leave none over."""
    return (weight,) if step == 1 else (weight, weight + step)


@dataclass(frozen=True, slots=True)
class CohortManifest:
    """The salted leaves of one cohort, strictly increasing. Raises `ProtocolError` for any others."""

    maximum: ClassVar[int] = manifest_size(MAX_LEAVES)
    """Most bytes of a manifest."""

    study: StudyId
    round: RoundNumber
    dataset: DatasetId
    leaves: bytes = field(repr=False)
    """All leaves in one piece."""

    def __post_init__(self) -> None:
        if len(self.leaves) % LEAF_BYTES or not 1 <= self.count <= MAX_LEAVES:
            raise ProtocolError(
                f"A cohort manifest has 1 to {MAX_LEAVES} leaves of {LEAF_BYTES} bytes, not {len(self.leaves)} bytes."
            )
        if min(self.study, self.round, self.dataset) < 1:
            raise ProtocolError("A cohort manifest names a study, a round and a dataset, each from 1 on.")
        _check_order(self.leaves)

    @classmethod
    def of(cls, use: Use, leaves: bytes) -> Self:
        """The manifest of these leaves, already in order."""
        return cls(use.study, use.round, use.dataset, leaves)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse and check. Raises `ProtocolError` for anything but the bytes of a valid manifest."""
        count, left = divmod(len(data) - _HEADER.size, LEAF_BYTES)
        if left or not 1 <= count <= MAX_LEAVES:
            raise ProtocolError(f"{len(data)} bytes are no cohort manifest; refuse them.")
        magic, version, study, number, dataset, told = _HEADER.unpack_from(data, count * LEAF_BYTES)
        if (magic, version) != (_MAGIC, _VERSION):
            raise ProtocolError(f"This is no cohort manifest of version {_VERSION}.")
        if told != count:
            raise ProtocolError(f"The cohort manifest says that it has {told} leaves, and has {count}.")
        place = StudyId(study), RoundNumber(number), DatasetId(dataset)
        return cls(*place, data[: count * LEAF_BYTES])

    def to_bytes(self) -> bytes:
        """The one serialisation."""
        place = self.study, self.round, self.dataset
        return self.leaves + _HEADER.pack(_MAGIC, _VERSION, *place, self.count)

    @property
    def count(self) -> int:
        """How many leaves there are, fillers included."""
        return len(self.leaves) // LEAF_BYTES

    def root(self) -> bytes:
        """`cohortRoot` on chain, 32 bytes."""
        return cohort_root(self.leaves)

    def index(self, leaf: bytes) -> int | None:
        """Where `leaf` stands, or None where it is not listed."""
        return _find(self.leaves, leaf)

    def proof(self, index: int) -> list[bytes]:
        """The neighbours of leaf `index` from the bottom up. Raises `ProtocolError` when there is no such leaf."""
        return leaf_proof(self.leaves, index)

    def check_place(self, study: StudyId, round_number: RoundNumber, dataset: DatasetId) -> None:
        """Raise `ProtocolError` unless this manifest was made for that study, round and dataset."""
        if (self.study, self.round, self.dataset) != (study, round_number, dataset):
            raise ProtocolError(
                f"The cohort manifest is of study {self.study}, round {self.round}, dataset {self.dataset}, "
                f"not of study {study}, round {round_number}, dataset {dataset}."
            )

    def check_weight(self, weight: int, step: int) -> None:
        """Raise `ProtocolError` unless `weight` is a cohort that these leaves, filled up to a step, can stand for."""
        if self.count % step:
            raise ProtocolError(
                f"A cohort manifest of {self.count} leaves is not filled up to a multiple of {step}."
            )
        if weight < step or self.count not in leaf_counts(weight, step):
            raise ProtocolError(
                f"Weight {weight} does not fit a cohort manifest of {self.count} leaves in steps of {step}."
            )


def is_listed(leaf: bytes, expected: int, chunk_of: Callable[[int], tuple[int, bytes]]) -> bool:
    """Whether a manifest of about `expected` leaves lists `leaf`, by one or two of its chunks.

    `chunk_of` gives the size of the whole file and the bytes of one chunk. A leaf is looked for where it stands if all
    are spread evenly, then in the neighbours. Raises `ProtocolError` for what is no part of a manifest.
    """
    chunk, seen = int.from_bytes(leaf, "big") * expected * LEAF_BYTES // CHUNK_SIZE >> 256, set()
    while chunk not in seen:
        seen.add(chunk)
        size, data = chunk_of(chunk)
        end = size - _HEADER.size
        if end < LEAF_BYTES or end % LEAF_BYTES:
            raise ProtocolError(f"{size} bytes are no cohort manifest.")
        last = (end - 1) // CHUNK_SIZE
        if chunk > last:
            chunk = last
            continue
        leaves = data[: end - chunk * CHUNK_SIZE]
        _check_order(leaves)
        if leaf < leaves[:LEAF_BYTES]:
            chunk = max(chunk - 1, 0)
        elif leaf > leaves[-LEAF_BYTES:]:
            chunk = min(chunk + 1, last)
        else:
            return _find(leaves, leaf) is not None
    return False


def _find(leaves: bytes, leaf: bytes) -> int | None:
    def at(index: int) -> bytes:
        return leaves[index * LEAF_BYTES : (index + 1) * LEAF_BYTES]

    index = bisect_left(range(len(leaves) // LEAF_BYTES), leaf, key=at)
    return index if at(index) == leaf else None


def _check_order(leaves: bytes) -> None:
    # NumPy compares such strings byte by byte, and as if shorter ones ended in zeros; none of these is shorter.
    each = np.frombuffer(leaves, f"S{LEAF_BYTES}")
    if not (each[:-1] < each[1:]).all():
        raise ProtocolError("A cohort manifest's leaves must be strictly increasing.")
