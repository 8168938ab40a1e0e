"""The chunk that stands before every vector and says whose it is, so that nobody's bytes can pass as another's."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfed.errors import ProtocolError
from medfed.types import NO_ACCOUNT, Address, HospitalId, RoundNumber, StudyId

__all__ = ["HEADER_BYTES", "Header"]

HEADER_BYTES = 512
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Header:
    """Chain, rounds contract, study, round and hospital of a vector; an aggregate names no hospital."""

    chain_id: int
    contract: Address
    study: StudyId
    round: RoundNumber
    hospital: HospitalId | None = None

    def chunk(self) -> bytes:
        """abi.encode(uint256 chainId, address contract, uint256 study, uint256 round, address hospital),
        zero-filled to 512 bytes. Raises `ProtocolError` for what those types cannot hold."""
        numbers = (
            self.chain_id,
            _number(self.contract),
            self.study,
            self.round,
            _number(self.hospital or NO_ACCOUNT),
        )
        return b"".join(map(_word, numbers)).ljust(HEADER_BYTES, b"\0")

    def words(self) -> NDArray[np.uint32]:
        """The chunk as 128 words, native byte order."""
        return np.frombuffer(self.chunk(), dtype=">u4").astype(np.uint32)


def _word(number: int) -> bytes:
    if not 0 <= number < 1 << 256:
        raise ProtocolError(f"{number} is no uint256, so no header can hold it.")
    return number.to_bytes(32, "big")


def _number(address: str) -> int:
    if not _ADDRESS.fullmatch(address):
        raise ProtocolError(f"{address!r} is no address; a header needs 0x and 40 hexadecimal digits.")
    return int(address, 16)
