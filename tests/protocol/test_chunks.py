"""The chunk tree against its definition, by vectors shared with Solidity and for any vector."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medfed.errors import ProtocolError
from medfed.protocol.chunks import (
    CHUNK_BYTES,
    CHUNK_WORDS,
    ChunkHasher,
    chunk_count,
    chunk_proof,
    chunk_root,
    leaf_count,
    verify_chunk,
)
from tests.conftest import ROOT
from tests.vectors.make_protocol import words

CASES = json.loads((ROOT / "tests" / "vectors" / "chunks.json").read_text(encoding="utf-8"))["cases"]
lengths = st.integers(1, 20 * CHUNK_WORDS)


def sha256(data):
    return hashlib.sha256(data).digest()


def chunks_of(values):
    """The chunks, the last one filled up with zeros."""
    data = b"".join(int(value).to_bytes(4, "big") for value in values)
    data += bytes(-len(data) % CHUNK_BYTES)
    return [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]


def naive_levels(chunks):
    """The whole tree: the leaves filled up with zero chunks to a power of two, then pair by pair."""
    width = 1
    while width < len(chunks):
        width *= 2
    levels = [[sha256(chunk) for chunk in chunks + [bytes(CHUNK_BYTES)] * (width - len(chunks))]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([sha256(below[place] + below[place + 1]) for place in range(0, len(below), 2)])
    return levels


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['words']}-{case['index']}")
def test_vectors(case):
    """What Solidity is tested with is what this makes and accepts."""
    values = words(case["words"])
    chunk, proof = bytes.fromhex(case["chunk"][2:]), [bytes.fromhex(each[2:]) for each in case["proof"]]
    assert f"0x{chunk_root(values).hex()}" == case["root"]
    assert chunk_proof(values, case["index"]) == proof
    padded = chunks_of(values) + [bytes(CHUNK_BYTES)] * leaf_count(case["chunks"])
    assert padded[case["index"]] == chunk
    assert verify_chunk(bytes.fromhex(case["root"][2:]), chunk, case["index"], proof, case["chunks"])


@given(lengths, st.integers(0, 2**32 - 1))
@example(CHUNK_WORDS, 0)
@example(16 * CHUNK_WORDS, 0)
@example(16 * CHUNK_WORDS + 1, 0)
def test_root_and_proofs_are_those_of_the_definition(length, seed):
    """For every chunk; padding inside the last one and between the last one and the power of two is zeros."""
    values = np.random.default_rng(seed).integers(0, 2**32, length, dtype=np.uint32)
    chunks = chunks_of(values)
    levels = naive_levels(chunks)
    assert chunk_count(length) == len(chunks)
    assert chunk_root(values) == levels[-1][0]
    for index, chunk in enumerate(chunks):
        proof = chunk_proof(values, index)
        assert proof == [level[index >> height ^ 1] for height, level in enumerate(levels[:-1])]
        assert verify_chunk(levels[-1][0], chunk, index, proof, len(chunks))


@given(lengths, st.data())
def test_nothing_else_is_proved(length, data):
    """Another place, another bit, another length of chunk, proof or neighbour: each is refused."""
    values = words(length)
    count = chunk_count(length)
    root = chunk_root(values)
    index = data.draw(st.integers(0, count - 1))
    chunk, proof = chunks_of(values)[index], chunk_proof(values, index)
    other = data.draw(st.integers(-2, count + 2).filter(lambda place: place != index))
    assert not verify_chunk(root, chunk, other, proof, count)
    place = data.draw(st.integers(0, CHUNK_BYTES - 1))
    changed = chunk[:place] + bytes([chunk[place] ^ 1 << data.draw(st.integers(0, 7))]) + chunk[place + 1 :]
    assert not verify_chunk(root, changed, index, proof, count)
    assert not verify_chunk(root, chunk[:-1], index, proof, count)
    assert not verify_chunk(root, chunk + b"\0", index, proof, count)
    assert not verify_chunk(root, chunk, index, [*proof, bytes(32)], count)
    if proof:
        assert not verify_chunk(root, chunk, index, proof[:-1], count)
        assert not verify_chunk(root, chunk, index, [proof[0] + b"\0", *proof[1:]], count)
        assert not verify_chunk(root, chunk, index, [bytes(32), *proof[1:]], count)


def test_a_single_chunk_is_its_own_tree():
    """The root is the hash of the chunk, and the proof is empty."""
    values = words(CHUNK_WORDS)
    assert chunk_root(values) == sha256(chunks_of(values)[0])
    assert chunk_proof(values, 0) == []


@given(lengths, st.integers(1, CHUNK_WORDS))
def test_zeros_in_the_last_chunk_change_nothing(length, zeros):
    """Words are padded with zeros, so the root knows chunks, not words: the word count is the study spec's."""
    values = words(length)
    longer = np.append(values, np.zeros(zeros, dtype=np.uint32))
    if chunk_count(len(longer)) == chunk_count(length):
        assert chunk_root(longer) == chunk_root(values)


