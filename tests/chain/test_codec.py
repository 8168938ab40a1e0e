"""ABI encoding by names, checked against web3's own codec."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_abi_to_4byte_selector
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3  # here: its libraries lift the recursion limit, which no property test may do

from medfed.chain.artifacts import artifact, artifact_names, resource_folder
from medfed.chain.calls import Call, checksum, create_address, parse_address, text_of
from medfed.chain.codec import Interface, decode_values, signature, snake
from medfed.chain.contracts.base import interface_of
from medfed.errors import ConfigError, InputError, ProtocolError
from medfed.protocol.commitments import Aggregate, Update

WORDS = st.binary(min_size=32, max_size=32)
AGGREGATES = st.builds(Aggregate, WORDS, WORDS, WORDS, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))


def theirs(name):
    return Web3().eth.contract(abi=list(artifact(name).abi))


@given(AGGREGATES, st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1), st.integers(0, 63))
def test_structs_by_name_equal_web3(aggregate, study, number, seat):
    """Dataclasses with fields by name, in lists too, encode to the bytes that web3 makes of tuples in the ABI's order."""
    left_out = [
        Update(aggregate.root, aggregate.cid, aggregate.model, bytes(32), weight) for weight in (1, 2)
    ]
    place = (study, number, seat)
    ours = interface_of("FederatedRounds").encode("attest", *place, aggregate, left_out)
    rows = [astuple(aggregate), [astuple(update) for update in left_out]]
    assert ours.hex() == theirs("FederatedRounds").encode_abi("attest", args=[*place, *rows])[2:]


@pytest.mark.parametrize("name", artifact_names())
def test_selectors_equal_reference(name):
    """Every function's selector is the one that the reference library computes from the ABI."""
    for entry in artifact(name).abi:
        if entry["type"] == "function":
            assert interface_of(name).selector(signature(entry)) == function_abi_to_4byte_selector(entry)


@dataclass
class Inner:
    number: int
    some_text: str


LISTS = Interface(
    [
        {
            "type": "function",
            "name": "f",
            "inputs": [
                {
                    "name": "items",
                    "type": "tuple[]",
                    "components": [
                        {"name": "number", "type": "uint8"},
                        {"name": "someText", "type": "string"},
                    ],
                }
            ],
            "outputs": [
                {
                    "name": "",
                    "type": "tuple[2]",
                    "components": [
                        {"name": "who", "type": "address"},
                        {"name": "someText", "type": "string"},
                    ],
                }
            ],
        },
        {"type": "function", "name": "g", "inputs": [{"name": "a", "type": "uint8"}], "outputs": []},
        {"type": "function", "name": "g", "inputs": [{"name": "a", "type": "bool"}], "outputs": []},
    ]
)


def test_lists_of_structs():
    """Dataclasses, mappings and tuples may stand for structs, in lists too, and come back as mappings."""
    as_objects = LISTS.encode("f", [Inner(1, "a"), Inner(2, "b")])
    assert as_objects == LISTS.encode("f", [{"number": 1, "some_text": "a"}, (2, "b")])
    from eth_abi import encode

    answer = encode(["(address,string)[2]"], [[("0x" + "11" * 20, "x"), ("0x" + "22" * 20, "y")]])
    first, second = LISTS.decode("f", answer)
    assert first == {"who": checksum("0x" + "11" * 20), "some_text": "x"}
    assert second["some_text"] == "y"


def test_overloads_are_named_by_signature():
    """A name that two functions share must be given with its types."""
    with pytest.raises(KeyError):
        LISTS.encode("g", 1)
    assert LISTS.encode("g(bool)", True) != LISTS.encode("g(uint8)", 1)


@pytest.mark.parametrize("values", [(256,), (-1,), ("x",), (1, 2), ()])
def test_values_that_do_not_fit(values):
    """A value outside its type, or too many of them, is refused before anything is sent."""
    with pytest.raises(InputError):
        LISTS.encode("g(uint8)", *values)


def test_text_that_no_chain_can_have():
    """As a terminal gives the bytes that are no UTF-8."""
    with pytest.raises(InputError):
        interface_of("DatasetRegistry").encode("giveTitle", 1, "A\udcff")


def test_answers_that_do_not_fit():
    """An answer that is not what the ABI says is an error of the other side."""
    with pytest.raises(ProtocolError, match="31 bytes"):
        interface_of("StakeVault").decode("CHALLENGER_BPS", bytes(31))


@pytest.mark.parametrize(
    ("solidity", "python"),
    [
        ("cohortRoot", "cohort_root"),
        ("x", "x"),
        ("_to", "to"),
        ("minPhaseSeconds", "min_phase_seconds"),
        ("now_", "now_"),
    ],
)
def test_names(solidity, python):
    """Solidity's names in Python's form."""
    assert snake(solidity) == python


class TestAddresses:
    def test_parse(self):
        """Small letters, capitals and a right checksum are fine; all become the checksum form."""
        right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
        assert parse_address(right) == parse_address(right.lower()) == right

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0x",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAEd",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA",
            "me",
        ],
    )
    def test_refuse(self, text):
        """A wrong checksum, a missing digit or a name is no address."""
        with pytest.raises(InputError, match="is not an address"):
            parse_address(text)

    @pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 65_536])
    def test_create_address(self, nonce):
        """Where a contract will stand, compared with the RLP of the reference library."""
        import rlp
        from eth_utils import keccak

        account = checksum("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
        wanted = keccak(rlp.encode([bytes.fromhex(account[2:]), nonce]))[12:]
        assert create_address(account, nonce) == checksum(wanted)


def test_text_that_is_no_utf8_is_shown_as_far_as_it_can_be():
    """In events and answers, deep in structs too: the texts are others', and no contract looks at them."""
    parameters = [
        {"name": "list", "type": "tuple[]", "components": [{"name": "title", "type": "string"}]},
        {"name": "text", "type": "string"},
    ]
    data = encode(["(bytes)[]", "bytes"], [[(b"A\xff",)], b"\xc3\xa9\xe2"])
    assert decode_values(parameters, data) == (({"title": "A\ufffd"},), "\u00e9\ufffd")


def test_text_of_values():
    """Bytes in hex and cut when long, structs and lists in full."""
    assert text_of(b"\x01\x02") == "0x0102"
    assert "40 bytes" in text_of(bytes(40))
    assert text_of({"a": 1, "b": (b"\x01", "x")}) == "{a 1, b [0x01, x]}"


def test_missing_artifact():
    """A contract that was never compiled is named, with what to do."""
    with pytest.raises(ConfigError, match="no compiled contract Missing"):
        artifact("Missing")
    assert resource_folder("abi").is_dir()


def test_call_is_a_value():
    """Two equal calls are equal, so that plans can be compared."""
    assert Call(None, b"\x01") == Call(None, b"\x01")
