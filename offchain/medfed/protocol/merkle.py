"""A keccak-256 Merkle tree over 32-byte leaves, read by OpenZeppelin's `MerkleProof`.

Two neighbours are hashed in the order of their values, so a proof needs no directions; a node without a neighbour
moves up as it
is. Leaves must be hashes of inputs that are not 64 bytes long, so that no node passes as a leaf.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_hash.auto import keccak

from medfed.errors import ProtocolError

__all__ = ["merkle_proof", "merkle_root", "verify_merkle"]


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over `leaves` in the given order, 32 bytes. Raises `ProtocolError` for none at all."""
    return _levels(leaves)[-1][0]


def merkle_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The neighbours of leaf `index` from the bottom up."""
    if not 0 <= index < len(leaves):
        raise ProtocolError(f"There is no leaf {index} among {len(leaves)}.")
    proof = []
    for level in _levels(leaves)[:-1]:
        if index ^ 1 < len(level):
            proof.append(level[index ^ 1])
        index //= 2
    return proof


def verify_merkle(root: bytes, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `leaf` is below `root`."""
    for neighbour in proof:
        leaf = _node(leaf, neighbour)
    return leaf == root


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    if not leaves:
        raise ProtocolError("A Merkle tree needs at least one leaf.")
    if any(len(leaf) != 32 for leaf in leaves):
        raise ProtocolError("A leaf of a Merkle tree has 32 bytes.")
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [_node(left, right) for left, right in zip(below[::2], below[1::2], strict=False)]
        levels.append(pairs + below[len(pairs) * 2 :])
    return levels


def _node(a: bytes, b: bytes) -> bytes:
    return bytes(keccak(a + b if a <= b else b + a))
