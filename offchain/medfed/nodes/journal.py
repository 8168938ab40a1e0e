"""A hospital's own audit log: append-only JSON lines, each with the hash of the one before, so that a change shows."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from medfed import durable
from medfed.errors import IntegrityError, StoreUnavailable
from medfed.protocol.canonical import canonical_json

__all__ = ["AuditLog", "Checked", "check_log"]

_START = "0" * 64
_BLOCK = 4096


class AuditLog:
    """One file; the daemon and a person's commands may write to it at the same time. Opening it writes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str, **facts: Any) -> None:
        """Append one line and make it durable. `facts` are plain values without secrets or records.

        A line that a kill cut short is dropped first. Raises `StoreUnavailable` when the disk does not take it.
        """
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                body = {"at": at, "event": event, **facts, "previous": _mend(file)}
                file.write(canonical_json({**body, "hash": _hash(body)}) + b"\n")
                durable.flush(file)
        except OSError as exc:
            raise StoreUnavailable(
                f"The audit log {self._path} cannot be written ({exc.strerror}); nothing more is done until it can."
            ) from exc


@dataclass(frozen=True, slots=True)
class Checked:
    """A log in which nothing was changed: how many lines it has, and the hash of the last."""

    lines: int
    last: str


def check_log(path: Path) -> Checked:
    """Check every line. Raises `IntegrityError` naming the first line that was changed, cut out or put in.

    Lines cut off at the end leave no trace in the file: keep the last line's hash elsewhere.
    """
    last = _START
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            found = entry.pop("hash")
        except (ValueError, KeyError, AttributeError):
            raise IntegrityError(f"Line {number} of {path} is no entry of an audit log.") from None
        if entry.get("previous") != last or found != _hash(entry):
            raise IntegrityError(f"Line {number} of {path} was changed, or a line before it was taken out.")
        last = found
    return Checked(len(lines), last)


def _mend(file: BinaryIO) -> str:
    """Cut off an unfinished last line and stand behind the last whole one; returns its hash."""
    end = file.seek(0, os.SEEK_END)
    tail, start = b"", end
    while start and tail.count(b"\n") < 2:
        step = min(_BLOCK, start)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
    whole = tail.rfind(b"\n") + 1
    file.seek(start + whole)
    if start + whole != end:
        file.truncate()
    lines = tail[:whole].splitlines()
    return str(json.loads(lines[-1])["hash"]) if lines else _START


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body)).hexdigest()
