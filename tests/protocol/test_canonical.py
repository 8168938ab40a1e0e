"""Canonical JSON: one form for each value, and nothing else is read."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import ProtocolError
from medfed.protocol.canonical import canonical_json, parse_canonical

MOST = 1 << 20
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_a_value_has_one_form_and_is_read_back(value):
    """Also numbers that are written without a point although no integer of JSON is that large."""
    data = canonical_json(value)
    assert parse_canonical(data, max_bytes=MOST) == value
    assert canonical_json(parse_canonical(data, max_bytes=MOST)) == data
    assert json.loads(data, parse_int=float) == value


@given(values, st.integers(1, 3))
def test_another_form_of_a_value_is_refused(value, indent):
    """Spaces, line ends, escapes that are not needed."""
    data = canonical_json(value)
    for other in (
        json.dumps(value, indent=indent).encode(),
        data + b" ",
        b" " + data,
        json.dumps(value).encode(),
    ):
        if other != data:
            with pytest.raises(ProtocolError):
                parse_canonical(other, max_bytes=MOST)


def test_rfc_8785_example():
    """Section 3.2.3 of the RFC: numbers, escapes and the order of keys by UTF-16."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\x0f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(value).decode() == expected
    keys = {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7}
    assert [*json.loads(canonical_json(keys))] == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        2**53,
        -(2**53),
        {1: 2},
        {1, 2},
        b"bytes",
        "\ud800",
        {"\udfff": 1},
        object(),
    ],
    ids=lambda value: "an object" if type(value) is object else repr(value),
)
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ProtocolError, match="no canonical JSON"):
        canonical_json([value])


def test_deep_values_are_refused_in_one_sentence():
    """On the way out: no crash, however deep."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ProtocolError, match="no canonical JSON"):
        canonical_json(deep)


@pytest.mark.parametrize("pair", [b"[]", b'{"a":}'], ids=["lists", "objects"])
def test_deep_documents_are_refused_unread(pair):
    """64 levels are read, one more is not; a library that lifts the recursion limit changes nothing."""
    opening, closing = pair[:-1], pair[-1:]

    def nested(levels):
        return opening * levels + (b"[]" if pair == b"[]" else b"1") + closing * levels

    inner = 1 if pair == b"[]" else 0
    assert parse_canonical(nested(64 - inner), max_bytes=MOST)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        for levels in (65 - inner, 100_000):
            with pytest.raises(ProtocolError, match="deeper than 64 levels"):
                parse_canonical(nested(levels), max_bytes=MOST)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("text", ["[" * 100, "{[" * 50, '"[' * 100, "\\[" * 100, "]" * 5 + "[" * 100])
def test_brackets_in_a_string_are_no_levels(text):
    assert parse_canonical(canonical_json([text]), max_bytes=MOST) == [text]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("data", [b'"' + b'\\"' * 500_000, b'"' * 999_999, b"\\" * 999_999, b'"[' * 400_000])
def test_no_document_takes_long(data):
    """A MiB of the worst text is refused in moments, not in the square of its length."""
    with pytest.raises(ProtocolError):
        parse_canonical(data, max_bytes=MOST)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nul",
        b"[1,]",
        b"NaN",
        b"Infinity",
        b"[1.0]",
        b"[1e2]",
        b"-0",
        b"01",
        b"9007199254740993",
        b"1" * 5000,
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'"\\u0041"',
        b'"\\ud800"',
        b'{"\\ud800":1}',
        b'"\\/"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        '"é"'.encode("utf-16"),
        '"é"'.encode("utf-32"),
        b"1\n",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_not_canonical_is_refused(data):
    """Each is JSON, or nearly, in a form that another reader might take for another value."""
    with pytest.raises(ProtocolError, match="JSON"):
        parse_canonical(data, max_bytes=MOST)


@given(st.binary(max_size=50))
def test_any_bytes_are_read_or_refused(data):
    try:
        value = parse_canonical(data, max_bytes=MOST)
    except ProtocolError:
        return
    assert canonical_json(value) == data


def test_long_documents_are_refused_unread():
    """The length that is allowed is allowed; a byte more is not."""
    data = canonical_json("a" * 10)
    assert parse_canonical(data, max_bytes=12) == "a" * 10
    with pytest.raises(ProtocolError, match="12 bytes is longer than the 11"):
        parse_canonical(data, max_bytes=11)
