"""The tree over leaves against its definition, and the vectors that Solidity reads too."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import ProtocolError
from medfed.protocol.leaf_tree import MAX_LEAVES, is_leaf_at, leaf_proof, leaf_root
from medfed.protocol.leaves import ROOT_TAG, cohort_root
from tests.conftest import ROOT
from tests.vectors.make_protocol import leaves

CASES = json.loads((ROOT / "tests" / "vectors" / "leaf_trees.json").read_text(encoding="utf-8"))["cases"]
TAG = b"a tag"

lists = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


def sha256(data):
    return hashlib.sha256(data).digest()


def naive_root(tag, below):
    """Filled up to a power of two, then pair by pair, then with tag and count."""
    count, width = len(below), 1
    while width < count:
        width *= 2
    level = below + [bytes(32)] * (width - count)
    while len(level) > 1:
        level = [sha256(level[place] + level[place + 1]) for place in range(0, len(level), 2)]
    return sha256(tag + bytes(32 - len(tag)) + count.to_bytes(32, "big") + level[0])


@given(lists)
def test_root__of_any_leaves__is_the_naive_one(below):
    assert leaf_root(TAG, b"".join(below)) == naive_root(TAG, below)


@given(lists, st.data())
def test_proof__of_any_leaf__proves_it_there_and_nothing_else(below, data):
    """No other leaf, no other place, no other count, no other tag, no shorter and no longer path."""
    count, joined = len(below), b"".join(below)
    index = data.draw(st.integers(0, count - 1))
    root, proof = leaf_root(TAG, joined), leaf_proof(joined, index)
    assert is_leaf_at(TAG, root, below[index], (index, count), proof)
    assert not is_leaf_at(TAG, root, sha256(below[index]), (index, count), proof)
    assert not is_leaf_at(b"other", root, below[index], (index, count), proof)
    assert not is_leaf_at(TAG, root, below[index], (index, count), [*proof, bytes(32)])
    assert not is_leaf_at(TAG, root, below[index], (index, count), proof[1:]) or not proof
    for other in range(-1, 2 * count):
        place, same = (index, other), (other, count)
        assert is_leaf_at(TAG, root, below[index], place, proof) == (other == count)
        is_there = 0 <= other < count and below[other] == below[index]
        assert not is_leaf_at(TAG, root, below[index], same, proof) or is_there


def test_root__a_leaf_that_hides_a_subtree__is_no_place_for_its_leaves():
    """What the old sorted tree allowed: a path that goes on below a leaf."""
    hidden = [sha256(bytes([place])) for place in range(2)]
    below = [sha256(b"one"), sha256(b"".join(hidden))]
    root, proof = leaf_root(TAG, b"".join(below)), leaf_proof(b"".join(below), 1)
    for count in (2, 3, 4):
        for index in range(count):
            assert not is_leaf_at(TAG, root, hidden[0], (index, count), [hidden[1], *proof])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['count']}-{case['index']}")
def test_vectors(case):
    """What Solidity is tested with is what this makes and accepts."""
    below, index, count = leaves(case["count"]), case["index"], case["count"]
    root, proof = bytes.fromhex(case["root"][2:]), [bytes.fromhex(each[2:]) for each in case["proof"]]
    assert cohort_root(below) == root
    assert leaf_proof(below, index) == proof
    assert is_leaf_at(ROOT_TAG, root, below[32 * index : 32 * (index + 1)], (index, count), proof)


@pytest.mark.parametrize("index", [-1, 3])
def test_proof__of_no_leaf__is_refused(index):
    with pytest.raises(ProtocolError, match=f"no leaf {index} among 3"):
        leaf_proof(leaves(3), index)


@pytest.mark.parametrize("size", [0, 1, 31, 33, 65])
def test_root__of_no_whole_leaves__is_refused(size):
    with pytest.raises(ProtocolError, match=f"leaves of 32 bytes, not over {size} bytes"):
        leaf_root(TAG, bytes(size))


def test_root__of_too_many_leaves__is_refused():
    with pytest.raises(ProtocolError, match=f"at most {MAX_LEAVES} leaves"):
        leaf_root(TAG, bytes(32 * (MAX_LEAVES + 1)))
