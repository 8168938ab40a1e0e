"""The price of a lie: what a wrong result costs those who made it, against what is paid while nobody has proved it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfed.protocol.phase import quorum_of

if TYPE_CHECKING:
    from medfed.chain.coin import Coin
    from medfed.cli.actions import Offer

__all__ = ["LiePrice", "lie_price", "told", "warning"]

_BPS = 10_000


@dataclass(frozen=True, slots=True)
class LiePrice:
    """Of a study's smallest rounds, where a lie is cheapest. Amounts in smallest units."""

    hospitals: int
    quorum: int
    rounds: int
    at_stake: int
    """What a quorum has at stake."""
    lost: int
    """What it loses at least for a wrong result: a challenger's share comes back if it proves its own lie."""
    paid: int
    """What the rounds of one dispute window pay at most: rounds end when all have acted, so these may be all of them."""

    @property
    def is_low(self) -> bool:
        """Whether a lie costs less than what is paid before it has to be proved."""
        return self.lost < self.paid


def lie_price(offer: Offer, rounds: int, challenger_bps: int) -> LiePrice:
    """The price in a study of this offer, where a challenger has `challenger_bps` / 10,000 of what a proof slashes."""
    quorum = quorum_of(offer.min_hospitals)
    at_stake = quorum * offer.stake
    lost = at_stake - at_stake * challenger_bps // _BPS
    return LiePrice(offer.min_hospitals, quorum, rounds, at_stake, lost, rounds * offer.reward_per_round)


def told(price: LiePrice, coin: Coin) -> str:
    """The price in words."""
    return (
        f"The price of a lie: {price.quorum} of {price.hospitals} hospitals make a result final and have "
        f"{coin.text(price.at_stake)} at stake; for a wrong one they lose {coin.text(price.lost)} at least, even if they "
        f"prove it themselves. Before it has to be proved, {price.rounds} rounds may pay {coin.text(price.paid)}."
    )


def warning(price: LiePrice, coin: Coin) -> str:
    """What a sponsor of a study where lies are cheap should know before posting it."""
    return (
        f"Warning: a lie costs {coin.text(price.lost)} here, less than the {coin.text(price.paid)} that rounds may pay "
        "before it has to be proved. Ask for a larger stake, or trust your hospitals."
    )
