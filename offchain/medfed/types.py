"""Names for the values that cross a package border, so that a study id is never mistaken for a dataset id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

__all__ = [
    "NO_ACCOUNT",
    "Address",
    "BlockStamp",
    "Cid",
    "DatasetId",
    "Digest",
    "HospitalId",
    "RoundNumber",
    "Seat",
    "StudyId",
]

Address = NewType("Address", str)
"""An account in EIP-55 checksum form."""

NO_ACCOUNT = Address("0x" + "00" * 20)
"""Where there is none: the zero address."""

HospitalId = NewType("HospitalId", str)
"""A hospital: the checksum address of its cold admin account, which never changes."""

Cid = NewType("Cid", str)
"""A CIDv1 in base32, codec dag-pb, sha2-256."""

Digest = NewType("Digest", bytes)
"""32 bytes: a sha2-256 or keccak-256 digest, or the digest inside a CID."""

StudyId = NewType("StudyId", int)
"""Counts from 1."""

DatasetId = NewType("DatasetId", int)
"""Counts from 1."""

RoundNumber = NewType("RoundNumber", int)
"""Counts from 1 within a study; void rounds use up a number."""

Seat = NewType("Seat", int)
"""A hospital's place in a study, 0 to 63: its bit in every bitmap."""


@dataclass(frozen=True, slots=True)
class BlockStamp:
    """The block one cycle looks at. `timestamp` is in seconds of chain time."""

    number: int
    hash: bytes
    timestamp: int
