"""Recursive Length Prefix: how Ethereum writes lists of byte strings. What is read has to be written the shortest way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medfed.errors import ProtocolError

__all__ = ["Item", "decode", "encode", "inside", "items", "number", "to_number"]

Item = bytes | Sequence["Item"]

_DEEPEST = 16


def encode(item: Item) -> bytes:
    """The RLP of a byte string or of a list of such."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(len(item), 0x80) + item
    content = b"".join(map(encode, item))
    return _prefix(len(content), 0xC0) + content


def number(value: int) -> bytes:
    """A number as RLP wants it: big-endian, without leading zeros, nothing for 0."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def to_number(item: Item) -> int:
    """The number in an item. Raises `ProtocolError` for a list, leading zeros, or more than 256 bits."""
    if not isinstance(item, bytes) or item[:1] == b"\0" or len(item) > 32:
        raise ProtocolError("An RLP item is not the number that it should be.")
    return int.from_bytes(item, "big")


def decode(data: bytes, depth: int = _DEEPEST) -> Item:
    """The one item whose RLP `data` is, with lists in at most `depth` levels. Raises `ProtocolError` for anything else."""
    item, end = _item(data, 0, depth)
    if end != len(data):
        raise ProtocolError(f"{len(data) - end} bytes follow an RLP item that should be alone.")
    return item


def items(data: bytes, depth: int = _DEEPEST) -> Iterator[tuple[Item, bytes]]:
    """Items written one after the other, each with its RLP and read only when its turn comes. Raises `ProtocolError` as
    `decode` where one is wrong."""
    return _between(data, 0, len(data), depth)


def inside(data: bytes, depth: int = _DEEPEST) -> Iterator[Item]:
    """The items of the one list whose RLP `data` is, each read only when its turn comes. Raises `ProtocolError`."""
    is_list, begin, end = _extent(data, 0)
    if not is_list or end != len(data):
        raise ProtocolError("An RLP item is not the one list that it should be.")
    return (item for item, _ in _between(data, begin, end, depth))


def _between(data: bytes, start: int, last: int, depth: int) -> Iterator[tuple[Item, bytes]]:
    while start < last:
        item, end = _item(data, start, depth)
        if end > last:
            raise ProtocolError("An RLP item is longer than the list that holds it.")
        yield item, data[start:end]
        start = end


def _item(data: bytes, start: int, depth: int) -> tuple[Item, int]:
    """The item at `start` and where it ends."""
    is_list, begin, end = _extent(data, start)
    if not is_list:
        return data[begin:end], end
    if not depth:
        raise ProtocolError("An RLP item is nested deeper than it should be.")
    found: list[Item] = []
    while begin < end:
        item, begin = _item(data, begin, depth - 1)
        found.append(item)
    if begin != end:
        raise ProtocolError("An RLP item is longer than the list that holds it.")
    return found, end


def _extent(data: bytes, start: int) -> tuple[bool, int, int]:
    """Whether the item at `start` is a list, and where its content begins and ends."""
    head = data[start] if start < len(data) else 0x80
    if head < 0x80:
        return False, start, start + 1
    short = head - (0xC0 if head >= 0xC0 else 0x80)
    begin = start + 1 + max(0, short - 55)
    length = short if short < 56 else int.from_bytes(data[start + 1 : begin], "big")
    end = begin + length
    if end > len(data) or data[start:begin] != _written(head, data[begin:end]):
        raise ProtocolError("This is no RLP, or it is cut short.")
    return head >= 0xC0, begin, end


def _written(head: int, content: bytes) -> bytes:
    """The prefix as it has to be; empty for a byte that needs none."""
    if head >= 0xC0:
        return _prefix(len(content), 0xC0)
    return b"" if len(content) == 1 and content[0] < 0x80 else _prefix(len(content), 0x80)


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    digits = number(length)
    return bytes([offset + 55 + len(digits)]) + digits
