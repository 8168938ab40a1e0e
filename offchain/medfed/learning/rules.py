"""How a round's updates become its aggregate: the twins of the rule contracts, and the rules that only a quorum decides.

Everything is integer arithmetic on words, so that every honest node gets the same aggregate bit for bit. Memory is
bounded beside what is handed in: rows are read block by block, and may be mapped from files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medfed.errors import InputError
from medfed.learning.robust import geometric_weights, multi_krum, squared_distances, weighted_mean
from medfed.protocol.documents import RuleSpec
from medfed.protocol.vector import add_into
from medfed.types import Seat

__all__ = ["Aggregator", "aggregate", "aggregator"]

Words = NDArray[np.uint32]

_BLOCK = 1 << 14
"""Words of one update in a block: those of 16 updates stay in a core's cache while they are sorted."""


class Aggregator(Protocol):
    """A round's updates as they come in, in any order."""

    def add(self, seat: Seat, words: Words) -> None:
        """One update (P,), which the aggregator may keep and change."""

    def result(self) -> Words:
        """The aggregate (P,) of what was added. Raises `InputError` when nothing was."""


def aggregator(rule: RuleSpec, keep: Callable[[Words], Words] | None = None) -> Aggregator:
    """An empty one for `rule`. Rules other than the sum hold on to every update: `keep` says where, memory by default."""
    return _Sum() if rule.kind == "sum" else _Rows(rule, keep)


def aggregate(rule: RuleSpec, rows: Sequence[Words]) -> Words:
    """The aggregate (P,) of the updates in the order of their seats, each (P,).

    Raises `InputError` for none, or for updates of unequal length.
    """
    if not rows or any(row.shape != (len(rows[0]),) for row in rows):
        raise InputError("An aggregate needs at least one update, and all of one length.")
    return _RULES[rule.kind](rule, rows)


class _Sum:
    """Keeps one vector, however many updates there are."""

    def __init__(self) -> None:
        self._total: Words | None = None

    def add(self, seat: Seat, words: Words) -> None:
        del seat
        if self._total is None:
            self._total = words
        else:
            add_into(self._total, words)

    def result(self) -> Words:
        return aggregate(RuleSpec(), [] if self._total is None else [self._total])


class _Rows:
    """Keeps every vector."""

    def __init__(self, rule: RuleSpec, keep: Callable[[Words], Words] | None) -> None:
        self._rule = rule
        self._keep = keep
        self._rows: dict[Seat, Words] = {}

    def add(self, seat: Seat, words: Words) -> None:
        self._rows[seat] = words if self._keep is None else self._keep(words)

    def result(self) -> Words:
        return aggregate(self._rule, [self._rows[seat] for seat in sorted(self._rows)])


def _sum(rule: RuleSpec, rows: Sequence[Words]) -> Words:
    """Modulo 2^32; the twin of `SumRule`."""
    del rule
    total = rows[0].copy()
    for row in rows[1:]:
        add_into(total, row)
    return total


def _median(rule: RuleSpec, rows: Sequence[Words]) -> Words:
    """The middle word, or the mean of the two in the middle rounded down (Yin et al. 2018, definition 1); the twin of
    `MedianRule`."""
    del rule
    count = len(rows)
    found = np.empty(len(rows[0]), dtype=np.int32)
    for start, block in _sorted_blocks(rows):
        low, high = block[(count - 1) // 2], block[count // 2]
        # a + b = 2 (a & b) + (a ^ b), so that nothing overflows.
        found[start : start + len(low)] = (low & high) + ((low ^ high) >> 1)
    return found.view(np.uint32)


def _trimmed_mean(rule: RuleSpec, rows: Sequence[Words]) -> Words:
    """The sum modulo 2^32 of what is left without the smallest and the largest words (Yin et al. 2018, definition 2); the
    twin of `TrimmedMeanRule`."""
    trim = rule.trimmed(len(rows))
    found = np.empty(len(rows[0]), dtype=np.uint32)
    for start, block in _sorted_blocks(rows):
        kept = [row.view(np.uint32) for row in block[trim : len(rows) - trim]]
        found[start : start + len(kept[0])] = np.add.reduce(kept, dtype=np.uint32)
    return found


def _multi_krum(rule: RuleSpec, rows: Sequence[Words]) -> Words:
    """The sum modulo 2^32 of the updates that Multi-Krum selects."""
    chosen = multi_krum(squared_distances(rows), rule.faulty, rule.selected(len(rows)))
    return _sum(rule, [rows[index] for index in chosen])


def _geometric_median(rule: RuleSpec, rows: Sequence[Words]) -> Words:
    """The word vector nearest to the geometric median."""
    del rule
    return weighted_mean(rows, geometric_weights(squared_distances(rows)))


_RULES: dict[str, Callable[[RuleSpec, Sequence[Words]], Words]] = {
    "sum": _sum,
    "median": _median,
    "trimmed-mean": _trimmed_mean,
    "multi-krum": _multi_krum,
    "geometric-median": _geometric_median,
}


def _sorted_blocks(rows: Sequence[Words]) -> Iterator[tuple[int, list[NDArray[np.int32]]]]:
    """Where each block starts, and its signed words sorted over the updates: the smallest of each place first.

    One comparison of a sorting network is one minimum and one maximum of whole rows, several times as fast as sorting
    each place by itself.
    """
    network = _network(len(rows))
    for start in range(0, len(rows[0]), _BLOCK):
        block = [row[start : start + _BLOCK].astype(np.uint32).view(np.int32) for row in rows]
        spare = np.empty_like(block[0])
        for low, high in network:
            np.minimum(block[low], block[high], out=spare)
            np.maximum(block[low], block[high], out=block[high])
            block[low], spare = spare, block[low]
        yield start, block


def _network(count: int) -> list[tuple[int, int]]:
    """Which rows are compared: Batcher's merge exchange (Knuth, vol. 3, 5.2.2, algorithm M); the twin of `Lanes.sort`."""
    found = []
    top = 1
    while top * 2 < count:
        top *= 2
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            found += [(i, i + d) for i in range(count - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return found
