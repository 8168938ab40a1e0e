"""Every event of a deployment in one SQLite file, typed, in order, each exactly once.

`sync` reads up to the newest final block, range by range; the rows of a range and the new checkpoint are one
transaction, so that a kill leaves either all of them or none. Ranges grow while the node answers quickly and shrink
when it refuses. When the checkpoint's block is no longer part of the chain, the index goes back to the last block that
still is.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfed.chain.calls import Event, Log
from medfed.chain.client import ChainClient
from medfed.chain.errors import RangeRefused
from medfed.chain.events import EventTable
from medfed.chain.tables import Table
from medfed.errors import ChainUnavailable, ConfigError, InputError, WrongChain
from medfed.types import Address, BlockStamp

__all__ = ["EventIndex", "Source"]

_FORM = 1
_LARGEST_RANGE = 1 << 20
_QUICK_SECONDS = 0.5
_SLOW_SECONDS = 4.0
_MANY = 50_000
_META = """
CREATE TABLE IF NOT EXISTS meta (form TEXT NOT NULL, chain INTEGER NOT NULL, genesis BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint (number INTEGER NOT NULL, hash BLOB NOT NULL, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, time INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A contract whose events are kept: where it stands, its events, the block of its creation."""

    address: Address
    events: EventTable
    first: int = 0


class EventIndex:
    """The events of `sources`, read through `client` and kept at `path` (None: in memory).

    `confirmations` says how far below the head a block is final; None asks the node for its `finalized` block. Several
    processes may share a file; a file of another chain is refused with `WrongChain`, one of other contracts or of an
    older form is filled anew.
    """

    def __init__(
        self,
        path: Path | None,
        client: ChainClient,
        sources: Sequence[Source],
        *,
        confirmations: int | None = None,
    ) -> None:
        self._client = client
        self._confirmations = confirmations
        self._addresses = [source.address for source in sources]
        self._first = min((source.first for source in sources), default=0)
        self._tables = {
            (bytes.fromhex(source.address[2:]), topic): Table(spec)
            for source in sources
            for topic, spec in source.events.by_topic.items()
        }
        self._range = client.first_range
        self._lock = threading.RLock()
        try:
            self._db = _open(path)
            self._prepare()
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.OperationalError):  # locked, or the disk is full
                raise
            raise ConfigError(
                f"The event index {path} is damaged; delete it, its events are read from the chain again."
            ) from exc

    # -- reading the chain ---------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> BlockStamp:
        """The newest block whose events, and all before, are here."""
        with self._lock:
            row = self._db.execute("SELECT number, hash, time FROM checkpoint").fetchone()
        return BlockStamp(*row)

    def sync(self, until: BlockStamp | None = None) -> BlockStamp:
        """Read on, up to `until` (default: the newest final block); returns the new checkpoint.

        Raises `ChainUnavailable`; what was read before that stays, and the next call goes on there.
        """
        with self._lock:
            target = until or self._client.final(self._confirmations)
            if target == self.checkpoint:
                return target
            start = self._on_chain(target)
            while start.number < target.number:
                start = self._step(start, target)
            return start

    @property
    def generation(self) -> int:
        """Another number whenever all events were forgotten, by whichever process."""
        with self._lock:
            return int(self._db.execute("PRAGMA schema_version").fetchone()[0])

    def start_anew(self) -> None:
        """Forget all events; the next `sync` reads them from the start. Raises `ChainUnavailable`, and forgets nothing then."""
        with self._transaction():
            self._start_anew()

    def _step(self, start: BlockStamp, target: BlockStamp) -> BlockStamp:
        """One range after `start`, shrunk until the node answers; returns its last block."""
        last = min(target.number, start.number + self._range)
        begun = time.monotonic()
        try:
            end = target if last == target.number else self._client.block(last)
            logs = self._client.logs(start.number + 1, last, self._addresses)
        except RangeRefused:
            if last == start.number + 1:
                raise
            self._range = max(1, (last - start.number) // 2)
            return start
        self._adapt(time.monotonic() - begun, len(logs))
        self._check(logs, start, end)
        self._write(start, end, logs)
        return end

    def _adapt(self, seconds: float, count: int) -> None:
        """Aim at answers that take neither long nor much memory (a thousand events are about a megabyte)."""
        if seconds > _SLOW_SECONDS or count > _MANY:
            self._range = max(1, self._range // 2)
        elif seconds < _QUICK_SECONDS and count < _MANY // 4:
            self._range = min(_LARGEST_RANGE, self._range * 2)

    def _check(self, logs: Sequence[Log], start: BlockStamp, end: BlockStamp) -> None:
        """Refuse an answer that does not belong to the range, or that came from a branch which was left meanwhile."""
        if len({(log.block, log.log_index) for log in logs}) < len(logs):
            raise ChainUnavailable("The node gave an event twice; ask another node.")
        for log in logs:
            if not start.number < log.block <= end.number:
                raise ChainUnavailable(
                    f"The node gave an event of block {log.block} beyond the range that was asked for."
                )
            if log.block == end.number and log.block_hash != end.hash:
                raise ChainUnavailable(
                    f"Block {end.number} changed while it was read; it will be read again."
                )
        if self._client.block(end.number).hash != end.hash:
            raise ChainUnavailable(f"Block {end.number} changed while it was read; it will be read again.")

    def _write(self, start: BlockStamp, end: BlockStamp, logs: Sequence[Log]) -> None:
        rows = self._rows(logs)
        blocks = self._block_rows(logs)
        with self._transaction():
            if self.checkpoint != start:
                raise ChainUnavailable(
                    "Another process has read on in the same index; the next cycle uses what it found."
                )
            for table, found in rows.items():
                self._db.executemany(table.insert, found)
            self._db.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", blocks)
            self._set_checkpoint(end)

    def _rows(self, logs: Sequence[Log]) -> dict[Table, list[tuple[Any, ...]]]:
        found: dict[Table, list[tuple[Any, ...]]] = defaultdict(list)
        for log in logs:
            table = self._tables.get((log.address, log.topics[0])) if log.topics else None
            if table is not None:
                found[table].append(table.row(log))
        return found

    def _block_rows(self, logs: Sequence[Log]) -> list[tuple[int, bytes, int]]:
        """Number, hash and time of the blocks that have events; asked for where the node's logs lack the time."""
        known = {log.block: (log.block_hash, log.time) for log in logs}
        missing = sorted(number for number, (_, when) in known.items() if when is None)
        asked = {stamp.number: stamp.timestamp for stamp in self._client.blocks(missing)} if missing else {}
        return [
            (number, block, asked[number] if when is None else when)
            for number, (block, when) in known.items()
        ]

    # -- staying on the chain ------------------------------------------------------------------------------------

    def _on_chain(self, target: BlockStamp) -> BlockStamp:
        """The checkpoint, after going back to the last known block that is still part of the chain."""
        point = self.checkpoint
        if self._is_on_chain(point, target):
            return point
        with self._transaction():
            older = self._db.execute(
                "SELECT number, hash, time FROM blocks WHERE number < ? ORDER BY number DESC", (point.number,)
            )
            base = next(
                (stamp for stamp in (BlockStamp(*row) for row in older) if self._is_on_chain(stamp, target)),
                None,
            )
            base = base or self._client.block(max(0, self._first - 1))
            for table in self._tables.values():
                self._db.execute(f'DELETE FROM "{table.name}" WHERE block > ?', (base.number,))  # noqa: S608
            self._db.execute("DELETE FROM blocks WHERE number > ?", (base.number,))
            self._set_checkpoint(base)
        return base

    def _is_on_chain(self, stamp: BlockStamp, target: BlockStamp) -> bool:
        """Whether `stamp` is still part of the chain, which is known to reach `target`."""
        if stamp.number > target.number and stamp.number > self._client.head().number:
            return False
        return self._client.block(stamp.number).hash == stamp.hash

    def _set_checkpoint(self, stamp: BlockStamp) -> None:
        self._db.execute("DELETE FROM checkpoint")
        self._db.execute(
            "INSERT INTO checkpoint VALUES (?, ?, ?)", (stamp.number, stamp.hash, stamp.timestamp)
        )
        self._db.execute(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", (stamp.number, stamp.hash, stamp.timestamp)
        )

    # -- asking --------------------------------------------------------------------------------------------------

    def events(
        self, name: str, *, contract: str | None = None, until: int | None = None, **filters: Any
    ) -> list[Event]:
        """The events `name` in order, e.g. `events("Attested", study=1, round=2)`.

        Filters are equalities on values by name (a field of a struct: `update_weight`). `until` is the last block to
        look at. `contract` is needed only where several contracts have an event of this name. Raises `InputError`.
        """
        table = self._table(name, contract)
        where, values = table.condition(filters)
        bound = (1 << 62) if until is None else until
        columns = f'"{table.name}".*, blocks.time'
        sql = (
            f'SELECT {columns} FROM "{table.name}" LEFT JOIN blocks ON number = block WHERE block <= ?{where}'  # noqa: S608
        )
        with self._lock:
            rows = self._db.execute(f"{sql} ORDER BY block, place", [bound, *values]).fetchall()
        return [table.event(row[:-1], row[-1]) for row in rows]

    def count(self, name: str | None = None) -> int:
        """How many events are here, of one kind or in all."""
        with self._lock:
            tables = self._tables.values() if name is None else [self._table(name, None)]
            return sum(map(self._count, tables))

    def _count(self, table: Table) -> int:
        sql = f'SELECT count(*) FROM "{table.name}"'  # noqa: S608 - names from the ABI
        return int(self._db.execute(sql).fetchone()[0])

    def told(self, first: int = 0, last: int = 1 << 62) -> dict[int, int]:
        """How many events the blocks from `first` to `last` have here, those that have some."""
        each = " UNION ALL ".join(
            f'SELECT block FROM "{table.name}" WHERE block BETWEEN ?1 AND ?2'  # noqa: S608
            for table in self._tables.values()
        )
        if not each:
            return {}
        with self._lock:
            rows = self._db.execute(f"SELECT block, COUNT(*) FROM ({each}) GROUP BY block", (first, last))  # noqa: S608
            return dict(rows.fetchall())

    def knows(self, log: Log) -> bool:
        """Whether an event is of those that are kept here."""
        return bool(log.topics) and (log.address, log.topics[0]) in self._tables

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _table(self, name: str, contract: str | None) -> Table:
        fitting = [
            table
            for table in self._tables.values()
            if table.spec.name == name and contract in (None, table.spec.contract)
        ]
        if len(fitting) != 1:
            where = f" of {contract}" if contract else ""
            raise InputError(f"{len(fitting)} events{where} are called {name}; name the contract.")
        return fitting[0]

    # -- the file ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make the tables, or check that the file's are the ones wanted."""
        with self._transaction():
            known = self._db.execute("SELECT form, chain, genesis FROM meta").fetchone()
            if known is not None and known[1:] != (self._client.chain_id, self._client.genesis_hash):
                raise WrongChain(
                    "The event index belongs to another chain; give this one a state directory of its own."
                )
            if known is None or known[0] != self._form():
                self._start_anew()

    def _form(self) -> str:
        """A digest of everything that shapes the tables."""
        parts = [str(_FORM), str(self._first)]
        for (address, _), table in sorted(self._tables.items(), key=lambda item: item[0]):
            parts += [address.hex(), *table.create()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _start_anew(self) -> None:
        tables = self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            verb = "DELETE FROM" if name in ("meta", "checkpoint", "blocks") else "DROP TABLE"
            self._db.execute(f'{verb} "{name}"')
        for table in self._tables.values():
            for statement in table.create():
                self._db.execute(statement)
        self._db.execute(
            "INSERT INTO meta VALUES (?, ?, ?)",
            (self._form(), self._client.chain_id, self._client.genesis_hash),
        )
        self._set_checkpoint(self._client.block(max(0, self._first - 1)))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    name = ":memory:" if path is None else str(path)
    db = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=60)
    db.execute("PRAGMA journal_mode=WAL")
    # A power cut may cost the last commits, which are read from the chain again; it cannot tear rows from checkpoint.
    db.execute("PRAGMA synchronous=NORMAL")
    db.executescript(_META)
    return db
