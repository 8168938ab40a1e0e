"""Aggregation rules: contracts without state that recompute one chunk."""

from __future__ import annotations

from collections.abc import Sequence

from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract

__all__ = ["SumRule"]


class SumRule(Contract):
    """The word-wise sum modulo 2^32."""

    NAME = "SumRule"

    def aggregate_chunk(self, chunks: Sequence[bytes], block: BlockLike = None) -> bytes:
        """The aggregate's 512-byte chunk for the updates' chunks."""
        return bytes(self._view(block, "aggregateChunk", list(chunks)))
