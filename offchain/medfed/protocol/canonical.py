"""Canonical JSON (RFC 8785): equal values have equal bytes, and so one CID."""

from __future__ import annotations

import json
import re
from typing import Any

import rfc8785

from medfed.errors import ProtocolError

__all__ = ["canonical_json", "parse_canonical", "parse_json"]

_SAFE = 2**53
"""Integers are exact below it in a JSON number."""

_DEEPEST = 64
# Strings are skipped whole, closed or not; possessive, so that no text takes long.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of plain JSON values. Raises `ProtocolError` for what JSON cannot hold."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as exc:
        raise ProtocolError(f"This value has no canonical JSON: {exc}.") from exc


def parse_canonical(data: bytes, *, max_bytes: int) -> Any:
    """The value of canonical bytes. Raises `ProtocolError` when they are too long, not JSON, or not canonical."""
    if len(data) > max_bytes:
        raise ProtocolError(
            f"A JSON document of {len(data)} bytes is longer than the {max_bytes} that are allowed."
        )
    _check_depth(data)
    try:
        value = json.loads(data, parse_int=_integer)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("This document is not JSON.") from exc
    # A key given twice, other spacing, another order: all change the bytes.
    if canonical_json(value) != data:
        raise ProtocolError("This JSON document is not in its canonical form (RFC 8785).")
    return value


def parse_json(data: bytes) -> Any:
    """The value of any JSON that somebody else wrote, UTF-8. Raises `ValueError` for what is none, or nested deeply."""
    try:
        _check_depth(data)
        return json.loads(data)
    except (ProtocolError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _check_depth(data: bytes) -> None:
    """Raise `ProtocolError` for deep nesting. The parser recurses on the C stack, and its own guard is the recursion
    limit, which py-evm lifts so far that a document of brackets would end the process."""
    depth = 0
    for token in _BRACKETS.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > _DEEPEST:
            raise ProtocolError(f"This JSON document is nested deeper than {_DEEPEST} levels.")


def _integer(digits: str) -> int | float:
    """A number without point or exponent: beyond 2^53 it is how RFC 8785 writes a float, as every number is one there."""
    number = int(digits)
    return number if abs(number) < _SAFE else float(digits)
