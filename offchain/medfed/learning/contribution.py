"""What each hospital contributed to a round: leave-one-out and Shapley values of a game of coalitions.

A game is what coalitions of hospitals are worth: `round_game` makes one from a round's updates and from records that
none of them was trained on. Coalitions come in batches, (c, n) booleans, since what many are worth is a few matrix
products. Nothing that nodes have to agree on depends on the last bits of these values: in a study with reviews each
reviewer has its own records, and the contract takes medians.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfed.errors import InputError
from medfed.learning.evaluate import auc
from medfed.learning.models import Model, predict_many
from medfed.learning.rules import aggregate
from medfed.learning.server import next_model
from medfed.protocol.documents import StudyDraft

__all__ = [
    "Estimate",
    "Game",
    "HeldOut",
    "Sampling",
    "areas",
    "exact_shapley",
    "gtg_shapley",
    "leave_one_out",
    "likelihoods",
    "round_game",
    "truncated_shapley",
]

Vector = NDArray[np.float64]
Coalitions = NDArray[np.bool_]
Game = Callable[[Coalitions], Vector]
"""What each coalition is worth, (c, n) -> (c,); the empty one is worth something too."""
Measure = Callable[[Vector, Vector], Vector]
"""How good probabilities (c, m) are for labels (m,), the more the better, (c,)."""

_MOST_PLAYERS = 64
_MOST_EXACT = 16
_BATCH_NUMBERS = 1 << 22
"""Parameters of all models that are tried at once."""


@dataclass(frozen=True, eq=False, slots=True)
class HeldOut:
    """Records that no update was trained on: unscaled features (m, d) and labels (m,)."""

    features: Vector
    labels: Vector


@dataclass(frozen=True, slots=True)
class Sampling:
    """How long permutations are drawn, and what is not worth trying. Differences are shares of |v(all) − v(none)|."""

    most: int = 2000
    """Permutations at most."""
    precision: float = 0.01
    """Ends once a batch changes the values by no more than this in the mean."""
    truncation: float = 0.01
    """A coalition this close to that of all gains nothing from who joins it."""
    idle: float = 0.0
    """GTG: a round that changes the model's worth by less than this, absolutely, is worth nothing to anybody."""


@dataclass(frozen=True, eq=False, slots=True)
class Estimate:
    """Shapley values and what they cost."""

    values: Vector  # (n,)
    permutations: int
    evaluations: int
    """Different coalitions that were tried."""


def likelihoods(probabilities: Vector, labels: Vector) -> Vector:
    """Mean log-likelihoods, at most 0; a probability closer to 0 or 1 than 1e-12 counts as that close."""
    p = np.clip(probabilities, 1e-12, 1.0 - 1e-12)
    found: Vector = np.log(np.where(labels == 1.0, p, 1.0 - p)).mean(axis=1)
    return found


def areas(probabilities: Vector, labels: Vector) -> Vector:
    """The AUC of each."""
    return np.array([auc(row, labels) for row in probabilities])


