"""Amounts of a token as people write them: "12.5", never in smallest units."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from medfed.errors import InputError
from medfed.types import Address

__all__ = ["Coin"]

_DIGITS = 30
_MOST = Decimal(10) ** _DIGITS
_LONGEST = 40


class Coin:
    """One token: where it is, and how its amounts are written. A symbol that could move a terminal's cursor is cut."""

    def __init__(self, address: Address, symbol: str, decimals: int) -> None:
        self.address = address
        self.symbol = "".join(filter(str.isprintable, symbol))[:_LONGEST]
        self._unit = Decimal(10) ** decimals

    def units(self, text: str, *, zero: bool = False) -> int:
        """An amount that a person wrote, in smallest units; `zero` takes 0, too. Raises `InputError`."""
        try:
            amount = Decimal(text)
        except InvalidOperation:
            raise InputError(f"{text!r} is no amount; write a number such as 12.5.") from None
        if zero and amount == 0:
            return 0
        if not amount.is_finite() or len(amount.as_tuple().digits) > _DIGITS or not 0 < amount < _MOST:
            raise InputError(f"An amount is a number above zero, of at most {_DIGITS} digits, not {text}.")
        units = amount * self._unit
        if units != units.to_integral_value():
            raise InputError(f"{text} has more decimal places than {self.symbol} knows; round it.")
        return int(units)

    def text(self, units: int) -> str:
        """An amount for people, e.g. "1,234.5 MFT"."""
        return f"{self._whole(units):,f} {self.symbol}"

    def number(self, units: int) -> str:
        """An amount as commands take it, e.g. "1234.5"."""
        return f"{self._whole(units):f}"

    def _whole(self, units: int) -> Decimal:
        return (Decimal(units) / self._unit).normalize()
