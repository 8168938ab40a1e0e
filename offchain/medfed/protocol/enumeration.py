"""Enumerations of the contracts, numbered as they are there."""

from __future__ import annotations

from enum import IntEnum

from medfed.errors import UnsupportedVersion

__all__ = ["Enumeration"]


class Enumeration(IntEnum):
    """An enumeration of a contract. Its ABI lets no other number through, so that another one is no contract's of this
    version: `Enumeration(number)` raises `UnsupportedVersion` for it."""

    @classmethod
    def _missing_(cls, value: object) -> Enumeration:
        raise UnsupportedVersion(
            f"{value} is no {cls.__name__} of this version's contracts: it was told by those of another version, or by none."
        )
