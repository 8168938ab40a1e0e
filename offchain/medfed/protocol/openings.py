"""What a challenge shows of vectors: one chunk of each with its proof, in words of 32 bytes as `Proofs.sol` reads
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medfed.protocol.commitments import Update

__all__ = ["Opening", "chunk_openings"]


@dataclass(frozen=True, slots=True)
class Opening:
    """512 bytes of a chunk, and its neighbours in the tree from the leaf up."""

    chunk: bytes
    proof: Sequence[bytes]

    def words(self) -> list[bytes]:
        """The chunk, then the proof."""
        return [*(self.chunk[at : at + 32] for at in range(0, len(self.chunk), 32)), *self.proof]


def chunk_openings(updates: Sequence[tuple[Update, Opening]], aggregate: Opening) -> list[bytes]:
    """What `challengeChunk` takes: the included updates by ascending seat (none for the header), then the aggregate."""
    shown = [[update.update_root, update.rest(), *opening.words()] for update, opening in updates]
    return [word for words in [*shown, aggregate.words()] for word in words]
