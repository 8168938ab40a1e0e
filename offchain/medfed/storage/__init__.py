"""Content stores: bytes by CID, checked whenever they come or go. `open_store` picks one by its address."""

from __future__ import annotations

from pathlib import Path

from medfed.errors import ConfigError
from medfed.storage.base import ContentStore

__all__ = ["ContentStore", "open_store"]


def open_store(address: str) -> ContentStore:
    """The store at `local:DIRECTORY` or `kubo:URL` (URL of the daemon's RPC, e.g. `kubo:http://127.0.0.1:5001`)."""
    kind, _, rest = address.partition(":")
    if kind == "local" and rest:
        from medfed.storage.local import LocalStore

        return LocalStore(Path(rest))
    if kind == "kubo" and rest:
        from medfed.storage.kubo import KuboStore

        return KuboStore(rest)
    raise ConfigError(f"The store setting {address!r} has to be local:DIRECTORY or kubo:URL.")
