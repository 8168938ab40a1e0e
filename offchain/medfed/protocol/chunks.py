"""The chunk tree: a binary SHA-256 tree over a vector's 512-byte chunks, by position.

leaf = sha256(chunk), node = sha256(left ‖ right), padded to the next power of two with leaves of 512 zero bytes, which
can be opened like any other. Words are big-endian uint32. A contract checks one chunk of any vector against its 32-byte root (`ChunkTree.sol`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from medfed.errors import ProtocolError

__all__ = [
    "CHUNK_BYTES",
    "CHUNK_WORDS",
    "ChunkHasher",
    "chunk_count",
    "chunk_proof",
    "chunk_root",
    "leaf_count",
    "verify_chunk",
]

CHUNK_BYTES = 512
CHUNK_WORDS = 128
_BLOCK_WORDS = 1 << 18
_DEEPEST = 40


def _zero_roots() -> tuple[bytes, ...]:
    roots = [hashlib.sha256(bytes(CHUNK_BYTES)).digest()]
    for _ in range(_DEEPEST):
        roots.append(hashlib.sha256(roots[-1] * 2).digest())
    return tuple(roots)


_ZERO_ROOTS = _zero_roots()
"""Roots of all-zero subtrees, by level."""


def chunk_count(words: int) -> int:
    """How many chunks `words` words fill, the last one padded with zeros."""
    return -(-words // CHUNK_WORDS)


def leaf_count(count: int) -> int:
    """How many leaves the tree of `count` chunks has: the next power of two."""
    return 1 << (count - 1).bit_length()


def chunk_root(words: NDArray[np.uint32]) -> bytes:
    """The root over `words` (n,), 32 bytes. Raises `ProtocolError` for none at all, or for what is no uint32."""
    hasher = ChunkHasher()
    for block in _blocks(words):
        hasher.add(block)
    return hasher.root()


def chunk_proof(words: NDArray[np.uint32], index: int) -> list[bytes]:
    """The neighbours of leaf `index` from the bottom up. Raises `ProtocolError` when the tree has no such leaf."""
    hasher = ChunkHasher()
    for block in _blocks(words):
        hasher.add(block)
    return hasher.proof(index)


def verify_chunk(root: bytes, chunk: bytes, index: int, proof: Sequence[bytes], count: int) -> bool:
    """Whether `chunk` stands at `index` in the tree of `count` chunks with this root; beyond the last chunk only zeros
    should. The twin of `ChunkTree`."""
    if (
        len(chunk) != CHUNK_BYTES
        or not 0 <= index < leaf_count(count)
        or len(proof) != (count - 1).bit_length()
    ):
        return False
    if any(len(neighbour) != 32 for neighbour in proof):
        return False
    node = hashlib.sha256(chunk).digest()
    for level, neighbour in enumerate(proof):
        node = hashlib.sha256(neighbour + node if index >> level & 1 else node + neighbour).digest()
    return node == root


class ChunkHasher:
    """The tree of a vector whose bytes are handed in piece by piece; keeps 32 bytes for each chunk."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._ended = False

    def add(self, data: bytes | memoryview) -> None:
        """The next bytes: a whole number of chunks, only the last piece may end in the middle of one."""
        if self._ended:
            raise ProtocolError("A vector's bytes go on after a piece that ended inside a chunk.")
        view = memoryview(data).cast("B")
        whole = len(view) - len(view) % CHUNK_BYTES
        sha256 = hashlib.sha256
        self._leaves += [sha256(view[at : at + CHUNK_BYTES]).digest() for at in range(0, whole, CHUNK_BYTES)]
        if whole < len(view):
            self._leaves.append(sha256(bytes(view[whole:]).ljust(CHUNK_BYTES, b"\0")).digest())
            self._ended = True

    def root(self) -> bytes:
        """The root over all that was added."""
        return self._levels()[-1][0]

    def proof(self, index: int) -> list[bytes]:
        """The neighbours of leaf `index` from the bottom up; beyond the last chunk leaves are chunks of zeros."""
        levels = self._levels()[:-1]
        if not 0 <= index < 1 << len(levels):
            raise ProtocolError(f"There is no leaf {index} in the tree of {len(self._leaves)} chunks.")
        return [_at(level, index >> height ^ 1, height) for height, level in enumerate(levels)]

    def _levels(self) -> list[list[bytes]]:
        if not self._leaves:
            raise ProtocolError("A vector has at least one chunk.")
        sha256 = hashlib.sha256
        levels = [self._leaves]
        while len(levels[-1]) > 1:
            below = levels[-1]
            if len(below) % 2:
                below = [*below, _ZERO_ROOTS[len(levels) - 1]]
                levels[-1] = below
            pairs = zip(below[::2], below[1::2], strict=True)
            levels.append([sha256(left + right).digest() for left, right in pairs])
        return levels


def _at(level: list[bytes], place: int, height: int) -> bytes:
    """A node of one level, which is only kept as far as chunks reach."""
    return level[place] if place < len(level) else _ZERO_ROOTS[height]


def _blocks(words: NDArray[np.uint32]) -> Iterator[bytes]:
    """The words in big-endian bytes, a MiB at a time, so that no second copy of the vector is made."""
    if words.ndim != 1 or words.dtype.kind != "u" or words.dtype.itemsize != 4:
        raise ProtocolError(f"A vector is one row of uint32, not {words.dtype} of shape {words.shape}.")
    for start in range(0, len(words), _BLOCK_WORDS):
        yield words[start : start + _BLOCK_WORDS].astype(">u4").tobytes()
