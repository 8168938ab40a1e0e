"""Decoding of events, made for bulk: each event's layout is worked out once, then words are cut from the bytes.

Nearly all events of MedFed consist of values of fixed size, so that a log is a row of 32-byte words. Events with text,
bytes or lists go through the general ABI decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from medfed.chain.calls import Event, Log, checksum
from medfed.chain.codec import Parameter, abi_type, decode_values, signature, snake
from medfed.errors import ProtocolError

__all__ = ["EventSpec", "EventTable", "Leaf"]

Word = Callable[[bytes], Any]


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
        self._order = [snake(item["name"]) for item in entry["inputs"]]
        self.static = all(_is_static(item) for item in self._plain) and all(_is_word(item) for item in self._indexed)
        self.leaves: tuple[Leaf, ...] = tuple(
            leaf for item in [*self._indexed, *self._plain] for leaf in _leaves(item, (snake(item["name"]),))
        )
        self._words: tuple[Word, ...] = tuple(_reader(leaf.kind) for leaf in self.leaves)
        self._size = 32 * (len(self.leaves) - len(self._indexed))

    def row(self, log: Log) -> tuple[Any, ...]:
        """The leaves' values: numbers as int, addresses as 20 bytes, `bytesN` as N bytes. Static events only."""
        if len(log.data) != self._size or len(log.topics) != 1 + len(self._indexed):
            raise ProtocolError(f"Event {self.name} in block {log.block} does not have the shape its ABI says.")
        words = b"".join(log.topics[1:]) + log.data
        return tuple([read(words[at << 5 : (at + 1) << 5]) for at, read in enumerate(self._words)])

    def values(self, log: Log) -> dict[str, Any]:
        """The arguments by name, structs as mappings, addresses in checksum form."""
        if not self.static:
            return self._general(log)
        found: dict[str, Any] = dict.fromkeys(self._order)
        for leaf, value in zip(self.leaves, self.row(log), strict=True):
            put(found, leaf.path, checksum(value) if leaf.kind == "address" else value)
        return found

    def _general(self, log: Log) -> dict[str, Any]:
        found: dict[str, Any] = dict.fromkeys(self._order)
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
        return Event(self._contract, spec.name, spec.values(log), log.block, log.index, log.tx_hash, log.time)


def put(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set `target[path[0]][path[1]]...` and make the mappings on the way."""
    for step in path[:-1]:
        if not isinstance(target.get(step), dict):
            target[step] = {}
        target = target[step]
    target[path[-1]] = value


def _is_word(parameter: Parameter) -> bool:
    kind: str = parameter["type"]
    return not (kind.startswith("tuple") or kind.endswith("]") or kind in ("string", "bytes"))


def _is_static(parameter: Parameter) -> bool:
    if parameter["type"] == "tuple":
        return all(_is_static(item) for item in parameter["components"])
    return _is_word(parameter)


def _leaves(parameter: Parameter, path: tuple[str, ...]) -> list[Leaf]:
    if parameter["type"] == "tuple":
        return [leaf for item in parameter["components"] for leaf in _leaves(item, (*path, snake(item["name"])))]
    return [Leaf(path, abi_type(parameter))]


def _reader(kind: str) -> Word:
    """How one 32-byte word becomes a value of the ABI type `kind`."""
    if kind == "address":
        return _address
    if kind == "bool":
        return _flag
    if kind.startswith("uint"):
        return _unsigned
    if kind.startswith("int"):
        return _signed
    if kind.startswith("bytes") and kind != "bytes":
        length = int(kind[5:])
        return bytes if length == 32 else lambda word: word[:length]
    return bytes


def _address(word: bytes) -> bytes:
    return word[12:]


def _flag(word: bytes) -> bool:
    return word[31] == 1


def _unsigned(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _signed(word: bytes) -> int:
    return int.from_bytes(word, "big", signed=True)
