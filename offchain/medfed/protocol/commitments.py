"""What hospitals commit to on chain: updates and aggregates, and the hashes that contracts keep of them: the twin of
`types/Update.sol` and `types/Aggregate.sol`."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from eth_hash.auto import keccak

from medfed.errors import InputError
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["NO_AGGREGATE", "Aggregate", "Update", "bitmap", "seats_in"]


@dataclass(frozen=True, slots=True)
class Update:
    """A hospital's commitment to one round's work: CID digests and roots, 32 bytes each, and the cohort's weight."""

    cid: bytes
    update_root: bytes
    cohort_cid: bytes
    cohort_root: bytes
    weight: int

    def commitment(self) -> bytes:
        """keccak256(updateRoot ‖ keccak256(abi.encode(cid, cohortCid, cohortRoot, weight))): the one slot of an
        update."""
        return bytes(keccak(_word(self.update_root) + self.rest()))

    def rest(self) -> bytes:
        """keccak256(abi.encode(cid, cohortCid, cohortRoot, weight)): what is committed to beside the root."""
        parts: tuple[bytes | int, ...] = (self.cid, self.cohort_cid, self.cohort_root, self.weight)
        return bytes(keccak(b"".join(map(_word, parts))))


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A round's result: digests of the sum's and the next model's CIDs, the sum's chunk root, who is in it, their
    weight."""

    cid: bytes
    root: bytes
    model: bytes
    included: int
    weight: int

    def digest(self, study: StudyId, round_number: RoundNumber) -> bytes:
        """keccak256(abi.encode(study, round, aggregate)): what attestations name."""
        return bytes(keccak(b"".join(map(_word, (study, round_number, *astuple(self))))))


NO_AGGREGATE = Aggregate(bytes(32), bytes(32), bytes(32), 0, 0)
"""What is handed in where a contract asks for an aggregate and does not read it."""


def bitmap(seats: list[Seat] | tuple[Seat, ...]) -> int:
    """The bitmap of these seats."""
    return sum(1 << seat for seat in set(seats))


def seats_in(seats: int) -> list[Seat]:
    """The seats of a bitmap, ascending."""
    return [Seat(seat) for seat in range(seats.bit_length()) if seats >> seat & 1]


def _word(value: bytes | int) -> bytes:
    if isinstance(value, int):
        if not 0 <= value < 1 << 256:
            raise InputError(f"{value} is no uint256.")
        return value.to_bytes(32, "big")
    if len(value) != 32:
        raise InputError(f"A digest has 32 bytes, not {len(value)}.")
    return value
