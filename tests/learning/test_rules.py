"""Aggregation rules equal their definitions, written naively in whole numbers, for any words at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medfed.errors import InputError
from medfed.learning import rules
from medfed.learning.rules import aggregate, aggregator
from medfed.protocol.documents import RuleSpec

SPECS = [
    RuleSpec(),
    RuleSpec(kind="median"),
    RuleSpec(kind="trimmed-mean", trim=1),
    RuleSpec(kind="trimmed-mean", trim=4),
    RuleSpec(kind="multi-krum", faulty=1),
    RuleSpec(kind="geometric-median"),
]
EDGES = [0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]

words = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**32 - 1))
tables = hnp.arrays(np.uint32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=words)


def signed(table):
    """Columns of Python integers."""
    return [[int(word) for word in column] for column in table.view(np.int32).T]


def unsigned(values):
    return [value % 2**32 for value in values]


def median(column):
    ordered = sorted(column)
    return (ordered[(len(column) - 1) // 2] + ordered[len(column) // 2]) // 2


def trimmed(column, trim):
    cut = min(trim, (len(column) - 1) // 2)
    return sum(sorted(column)[cut : len(column) - cut])


@given(tables)
def test_the_sum_is_word_by_word(table):
    assert aggregate(RuleSpec(), list(table)).tolist() == unsigned(map(sum, signed(table)))


@given(tables)
def test_the_median_is_word_by_word(table):
    """Also where the two in the middle add up to more than 32 bits, and below zero, where the mean is rounded down."""
    found = aggregate(RuleSpec(kind="median"), list(table))
    assert found.tolist() == unsigned(map(median, signed(table)))


@given(tables, st.integers(1, 31))
def test_the_trimmed_mean_is_word_by_word(table, trim):
    """As many are taken away at each end as leave one or two."""
    found = aggregate(RuleSpec(kind="trimmed-mean", trim=trim), list(table))
    assert found.tolist() == unsigned(trimmed(column, trim) for column in signed(table))


@pytest.mark.parametrize("count", [*range(1, 18), 31, 33, 63, 64])
def test_the_network_sorts_any_number_of_updates(count):
    random = np.random.default_rng(count)
    table = random.choice(np.array([*EDGES, *range(5)], dtype=np.uint32), (count, 500))
    ordered = np.sort(table.view(np.int32), axis=0)
    [(_, found)] = rules._sorted_blocks(list(table))
    assert np.array_equal(np.stack(found), ordered)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.trim}")
def test_blocks_do_not_show(spec, monkeypatch):
    """However a long vector is cut, its aggregate is the same, and rows may be read-only maps of a file."""
    from medfed.learning import robust

    table = np.random.default_rng(3).integers(0, 2**32, (5, 1000), dtype=np.uint32)
    table.setflags(write=False)
    before = table.copy()
    whole = aggregate(spec, list(table))
    monkeypatch.setattr(rules, "_BLOCK", 7)
    monkeypatch.setattr(robust, "_BLOCK", 7)
    assert aggregate(spec, list(table)).tobytes() == whole.tobytes()
    assert np.array_equal(table, before)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.trim}")
@given(table=tables)
def test_an_aggregator_takes_updates_in_any_order(spec, table):
    found = aggregator(spec)
    order = np.random.default_rng(len(table)).permutation(len(table))
    for seat in order:
        found.add(seat, table[seat].copy())
    assert found.result().tobytes() == aggregate(spec, list(table)).tobytes()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.trim}")
def test_one_update_is_its_own_mean(spec):
    row = np.array([3, 2**32 - 3, 2**31, 0], dtype=np.uint32)
    assert aggregate(spec, [row]).tolist() == row.tolist()
    assert spec.divisor(1, 16) == (16 if spec.kind == "sum" else 1)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.trim}")
@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 11, 64])
def test_equal_updates_have_themselves_as_mean(spec, count):
    """The aggregate divided by the rule's divisor is the update that all of them sent."""
    row = np.array([5, 2**32 - 7, 0], dtype=np.uint32)
    found = aggregate(spec, [row] * count).view(np.int32)
    assert (found / spec.divisor(count, count)).tolist() == [5.0, -7.0, 0.0]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.trim}")
def test_keeps_each_update_where_it_is_told(spec):
    """The sum keeps one vector and asks nobody; other rules hand every update over."""
    kept = []
    found = aggregator(spec, lambda row: kept.append(row) or row)
    for seat in range(3):
        found.add(seat, np.full(4, seat, dtype=np.uint32))
    assert len(kept) == (0 if spec.weighted else 3)
    assert len(found.result()) == 4


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.trim}")
def test_refuses_no_updates_and_unequal_ones(spec):
    with pytest.raises(InputError, match="at least one"):
        aggregator(spec).result()
    with pytest.raises(InputError, match="one length"):
        aggregate(spec, [np.zeros(3, dtype=np.uint32), np.zeros(4, dtype=np.uint32)])


@pytest.mark.parametrize("spec", SPECS[1:], ids=lambda spec: f"{spec.kind}-{spec.trim}")
@pytest.mark.parametrize("far", [2**30, -(2**30), 2**31 - 1, -(2**31)])
def test_one_far_update_of_five_does_not_move_the_mean_away(spec, far):
    """What robust rules are for: the mean stays among the honest ones, wherever the fifth is; the sum's would not."""
    honest = np.array([[10, -10], [12, -12], [11, -14], [14, -11]], dtype=np.int32)
    rows = [*honest.view(np.uint32), np.array([far, far], dtype=np.int64).astype(np.int32).view(np.uint32)]
    mean = aggregate(spec, rows).view(np.int32) / spec.divisor(5, 5)
    assert (honest.min(axis=0) <= mean).all()
    assert (mean <= honest.max(axis=0)).all()
