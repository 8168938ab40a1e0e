"""One daemon for each home: two would train the same round twice and disturb each other's files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medfed.errors import ConfigError

__all__ = ["LOCK", "sole"]

LOCK = "daemon.lock"


@contextmanager
def sole(home: Path, option: str = "--home") -> Iterator[None]:
    """Be the only daemon of `home` while the block runs; a killed process lets go by itself. `option` names another one.

    Raises `ConfigError` when there is another one. It holds for one machine: see docs/operations.md for two.
    """
    handle = os.open(home / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.read(handle, 32).decode("ascii", "replace").strip()
            raise ConfigError(
                f"Another daemon (process {other}) runs on {home}; stop it, or give this one another {option}."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
