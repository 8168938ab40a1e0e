"""Times that a person types: lengths as 90s, 10m, 6h, 2d, with 0 for none, and days as 2027-03-01."""

from __future__ import annotations

import re
from datetime import date, timedelta

from medfed.errors import InputError

__all__ = ["day_of", "seconds_of"]

_SPAN = re.compile(r"(\d{1,6})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 90 * 86_400
_FIRST_DAY = date(1970, 1, 1)
_LAST_DAY = _FIRST_DAY + timedelta(days=0xFFFE)


def seconds_of(text: str) -> int:
    """The seconds in a length of time. Raises `InputError` for what is none, and for more than 90 days."""
    match = _SPAN.fullmatch(text.strip())
    seconds = int(match[1]) * _UNITS[match[2]] if match else _LONGEST + 1
    if seconds > _LONGEST:
        raise InputError(f"{text!r} is no length of time up to 90 days; write 90s, 10m, 6h, 2d, or 0.")
    return seconds


def day_of(text: str) -> int:
    """A date as its number of days since 1970. Raises `InputError` for what is none, and for one that no contract holds."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{text!r} is no date; write year, month and day as in 2027-03-01.") from None
    if not _FIRST_DAY < day <= _LAST_DAY:
        raise InputError(f"{text!r} is no day from {_FIRST_DAY + timedelta(days=1)} until {_LAST_DAY}.")
    return (day - _FIRST_DAY).days
