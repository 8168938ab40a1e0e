"""What an update consists of, and what its chunks may hold; `challengeUpdate` judges the same."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, chunk_count, leaf_count
from medfed.protocol.layout import VECTOR_LIMIT, Vector, chunk_count_of, is_chunk_right, vector_at
from tests.conftest import ROOT

VECTORS = json.loads((ROOT / "tests" / "vectors" / "layouts.json").read_text(encoding="utf-8"))

vectors = st.lists(
    st.builds(Vector, st.integers(1, 5 * CHUNK_WORDS), st.integers(1, 1000), st.booleans()),
    min_size=1,
    max_size=VECTOR_LIMIT,
)


def chunk_of(*words):
    """A chunk that begins with these signed words."""
    return np.array(words, dtype=">i4").tobytes().ljust(CHUNK_BYTES, b"\0")


@pytest.mark.parametrize("case", VECTORS["layouts"])
def test_layout_vectors(case):
    """Which vector each leaf belongs to."""
    found = [Vector(**each) for each in case["vectors"]]
    assert chunk_count_of(found) == case["chunks"]
    for index, place in enumerate(zip(case["numbers"], case["firsts"], strict=True)):
        number, first = place
        assert vector_at(found, index) == ([None, *found][number], first)


@pytest.mark.parametrize("case", VECTORS["chunks"])
def test_chunk_vectors(case):
    """What is convicted and what is not."""
    found = [Vector(**each) for each in case["vectors"]]
    chunk = bytes.fromhex(case["chunk"][2:])
    assert is_chunk_right(found, chunk, case["index"], case["weight"]) == case["right"]


@given(vectors)
def test_every_word_has_one_place(found):
    """Chunks follow one another without a gap; the header and what lies behind belong to no vector."""
    count = chunk_count_of(found)
    assert vector_at(found, 0) == (None, 0)
    places = [vector_at(found, index) for index in range(1, count)]
    expected = [(each, at * CHUNK_WORDS) for each in found for at in range(chunk_count(each.words))]
    assert places == expected
    assert all(vector_at(found, index) == (None, 0) for index in range(count, leaf_count(count) + 1))


@given(vectors, st.integers(1, 400), st.data())
def test_a_chunk_is_right_up_to_its_limit_and_not_beyond(found, weight, data):
    """Word by word: one step more, or anything where no word of a vector stands, is wrong."""
    index = data.draw(st.integers(1, leaf_count(chunk_count_of(found)) - 1 or 1))
    vector, first = vector_at(found, index)
    place = data.draw(st.integers(0, CHUNK_WORDS - 1))
    inside = vector is not None and first + place < vector.words
    limit = (vector.steps * (weight if vector.weighted else 1)) if inside else 0
    for word, right in ((limit, True), (-limit, True), (limit + 1, False), (-limit - 1, False)):
        chunk = chunk_of(*[0] * place, word)
        assert is_chunk_right(found, chunk, index, weight) == right


def test_the_largest_negative_word_has_a_size():
    """Two's complement has one that no positive word matches."""
    assert not is_chunk_right([Vector(1, 2**31 - 1, weighted=False)], chunk_of(-(2**31)), 1, 1)


def test_a_chunk_of_another_length_is_wrong():
    assert not is_chunk_right([Vector(1, 1, weighted=False)], bytes(CHUNK_BYTES - 4), 1, 1)
