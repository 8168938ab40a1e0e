"""A consent's terms in the words that a wallet shows when a patient signs. Twin of `ConsentText.sol`.

Different terms have different texts, so that a signature over the text is one over the terms. What a dataset is called only
the chain knows (`DatasetRegistry.describe`), but for one without names.
"""

from __future__ import annotations

from datetime import date, timedelta

from medfed.errors import InputError
from medfed.protocol import purposes as duo

__all__ = ["dataset", "until", "uses", "window"]

_LARGEST = 0xFFFF
_EPOCH = date(1970, 1, 1)


def uses(purposes: int) -> str:
    """What the data may be used for. Raises `InputError` for bits without a code."""
    return duo.describe(purposes)


def window(first_year: int, last_year: int) -> str:
    """The years of the data, both inclusive: 0 and 65535 for no bound. Raises `InputError` for what is no year."""
    if not (0 <= first_year <= _LARGEST and 0 < last_year <= _LARGEST):
        raise InputError(f"{first_year} and {last_year} are no years of data; give years as 2015.")
    if last_year == _LARGEST:
        return f"from {first_year} on" if first_year else "of all years"
    return f"from {first_year} to {last_year}" if first_year else f"until {last_year}"


def until(expiry_day: int) -> str:
    """The day with which a consent ends, as "2027-03-01 begins (UTC)"; "no end" for day 65535."""
    if not 0 <= expiry_day <= _LARGEST:
        raise InputError(f"Day {expiry_day} does not fit a uint16; count days since 1970.")
    return "no end" if expiry_day == _LARGEST else f"{_EPOCH + timedelta(expiry_day)} begins (UTC)"


def dataset(number: int) -> str:
    """A dataset that has neither a title nor a hospital with a name. Raises `InputError`."""
    if not 0 <= number < 1 << 32:
        raise InputError(f"Dataset {number} does not fit a uint32; count from 1.")
    return f"dataset {number}"
