"""What hospitals call themselves: for people only, nothing follows from it."""

from __future__ import annotations

from medfed.chain.history import hospitals
from medfed.cli.output import printable
from medfed.errors import MedFedError
from medfed.protocol.canonical import parse_canonical
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.federation import Federation
from medfed.storage import ContentStore

__all__ = ["hospital_names"]

_MOST_BYTES = 1 << 16


def hospital_names(federation: Federation) -> dict[str, str]:
    """Names by hospital: from its published description, else the start of its address."""
    found = hospitals(federation.index)
    return {
        entry.hospital: _name(federation.store, entry.metadata) or _short(entry.hospital) for entry in found
    }


def _name(store: ContentStore, digest: bytes) -> str:
    try:
        found = store.get(cid_from_digest(digest), _MOST_BYTES)
        said = parse_canonical(found, max_bytes=_MOST_BYTES)
    except MedFedError:
        return ""
    return printable(str(said.get("name", ""))) if isinstance(said, dict) else ""


def _short(address: str) -> str:
    return f"{address[:8]}…{address[-4:]}"
