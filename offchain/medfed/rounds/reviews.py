"""Reviews of a round's updates: what a reviewer says of them, and what the chain has of it.

A reviewer shares out `POINTS` among the updates of others, in proportion to what each is worth on its own records; what
does harm is said in the same measure, below zero. Only proportions count, so that no reviewer weighs more for having
easier records, and none gains by exaggerating.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medfed.chain.calls import Call
from medfed.chain.contracts import Payouts
from medfed.chain.contracts.studies import ScoreMode
from medfed.chain.index import EventIndex
from medfed.learning.contribution import Game, HeldOut, exact_shapley, leave_one_out, round_game
from medfed.learning.models import Model
from medfed.protocol.commitments import bitmap
from medfed.protocol.documents import StudySpec
from medfed.rounds.history import RoundHistory, StudyHistory
from medfed.rounds.scores import Tally, tally
from medfed.types import Seat

__all__ = [
    "POINTS",
    "awaits_tally",
    "due_tally",
    "is_reviewed",
    "read_reviews",
    "read_scores",
    "read_tally",
    "review",
]

POINTS = 30_000
"""What a reviewer has to give."""
_LOWEST, _HIGHEST = -(1 << 15), (1 << 15) - 1
_MOST_EXACT = 10
_MOST_ADDED = 1 << 32
"""Numbers that may be added up to try all coalitions: seconds, not minutes."""


def review(
    spec: StudySpec,
    model: Model,
    updates: Mapping[Seat, tuple[NDArray[np.uint32], int]],
    held_out: HeldOut,
    own: Seat,
) -> dict[Seat, int]:
    """The scores, as int16, of the updates that became a round's result: words (P,) and weight of each.

    `model` is the one before the round, `own` the reviewer's seat.
    """
    seats = sorted(updates)
    values = _values(
        round_game(spec, model, [updates[seat] for seat in seats], held_out), len(seats), spec.size
    )
    return dict(zip(seats, _points(values, np.array([seat != own for seat in seats])), strict=True))


def _values(game: Game, players: int, size: int) -> NDArray[np.float64]:
    """Shapley values where all coalitions can be tried, else what would be missing without each.

    The latter sum to about zero where the updates are alike, and leave half of the honest ones nothing.
    """
    if players <= _MOST_EXACT and (players * size << players) <= _MOST_ADDED:
        return exact_shapley(game, players)
    return leave_one_out(game, players)


def _points(values: NDArray[np.float64], others: NDArray[np.bool_]) -> list[int]:
    """Values as int16. Where nobody else's is above zero, the largest size stands for all points."""
    given = float(np.maximum(values, 0.0)[others].sum()) or float(np.abs(values).max(initial=0.0))
    if not given or not np.isfinite(values).all():
        return [0] * len(values)
    scaled = np.rint(np.clip(values / given * POINTS, _LOWEST, _HIGHEST))
    return [int(value) for value in scaled]


def is_reviewed(study: StudyHistory) -> bool:
    """Whether reviews decide how its rewards are shared."""
    return study.terms.score_mode is ScoreMode.REVIEWED


def read_reviews(index: EventIndex, history: RoundHistory) -> dict[Seat, tuple[int, ...]]:
    """What was revealed, by reviewer: a score for each submitted seat, ascending."""
    events = index.events("ReviewRevealed", study=history.study, round=history.number)
    return {Seat(event["seat"]): tuple(event["scores"]) for event in events}


def read_scores(index: EventIndex, history: RoundHistory) -> Tally:
    """What the reviews come to that were revealed so far, whether that was tallied or not."""
    included = history.result.included if history.result else 0
    earning = included & ~bitmap(list(history.struck))
    return tally(read_reviews(index, history), history.submitted, earning)


def read_tally(index: EventIndex, history: RoundHistory) -> dict[Seat, int] | None:
    """The scores as the chain has them, by submitted seat; None before the tally."""
    events = index.events("ReviewsTallied", study=history.study, round=history.number)
    return dict(zip(sorted(history.updates), events[0]["scores"], strict=True)) if events else None


def awaits_tally(index: EventIndex, study: StudyHistory, history: RoundHistory) -> bool:
    """Whether a round's claims wait for its reviews to be tallied."""
    if not is_reviewed(study) or read_tally(index, history) is not None:
        return False
    return bool(read_reviews(index, history))


def due_tally(
    index: EventIndex, payouts: Payouts, study: StudyHistory, history: RoundHistory, now: int
) -> Call | None:
    """The tally that a reviewed round's claims wait for at `now`, when nothing can be revealed any more."""
    if not history.final_at or now < history.unlocked_at(study.terms):
        return None
    if not awaits_tally(index, study, history):
        return None
    return payouts.tally(study.study, history.number, history.final_hash)
