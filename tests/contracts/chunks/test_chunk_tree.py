"""On-chain chunk proofs agree with the Python that makes them."""

from __future__ import annotations

import numpy as np
import pytest

from medfed.protocol.chunks import chunk_proof, chunk_root, leaf_count

WORDS = 128  # in a chunk of 512 bytes


@pytest.fixture(scope="module")
def tree(evm_module):
    return evm_module.deploy("ChunkTreeHarness")


def words(chunks: int) -> np.ndarray:
    return np.random.default_rng(chunks).integers(0, 2**32, WORDS * chunks, dtype=np.uint32)


def chunk(values: np.ndarray, index: int) -> bytes:
    """Beyond the last one a chunk of zeros."""
    return values[WORDS * index : WORDS * (index + 1)].astype(">u4").tobytes().ljust(512, b"\0")


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_every_leaf_is_proved_and_no_other(evm, tree, count):
    """Those of the padding too."""
    values = words(count)
    root = chunk_root(values)
    for index in range(leaf_count(count)):
        proof = chunk_proof(values, index)
        right = chunk(values, index)
        assert tree.verify(root, right, index, proof, count)
        assert not tree.verify(root, right[:-1] + bytes([right[-1] ^ 1]), index, proof, count)
        if index < count > 1:
            assert not tree.verify(root, right, (index + 1) % count, proof, count)


def test_a_chunk_has_512_bytes(evm, tree):
    with evm.reverts("ChunkSize", 511, 512):
        tree.verify(bytes(32), bytes(511), 0, [], 1)


@pytest.mark.parametrize(("count", "leaves"), [(1, 1), (2, 2), (3, 4), (5, 8)])
def test_an_index_is_one_of_the_leaves(evm, tree, count, leaves):
    proof = [bytes(32)] * (leaves - 1).bit_length()
    for index in (leaves, 2**256 - 1):
        with evm.reverts("ChunkIndexOutOfRange", index, leaves):
            tree.verify(bytes(32), bytes(512), index, proof, count)
    tree.verify(bytes(32), bytes(512), leaves - 1, proof, count)


def test_a_proof_has_one_hash_a_level(evm, tree):
    with evm.reverts("ProofLength", 0, 1):
        tree.verify(bytes(32), bytes(512), 0, [], 2)
