"""What a challenge shows of vectors: one chunk of each with its proof, as `Disputes.sol` reads it."""

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

    def to_bytes(self) -> bytes:
        """The chunk, then the proof, without padding."""
        return self.chunk + b"".join(self.proof)


def chunk_openings(updates: Sequence[tuple[Update, Opening]], aggregate: Opening) -> bytes:
    """What `challengeChunk` takes: the included updates by ascending seat (none for the header), then the aggregate."""
    return b"".join(_shown(update, opening) for update, opening in updates) + aggregate.to_bytes()


def _shown(update: Update, opening: Opening) -> bytes:
    return update.update_root + update.rest() + opening.to_bytes()
