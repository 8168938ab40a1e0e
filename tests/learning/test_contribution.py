"""Contribution scores: the exact Shapley values have their defining properties, and estimates come close to them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.learning.contribution import (
    HeldOut,
    Sampling,
    areas,
    exact_shapley,
    gtg_shapley,
    leave_one_out,
    likelihoods,
    round_game,
    truncated_shapley,
)
from medfed.learning.evaluate import auc
from medfed.learning.models import Model, initial_model, predict
from medfed.learning.rules import aggregate
from medfed.learning.server import next_model
from medfed.learning.train import Records, train
from tests.rig.studies import dataset, study

players = st.integers(1, 8)
seeds = st.integers(0, 2**32 - 1)


class Table:
    """A game given by the worth of every coalition, which counts what it is asked."""

    def __init__(self, worth):
        self.worth = np.asarray(worth, dtype=np.float64)
        self.asked = []

    def __call__(self, coalitions):
        codes = (coalitions << np.arange(coalitions.shape[1])).sum(axis=1)
        self.asked += codes.tolist()
        return self.worth[codes]


def random_game(count, seed):
    return Table(np.random.default_rng(seed).normal(size=1 << count))


def saturating_game(count, seed):
    """As rounds are: the first hospitals help much, the last ones little; some harm."""
    gains = np.random.default_rng(seed).normal(0.5, 1.0, count)
    codes = np.arange(1 << count)[:, np.newaxis] >> np.arange(count) & 1
    return Table(1 - np.exp(-(codes @ gains) / 2))


def by_definition(game, count):
    """The mean marginal contribution over all orders."""
    values = np.zeros(count)
    orders = list(permutations(range(count)))
    for order in orders:
        code = 0
        for player in order:
            values[player] += game.worth[code | 1 << player] - game.worth[code]
            code |= 1 << player
    return values / len(orders)


class TestExact:
    @given(st.integers(1, 6), seeds)
    def test_is_the_mean_over_all_orders(self, count, seed):
        game = random_game(count, seed)
        assert exact_shapley(game, count) == pytest.approx(by_definition(game, count), abs=1e-12)

    @given(players, seeds)
    def test_efficiency(self, count, seed):
        """What is given out is what all are worth beyond none."""
        game = random_game(count, seed)
        assert exact_shapley(game, count).sum() == pytest.approx(game.worth[-1] - game.worth[0])

    @given(players, seeds, st.data())
    def test_a_null_player_gets_nothing(self, count, seed, data):
        idle = data.draw(st.integers(0, count - 1))
        game = random_game(count, seed)
        codes = np.arange(1 << count)
        game.worth = game.worth[codes & ~(1 << idle)]
        assert exact_shapley(game, count)[idle] == pytest.approx(0.0, abs=1e-12)

    @given(st.integers(2, 8), seeds, st.data())
    def test_symmetry(self, count, seed, data):
        """Two who are worth the same to every coalition get the same."""
        one, other = data.draw(st.permutations(range(count)))[:2]
        game = random_game(count, seed)
        codes = np.arange(1 << count)
        swapped = codes & ~(1 << one | 1 << other) | (codes >> one & 1) << other | (codes >> other & 1) << one
        game.worth = game.worth + game.worth[swapped]
        values = exact_shapley(game, count)
        assert values[one] == pytest.approx(values[other])

    @given(players, seeds)
    def test_additivity(self, count, seed):
        first, second = random_game(count, seed), random_game(count, seed + 1)
        both = Table(first.worth + second.worth)
        assert exact_shapley(both, count) == pytest.approx(
            exact_shapley(first, count) + exact_shapley(second, count)
        )

    @pytest.mark.parametrize("count", [0, 17, -1])
    def test_refuses_numbers_that_it_cannot_try(self, count):
        with pytest.raises(InputError, match="1 to 16 players"):
            exact_shapley(random_game(1, 0), count)


class TestLeaveOneOut:
    @given(players, seeds)
    def test_is_what_would_be_missing(self, count, seed):
        game = random_game(count, seed)
        everybody = (1 << count) - 1
        wanted = [game.worth[everybody] - game.worth[everybody ^ 1 << player] for player in range(count)]
        assert leave_one_out(game, count) == pytest.approx(wanted)

    def test_tries_each_once_for_64_players(self):
        asked = []

        def worth(coalitions):
            asked.append(coalitions.sum(axis=1))
            return coalitions.sum(axis=1).astype(np.float64)

        assert leave_one_out(worth, 64).tolist() == [1.0] * 64
        assert sorted(np.concatenate(asked).tolist()) == [63] * 64 + [64]


@pytest.mark.parametrize("estimator", [truncated_shapley, gtg_shapley])
class TestSampled:
    @pytest.mark.parametrize("count", [1, 2, 5, 8])
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_is_close_to_exact(self, estimator, count, seed):
        """Within five hundredths of what there is to give out, from a fixed seed."""
        game = saturating_game(count, seed)
        found = estimator(game, count, np.random.default_rng(seed), Sampling(most=4000, precision=1e-3))
        whole = np.abs(exact_shapley(game, count)).sum()
        assert np.abs(found.values - exact_shapley(game, count)).max() <= 0.05 * whole

    def test_without_truncation_it_is_efficient(self, estimator):
        game = random_game(6, 4)
        found = estimator(game, 6, np.random.default_rng(1), Sampling(most=60, truncation=0.0))
        assert found.values.sum() == pytest.approx(game.worth[-1] - game.worth[0])

    def test_a_null_player_gets_nothing_in_any_order(self, estimator):
        game = random_game(5, 5)
        game.worth = game.worth[np.arange(32) & ~4]
        assert estimator(game, 5, np.random.default_rng(2)).values[2] == 0.0

    def test_tries_no_coalition_twice_and_few_of_them(self, estimator):
        """Truncated: once a coalition is as good as all, nobody who joins it is tried."""
        worth = np.minimum(np.arange(1 << 8, dtype=np.uint8)[:, np.newaxis] >> np.arange(8) & 1, 1).sum(
            axis=1
        )
        game = Table(np.minimum(worth, 2))
        found = estimator(game, 8, np.random.default_rng(3))
        assert len(game.asked) == len(set(game.asked)) == found.evaluations
        assert found.evaluations <= 1 + 8 + 28 + 1

    def test_the_same_generator_gives_the_same_values(self, estimator):
        game = random_game(6, 6)
        draws = [
            estimator(game, 6, np.random.default_rng(seed), Sampling(most=12)).values.tolist()
            for seed in (1, 1, 2)
        ]
        assert draws[0] == draws[1] != draws[2]

    def test_ends_at_the_most_permutations(self, estimator):
        found = estimator(random_game(6, 7), 6, np.random.default_rng(1), Sampling(most=31, precision=0.0))
        assert found.permutations == 30

    def test_counts_64_players(self, estimator):
        """One bit each: the last player's is not lost."""

        def worth(coalitions):
            return coalitions @ np.arange(64.0)

        found = estimator(worth, 64, np.random.default_rng(1), Sampling(most=64, truncation=0.0))
        assert found.values == pytest.approx(np.arange(64.0))

    @pytest.mark.parametrize("count", [0, 65])
    def test_refuses_other_numbers(self, estimator, count):
        with pytest.raises(InputError, match="1 to 64 players"):
            estimator(random_game(1, 0), count, np.random.default_rng(1))


