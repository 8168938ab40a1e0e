"""Proofs: judges what is shown of updates and aggregates, and keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence

from medfed.chain.calls import Call
from medfed.chain.contracts.base import Contract
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.openings import Opening
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["Proofs"]


class Proofs(Contract):
    """Calls of `Proofs.sol`."""

    NAME = "Proofs"

    def challenge_chunk(
        self, study: StudyId, number: RoundNumber, aggregate: Aggregate, index: int, openings: Sequence[bytes]
    ) -> Call:
        """By anyone: prove an aggregate wrong in one chunk, with `protocol.openings.chunk_openings`."""
        return self._change("challengeChunk", study, number, aggregate, index, list(openings))

    def challenge_update(
        self,
        study: StudyId,
        number: RoundNumber,
        seat: Seat,
        shown: tuple[Update, int, Opening],
        result: bytes = bytes(32),
    ) -> Call:
        """By anyone: prove one chunk of an update wrong. `shown` is (update, index, opening), `result` the hash of the
        round's result where it was final."""
        update, index, opening = shown
        return self._change("challengeUpdate", study, number, seat, update, result, index, opening.words())
