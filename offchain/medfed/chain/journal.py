"""The sender's memory: every signed transaction is on disk before anybody else sees it.

One SQLite file per key and chain; each step is one durable transaction. An entry is `open` while its outcome is
unknown, `mined` when the chain has it (or a replacement with the same nonce), `void` when a node refused it for good or
its nonce went to something else. It is `collected` once `Sender.send` has handed its outcome to the caller.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medfed.chain.calls import Call
from medfed.types import Address

__all__ = ["Entry", "Intent", "Journal", "Signed"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, intent TEXT NOT NULL, named INTEGER NOT NULL, nonce INTEGER NOT NULL,
    receiver TEXT, data BLOB NOT NULL, value TEXT NOT NULL, gas INTEGER NOT NULL, label TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open', collected INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS signed (
    entry INTEGER NOT NULL REFERENCES entries(id), hash BLOB NOT NULL, raw BLOB NOT NULL,
    max_fee INTEGER NOT NULL, tip INTEGER NOT NULL, PRIMARY KEY (entry, hash));
CREATE INDEX IF NOT EXISTS by_intent ON entries(intent);
CREATE INDEX IF NOT EXISTS by_state ON entries(state);
"""
_COLUMNS = "id, intent, named, nonce, receiver, data, value, gas, label"


@dataclass(frozen=True, slots=True)
class Intent:
    """What makes two calls the same one: the caller's name for it (`named`), or the hash of its content."""

    text: str
    named: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One intended state change with the nonce it was given; `call.gas` is the limit that was signed."""

    id: int
    intent: Intent
    nonce: int
    call: Call


@dataclass(frozen=True, slots=True)
class Signed:
    """One signed form of an entry; a replacement adds another with higher fees (wei per gas)."""

    hash: bytes
    raw: bytes
    max_fee: int
    tip: int


class Journal:
    """Signed transactions of one key on one chain. `path` None keeps them in memory."""

    def __init__(self, path: Path | None) -> None:
        self._threads = threading.Lock()
        self._lock_path = None if path is None else path.with_suffix(".lock")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        name = ":memory:" if path is None else str(path)
        self._db = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=60)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the key: one sender at a time, over threads and processes. A killed process lets go by itself."""
        if self._lock_path is None:
            with self._threads:
                yield
            return
        handle = os.open(self._lock_path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def open_entries(self) -> list[Entry]:
        """What was signed and has no known outcome yet, by nonce."""
        return self._entries("state = 'open' ORDER BY nonce")

    def candidates(self, intent: Intent) -> list[Entry]:
        """Entries whose outcome may be that of `intent`, newest first: named ones for ever, others until collected."""
        return self._entries("intent = ? AND (named OR NOT collected) ORDER BY id DESC", intent.text)

    def add(self, intent: Intent, nonce: int, call: Call, signed: Signed) -> Entry:
        """Remember a new entry with its first signed form."""
        row = (intent.text, intent.named, nonce, call.to, call.data, str(call.value), call.gas, call.label)
        with self._transaction():
            number = self._db.execute(
                "INSERT INTO entries (intent, named, nonce, receiver, data, value, gas, label)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                row,
            ).fetchone()[0]
            self._insert(number, signed)
        return Entry(number, intent, nonce, call)

    def add_replacement(self, entry: Entry, signed: Signed) -> None:
        """Remember another signed form of `entry`."""
        self._insert(entry.id, signed)

    def signed(self, entry: Entry) -> list[Signed]:
        """The signed forms of `entry`, the newest (and dearest) last."""
        rows = self._db.execute(
            "SELECT hash, raw, max_fee, tip FROM signed WHERE entry = ? ORDER BY rowid", (entry.id,)
        )
        return [Signed(*row) for row in rows]

    def settle(self, entry: Entry, state: str, *, collected: bool = False) -> None:
        """Write down the outcome of `entry`: `mined` or `void`."""
        self._db.execute(
            "UPDATE entries SET state = ?, collected = collected OR ? WHERE id = ?",
            (state, collected, entry.id),
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _entries(self, where: str, *values: object) -> list[Entry]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM entries WHERE {where}", values)  # noqa: S608 - constants
        return [_entry(row) for row in rows]

    def _insert(self, number: int, signed: Signed) -> None:
        # SQLite numbers end at 2^63 - 1 wei, nine ether per gas: no fee comes near.
        self._db.execute(
            "INSERT INTO signed (hash, entry, raw, max_fee, tip) VALUES (?, ?, ?, ?, ?)",
            (signed.hash, number, signed.raw, signed.max_fee, signed.tip),
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _entry(row: tuple[int, str, int, int, str | None, bytes, str, int, str]) -> Entry:
    number, intent, named, nonce, receiver, data, value, gas, label = row
    to = None if receiver is None else Address(receiver)
    return Entry(number, Intent(intent, bool(named)), nonce, Call(to, data, int(value), gas, label))
