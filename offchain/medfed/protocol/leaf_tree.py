"""The tree over 32-byte leaves: binary, SHA-256, by position, its root bound to a tag and to how many leaves there are.

node = sha256(left ‖ right), padded to the next power of two with leaves of 32 zero bytes; what is committed to is
sha256(tag ‖ uint256 count ‖ top node). So every path of a commitment has one length: no leaf hides a subtree. The twin
of `Leaves.sol`. Leaves are handed over as one piece of bytes: a million of them are 32 MB and no objects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import sha256

from medfed.errors import ProtocolError

__all__ = ["LEAF_BYTES", "MAX_LEAVES", "is_leaf_at", "leaf_proof", "leaf_root"]

LEAF_BYTES = 32

MAX_LEAVES = 1 << 20
"""Most leaves under one root."""


def _zero_nodes() -> tuple[bytes, ...]:
    nodes = [bytes(LEAF_BYTES)]
    for _ in range((MAX_LEAVES - 1).bit_length()):
        nodes.append(sha256(nodes[-1] * 2).digest())
    return tuple(nodes)


_ZERO_NODES = _zero_nodes()
"""Tops of all-zero subtrees, by level."""


def leaf_root(tag: bytes, leaves: bytes) -> bytes:
    """The commitment to `leaves`, 32 bytes each, in this order. `tag` is at most 32 bytes of ASCII. Raises
    `ProtocolError` for none at all, for too many, and for a length that is no multiple of 32."""
    top = deque(_levels(leaves), maxlen=1)[0]
    return _bound(tag, len(leaves) // LEAF_BYTES, top)


def leaf_proof(leaves: bytes, index: int) -> list[bytes]:
    """The neighbours of leaf `index` from the bottom up. Raises `ProtocolError` when there is no such leaf."""
    count = len(leaves) // LEAF_BYTES
    if not 0 <= index < count:
        raise ProtocolError(f"There is no leaf {index} among {count}.")
    proof = []
    for height, level in enumerate(_levels(leaves)):
        if len(level) == LEAF_BYTES:
            break
        start = (index >> height ^ 1) * LEAF_BYTES
        proof.append(level[start : start + LEAF_BYTES])
    return proof


def is_leaf_at(tag: bytes, root: bytes, leaf: bytes, place: tuple[int, int], proof: Sequence[bytes]) -> bool:
    """Whether `leaf` stands at `place`, its index and the count of all, under this root. The twin of `Leaves.isAt`."""
    index, count = place
    if not 0 <= index < count or len(proof) != (count - 1).bit_length():
        return False
    for neighbour in proof:
        left, right = (neighbour, leaf) if index & 1 else (leaf, neighbour)
        leaf, index = sha256(left + right).digest(), index >> 1
    return _bound(tag, count, leaf) == root


def _levels(leaves: bytes) -> Iterator[bytes]:
    """The nodes of each level from the bottom up, each level but the top filled up to an even number of them."""
    if not leaves or len(leaves) % LEAF_BYTES:
        raise ProtocolError(f"A tree is over leaves of {LEAF_BYTES} bytes, not over {len(leaves)} bytes.")
    if len(leaves) > MAX_LEAVES * LEAF_BYTES:
        raise ProtocolError(f"A tree has at most {MAX_LEAVES} leaves.")
    level, height, pair = bytes(leaves), 0, 2 * LEAF_BYTES
    while len(level) > LEAF_BYTES:
        if len(level) % pair:
            level += _ZERO_NODES[height]
        yield level
        level = b"".join(
            [sha256(level[start : start + pair]).digest() for start in range(0, len(level), pair)]
        )
        height += 1
    yield level


def _bound(tag: bytes, count: int, top: bytes) -> bytes:
    return sha256(tag.ljust(32, b"\0") + count.to_bytes(32, "big") + top).digest()
