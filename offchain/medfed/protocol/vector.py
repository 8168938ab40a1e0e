"""The update vector: floats become integers whose sum is the same on every machine, and a file that a contract can
check.

A hospital's update Δ is clipped to the spec's L2 norm, then per coordinate to [−b, b], and encoded as
y = round_half_even(Δ · w · s) in two's-complement uint32. Sums are taken modulo 2^32; n_max · w_max · b · s < 2^31
keeps them from wrapping. As a file, a vector is its header chunk and then the words, big-endian, padded with zeros to
whole chunks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medfed.errors import InputError, ProtocolError, SpecError
from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, ChunkHasher, chunk_count
from medfed.protocol.cid import CHUNK_SIZE, DagHasher, cid_from_digest
from medfed.protocol.header import Header
from medfed.types import Cid

__all__ = [
    "Codec",
    "Sealed",
    "add_into",
    "check_vector",
    "seal",
    "vector_bytes",
    "vector_size",
    "write_vector",
]

Floats = NDArray[np.floating[Any]]
Words = NDArray[np.uint32]

_LIMIT = 2**31
_BLOCK = 1 << 18
_EXACT = 1 << 20
"""So many products of two numbers below 2^16 add up to less than 2^53."""
_BLOCK_WORDS = CHUNK_SIZE // 4


@dataclass(frozen=True, slots=True)
class Codec:
    """Between float updates (size,) and words (size,). Refuses a spec in which a sum could wrap."""

    clip_norm: float
    """Largest L2 norm of an update; longer ones are scaled down."""
    bound: float
    """b: largest absolute coordinate after that."""
    scale: float
    """s: steps per unit."""
    max_weight: int
    """w_max: largest weight of one hospital."""
    max_hospitals: int
    """n_max."""
    size: int
    """P: number of parameters."""

    def __post_init__(self) -> None:
        reals = (self.clip_norm, self.bound, self.scale)
        if not all(np.isfinite(value) and value > 0 for value in reals):
            raise SpecError("The codec's clip_norm, bound and scale must be finite and above zero.")
        if min(self.max_weight, self.max_hospitals, self.size) < 1:
            raise SpecError("The codec's max_weight, max_hospitals and size must be at least 1.")
        # As floats first: their product may be too large for an integer, or infinite.
        largest = float(self.bound) * (float(self.max_weight) * float(self.scale))
        if largest >= _LIMIT or self.max_hospitals * self.word_limit(self.max_weight) >= _LIMIT:
            raise SpecError(
                f"A sum of updates could wrap: {self.max_hospitals} hospitals times weight {self.max_weight} times bound {self.bound:g} "
                f"times scale {self.scale:g} reaches {self.max_hospitals * largest:.0f}, the limit is 2^31; lower one of them."
            )

    @property
    def steps(self) -> int:
        """⌈b · s⌉: the largest absolute word per unit of weight, as the contract has it."""
        return math.ceil(self.bound * self.scale)

    def word_limit(self, weight: int) -> int:
        """The largest absolute word of an update with this weight."""
        return weight * self.steps

    def norm_limit(self, weight: int) -> int:
        """The largest squared L2 norm of the words of an update with this weight.

        Rounding moves a word by one step at most, also when it is stochastic; so it adds √P to the length.
        """
        root = math.sqrt(self.size)
        # A clip_norm that no update within the bound reaches may be any number.
        length = min(self.clip_norm * weight * self.scale, self.word_limit(weight) * root) + root
        return math.ceil(length * length)

    def encode(self, delta: Floats, weight: int, rng: np.random.Generator | None = None) -> Words:
        """Δ (size,) as words (size,). With `rng`, rounds stochastically (unbiased, up to the largest whole word)
        instead of half to even.

        Raises `InputError` for a wrong length, a weight out of range, or a value that is not finite.
        """
        if delta.shape != (self.size,):
            raise InputError(f"An update of this study has {self.size} parameters, not {delta.shape}.")
        if not 1 <= weight <= self.max_weight:
            raise InputError(f"A weight lies between 1 and {self.max_weight}, not {weight}.")
        shrink = self._shrink(delta)
        factor = np.float64(weight) * np.float64(self.scale)
        limit = self.word_limit(weight)
        words = np.empty(self.size, dtype=np.uint32)
        for start in range(0, self.size, _BLOCK):
            block = delta[start : start + _BLOCK].astype(np.float64)
            block *= shrink
            np.clip(block, -self.bound, self.bound, out=block)
            block *= factor
            if rng is None:
                np.rint(block, out=block)
            else:
                np.clip(block, -limit, limit, out=block)
                block += rng.random(len(block))
                np.floor(block, out=block)
            words[start : start + len(block)] = block.astype(np.int64).astype(np.int32).view(np.uint32)
        return words

    def decode(self, total: Words, weight: int) -> NDArray[np.float64]:
        """The mean update (size,) from a sum of words and the sum of their weights."""
        if total.shape != (self.size,) or weight < 1:
            raise InputError(f"A sum of this study has {self.size} words and a positive weight.")
        mean = total.view(np.int32).astype(np.float64)
        mean /= np.float64(weight) * np.float64(self.scale)
        return mean

    def check(self, words: Words, weight: int) -> None:
        """Raise `ProtocolError` when a word, or the length of all, is beyond what an update of this weight can have."""
        limit = self.word_limit(weight)
        signed = words.view(np.int32)
        low, high = int(signed.min()), int(signed.max())
        if low < -limit or high > limit:
            worst = low if -low > high else high
            raise ProtocolError(
                f"An update of weight {weight} has the word {worst}, beyond its bound of {limit}."
            )
        if _squares(words) > self.norm_limit(weight):
            raise ProtocolError(
                f"An update of weight {weight} is longer than the study's clip_norm of {self.clip_norm:g}."
            )

    def _shrink(self, delta: Floats) -> np.float64:
        """The factor that brings Δ down to `clip_norm`; 1 when it is short enough.

        The squares are added block by block in one order, so that the factor does not depend on the number of threads.
        """
        squares = np.float64(0)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            for start in range(0, self.size, _BLOCK):
                block = delta[start : start + _BLOCK].astype(np.float64)
                np.square(block, out=block)
                squares += block.sum()
        if not np.isfinite(squares):
            raise InputError("An update holds a value that is not a finite number; training has diverged.")
        norm = np.sqrt(squares)
        return np.float64(1) if norm <= self.clip_norm else np.float64(self.clip_norm) / norm


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a vector's file is known by: its CID and its chunk root (32 bytes)."""

    cid: Cid
    root: bytes


