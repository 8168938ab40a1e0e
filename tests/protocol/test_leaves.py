"""Leaves and salts against the ABI and HMAC as their specifications define them, and the golden vectors."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.protocol.leaves import Use, cohort_leaf, filler_leaf, filler_seed, use_salt
from tests.conftest import ROOT
from tests.rig.studies import CONTRACT, patient, secret, use

VECTORS = ROOT / "tests" / "vectors" / "leaves.json"
TYPES = ["uint256", "address", "uint256", "uint256", "uint256"]

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}")
uses = st.builds(
    Use,
    chain_id=st.integers(0, 2**256 - 1),
    contract=addresses,
    study=st.integers(0, 2**64 - 1),
    round=st.integers(0, 2**16 - 1),
    dataset=st.integers(0, 2**32 - 1),
)


def reference_salt(link_secret, place):
    packed = encode(TYPES, [place.chain_id, place.contract, place.study, place.round, place.dataset])
    return hmac.new(link_secret, packed, hashlib.sha256).digest()


def reference_leaf(place, account, salt):
    types = ["bytes32", "uint256", "uint256", "uint256", "address", "bytes32"]
    tag = b"medfed cohort leaf"
    packed = encode(types, [tag, place.study, place.round, place.dataset, account, salt])
    return hashlib.sha256(packed).digest()


def reference_seed(key, place, index):
    packed = [place.chain_id, place.contract, place.study, place.round, place.dataset, index]
    message = encode(["bytes32", *TYPES, "uint256"], [b"medfed cohort filler", *packed])
    return hmac.new(key, message, hashlib.sha256).digest()


def reference_filler(seed):
    return hashlib.sha256(encode(["bytes32", "bytes32"], [b"medfed cohort filler", seed])).digest()


@given(uses, addresses, st.binary(min_size=32, max_size=32))
def test_leaf_and_salt_are_the_abi_encoding(place, account, key):
    """Both equal the definition written with a general ABI encoder."""
    salt = use_salt(key, place)
    assert salt == reference_salt(key, place)
    assert cohort_leaf(place, account, salt) == reference_leaf(place, account, salt)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"contract": "0x" + "12" * 20},
        {"study": 2},
        {"round": 3},
        {"dataset": 4},
    ],
)
def test_salts_differ_in_every_use(change):
    """Two uses of one patient share neither salt nor leaf, so nobody can link them."""
    first, second = use(), use(**change)
    assert use_salt(secret(1), first) != use_salt(secret(1), second)
    account = patient(1)
    leaves = {cohort_leaf(place, account, use_salt(secret(1), place)) for place in (first, second)}
    assert len(leaves) == 2


def test_the_spelling_of_an_address_does_not_matter():
    """A checksum is for people; the leaf is of the twenty bytes."""
    lower = use(contract=CONTRACT.lower())
    assert use_salt(secret(1), lower) == use_salt(secret(1), use())


@given(uses, st.integers(0, 2**32), st.binary(min_size=32, max_size=32))
def test_a_filler_is_a_hash_of_its_seed(place, index, key):
    """Both equal the definition written with a general ABI encoder."""
    seed = filler_seed(key, place, index)
    assert seed == reference_seed(key, place, index)
    assert filler_leaf(seed) == reference_filler(seed)


def test_fillers_repeat_and_differ():
    """The same secret, use and index give the same filler; any other gives another, and none is a patient's salt."""
    assert filler_seed(secret(1), use(), 0) == filler_seed(secret(1), use(), 0)
    others = {
        filler_seed(secret(1), use(), 1),
        filler_seed(secret(2), use(), 0),
        filler_seed(secret(1), use(round=3), 0),
        use_salt(secret(1), use()),
    }
    assert len(others) == 4
    assert filler_seed(secret(1), use(), 0) not in others


@pytest.mark.parametrize("size", [0, 31, 33])
def test_secrets_and_salts_have_32_bytes(size):
    """A short secret would hide nobody."""
    with pytest.raises(InputError, match="32 bytes"):
        use_salt(bytes(size), use())
    with pytest.raises(InputError, match="32 bytes"):
        filler_seed(bytes(size), use(), 0)
    with pytest.raises(InputError, match="32 bytes"):
        cohort_leaf(use(), patient(1), bytes(size))


@pytest.mark.parametrize("text", ["", "0x12", "12" * 20, "0x" + "g" * 40, "0x" + "12" * 21])
def test_what_is_no_address_is_refused(text):
    """Neither as a patient nor as a contract."""
    with pytest.raises(InputError, match="address"):
        cohort_leaf(use(), text, bytes(32))
    with pytest.raises(InputError, match="address"):
        use(contract=text).encode()


@pytest.mark.parametrize("number", [-1, 2**256])
def test_numbers_fit_a_word(number):
    """What the ABI cannot hold is refused instead of cut off."""
    with pytest.raises(InputError, match="uint256"):
        use(chain_id=number).encode()


def golden():
    """Cases over the whole range of every number, each with a filler of the same use."""
    cases = []
    for number, place in enumerate(
        [
            use(),
            use(chain_id=1, study=2**64 - 1, round=2**16 - 1, dataset=2**32 - 1),
            use(contract=patient(9)),
        ]
    ):
        key, account = secret("vector", number), patient("vector", number)
        salt, seed = reference_salt(key, place), reference_seed(key, place, number)
        cases.append(
            {
                "chainId": place.chain_id,
                "contract": place.contract,
                # As text, since JSON numbers end at 2^53.
                "study": str(place.study),
                "round": place.round,
                "dataset": place.dataset,
                "linkSecret": f"0x{key.hex()}",
                "patient": account,
                "salt": f"0x{salt.hex()}",
                "leaf": f"0x{reference_leaf(place, account, salt).hex()}",
                "fillerIndex": number,
                "fillerSeed": f"0x{seed.hex()}",
                "filler": f"0x{reference_filler(seed).hex()}",
            }
        )
    return {"cases": cases}


def test_golden_vectors(update_snapshots):
    """tests/vectors/leaves.json, which Leaves.t.sol reads too, is what the reference and the package compute."""
    if update_snapshots:
        VECTORS.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")
    stored = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert stored == golden()
    for case in stored["cases"]:
        place = Use(case["chainId"], case["contract"], int(case["study"]), case["round"], case["dataset"])
        salt = use_salt(bytes.fromhex(case["linkSecret"][2:]), place)
        assert salt.hex() == case["salt"][2:]
        assert cohort_leaf(place, case["patient"], salt).hex() == case["leaf"][2:]
        seed = filler_seed(bytes.fromhex(case["linkSecret"][2:]), place, case["fillerIndex"])
        assert (seed.hex(), filler_leaf(seed).hex()) == (case["fillerSeed"][2:], case["filler"][2:])
