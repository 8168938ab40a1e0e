"""Event decoding: the fast way equals the general one, and a wrong shape is refused."""

from __future__ import annotations

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain.artifacts import artifact_names
from medfed.chain.calls import Log, checksum
from medfed.chain.contracts.base import events_of
from medfed.chain.events import EventTable, stored_form
from medfed.errors import ProtocolError

ENTRY = {
    "type": "event",
    "name": "Mixed",
    "inputs": [
        {"name": "study", "type": "uint64", "indexed": True},
        {"name": "who", "type": "address", "indexed": False},
        {"name": "wide", "type": "uint96", "indexed": False},
        {"name": "low", "type": "int128", "indexed": False},
        {"name": "small", "type": "int16", "indexed": False},
        {"name": "flag", "type": "bool", "indexed": False},
        {"name": "tag", "type": "bytes4", "indexed": False},
        {
            "name": "inner",
            "type": "tuple",
            "indexed": False,
            "components": [
                {"name": "fullWord", "type": "bytes32"},
                {"name": "bits", "type": "uint64"},
            ],
        },
    ],
}
TABLE = EventTable("Test", [ENTRY])
SPEC = TABLE.by_name["Mixed"]
TYPES = ["address", "uint96", "int128", "int16", "bool", "bytes4", "(bytes32,uint64)"]
ROWS = st.tuples(
    st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    st.integers(0, 2**96 - 1),
    st.integers(-(2**127), 2**127 - 1),
    st.integers(-(2**15), 2**15 - 1),
    st.booleans(),
    st.binary(min_size=4, max_size=4),
    st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1)),
)


def log_of(study, data):
    return Log(
        b"\x01" * 20, (SPEC.topic, study.to_bytes(32, "big")), data, 5, b"\x02" * 32, 3, b"\x04" * 32, 99
    )


@given(st.integers(0, 2**64 - 1), ROWS)
def test_every_value_comes_back(study, row):
    """What the ABI encoder writes, the decoder reads, over all kinds of values and their limits."""
    event = TABLE.decode(log_of(study, encode(TYPES, row)))
    who, wide, low, small, flag, tag, inner = row
    assert event.values == {
        "study": study,
        "who": checksum(who),
        "wide": wide,
        "low": low,
        "small": small,
        "flag": flag,
        "tag": tag,
        "inner": {"full_word": inner[0], "bits": inner[1]},
    }
    assert (event.block, event.log_index, event.time) == (5, 3, 99)


@given(st.integers(0, 2**64 - 1), ROWS)
def test_filters_take_the_values_as_people_write_them(study, row):
    """The stored form of a value given by hand is the one cut from the log."""
    found = SPEC.row(log_of(study, encode(TYPES, row)))
    given_by_hand = [study, *row[:6], *row[6]]
    kinds = [leaf.kind for leaf in SPEC.leaves]
    assert [stored_form(kind, value) for kind, value in zip(kinds, given_by_hand, strict=True)] == list(found)


@pytest.mark.parametrize("change", [lambda data: data[:-32], lambda data: data + bytes(32), lambda data: b""])
def test_a_wrong_shape_is_refused(change):
    """A log shorter or longer than its ABI says is not decoded into nonsense."""
    data = encode(TYPES, ("0x" + "11" * 20, 1, 1, 1, True, b"\x01" * 4, (bytes(32), 1)))
    with pytest.raises(ProtocolError, match="Event Mixed in block 5"):
        TABLE.decode(log_of(1, change(data)))


def test_unknown_events_are_passed_over():
    """A log with another topic, or with none, is nobody's event."""
    log = log_of(1, b"")
    assert TABLE.decode(log._replace(topics=(b"\x07" * 32,))) is None
    assert TABLE.decode(log._replace(topics=())) is None


@pytest.mark.parametrize("name", artifact_names())
def test_all_our_events_are_of_fixed_shape_or_general(name):
    """Each event of each contract can be kept: by columns, or as raw bytes when it has text or lists."""
    for spec in events_of(name).by_name.values():
        assert len({leaf.name for leaf in spec.leaves}) == len(spec.leaves), (
            f"{name}.{spec.name}: two values of a name"
        )


def test_what_rounds_read_in_bulk_is_of_fixed_shape():
    """The events that come in thousands take the fast way."""
    rounds, consents = events_of("FederatedRounds"), events_of("ConsentRegistry")
    for name in ("UpdateSubmitted", "Attested", "AggregateProposed", "RoundOpened"):
        assert rounds.by_name[name].static
    assert events_of("Payouts").by_name["Claimed"].static
    for name in ("Granted", "Narrowed", "Revoked", "AllRevoked"):
        assert consents.by_name[name].static
