"""Aggregation rules: contracts without storage that check one chunk. A study names one; `learning.rules` has the twins."""

from __future__ import annotations

from collections.abc import Sequence

from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract

__all__ = ["MedianRule", "QuorumOnlyRule", "Rule", "SumRule", "TrimmedMeanRule"]


class Rule(Contract):
    """What every rule answers; by itself, the rule at an address of which nothing more is known."""

    NAME = "SumRule"

    def check_chunk(self, chunks: Sequence[bytes], aggregate: bytes, block: BlockLike = None) -> bool:
        """Whether these 512 bytes are the aggregate's for the updates' chunks. Raises `ContractRevert` where no chunk
        can be checked."""
        return bool(self._view(block, "checkChunk", list(chunks), aggregate))

    def weighted(self, block: BlockLike = None) -> bool:
        """Whether updates count by their weight."""
        return bool(self._view(block, "weighted"))

    def per_chunk(self, block: BlockLike = None) -> bool:
        """Whether `check_chunk` answers."""
        return bool(self._view(block, "perChunk"))


class SumRule(Rule):
    """The word-wise sum modulo 2^32."""


class MedianRule(Rule):
    """The word-wise median."""

    NAME = "MedianRule"


class TrimmedMeanRule(Rule):
    """The word-wise sum without the smallest and the largest."""

    NAME = "TrimmedMeanRule"

    def trim(self, block: BlockLike = None) -> int:
        """How many words are taken away at each end."""
        return int(self._view(block, "TRIM"))


class QuorumOnlyRule(Rule):
    """Multi-Krum or the geometric median, as the study's spec says: no chunk can be checked."""

    NAME = "QuorumOnlyRule"
