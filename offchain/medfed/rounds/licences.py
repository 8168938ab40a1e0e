"""Who earns what of a model's licence fees: the twin of `ModelMarket`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medfed.chain.contracts.rounds import ScoreMode
from medfed.protocol.commitments import seats_in
from medfed.rounds.history import RoundHistory
from medfed.rounds.scores import Tally
from medfed.types import Seat

__all__ = ["ROUND_SHARE", "FeeBook", "round_shares"]

BPS = 10_000
ROUND_SHARE = 10**18
"""The sum of all shares of one round, at most: each is rounded down."""


def round_shares(terms: Mapping[str, Any], history: RoundHistory, reviews: Tally | None) -> dict[Seat, int]:
    """What a final round adds to the book of each seat that earned in it; `reviews` in a reviewed study."""
    result = history.result
    if result is None:
        return {}
    earning = [seat for seat in seats_in(result.included) if seat not in history.struck]
    if terms["score_mode"] == ScoreMode.EQUAL:
        return dict.fromkeys(earning, ROUND_SHARE // len(history.updates))
    if reviews is not None and reviews.total:
        return {seat: ROUND_SHARE * reviews.scores[seat] // reviews.total for seat in earning}
    return {seat: ROUND_SHARE * history.updates[seat].weight // history.weight for seat in earning}


@dataclass
class FeeBook:
    """One token's fees of a model: what came, and what each may still claim. Rounded down, as on chain."""

    terms: Mapping[str, Any]
    shares: Mapping[Seat, int]
    fees: int = 0
    paid: dict[Seat, int] = field(default_factory=dict)
    """To hospitals, by seat."""
    paid_sponsor: int = 0
    paid_patients: int = 0

    def due(self, seat: Seat) -> int:
        """What `claimFees` pays a seat now."""
        total = sum(self.shares.values())
        pool = self.fees * (BPS - self._sponsor_bps - self.terms["patient_bps"]) // BPS
        return (pool * self.shares.get(seat, 0) // total if total else 0) - self.paid.get(seat, 0)

    def due_sponsor(self) -> int:
        """What `claimSponsorFees` pays now."""
        return self.fees * self._sponsor_bps // BPS - self.paid_sponsor

    def due_patients(self) -> int:
        """What `claimPatientFees` may pay all patients together now."""
        return int(self.fees * self.terms["patient_bps"] // BPS) - self.paid_patients

    @property
    def _sponsor_bps(self) -> int:
        """The sponsor has no more than the patients leave."""
        return min(int(self.terms["sponsor_fee_bps"]), BPS - int(self.terms["patient_bps"]))
