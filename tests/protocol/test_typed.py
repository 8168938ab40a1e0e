"""Typed messages against eth-account's own encoder, which shares no code with ours."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.protocol import typed

KEY = keccak(b"a patient")
HERE = Account.from_key(KEY).address
CONTRACT = "0x5615dEB798BB3E4dFa0139dFa1b3D433Cc23b72f"


def uint(bits):
    return st.integers(0, 2**bits - 1)


FORM = bytes(range(28))
SAID = (2015, 2024, FORM)
TERMS = (
    st.just(HERE),
    uint(32),
    st.sampled_from([1, 2, 4 | 1 << 13, 0x7F000003, 0x1FF902]),
    uint(16),
    st.integers(0, 2000),
    st.integers(2000, 0xFFFF),
    st.binary(min_size=28, max_size=28),
    uint(32),
    uint(32),
    st.text(max_size=40),
)
messages = st.one_of(
    st.builds(typed.GrantMessage, *TERMS),
    st.builds(typed.NarrowMessage, *TERMS),
    st.builds(typed.RevokeMessage, st.just(HERE), uint(32), uint(32)),
    st.builds(typed.RevokeAllMessage, st.just(HERE), uint(32)),
    st.builds(typed.AttestationMessage, uint(64), uint(16), st.binary(min_size=32, max_size=32)),
    st.builds(typed.PermitMessage, st.just(HERE), st.just(CONTRACT), uint(256), uint(256), uint(256)),
)
domains = st.one_of(
    st.builds(
        lambda make, chain_id: make(chain_id, CONTRACT),
        st.sampled_from([typed.consent_domain, typed.rounds_domain]),
        uint(64),
    ),
    st.builds(typed.Domain, st.just("A token"), uint(64), st.just(CONTRACT), st.sampled_from(["1", "2"])),
)


@given(domain=domains, message=messages)
def test_digest_is_what_wallets_sign(domain, message):
    """The recovered signer of our digest is who signed the typed data."""
    data = typed.typed_data(domain, message)
    encoded = encode_typed_data(full_message=data)
    assert keccak(b"\x19\x01" + encoded.header + encoded.body) == typed.digest(domain, message)


def test_typed_data_is_signed_by_eth_account_as_it_is():
    domain = typed.consent_domain(1, CONTRACT)
    message = typed.RevokeMessage(HERE, 7, 5)
    signed = Account.sign_typed_data(KEY, full_message=typed.typed_data(domain, message))
    assert bytes(signed.message_hash) == typed.digest(domain, message)


def test_digest_depends_on_chain_contract_kind_and_every_field():
    """So that a signature for one thing never serves another."""
    message = typed.GrantMessage(HERE, 7, 2, 30, *SAID, 5, 9)
    other = "0x" + "22" * 20
    made = [
        typed.digest(typed.consent_domain(1, CONTRACT), message),
        typed.digest(typed.consent_domain(2, CONTRACT), message),
        typed.digest(typed.consent_domain(1, other), message),
        typed.digest(typed.rounds_domain(1, CONTRACT), message),
        typed.digest(typed.consent_domain(1, CONTRACT), typed.NarrowMessage(HERE, 7, 2, 30, *SAID, 5, 9)),
        *(
            typed.digest(typed.consent_domain(1, CONTRACT), typed.GrantMessage(*fields))
            for fields in (
                (other, 7, 2, 30, *SAID, 5, 9),
                (HERE, 8, 2, 30, *SAID, 5, 9),
                (HERE, 7, 3, 30, *SAID, 5, 9),
                (HERE, 7, 2, 31, *SAID, 5, 9),
                (HERE, 7, 2, 30, 2016, 2024, FORM, 5, 9),
                (HERE, 7, 2, 30, 2015, 2025, FORM, 5, 9),
                (HERE, 7, 2, 30, 2015, 2024, bytes(28), 5, 9),
                (HERE, 7, 2, 30, *SAID, 6, 9),
                (HERE, 7, 2, 30, *SAID, 5, 8),
                (HERE, 7, 2, 30, *SAID, 5, 9, 'dataset 7, "Cytology"'),
            )
        ),
    ]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (typed.RevokeMessage(HERE, 2**32, 5), "does not fit a uint32"),
        (typed.RevokeMessage(HERE, 7, -1), "does not fit a uint32"),
        (typed.RevokeMessage("0x12", 7, 5), "is no address"),
        (typed.RevokeMessage("patient", 7, 5), "is no address"),
        (typed.AttestationMessage(1, 1, b"short"), "32 bytes"),
        (typed.GrantMessage(HERE, 7, 2, 30, 2015, 2024, b"short", 5, 9), "28 bytes"),
    ],
)
def test_values_outside_their_type_are_refused(message, complaint):
    with pytest.raises(InputError, match=complaint):
        typed.digest(typed.consent_domain(1, CONTRACT), message)
