"""Amounts of a token as people write them: "12.5", never in smallest units."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from medfed.errors import InputError

if TYPE_CHECKING:
    from medfed.rounds.federation import OnChain
    from medfed.types import Address

__all__ = ["Coin", "coin_of"]

_DIGITS = 30
_MOST = Decimal(10) ** _DIGITS


class Coin:
    """One token: where it is, and how its amounts are written."""

    def __init__(self, address: Address, symbol: str, decimals: int) -> None:
        self.address = address
        self.symbol = symbol
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
        whole = (Decimal(units) / self._unit).normalize()
        return f"{whole:,f} {self.symbol}"


def coin_of(place: OnChain, token: str) -> Coin:
    """The token at an address, or without one the development token. Raises `InputError`."""
    from medfed.chain.calls import parse_address
    from medfed.cli.output import printable

    development = place.contracts.development_token
    if not token and development is None:
        raise InputError("This chain has no development token: name the ERC-20 with --token.")
    if token and not place.client.code(parse_address(token)):
        raise InputError(f"There is no contract at {token} on this chain; correct --token.")
    coin = place.contracts.token(parse_address(token)) if token else development
    assert coin is not None  # one of the two exists
    return Coin(coin.address, printable(coin.symbol()), coin.decimals())
