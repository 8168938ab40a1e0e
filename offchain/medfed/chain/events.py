"""Decoding of events, made for bulk: each event's layout is worked out once, then words are cut from the bytes.

Nearly all events of MedFed consist of values of fixed size, so that a log is a row of 32-byte words. Events with text,
bytes or lists go through the general ABI decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from medfed.chain.calls import Event, Log, checksum
from medfed.chain.codec import Parameter, abi_type, decode_values, signature, snake
from medfed.errors import ProtocolError

__all__ = ["EventSpec", "EventTable", "Leaf", "stored_form"]

Convert = Callable[[Any], Any]

_WRAP = 1 << 64


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of an event, structs taken apart: `path` from the argument down to the field, in snake_case."""

    path: tuple[str, ...]
    kind: str

    @property
    def name(self) -> str:
        """The path as one name, e.g. `update_cohort_root`."""
        return "_".join(self.path)


class EventSpec:
    """One event: its name, its topic and how its words are read."""

    def __init__(self, contract: str, entry: Parameter) -> None:
        self.contract = contract
        self.name: str = entry["name"]
        self.topic = keccak(signature(entry).encode())
        self._indexed = [item for item in entry["inputs"] if item["indexed"]]
        self._plain = [item for item in entry["inputs"] if not item["indexed"]]
        self.order = [snake(item["name"]) for item in entry["inputs"]]
        self.indexed = [snake(item["name"]) for item in self._indexed]
        self.static = all(_is_static(item) for item in self._plain) and all(
            _is_word(item) for item in self._indexed
        )
        cut = [*self._indexed, *self._plain] if self.static else self._indexed
        self.leaves: tuple[Leaf, ...] = tuple(
            leaf for item in cut if _is_static(item) for leaf in _leaves(item, (snake(item["name"]),))
        )
        """What has a fixed size: all of a static event, the indexed values of another."""
        self._struct = struct.Struct(">" + "".join(map(self._cut, cut)))
        self._beyond = int.from_bytes(b"".join(map(_unused, cut)), "big")
        """The bits that no value of the types sets; the struct passes over most of them."""
        self._raise: tuple[Convert, ...] = tuple(_raiser(leaf.kind) for leaf in self.leaves)

    @staticmethod
    def _cut(item: Parameter) -> str:
        if not _is_static(item):
            return "32x"  # the hash of an indexed text or list
        return "".join(_layout(leaf.kind) for leaf in _leaves(item, ()))

    def row(self, log: Log) -> tuple[Any, ...]:
        """The leaves in the form in which they are stored, cut from the log in one go. Raises `ProtocolError` for bytes that
        no contract emits: too few or too many, or a value beyond its type.

        Numbers up to 64 bits become signed integers (a bitmap may use the top bit, SQLite has no unsigned numbers),
        wider ones keep their 32 bytes; addresses are 20 bytes, `bytesN` N bytes.
        """
        words = b"".join(log.topics[1:]) + (log.data if self.static else b"")
        try:
            row = self._struct.unpack(words)
        except struct.error:
            row = None
        if row is None or int.from_bytes(words, "big") & self._beyond:
            raise ProtocolError(
                f"Event {self.name} in block {log.block} has not the shape that its ABI says."
            )
        return row

    def from_row(self, row: Sequence[Any]) -> dict[str, Any]:
        """The arguments by name, structs as mappings, addresses in checksum form, from what `row` gave."""
        found: dict[str, Any] = dict.fromkeys(self.order)
        for leaf, lift, value in zip(self.leaves, self._raise, row, strict=True):
            _put(found, leaf.path, lift(value))
        return found

    def values(self, log: Log) -> dict[str, Any]:
        """The arguments by name, from the log."""
        return self.from_row(self.row(log)) if self.static else self._general(log)

    def _general(self, log: Log) -> dict[str, Any]:
        found: dict[str, Any] = dict.fromkeys(self.order)
        for item, topic in zip(self._indexed, log.topics[1:], strict=True):
            # An indexed text or struct is there as its hash only.
            found[snake(item["name"])] = decode_values([item], topic)[0] if _is_word(item) else topic
        for item, value in zip(self._plain, decode_values(self._plain, log.data), strict=True):
            found[snake(item["name"])] = value
        return found


