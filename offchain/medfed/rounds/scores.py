"""What the reviews of a round come to: the twin of `Payouts.tally`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medfed.chain.contracts.payouts import Scores
from medfed.protocol.commitments import bitmap, seats_in
from medfed.types import Seat

__all__ = ["Tally", "tally"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Scores by submitted seat, and the bitmap of the reviewers that count (0 where fewer than half revealed)."""

    scores: Mapping[Seat, int]
    revealers: int

    @property
    def total(self) -> int:
        """Of all scores; 0 where the round is paid by weight."""
        return sum(self.scores.values())

    def of(self, seat: Seat) -> Scores:
        """What `Payouts.scoresOf` says of a seat."""
        return Scores(self.scores.get(seat, 0), self.total, self.revealers)


def tally(reviews: Mapping[Seat, Sequence[int]], submitted: int, earning: int) -> Tally:
    """The medians of what was revealed. `reviews` by reviewer, one score for each submitted seat, ascending;
    `earning` are the included seats whose update was not proved wrong. Both bitmaps."""
    seats = seats_in(submitted)
    if not reviews or 2 * len(reviews) < len(seats):
        return Tally(dict.fromkeys(seats, 0), 0)
    scores = {
        seat: _median([said[place] for reviewer, said in reviews.items() if reviewer != seat])
        if earning >> seat & 1
        else 0
        for place, seat in enumerate(seats)
    }
    return Tally(scores, bitmap(list(reviews)))


def _median(values: Sequence[int]) -> int:
    """At least 0; of an even number the mean of the middle two, rounded down; of none 0."""
    if not values:
        return 0
    ordered, count = sorted(values), len(values)
    return max(0, (ordered[(count - 1) // 2] + ordered[count // 2]) // 2)
