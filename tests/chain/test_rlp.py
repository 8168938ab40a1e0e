"""RLP and transactions, compared with the reference library."""

from __future__ import annotations

import pytest
import rlp as reference
from eth_account import Account as Reference
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain import rlp
from medfed.chain.calls import Call, Transaction
from medfed.chain.keys import account_from_key
from medfed.errors import ProtocolError

ITEMS = st.recursive(st.binary(max_size=300), lambda inner: st.lists(inner, max_size=6), max_leaves=40)
AMOUNTS = st.integers(0, 2**80)


@given(ITEMS)
def test_equals_reference(item):
    """Any nesting of byte strings, across the lengths at which the prefix grows."""
    assert rlp.encode(item) == reference.encode(item)


@given(st.lists(ITEMS, max_size=4))
def test_what_was_written_is_read(found):
    """One item, or several in a row, each with its own bytes."""
    written = [rlp.encode(item) for item in found]
    assert [rlp.decode(data) for data in written] == found
    assert list(rlp.items(b"".join(written))) == list(zip(found, written, strict=True))


@given(st.one_of(st.binary(max_size=80), ITEMS.map(rlp.encode)), st.integers(0, 2000), st.integers(0, 255))
def test_only_the_shortest_form_is_read(data, place, value):
    """Whatever is read is written back to the same bytes, so that nothing has two forms; all else is refused."""
    changed = data[:place] + bytes([value]) + data[place + 1 :]
    try:
        item = rlp.decode(changed)
    except ProtocolError:
        return
    assert rlp.encode(item) == changed


@pytest.mark.parametrize(
    "data", [b"", b"\xb8", b"\xbf" + b"\xff" * 8, b"\xf8\x01", b"\xc2\x81", b"\xc1" * 60 + b"\xc0"]
)
def test_what_is_no_rlp_is_refused(data):
    """Nothing, a length without bytes, a length beyond the data, a long form of a short one, a list cut in an item."""
    with pytest.raises(ProtocolError):
        rlp.decode(data)


@given(st.integers(0, 2**256 - 1))
def test_numbers(value):
    """Numbers without leading zeros; zero is nothing."""
    assert rlp.encode(rlp.number(value)) == reference.encode(value)
    assert rlp.to_number(rlp.number(value)) == value


@pytest.mark.parametrize("item", [b"\0\1", bytes([1] * 33), []])
def test_what_is_no_number_is_refused(item):
    with pytest.raises(ProtocolError, match="not the number"):
        rlp.to_number(item)


@given(
    st.one_of(st.none(), st.binary(min_size=20, max_size=20)),
    st.binary(max_size=500),
    st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
    st.integers(0, 2**63),
)
def test_signed_transactions_equal_reference(to, data, amounts, nonce):
    """The raw bytes and the hash are those of eth-account, for calls and for creations."""
    value, max_fee, tip = amounts
    key = b"\x07" * 32
    address = None if to is None else Reference.from_key(key).address[:2] + to.hex()
    transaction = Transaction(Call(address, data, value), 31337, nonce, 50_000, max_fee + tip, tip)
    wanted = Reference.sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce,
            "gas": 50_000,
            "maxFeePerGas": max_fee + tip,
            "maxPriorityFeePerGas": tip,
            "to": to or b"",
            "value": value,
            "data": data,
        },
        key,
    )
    raw, tx_hash = account_from_key(key).sign(transaction)
    assert (raw, tx_hash) == (bytes(wanted.raw_transaction), bytes(wanted.hash))
