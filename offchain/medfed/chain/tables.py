"""How events lie in SQLite: one table per event with one column per value, structs taken apart.

Values have the stored form of `EventSpec.row`. Events with text, bytes or lists keep topics and data as they came, and columns for
their indexed values.
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
        self._leaves = {leaf.name: leaf for leaf in spec.leaves}
        columns = 3 + len(self._leaves) + (0 if spec.static else 2)
        self.insert = f'INSERT INTO "{self.name}" VALUES ({", ".join("?" * columns)})'  # noqa: S608 - names from the ABI

    def create(self) -> list[str]:
        """The statements that make the table, and an index over its indexed arguments."""
        values = "".join(f', "v_{name}" {_affinity(leaf.kind)}' for name, leaf in self._leaves.items())
        key = "PRIMARY KEY (block, place)"
        raw = "" if self.spec.static else ", topics BLOB, data BLOB"
        columns = f"block INTEGER, place INTEGER, tx BLOB{values}{raw}"
        made = [f'CREATE TABLE "{self.name}" ({columns}, {key}) WITHOUT ROWID']
        keys = [name for name in self.spec.indexed if name in self._leaves]
        if keys:
            by = ", ".join(f'"v_{name}"' for name in keys)
            made.append(f'CREATE INDEX "by_{self.name}" ON "{self.name}" ({by})')
        return made

    def row(self, log: Log) -> tuple[Any, ...]:
        """One log as a row."""
        raw = () if self.spec.static else (b"".join(log.topics), log.data)
        return log.block, log.log_index, log.tx_hash, *self.spec.row(log), *raw

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
    *_, joined, data = row
    topics = tuple(joined[at : at + 32] for at in range(0, len(joined), 32))
    return Log(b"", topics, data, row[0], b"", row[1], row[2], time)
