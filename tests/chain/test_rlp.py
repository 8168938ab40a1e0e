"""RLP and transactions, compared with the reference library."""

from __future__ import annotations

import rlp as reference
from eth_account import Account as Reference
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain import rlp
from medfed.chain.calls import Call, Transaction
from medfed.chain.keys import account_from_key

ITEMS = st.recursive(st.binary(max_size=300), lambda inner: st.lists(inner, max_size=6), max_leaves=40)
AMOUNTS = st.integers(0, 2**80)


@given(ITEMS)
def test_equals_reference(item):
    """Any nesting of byte strings, across the lengths at which the prefix grows."""
    assert rlp.encode(item) == reference.encode(item)


@given(st.integers(0, 2**256 - 1))
def test_numbers(value):
    """Numbers without leading zeros; zero is nothing."""
    assert rlp.encode(rlp.number(value)) == reference.encode(value)


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
