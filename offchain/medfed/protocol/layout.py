"""What an update consists of, and what each of its chunks may hold: the twin of `types/Vector.sol` and of what
`challengeUpdate` asks.

An update is its header chunk, then its vectors one after another, each padded with zeros to whole chunks. The chunk
tree is padded with chunks of zeros, which can be opened like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, chunk_count

__all__ = ["VECTOR_LIMIT", "Vector", "chunk_count_of", "is_chunk_right", "vector_at"]

VECTOR_LIMIT = 8
"""The most vectors of an update."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One vector: its length in words, the largest size of a word (per unit of weight where it is weighted)."""

    words: int
    steps: int
    weighted: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The vector in a decoded struct."""
        return cls(**found)

    @property
    def chunks(self) -> int:
        """How many chunks it takes."""
        return chunk_count(self.words)

    def limit(self, weight: int) -> int:
        """The largest absolute word in an update of this weight."""
        return self.steps * weight if self.weighted else self.steps


def chunk_count_of(vectors: Sequence[Vector]) -> int:
    """How many chunks an update has, its header among them."""
    return 1 + sum(vector.chunks for vector in vectors)


def vector_at(vectors: Sequence[Vector], index: int) -> tuple[Vector | None, int]:
    """The vector that chunk `index` belongs to, and which of its words comes first there; None for the header and
    beyond the last chunk."""
    start = 1
    for vector in vectors:
        if start <= index < start + vector.chunks:
            return vector, (index - start) * CHUNK_WORDS
        start += vector.chunks
    return None, 0


def is_chunk_right(vectors: Sequence[Vector], chunk: bytes, index: int, weight: int) -> bool:
    """Whether chunk `index` >= 1 of an update of this weight has no word beyond its vector's limit, and zeros where no
    vector reaches."""
    if len(chunk) != CHUNK_BYTES:
        return False
    found = np.abs(np.frombuffer(chunk, dtype=">i4").astype(np.int64))
    vector, first = vector_at(vectors, index)
    inside = 0 if vector is None else min(CHUNK_WORDS, vector.words - first)
    limit = 0 if vector is None else vector.limit(weight)
    return bool((found[:inside] <= limit).all() and not found[inside:].any())
