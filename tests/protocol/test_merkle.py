"""The keccak tree against its definition, and as OpenZeppelin's `MerkleProof` reads it."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import ProtocolError
from medfed.protocol.merkle import merkle_proof, merkle_root, verify_merkle

trees = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


def naive_root(level):
    """Pairs in the order of their values; whoever is left over moves up."""
    if len(level) == 1:
        return level[0]
    above = [keccak(b"".join(sorted(level[place : place + 2]))) for place in range(0, len(level) - 1, 2)]
    return naive_root(above + level[len(above) * 2 :])


def process_proof(leaf, proof):
    """`MerkleProof.processProof` in the words of its Solidity."""
    computed = leaf
    for element in proof:
        a, b = computed, element
        computed = keccak(a + b) if int.from_bytes(a, "big") < int.from_bytes(b, "big") else keccak(b + a)
    return computed


@given(trees)
def test_every_leaf_is_proved(leaves):
    """As the contract would see it; a proof is never longer than the tree is high."""
    root = merkle_root(leaves)
    assert root == naive_root(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle_proof(leaves, index)
        assert verify_merkle(root, leaf, proof)
        assert process_proof(leaf, proof) == root
        assert len(proof) <= (len(leaves) - 1).bit_length()


@given(trees, st.data())
def test_nothing_else_is_proved(leaves, data):
    """Another leaf, or a proof with a bit changed, one hash less or one more."""
    root, index = merkle_root(leaves), data.draw(st.integers(0, len(leaves) - 1))
    proof = merkle_proof(leaves, index)
    stranger = keccak(b"stranger")
    assert not verify_merkle(root, stranger, proof)
    assert not verify_merkle(root, leaves[index], [*proof, stranger])
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        assert not verify_merkle(root, leaves[index], [*proof[:place], changed, *proof[place + 1 :]])
        assert not verify_merkle(root, leaves[index], proof[:-1])


def test_a_single_leaf_is_the_root():
    assert merkle_root([b"\x07" * 32]) == b"\x07" * 32
    assert merkle_proof([b"\x07" * 32], 0) == []
    assert verify_merkle(b"\x07" * 32, b"\x07" * 32, [])


@given(trees, st.integers(0, 2**16))
def test_the_leaves_stand_in_their_order(leaves, seed):
    """Two neighbours may change places, since a pair is hashed in the order of its values; pairs may not."""
    if len(leaves) >= 2:
        assert merkle_root([leaves[1], leaves[0], *leaves[2:]]) == merkle_root(leaves)
    if len(leaves) >= 4 and len({*leaves[:4]}) == 4:
        assert merkle_root([leaves[0], leaves[2], leaves[1], *leaves[3:]]) != merkle_root(leaves)


@pytest.mark.parametrize("index", [-1, 3, 100])
def test_there_is_no_proof_of_a_missing_leaf(index):
    with pytest.raises(ProtocolError, match=f"no leaf {index} among 3"):
        merkle_proof([bytes([place]) * 32 for place in range(3)], index)


def test_a_tree_needs_a_leaf():
    with pytest.raises(ProtocolError, match="at least one leaf"):
        merkle_root([])


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_leaf_has_32_bytes(size):
    """64 bytes would pass as a pair of nodes."""
    with pytest.raises(ProtocolError, match="32 bytes"):
        merkle_root([bytes(32), bytes(size)])