def round_game(
    study: StudyDraft,
    model: Model,
    updates: Sequence[tuple[NDArray[np.uint32], int]],
    held_out: HeldOut,
    measure: Measure = likelihoods,
) -> Game:
    """What the model after a round would be worth, had it these updates only: words (P,) and weight of each.

    Each coalition's model is the one that the study's rule and server make of it, bit for bit; that of none is the model
    before.
    """
    rows = [words for words, _ in updates]
    weights = [weight for _, weight in updates]

    def after(members: NDArray[np.bool_]) -> NDArray[np.float32]:
        chosen = np.flatnonzero(members)
        if not chosen.size:
            return model.theta
        words = aggregate(study.rule, [rows[index] for index in chosen])
        divisor = study.rule.divisor(chosen.size, sum(weights[index] for index in chosen))
        return next_model(model, words, divisor, study).theta

    def worth(coalitions: Coalitions) -> Vector:
        batch = max(1, _BATCH_NUMBERS // study.size)
        found = np.empty(len(coalitions))
        for start in range(0, len(coalitions), batch):
            thetas = np.stack([after(members) for members in coalitions[start : start + batch]])  # (c, P)
            probabilities = predict_many(thetas, study, held_out.features)  # (c, m)
            found[start : start + batch] = measure(probabilities, held_out.labels)
        return found

    return worth


def leave_one_out(game: Game, players: int) -> Vector:
    """v(N) − v(N without i), (n,): what would be missing without each."""
    _check(players, _MOST_PLAYERS)
    coalitions = np.ones((players + 1, players), dtype=np.bool_)
    coalitions[np.arange(players), np.arange(players)] = False
    worth = game(coalitions)
    missing: Vector = worth[-1] - worth[:-1]
    return missing


def exact_shapley(game: Game, players: int) -> Vector:
    """The Shapley values (n,) from all 2^n coalitions; at most 16 players.

    φ_i = Σ |S|! (n − |S| − 1)! / n! · (v(S ∪ i) − v(S)) over all S without i (Shapley 1953).
    """
    _check(players, _MOST_EXACT)
    codes = np.arange(1 << players)
    coalitions = (codes[:, np.newaxis] >> np.arange(players) & 1).astype(np.bool_)  # (2^n, n)
    worth = game(coalitions)
    sizes = coalitions.sum(axis=1)
    share = np.array([1.0 / (players * math.comb(players - 1, size)) for size in range(players)])
    values = np.empty(players)
    for player in range(players):
        without = codes[~coalitions[:, player]]
        values[player] = share[sizes[without]] @ (worth[without | 1 << player] - worth[without])
    return values


def truncated_shapley(
    game: Game, players: int, rng: np.random.Generator, sampling: Sampling | None = None
) -> Estimate:
    """Truncated Monte Carlo: marginal contributions along random permutations, each followed only until the coalition is
    worth what all are (Ghorbani and Zou 2019, algorithm 1)."""

    def drawn() -> NDArray[np.intp]:
        return rng.permuted(np.tile(np.arange(players), (players, 1)), axis=1)

    return _sampled(_Known(game, players), drawn, sampling or Sampling())


def gtg_shapley(
    game: Game, players: int, rng: np.random.Generator, sampling: Sampling | None = None
) -> Estimate:
    """Guided truncation gradient Shapley: as `truncated_shapley`, but every player comes first equally often, and a round
    that changes next to nothing is not looked into (Liu et al. 2022, algorithm 1)."""
    plan = sampling or Sampling()
    known = _Known(game, players)
    if abs(known.all - known.none) < plan.idle:
        return Estimate(np.zeros(players), 0, known.evaluations)

    def drawn() -> NDArray[np.intp]:
        first = np.arange(players)[:, np.newaxis]
        others = (first + np.arange(1, players)) % players  # (n, n − 1): everybody else
        return np.hstack([first, rng.permuted(others, axis=1)])

    return _sampled(known, drawn, plan)


class _Known:
    """A game that tries each coalition once."""

    def __init__(self, game: Game, players: int) -> None:
        _check(players, _MOST_PLAYERS)
        self.players = players
        self._game = game
        self._worth: dict[int, float] = {}
        ends = np.array([[False], [True]]) & np.ones(players, dtype=np.bool_)
        self.none, self.all = map(float, self(ends))

    @property
    def evaluations(self) -> int:
        return len(self._worth)

    def __call__(self, coalitions: Coalitions) -> Vector:
        bits = np.uint64(1) << np.arange(self.players, dtype=np.uint64)
        codes = (coalitions * bits).sum(axis=1, dtype=np.uint64).tolist()
        new = {code: row for row, code in enumerate(codes) if code not in self._worth}
        if new:
            found = self._game(coalitions[list(new.values())])
            self._worth.update(zip(new, found.tolist(), strict=True))
        return np.array([self._worth[code] for code in codes])


def _sampled(game: _Known, drawn: Callable[[], NDArray[np.intp]], plan: Sampling) -> Estimate:
    """Means of the marginal contributions, a batch of as many permutations as there are players at a time."""
    whole = abs(game.all - game.none)
    sums = np.zeros(game.players)
    count = 0
    for _ in range(max(1, plan.most // game.players)):
        before = sums / max(1, count)
        for player, gain in _marginals(game, drawn(), plan.truncation * whole):
            np.add.at(sums, player, gain)
        count += game.players
        moved = float(np.abs(sums / count - before).mean())
        if count > 2 * game.players and moved <= plan.precision * whole / game.players:
            break
    return Estimate(sums / count, count, game.evaluations)


def _marginals(
    game: _Known, permutations: NDArray[np.intp], tolerance: float
) -> Iterator[tuple[NDArray[np.intp], Vector]]:
    """Who joins at each place of all permutations (k, n), and what that gained; truncated ones have ended."""
    coalitions = np.zeros((len(permutations), game.players), dtype=np.bool_)
    worth = np.full(len(permutations), game.none)
    for place in range(game.players):
        going = np.flatnonzero(np.abs(game.all - worth) > tolerance)
        joining = permutations[going, place]
        coalitions[going, joining] = True
        after = game(coalitions[going])
        yield joining, after - worth[going]
        worth[going] = after


def _check(players: int, most: int) -> None:
    if not 1 <= players <= most:
        raise InputError(f"Values are computed for 1 to {most} players, not {players}.")
