"""Rules that look at whole updates: Multi-Krum and the geometric median. The same bits on every machine.

Both need the distances between updates and nothing else of them. Words are integers, so the distances are exact, and
what is computed from them afterwards is a few thousand IEEE operations in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["geometric_weights", "multi_krum", "squared_distances", "weighted_mean"]

Words = NDArray[np.uint32]
Distances = list[list[int]]

_BLOCK = 1 << 16
_ITERATIONS = 64
_SMALLEST = 1.0
"""ν: no distance counts for less than one step of the codec."""
_PARTS = 1 << 20
"""The geometric median's weights are whole numbers of such parts, so that the mean is one of integers."""


def squared_distances(rows: Sequence[Words]) -> Distances:
    """‖x_i − x_j‖² of signed words, exactly, (n, n).

    With x = 2^16 h + l, h and l below 2^16 in size, a block's products add up to less than 2^53: every partial sum is a
    whole number that float64 holds, in whichever order the matrix product takes them.
    """
    count = len(rows)
    gram = [[0] * count for _ in range(count)]
    for start in range(0, len(rows[0]), _BLOCK):
        signed = np.stack([row[start : start + _BLOCK] for row in rows]).view(np.int32)
        high = (signed >> 16).astype(np.float64)  # (n, B)
        low = (signed & 0xFFFF).astype(np.float64)
        products = (high @ high.T, high @ low.T, low @ low.T)
        hh, hl, ll = (part.astype(np.int64).tolist() for part in products)
        for i in range(count):
            for j in range(count):
                gram[i][j] += (hh[i][j] << 32) + ((hl[i][j] + hl[j][i]) << 16) + ll[i][j]
    return [[gram[i][i] + gram[j][j] - 2 * gram[i][j] for j in range(count)] for i in range(count)]


def multi_krum(distances: Distances, faulty: int, selected: int) -> list[int]:
    """The `selected` updates with the smallest scores, ascending; of equal scores the earlier update's comes first.

    A score is the sum of the squared distances to the n − f − 2 nearest others, at least one (Blanchard et al. 2017,
    section 4). The guarantee needs n ≥ 2f + 3.
    """
    count = len(distances)
    neighbours = max(1, count - faulty - 2)
    scores = []
    for i, row in enumerate(distances):
        others = sorted(row[:i] + row[i + 1 :])
        scores.append((sum(others[:neighbours]), i))
    return sorted(i for _, i in sorted(scores)[:selected])


def geometric_weights(distances: Distances) -> list[int]:
    """Whole-number weights whose mean of the updates is their geometric median, (n,).

    The smoothed Weiszfeld iteration (Pillutla et al. 2022, algorithm 2), a fixed number of times. The median is kept as
    α, its weights over the updates (Σα = 1): ‖x_i − v‖² = (Dα)_i − ½ αᵀDα, with D the squared distances.
    """
    count = len(distances)
    d = [[float(value) for value in row] for row in distances]
    alpha = [1.0 / count] * count
    for _ in range(_ITERATIONS):
        spread = [math.fsum(d[i][j] * alpha[j] for j in range(count)) for i in range(count)]
        half = 0.5 * math.fsum(alpha[i] * spread[i] for i in range(count))
        beta = [1.0 / max(_SMALLEST, math.sqrt(max(0.0, spread[i] - half))) for i in range(count)]
        total = math.fsum(beta)
        alpha = [value / total for value in beta]
    return [round(value * _PARTS) for value in alpha]


def weighted_mean(rows: Sequence[Words], weights: Sequence[int]) -> Words:
    """Σ a_i x_i / Σ a_i of signed words, rounded to the nearest, halves up, (P,). Weights add up to at most 2^30."""
    total = sum(weights)
    mean = np.empty(len(rows[0]), dtype=np.uint32)
    for start in range(0, len(mean), _BLOCK):
        summed = np.zeros(len(mean[start : start + _BLOCK]), dtype=np.int64)
        for row, weight in zip(rows, weights, strict=True):
            summed += row[start : start + _BLOCK].view(np.int32).astype(np.int64) * weight
        summed *= 2
        summed += total
        summed //= 2 * total
        mean[start : start + _BLOCK] = summed.astype(np.int32).view(np.uint32)
    return mean