@given(lengths)
def test_every_leaf_can_be_opened_also_those_of_the_padding(length):
    """Beyond the last chunk they are zeros, and nothing else is proved there; beyond the tree there is nothing."""
    values = words(length)
    count, root = chunk_count(length), chunk_root(values)
    leaves = leaf_count(count)
    assert leaves >= count > leaves // 2
    for index in range(count, leaves):
        proof = chunk_proof(values, index)
        assert verify_chunk(root, bytes(CHUNK_BYTES), index, proof, count)
        assert not verify_chunk(root, bytes(CHUNK_BYTES - 1) + b"\1", index, proof, count)
    assert not verify_chunk(root, bytes(CHUNK_BYTES), leaves, chunk_proof(values, 0), count)


def test_what_lies_beyond_the_last_chunk_is_in_the_root():
    """Three chunks and the same with a fourth that is not zero have other roots, and the fourth can be shown."""
    three = words(3 * CHUNK_WORDS)
    four = np.append(three, words(CHUNK_WORDS))
    assert chunk_root(four) != chunk_root(three)
    chunk = chunks_of(four)[3]
    assert verify_chunk(chunk_root(four), chunk, 3, chunk_proof(four, 3), 3)


def test_a_node_never_passes_as_a_chunk():
    """64 bytes are no chunk, and a neighbour of another length than a hash is none."""
    values = words(4 * CHUNK_WORDS)
    levels = naive_levels(chunks_of(values))
    assert not verify_chunk(levels[-1][0], b"".join(levels[1]), 0, [], 1)
    long = chunks_of(values)[0][: CHUNK_BYTES - 32]
    assert not verify_chunk(sha256(long + sha256(bytes(CHUNK_BYTES))), bytes(CHUNK_BYTES), 1, [long], 2)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, CHUNK_BYTES - 1))
def test_pieces_make_no_difference(counts, rest):
    """Any whole number of chunks at a time, and a last piece that ends anywhere."""
    data = words((sum(counts) + 1) * CHUNK_WORDS).astype(">u4").tobytes()
    data = data[: len(data) - CHUNK_BYTES + rest]
    if not data:
        return
    whole, pieced = ChunkHasher(), ChunkHasher()
    whole.add(data)
    start = 0
    for count in counts:
        pieced.add(memoryview(data)[start : start + count * CHUNK_BYTES])
        start += count * CHUNK_BYTES
    pieced.add(data[start:])
    padded = data.ljust(-(-len(data) // CHUNK_BYTES) * CHUNK_BYTES, b"\0")
    chunks = [padded[at : at + CHUNK_BYTES] for at in range(0, len(padded), CHUNK_BYTES)]
    assert whole.root() == pieced.root() == naive_levels(chunks)[-1][0]


def test_a_view_of_words_is_read_as_bytes():
    """The length of a view is counted in its items; the tree counts bytes."""
    values = words(3 * CHUNK_WORDS)
    by_view = ChunkHasher()
    by_view.add(memoryview(values.byteswap()))
    assert by_view.root() == chunk_root(values)


def test_bytes_after_an_unfinished_chunk_are_refused():
    """Else two files with other bytes would have one root."""
    hasher = ChunkHasher()
    hasher.add(bytes(CHUNK_BYTES + 1))
    with pytest.raises(ProtocolError, match="go on after"):
        hasher.add(bytes(CHUNK_BYTES))


@pytest.mark.parametrize("index", [-1, 4, 5])
def test_there_is_no_proof_of_a_leaf_that_the_tree_has_not(index):
    with pytest.raises(ProtocolError, match=f"no leaf {index} in the tree of 3 chunks"):
        chunk_proof(words(2 * CHUNK_WORDS + 1), index)


def test_a_vector_has_a_chunk():
    with pytest.raises(ProtocolError, match="at least one chunk"):
        chunk_root(np.zeros(0, dtype=np.uint32))
    with pytest.raises(ProtocolError, match="at least one chunk"):
        ChunkHasher().root()


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32, np.uint8, np.uint64, bool])
def test_a_vector_is_of_uint32(dtype):
    """Other numbers would be cut to 32 bits without a word."""
    with pytest.raises(ProtocolError, match="one row of uint32"):
        chunk_root(np.zeros(CHUNK_WORDS, dtype=dtype))
    with pytest.raises(ProtocolError, match="one row of uint32"):
        chunk_root(np.zeros((2, CHUNK_WORDS), dtype=np.uint32))


def test_byte_order_and_strides_make_no_difference():
    """The words count, not how they lie in memory."""
    values = words(1000)
    assert chunk_root(values.astype(">u4")) == chunk_root(values)
    assert chunk_root(np.repeat(values, 2)[::2]) == chunk_root(values)