def test_gtg_puts_everybody_first_equally_often():
    """So each one's worth alone is in the mean with the weight that it has in the definition."""
    game = Table(np.where(np.arange(64) == 0, 0.0, 1.0))  # the first to come brings everything
    found = gtg_shapley(game, 6, np.random.default_rng(1), Sampling(most=6))
    assert found.values == pytest.approx([1 / 6] * 6)


def test_gtg_does_not_look_into_an_idle_round():
    game = Table(np.r_[0.0, np.full(14, 5.0), 0.001])
    found = gtg_shapley(game, 4, np.random.default_rng(1), Sampling(idle=0.01))
    assert (found.values.tolist(), found.permutations, found.evaluations) == ([0.0] * 4, 0, 2)


@pytest.fixture(scope="module", params=[{"kind": "sum"}, {"kind": "median"}], ids=lambda rule: rule["kind"])
def world(request):
    spec = study(rule=request.param)
    model = initial_model(spec)
    parts = [dataset(64, seed) for seed in range(5)]
    labels = [*(part.labels for part in parts[:4]), 1.0 - parts[4].labels]
    updates = []
    for seat, (part, truth) in enumerate(zip(parts, labels, strict=True)):
        delta = train(spec, model, Records(part.features, truth), seat, 1)
        weight = 32 if seat == 1 else 64
        updates.append((spec.codec.encode(delta, spec.rule.coded_weight(weight)), weight))
    judged = dataset(200, 99)
    return spec, model, updates, HeldOut(judged.features, judged.labels)


class TestRound:
    """The game of a real round: five hospitals, the last of which trains on flipped labels."""

    @pytest.mark.parametrize("measure", [likelihoods, areas])
    def test_a_coalition_is_worth_the_model_that_it_makes(self, world, measure):
        """Each of the 32, computed one by one as a hospital would; none leaves the model as it is."""
        spec, model, updates, held_out = world
        coalitions = (np.arange(32)[:, np.newaxis] >> np.arange(5) & 1).astype(bool)
        found = round_game(spec, model, updates, held_out, measure)(coalitions)
        for members, worth in zip(coalitions, found, strict=True):
            chosen = [update for update, member in zip(updates, members, strict=True) if member]
            after = Model(model.theta)
            if chosen:
                words = aggregate(spec.rule, [row for row, _ in chosen])
                divisor = spec.rule.divisor(len(chosen), sum(weight for _, weight in chosen))
                after = next_model(model, words, divisor, spec)
            p = predict(after, spec, held_out.features)
            y = held_out.labels
            naive = auc(p, y) if measure is areas else np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
            assert worth == pytest.approx(naive)

    def test_batches_do_not_show(self, world, monkeypatch):
        from medfed.learning import contribution

        coalitions = np.random.default_rng(1).integers(0, 2, (20, 5)).astype(bool)
        whole = round_game(*world)(coalitions)
        monkeypatch.setattr(contribution, "_BATCH_NUMBERS", 3 * world[0].size)
        assert round_game(*world)(coalitions) == pytest.approx(whole)

    def test_who_harms_scores_lowest(self, world):
        """By every score, the hospital with flipped labels comes last, below zero."""
        game = round_game(*world)
        random = np.random.default_rng(1)
        for values in (
            leave_one_out(game, 5),
            exact_shapley(game, 5),
            truncated_shapley(game, 5, random).values,
            gtg_shapley(game, 5, random).values,
        ):
            assert np.argmin(values) == 4
            assert values[4] < 0 < values[:4].max()


def test_likelihoods_are_bounded_at_certainty():
    """A model that is sure and wrong is bad, not infinitely so."""
    found = likelihoods(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0]))
    assert np.isfinite(found).all()
    assert found[0] < -20
    assert found[1] == pytest.approx(0.0, abs=1e-11)
