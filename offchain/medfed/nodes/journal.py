"""A hospital's own audit log: append-only JSON lines, each with the hash of the one before, so that a change shows."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from medfed.errors import IntegrityError
from medfed.protocol.canonical import canonical_json

__all__ = ["AuditLog", "check_log"]

_START = "0" * 64


class AuditLog:
    """One file, one writer. A line cut short by a kill is dropped when the file is opened again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._last = self._mend()

    def write(self, event: str, **facts: Any) -> None:
        """Append one line and make it durable. `facts` are plain values without secrets or records."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body = {"at": at, "event": event, **facts, "previous": self._last}
        line = canonical_json({**body, "hash": _hash(body)}) + b"\n"
        with self._path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._last = _hash(body)

    def _mend(self) -> str:
        """Cut off an unfinished last line; returns the hash of the last whole one."""
        if not self._path.exists():
            return _START
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            with self._path.open("r+b") as file:
                file.truncate(whole)
        lines = data[:whole].splitlines()
        return str(json.loads(lines[-1])["hash"]) if lines else _START


def check_log(path: Path) -> int:
    """How many lines the log has. Raises `IntegrityError` naming the first line that was changed, cut out or put in."""
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
    return len(lines)


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body)).hexdigest()
