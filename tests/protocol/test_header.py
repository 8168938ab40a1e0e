"""Headers are the ABI's encoding, and no two vectors share one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import ProtocolError
from medfed.protocol.header import HEADER_BYTES, Header
from tests.conftest import ROOT

VECTORS = json.loads((ROOT / "tests" / "vectors" / "commitments.json").read_text(encoding="utf-8"))["headers"]
TYPES = ["uint256", "address", "uint256", "uint256", "address"]
NOBODY = "0x" + "00" * 20

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}")
headers = st.builds(
    Header,
    chain_id=st.integers(0, 2**256 - 1),
    contract=addresses,
    study=st.integers(0, 2**64 - 1),
    round=st.integers(0, 2**16 - 1),
    hospital=st.none() | addresses,
)


def header(**changes):
    values = {
        "chain_id": 31337,
        "contract": "0x" + "1a" * 20,
        "study": 1,
        "round": 2,
        "hospital": "0x" + "2b" * 20,
    }
    return Header(**(values | changes))


@given(headers)
def test_a_header_is_the_abi_encoding_and_zeros(one):
    """160 bytes of a general ABI encoder, filled up to a chunk; an aggregate's hospital is address zero."""
    fields = [one.chain_id, one.contract, one.study, one.round, one.hospital or NOBODY]
    assert one.chunk() == encode(TYPES, fields).ljust(HEADER_BYTES, b"\0")
    assert one.words().astype(">u4").tobytes() == one.chunk()
    assert one.words().dtype == np.uint32


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["study"])
def test_vectors(case):
    """Solidity encodes the same."""
    one = Header(int(case["chain_id"]), case["contract"], int(case["study"]), case["round"], case["hospital"])
    assert f"0x{one.chunk().hex()}" == case["chunk"]


@pytest.mark.parametrize(
    "change",
    [{"chain_id": 1}, {"contract": "0x" + "3c" * 20}, {"study": 2}, {"round": 3}, {"hospital": None}],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_in_it(change):
    """Bytes made for one place cannot pass at another."""
    assert header(**change).chunk() != header().chunk()


def test_the_spelling_of_an_address_does_not_matter():
    assert header(contract="0x" + "1A" * 20).chunk() == header().chunk()


@pytest.mark.parametrize(
    "text", ["", "0x", "1a" * 20, "0x" + "1a" * 19, "0x" + "1a" * 21, "0x" + "1g" * 20, "0x 1a" + "1a" * 19]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ProtocolError, match="is no address"):
        header(contract=text).chunk()


@pytest.mark.parametrize("change", [{"chain_id": -1}, {"study": 2**256}, {"round": -5}])
def test_numbers_fit_their_word(change):
    with pytest.raises(ProtocolError, match="is no uint256"):
        header(**change).chunk()
