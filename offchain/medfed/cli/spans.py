"""Lengths of time that a person types: 90s, 10m, 6h, 2d; 0 for none."""

from __future__ import annotations

import re

from medfed.errors import InputError

__all__ = ["seconds_of"]

_SPAN = re.compile(r"(\d{1,6})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 90 * 86_400


def seconds_of(text: str) -> int:
    """The seconds in a length of time. Raises `InputError` for what is none, and for more than 90 days."""
    match = _SPAN.fullmatch(text.strip())
    seconds = int(match[1]) * _UNITS[match[2]] if match else _LONGEST + 1
    if seconds > _LONGEST:
        raise InputError(f"{text!r} is no length of time up to 90 days; write 90s, 10m, 6h, 2d, or 0.")
    return seconds
