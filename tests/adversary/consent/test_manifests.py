"""Manifests that are made so that a patient does not find their leaf."""

from __future__ import annotations

import hashlib

import pytest

from medfed.errors import ProtocolError
from medfed.protocol.cid import CHUNK_SIZE
from medfed.protocol.leaf_tree import LEAF_BYTES
from medfed.protocol.manifest import CohortManifest, is_listed
from medfed.types import DatasetId, RoundNumber, StudyId

PLACE = StudyId(3), RoundNumber(2), DatasetId(7)
CHUNK = CHUNK_SIZE // LEAF_BYTES
HEADER = CohortManifest(*PLACE, bytes(31) + b"\1").to_bytes()[LEAF_BYTES:-4]


def drawn(count, first=0):
    return sorted(hashlib.sha256(b"leaf %d" % number).digest() for number in range(first, first + count))


def written(leaves):
    """As a hospital may publish it, whatever is wrong with it."""
    return b"".join(leaves) + HEADER + len(leaves).to_bytes(4, "big")


def found(data, leaf, expected):
    def chunk_of(number):
        return len(data), data[number * CHUNK_SIZE : (number + 1) * CHUNK_SIZE]

    return is_listed(leaf, expected, chunk_of)


def test_leaves_that_are_crowded_at_one_end_are_found():
    """Nine of ten leaves begin with zeros, so that none stands where an even spread would have it."""
    leaves = drawn(2 * CHUNK + 64)
    crowded = sorted(bytes(4) + leaf[4:] if number % 10 else leaf for number, leaf in enumerate(leaves))
    data = written(crowded)
    assert CohortManifest.from_bytes(data).count == len(crowded)
    for leaf in (*crowded[:3], *crowded[CHUNK - 2 : CHUNK + 2], *crowded[-3:], *crowded[::4001]):
        assert found(data, leaf, len(crowded))


@pytest.mark.parametrize("expected", [1, 16, 3 * CHUNK, 1 << 20])
def test_a_weight_that_misleads_the_search_hides_nothing(expected):
    """The weight is the hospital's word; where it is looked first is not where it ends."""
    leaves = drawn(2 * CHUNK + 64)
    data = written(leaves)
    for leaf in leaves[::4001]:
        assert found(data, leaf, expected)
    assert not found(data, hashlib.sha256(b"nobody").digest(), expected)


def test_a_leaf_in_another_block_is_hidden_from_its_patient_and_from_nobody_else():
    """Each block in order, and all together not: who reads one block cannot tell. No attester takes such a manifest, and an audit
    tells that it is none."""
    leaves = drawn(2 * CHUNK)
    victim = leaves[5]
    moved = [*leaves[:5], *leaves[6 : CHUNK + 1], victim, *leaves[CHUNK + 1 :]]
    assert moved[CHUNK] == victim
    data = written(moved)
    assert not found(data, victim, len(moved))
    with pytest.raises(ProtocolError, match="strictly increasing"):
        CohortManifest.from_bytes(data)


def test_a_block_out_of_order_is_no_answer():
    leaves = drawn(CHUNK)
    leaves[7], leaves[8] = leaves[8], leaves[7]
    with pytest.raises(ProtocolError, match="strictly increasing"):
        found(written(leaves), leaves[7], CHUNK)
