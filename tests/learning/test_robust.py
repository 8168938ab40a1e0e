"""Multi-Krum and the geometric median: exact distances, naive definitions, the same bits everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medfed.learning.robust import geometric_weights, multi_krum, squared_distances, weighted_mean

GOLDEN = [219779, 204617, 204831, 224065, 195285]

words = st.one_of(st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1))
tables = hnp.arrays(np.uint32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=words)
distances = st.lists(
    st.lists(st.integers(0, 9), min_size=2, max_size=3).map(tuple), min_size=1, max_size=9
).map(
    lambda points: [[sum((a - b) ** 2 for a, b in zip(p, q, strict=False)) for q in points] for p in points]
)


@given(tables)
def test_distances_are_exact(table):
    """Sums far beyond 64 bits, in Python's integers."""
    rows = [[int(word) for word in row] for row in table.view(np.int32)]
    wanted = [[sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) for q in rows] for p in rows]
    assert squared_distances(list(table)) == wanted


def test_distances_of_long_vectors_of_extremes_are_exact():
    """As many of the largest products as a block has, whose sum float64 just holds."""
    size = 3 * (1 << 16) + 5
    low, high = np.full(size, 2**31, dtype=np.uint32), np.full(size, 2**31 - 1, dtype=np.uint32)
    assert squared_distances([low, high])[0][1] == size * (2**32 - 1) ** 2


@given(distances, st.integers(1, 4))
def test_krum_is_its_definition(table, faulty):
    """The updates with the smallest sums of squared distances to their nearest neighbours, earlier ones first."""
    count = len(table)
    neighbours = max(1, count - faulty - 2)
    selected = max(1, count - faulty)
    scores = [sum(sorted(table[i][j] for j in range(count) if j != i)[:neighbours]) for i in range(count)]
    best = []
    while len(best) < selected:
        best.append(min((i for i in range(count) if i not in best), key=lambda i: (scores[i], i)))
    assert multi_krum(table, faulty, selected) == sorted(best)


def test_the_geometric_median_has_the_smallest_sum_of_distances():
    """No nearby point is better, over seeds; the weights are those of a point between the updates."""
    random = np.random.default_rng(4)
    for _ in range(10):
        table = random.integers(-(10**6), 10**6, (7, 3)).astype(np.int32)
        rows = list(table.view(np.uint32))
        weights = geometric_weights(squared_distances(rows))
        assert all(weight >= 0 for weight in weights)
        found = weighted_mean(rows, weights).view(np.int32).astype(np.float64)

        def cost(point, table=table):
            return sum(math.dist(point, row) for row in table.tolist())

        for _ in range(50):
            step = random.normal(size=3)
            assert cost(found) <= cost(found + 2000 * step / np.linalg.norm(step))


def test_the_geometric_median_of_a_majority_is_where_the_majority_is():
    """Four equal updates against three anywhere: to within the smoothing of the iteration."""
    rows = [np.array([100, 200], dtype=np.uint32)] * 4
    rows += [np.array([word, 2**31], dtype=np.uint32) for word in (0, 2**31 - 1, 2**31)]
    found = weighted_mean(rows, geometric_weights(squared_distances(rows)))
    assert np.abs(found.astype(np.int64) - [100, 200]).max() <= 2**31 >> 18


@given(tables, st.data())
def test_the_weighted_mean_is_rounded_to_the_nearest(table, data):
    count = len(table)
    weights = data.draw(st.lists(st.integers(0, 2**20), min_size=count, max_size=count).filter(any))
    total = sum(weights)
    wanted = [
        (2 * sum(a * int(x) for a, x in zip(weights, column, strict=True)) + total) // (2 * total)
        for column in table.view(np.int32).T
    ]
    assert weighted_mean(list(table), weights).view(np.int32).tolist() == wanted


@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_equal_updates_weigh_alike(count):
    """Where all distances are 0, nothing is divided by it."""
    weights = geometric_weights([[0] * count for _ in range(count)])
    assert len(set(weights)) == 1
    assert weights[0] > 0


def test_golden_weights():
    """The bits that every machine must come to."""
    table = np.random.default_rng(9).integers(0, 2**32, (5, 300), dtype=np.uint32)
    assert geometric_weights(squared_distances(list(table))) == GOLDEN