def vector_size(size: int) -> int:
    """Bytes of the file of a vector of `size` words."""
    return CHUNK_BYTES * (1 + chunk_count(size))


def add_into(total: Words, words: Words) -> None:
    """total += words modulo 2^32, in place."""
    np.add(total, words, out=total)


def seal(header: Header, words: Words) -> Sealed:
    """CID and root of a vector, without its file."""
    return _seal(_file_blocks(header, words))


def write_vector(header: Header, words: Words, file: BinaryIO) -> Sealed:
    """Write a vector's file and seal it, in one pass; keeps a MiB or two in memory beyond the input and the tree."""
    return _seal(_written(_file_blocks(header, words), file))


def vector_bytes(header: Header, words: Words) -> bytes:
    """A vector's file."""
    return b"".join(_file_blocks(header, words))


def check_vector(pieces: Iterable[bytes | memoryview], header: Header, size: int) -> tuple[Words, bytes]:
    """The words (size,) and the chunk root of a vector's file, given in pieces as `ContentStore.stream` yields them
    (whole chunks but for the last), so that the only copy of the vector is the words.

    Raises `ProtocolError` when it has another length or another header, or padding that is not zero, and whatever
    the pieces raise.
    """
    words = np.empty(vector_size(size) // 4, dtype=np.uint32)
    hasher = ChunkHasher()
    length = 0
    for piece in pieces:
        start, length = length, length + len(piece)
        if length <= vector_size(size):
            hasher.add(piece)
            words[start // 4 : length // 4] = np.frombuffer(piece[: len(piece) // 4 * 4], dtype=">u4")
    if length != vector_size(size):
        raise ProtocolError(f"A vector of {size} words is {vector_size(size)} bytes long, not {length}.")
    if not np.array_equal(words[:CHUNK_WORDS], header.words()):
        raise ProtocolError(
            f"The vector's header is not that of round {header.round} of study {header.study} and its hospital."
        )
    if words[CHUNK_WORDS + size :].any():
        raise ProtocolError("The vector's padding is not zero.")
    return words[CHUNK_WORDS : CHUNK_WORDS + size], hasher.root()


def _squares(words: Words) -> int:
    """Σ x² of signed words, exactly: with x = 2^16 h + l, every sum of a block is a whole number that float64 holds."""
    found = 0
    for start in range(0, len(words), _EXACT):
        signed = words[start : start + _EXACT].view(np.int32)
        high, low = (signed >> 16).astype(np.float64), (signed & 0xFFFF).astype(np.float64)
        found += (int(high @ high) << 32) + (int(high @ low) << 17) + int(low @ low)
    return found


def _file_blocks(header: Header, words: Words) -> Iterator[bytes]:
    """The file in pieces of a MiB, as the CID cuts it."""
    first = _BLOCK_WORDS - CHUNK_WORDS
    head = header.chunk() + words[:first].astype(">u4").tobytes()
    padding = bytes(vector_size(len(words)) - CHUNK_BYTES - 4 * len(words))
    if len(words) <= first:
        yield head + padding
        return
    yield head
    for start in range(first, len(words), _BLOCK_WORDS):
        block = words[start : start + _BLOCK_WORDS].astype(">u4").tobytes()
        yield block + padding if start + _BLOCK_WORDS >= len(words) else block


def _seal(blocks: Iterable[bytes]) -> Sealed:
    """Hash each block for the CID and for the tree while it is at hand.

    In one thread: chunks are too short for hashlib to let another thread in, so a second one only adds waiting.
    """
    tree = ChunkHasher()
    dag = DagHasher()
    for block in blocks:
        dag.add(block)
        tree.add(block)
    return Sealed(cid_from_digest(dag.finish()), tree.root())


def _written(blocks: Iterable[bytes], file: BinaryIO) -> Iterator[bytes]:
    for block in blocks:
        file.write(block)
        yield block
