"""Commitments against the ABI, and bitmaps of seats."""

from __future__ import annotations

import json

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.protocol.commitments import Aggregate, Update, bitmap, seats_in
from tests.conftest import ROOT

VECTORS = json.loads((ROOT / "tests" / "vectors" / "commitments.json").read_text(encoding="utf-8"))
digests = st.binary(min_size=32, max_size=32)
updates = st.builds(Update, digests, digests, digests, digests, st.integers(0, 2**32 - 1))
aggregates = st.builds(
    Aggregate, digests, digests, digests, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)
)


def update(**changes):
    digest = {
        name: bytes([place]) * 32
        for place, name in enumerate(("cid", "update_root", "cohort_cid", "cohort_root"))
    }
    return Update(**(digest | {"weight": 16} | changes))


@given(updates)
def test_a_commitment_is_the_abi_encoding(one):
    """The root stands apart, so that a dispute over chunks shows one hash instead of all fields."""
    rest = keccak(
        encode(["bytes32"] * 3 + ["uint32"], [one.cid, one.cohort_cid, one.cohort_root, one.weight])
    )
    assert one.commitment() == keccak(one.update_root + rest)


@given(aggregates, st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
def test_a_digest_is_the_abi_encoding(one, study, number):
    """All seven fields, each in a word."""
    types = ["uint64", "uint16", "(bytes32,bytes32,bytes32,uint64,uint32)"]
    fields = (one.cid, one.root, one.model, one.included, one.weight)
    assert one.digest(study, number) == keccak(encode(types, [study, number, fields]))


@pytest.mark.parametrize("case", VECTORS["updates"], ids=lambda case: case["weight"])
def test_vectors_of_updates(case):
    """The contract stores the same."""
    fields = {
        name: bytes.fromhex(case[name][2:]) for name in ("cid", "update_root", "cohort_cid", "cohort_root")
    }
    assert f"0x{Update(**fields, weight=int(case['weight'])).commitment().hex()}" == case["commitment"]


@pytest.mark.parametrize("case", VECTORS["aggregates"], ids=lambda case: case["study"])
def test_vectors_of_aggregates(case):
    """The contract hashes the same."""
    fields = {name: bytes.fromhex(case[name][2:]) for name in ("cid", "root", "model")}
    one = Aggregate(**fields, included=int(case["included"]), weight=int(case["weight"]))
    assert f"0x{one.digest(int(case['study']), case['round']).hex()}" == case["hash"]


@pytest.mark.parametrize("name", ["cid", "update_root", "cohort_cid", "cohort_root", "weight"])
def test_every_field_is_committed_to(name):
    changed = 32 if name == "weight" else b"\x09" * 32
    assert update(**{name: changed}).commitment() != update().commitment()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_digest_has_32_bytes(size):
    with pytest.raises(InputError, match="32 bytes"):
        update(cohort_cid=bytes(size)).commitment()


@pytest.mark.parametrize("weight", [-1, 2**256])
def test_a_weight_fits_its_word(weight):
    with pytest.raises(InputError, match="no uint256"):
        update(weight=weight).commitment()


@given(st.sets(st.integers(0, 63)))
def test_a_bitmap_is_a_set_of_seats(seats):
    """In any order, each once; bit i is seat i."""
    found = bitmap(sorted(seats, reverse=True) * 2)
    assert seats_in(found) == sorted(seats)
    assert [found >> place & 1 for place in range(64)] == [place in seats for place in range(64)]
