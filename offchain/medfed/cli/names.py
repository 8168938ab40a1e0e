"""What hospitals are called: by the consortium, on the chain. Nothing follows from it."""

from __future__ import annotations

from medfed.chain.history import hospitals
from medfed.chain.index import EventIndex
from medfed.cli.output import printable

__all__ = ["hospital_names"]


def hospital_names(index: EventIndex) -> dict[str, str]:
    """Names by hospital; the start of its address where it has none."""
    return {entry.hospital: printable(entry.name) or _short(entry.hospital) for entry in hospitals(index)}


def _short(address: str) -> str:
    return f"{address[:8]}…{address[-4:]}"
