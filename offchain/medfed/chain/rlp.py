"""Recursive Length Prefix: how Ethereum writes lists of byte strings. Encoding only."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["encode", "number"]

Item = bytes | Sequence["Item"]


def encode(item: Item) -> bytes:
    """The RLP of a byte string or of a list of such."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(len(item), 0x80) + item
    content = b"".join(map(encode, item))
    return _prefix(len(content), 0xC0) + content


def number(value: int) -> bytes:
    """A number as RLP wants it: big-endian, without leading zeros, nothing for 0."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    digits = number(length)
    return bytes([offset + 55 + len(digits)]) + digits