class EventTable:
    """All events of one contract."""

    def __init__(self, contract: str, abi: Sequence[Parameter]) -> None:
        specs = [EventSpec(contract, entry) for entry in abi if entry["type"] == "event"]
        self.by_topic = {spec.topic: spec for spec in specs}
        self.by_name = {spec.name: spec for spec in specs}
        self._contract = contract

    def decode(self, log: Log) -> Event | None:
        """The event in `log`, None for one that this ABI does not know."""
        spec = self.by_topic.get(log.topics[0]) if log.topics else None
        if spec is None:
            return None
        return Event(
            self._contract, spec.name, spec.values(log), log.block, log.log_index, log.tx_hash, log.time
        )


def _is_word(parameter: Parameter) -> bool:
    kind: str = parameter["type"]
    return not (kind.startswith("tuple") or kind.endswith("]") or kind in ("string", "bytes"))


def _is_static(parameter: Parameter) -> bool:
    if parameter["type"] == "tuple":
        return all(_is_static(item) for item in parameter["components"])
    return _is_word(parameter)


def _leaves(parameter: Parameter, path: tuple[str, ...]) -> list[Leaf]:
    if parameter["type"] == "tuple":
        return [
            leaf for item in parameter["components"] for leaf in _leaves(item, (*path, snake(item["name"])))
        ]
    return [Leaf(path, abi_type(parameter))]


def _bits(kind: str) -> int:
    return int(kind.lstrip("uint") or 256)


def stored_form(kind: str, value: Any) -> Any:
    """`value` as `EventSpec.row` gives it for the ABI type `kind`; addresses may come as hex text."""
    if kind == "address" and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    if kind.startswith(("uint", "int")):
        if _bits(kind) > 64:
            return int(value).to_bytes(32, "big", signed=kind.startswith("int"))
        return value - _WRAP if value >= _WRAP >> 1 else value
    return value


def _layout(kind: str) -> str:
    """How `struct` cuts one 32-byte word of the ABI type `kind`."""
    if kind == "address":
        return "12x20s"
    if kind == "bool":
        return "31x?"
    if kind.startswith(("uint", "int")):
        return "24xq" if _bits(kind) <= 64 else "32s"
    length = int(kind.removeprefix("bytes"))
    return f"{length}s{32 - length}x"


def _unused(item: Parameter) -> bytes:
    """The bits of an argument's words that no value of its type sets. A negative number sets all of its word."""
    if not _is_static(item):
        return bytes(32)
    return b"".join(_unused_of(leaf.kind).to_bytes(32, "big") for leaf in _leaves(item, ()))


def _unused_of(kind: str) -> int:
    word = (1 << 256) - 1
    if kind.startswith("bytes"):
        return word >> 8 * int(kind.removeprefix("bytes"))
    if kind.startswith("int"):
        return 0
    bits = 160 if kind == "address" else 1 if kind == "bool" else _bits(kind)
    return word >> bits << bits


def _raiser(kind: str) -> Convert:
    """From the stored form to the value that people use."""
    if kind == "address":
        return checksum
    if kind == "bool":  # SQLite has none
        return bool
    if kind.startswith("uint"):
        return _unsigned if _bits(kind) == 64 else _wide if _bits(kind) > 64 else _same
    return _wide_signed if kind.startswith("int") and _bits(kind) > 64 else _same


def _same(value: Any) -> Any:
    return value


def _unsigned(value: int) -> int:
    return value + _WRAP if value < 0 else value


def _wide(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _wide_signed(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _put(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set `target[path[0]][path[1]]...`, making the mappings on the way."""
    for step in path[:-1]:
        if not isinstance(target.get(step), dict):
            target[step] = {}
        target = target[step]
    target[path[-1]] = value
