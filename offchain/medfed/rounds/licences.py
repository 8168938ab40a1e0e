"""Who earns what of a model's licence fees: the twin of `ModelMarket`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medfed.chain.contracts.studies import ScoreMode, StudyTerms
from medfed.protocol.commitments import seats_in
from medfed.rounds.history import RoundHistory
from medfed.rounds.scores import Tally
from medfed.types import Seat

__all__ = ["ROUND_SHARE", "TERMS_NOTICE", "FeeBook", "round_shares"]

BPS = 10_000
ROUND_SHARE = 10**18
"""What one final round adds to the book's total. The shares of its seats are together at most that."""
TERMS_NOTICE = 3 * 86_400
"""Seconds from terms to their begin; those that end the sale begin at once."""


def round_shares(terms: StudyTerms, history: RoundHistory, reviews: Tally | None) -> dict[Seat, int]:
    """What a final round adds to the book of each seat whose update is in the result and was not proved wrong;
    `reviews` in a reviewed study. What updates left out, or hospitals kept away, would have had is nobody's.

    A seat that is barred (`StudyHistory.pays`) is not credited.
    """
    result = history.result
    if result is None:
        return {}
    earning = [seat for seat in seats_in(result.included) if seat not in history.struck]
    if terms.score_mode is ScoreMode.EQUAL:
        return dict.fromkeys(earning, ROUND_SHARE // history.due)
    if reviews is not None and reviews.total:
        whole = reviews.total * history.due_weight
        return {seat: ROUND_SHARE * reviews.scores[seat] * result.weight // whole for seat in earning}
    return {seat: ROUND_SHARE * history.updates[seat].weight // history.due_weight for seat in earning}


@dataclass
class FeeBook:
    """One token's fees of a model that was made in `finals` rounds: what came, and what each may still claim. Rounded down, as
    on chain."""

    terms: StudyTerms
    shares: Mapping[Seat, int]
    finals: int
    fees: int = 0
    paid: dict[Seat, int] = field(default_factory=dict)
    """To hospitals, by seat."""
    paid_sponsor: int = 0
    paid_patients: int = 0

    def due(self, seat: Seat) -> int:
        """What `claimFees` pays a seat now."""
        pool = self.fees * (BPS - self._sponsor_bps - self.terms.patient_bps) // BPS
        share, total = self.shares.get(seat, 0), ROUND_SHARE * self.finals
        return (pool * share // total if total else 0) - self.paid.get(seat, 0)

    def due_sponsor(self) -> int:
        """What `claimSponsorFees` pays now."""
        return self.fees * self._sponsor_bps // BPS - self.paid_sponsor

    def due_patients(self) -> int:
        """What `claimPatientFees` may pay all patients together now."""
        return self.fees * self.terms.patient_bps // BPS - self.paid_patients

    def most_of_leaf(self, history: RoundHistory) -> int:
        """The largest part of the fees that `claimPatientFees` has paid a patient of a round by now."""
        if history.result is None:
            return 0
        # A cohort has as many leaves as its weight at least: each of them has what one unit of weight brings, or less.
        return self.fees * self.terms.patient_bps // BPS // (history.due_weight * self.finals)

    @property
    def _sponsor_bps(self) -> int:
        """The sponsor has no more than the patients leave."""
        return min(self.terms.sponsor_fee_bps, BPS - self.terms.patient_bps)
