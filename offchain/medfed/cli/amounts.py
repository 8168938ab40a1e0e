"""The token that a command names, or the development chain's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfed.errors import InputError

if TYPE_CHECKING:
    from medfed.chain.coin import Coin
    from medfed.rounds.federation import OnChain

__all__ = ["coin_of"]


def coin_of(place: OnChain, token: str) -> Coin:
    """The token at an address, or without one the development token. Raises `InputError`."""
    from medfed.chain.calls import parse_address

    development = place.contracts.development_token
    if not token and development is None:
        raise InputError("This chain has no development token: name the ERC-20 with --token.")
    if token and not place.client.code(parse_address(token)):
        raise InputError(f"There is no contract at {token} on this chain; correct --token.")
    found = place.contracts.token(parse_address(token)) if token else development
    assert found is not None  # one of the two exists
    return found.coin()
