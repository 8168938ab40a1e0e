"""How events lie in SQLite: one table per event with one column per value, structs taken apart.

Values have the stored form of `EventSpec.row`. Events with text, bytes or lists keep topics and data as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medfed.chain.calls import Event, Log
from medfed.chain.events import EventSpec, stored_form
from medfed.errors import InputError

__all__ = ["Table"]


class Table:
    """The SQLite table of one event. Columns: block, place (the log's index in the block), tx, then the values."""

    def __init__(self, spec: EventSpec) -> None:
        self.spec = spec
        self.name = f"{spec.contract}_{spec.name}"
        self._leaves = {leaf.name: leaf for leaf in spec.leaves} if spec.static else {}
        columns = 3 + (len(self._leaves) if spec.static else 2)
        self.insert = f'INSERT INTO "{self.name}" VALUES ({", ".join("?" * columns)})'  # noqa: S608 - names from the ABI

    def create(self) -> list[str]:
        """The statements that make the table, and an index over its indexed arguments."""
        values = "".join(f', "v_{name}" {_affinity(leaf.kind)}' for name, leaf in self._leaves.items())
        key = "PRIMARY KEY (block, place)"
        columns = f"block INTEGER, place INTEGER, tx BLOB{values or ', topics BLOB, data BLOB'}"
        made = [f'CREATE TABLE "{self.name}" ({columns}, {key}) WITHOUT ROWID']
        if self.spec.static and self.spec.indexed:
            by = ", ".join(f'"v_{name}"' for name in self.spec.indexed)
            made.append(f'CREATE INDEX "by_{self.name}" ON "{self.name}" ({by})')
        return made

    def row(self, log: Log) -> tuple[Any, ...]:
        """One log as a row."""
        if self.spec.static:
            return log.block, log.log_index, log.tx_hash, *self.spec.row(log)
        return log.block, log.log_index, log.tx_hash, b"".join(log.topics), log.data

    def event(self, row: tuple[Any, ...], time: int | None) -> Event:
        """The event in a row."""
        block, place, tx_hash, *rest = row
        values = self.spec.from_row(rest) if self.spec.static else self.spec.values(_as_log(row, time))
        return Event(self.spec.contract, self.spec.name, values, block, place, tx_hash, time)

    def condition(self, filters: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """SQL text and its values that select by values' names; raises `InputError` for a name the event lacks."""
        for name in filters:
            if name not in self._leaves:
                known = ", ".join(sorted(self._leaves)) or "none"
                raise InputError(f"Event {self.spec.name} has no value {name} to select by; it has {known}.")
        text = "".join(f' AND "v_{name}" = ?' for name in filters)
        return text, [stored_form(self._leaves[name].kind, value) for name, value in filters.items()]


def _affinity(kind: str) -> str:
    return (
        "INTEGER"
        if kind == "bool" or (kind.startswith(("uint", "int")) and int(kind.lstrip("uint")) <= 64)
        else "BLOB"
    )


def _as_log(row: tuple[Any, ...], time: int | None) -> Log:
    topics = tuple(row[3][at : at + 32] for at in range(0, len(row[3]), 32))
    return Log(b"", topics, row[4], row[0], b"", row[1], row[2], time)
