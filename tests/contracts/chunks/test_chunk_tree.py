"""On-chain chunk proofs agree with the Python that makes them."""

from __future__ import annotations

import numpy as np
import pytest

from medfed.protocol.chunks import chunk_proof, chunk_root

WORDS = 128  # in a chunk of 512 bytes


@pytest.fixture(scope="module")
def tree(evm_module):
    return evm_module.deploy("ChunkTreeHarness")


def words(chunks: int) -> np.ndarray:
    return np.random.default_rng(chunks).integers(0, 2**32, WORDS * chunks, dtype=np.uint32)


def chunk(values: np.ndarray, index: int) -> bytes:
    return values[WORDS * index : WORDS * (index + 1)].astype(">u4").tobytes()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_every_chunk_is_proved_and_no_other(evm, tree, count):
    values = words(count)
    root = chunk_root(values)
    for index in range(count):
        proof = chunk_proof(values, index)
        right = chunk(values, index)
        assert tree.verify(root, right, index, proof, count)
        assert not tree.verify(root, right[:-1] + bytes([right[-1] ^ 1]), index, proof, count)
        if count > 1:
            assert not tree.verify(root, right, (index + 1) % count, proof, count)


def test_a_chunk_has_512_bytes(evm, tree):
    with evm.reverts("ChunkSize", 511, 512):
        tree.verify(bytes(32), bytes(511), 0, [], 1)


def test_an_index_is_below_the_count(evm, tree):
    with evm.reverts("ChunkIndexOutOfRange", 2, 2):
        tree.verify(bytes(32), bytes(512), 2, [bytes(32)], 2)


def test_a_proof_has_one_hash_a_level(evm, tree):
    with evm.reverts("ProofLength", 0, 1):
        tree.verify(bytes(32), bytes(512), 0, [], 2)
