"""The codec and the vector's file: sums that cannot wrap, bytes that are the same everywhere, files that are refused."""

from __future__ import annotations

import hashlib
import io
import math
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medfed.errors import InputError, ProtocolError, SpecError
from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, chunk_root
from medfed.protocol.cid import CHUNK_SIZE, cid_of
from medfed.protocol.header import Header
from medfed.protocol.vector import (
    Codec,
    Sealed,
    add_into,
    check_vector,
    seal,
    vector_bytes,
    vector_size,
    write_vector,
)

HEADER = Header(31337, "0x" + "c0" * 20, 1, 2, "0x" + "1a" * 20)
# Words that just fill a first piece of a MiB, the header before them, and their neighbours.
FIRST = CHUNK_SIZE // 4 - CHUNK_WORDS
SIZES = (1, 127, 128, 129, FIRST - 1, FIRST, FIRST + 1, FIRST + CHUNK_SIZE // 4, FIRST + CHUNK_SIZE // 4 + 1)

floats32 = st.floats(-(2.0**100), 2.0**100, width=32)


def codec(**changes):
    values = {
        "clip_norm": 8.0,
        "bound": 2.0,
        "scale": 65536.0,
        "max_weight": 512,
        "max_hospitals": 4,
        "size": 3,
    }
    return Codec(**(values | changes))


PINNED = "d8c035bee44a03dd45393d69fa5b75892596d936ed6f4a4ce99612070707ee31"


def words(size):
    return np.random.default_rng(size).integers(0, 2**32, size, dtype=np.uint32)


@st.composite
def codecs(draw, size=4):
    """Any codec that is allowed, those close to the limit included."""
    weight, hospitals = draw(st.integers(1, 100_000)), draw(st.integers(1, 64))
    bound = draw(st.floats(1e-6, 1e6))
    share = draw(st.floats(1e-6, 1, exclude_max=True))
    scale = share * 2**31 / (hospitals * weight * bound)
    try:
        return Codec(draw(st.floats(1e-6, 1e6)), bound, scale, weight, hospitals, size)
    except SpecError:  # rounding may reach the limit that the share keeps below
        assume(False)
        raise


# --- the codec ---------------------------------------------------------------------------------------------------


@given(codecs(), st.lists(floats32, min_size=4, max_size=4), st.booleans(), st.integers(0, 99))
def test_a_sum_never_wraps(one, values, stochastic, seed):
    """As many hospitals as there may be, all with the greatest weight and the same update: the sum is exact.

    Every word passes the codec's own check, with either way of rounding.
    """
    rng = np.random.default_rng(seed) if stochastic else None
    encoded = one.encode(np.array(values, dtype=np.float32), one.max_weight, rng)
    one.check(encoded, one.max_weight)
    total = np.zeros(4, dtype=np.uint32)
    for _ in range(one.max_hospitals):
        add_into(total, encoded)
    exact = [one.max_hospitals * int(word) for word in encoded.view(np.int32)]
    assert total.view(np.int32).tolist() == exact
    assert one.max_hospitals * one.word_limit(one.max_weight) < 2**31


@given(codecs(size=1), st.integers(1, 100_000), st.integers(0, 99))
@example(Codec(1.0, 0.3, 15.0, 3, 1, 1), 3, 0)  # (0.3 · 3) · 15 rounds to 13, 0.3 · (3 · 15) to 14
def test_the_greatest_word_is_within_the_limit_of_its_weight(one, weight, seed):
    """b, and what is clipped to it, comes up to the limit; stochastic rounding does not go beyond."""
    weight = min(weight, one.max_weight)
    delta = np.array([min(one.bound, one.clip_norm)])
    for sign in (-1.0, 1.0):
        for rng in (None, np.random.default_rng(seed)):
            one.check(one.encode(sign * delta, weight, rng), weight)
    if one.bound <= one.clip_norm:
        # The limit counts whole steps per unit of weight, so it is above by less than the weight.
        word, limit = int(one.encode(delta, weight).view(np.int32)[0]), one.word_limit(weight)
        assert limit - weight <= word <= limit


@given(hnp.arrays(np.float32, 4, elements=st.floats(-1.5, 1.5, width=32)), st.integers(1, 512))
def test_an_update_within_its_bounds_is_rounded_half_to_even(delta, weight):
    """Coordinate by coordinate, in plain Python."""
    one = codec(size=4)
    expected = [round(float(value) * (float(weight) * one.scale)) for value in delta]
    assert one.encode(delta, weight).view(np.int32).tolist() == expected
    assert one.encode(delta.astype(np.float64), weight).view(np.int32).tolist() == expected


def test_ties_go_to_the_even_word():
    one = codec(scale=1.0, bound=10.0, size=6)
    delta = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5])
    assert one.encode(delta, 1).view(np.int32).tolist() == [0, 2, 2, 0, -2, -2]


@given(codecs(), hnp.arrays(np.float64, 4, elements=st.floats(-1e9, 1e9)), st.integers(1, 100_000))
def test_a_decoded_update_is_clipped_and_close(one, delta, weight):
    """Scaled to the norm, cut to the bound, and at most half a step away from that."""
    weight = min(weight, one.max_weight)
    norm = math.sqrt(math.fsum(float(value) ** 2 for value in delta))
    shrink = 1.0 if norm <= one.clip_norm else one.clip_norm / norm
    expected = np.clip(delta * shrink, -one.bound, one.bound)
    found = one.decode(one.encode(delta, weight), weight)
    step = 1 / (weight * one.scale)
    assert np.all(np.abs(found) <= one.bound + 0.5001 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0.5001 * step)


@given(st.lists(st.integers(1, 512), min_size=1, max_size=4), st.integers(0, 99))
def test_the_mean_of_sums_is_weighted_by_patients(weights, seed):
    """Within half a step of each hospital."""
    one = codec(size=8)
    drawn = np.random.default_rng(seed).normal(size=(len(weights), 8)).astype(np.float32)
    total = np.zeros(8, dtype=np.uint32)
    for delta, weight in zip(drawn, weights, strict=True):
        add_into(total, one.encode(delta, weight))
    clipped = [np.clip(row * min(1, 8 / np.linalg.norm(row)), -2, 2) for row in drawn.astype(np.float64)]
    expected = np.average(clipped, axis=0, weights=weights)
    steps = len(weights) / (sum(weights) * one.scale)
    np.testing.assert_allclose(one.decode(total, sum(weights)), expected, atol=0.51 * steps)


def test_stochastic_rounding_is_unbiased():
    """Over many draws the mean is the value itself, within five standard errors; without it the value is lost."""
    count = 1 << 20
    for value in (0.3, -0.3, 0.999, 7.5):
        one = codec(scale=1.0, bound=100.0, clip_norm=1e9, size=count)
        delta = np.full(count, value)
        drawn = one.encode(delta, 1, np.random.default_rng(7)).view(np.int32)
        assert set(np.unique(drawn)) <= {math.floor(value), math.ceil(value)}
        spread = math.sqrt((value % 1) * (1 - value % 1) / count)
        assert abs(drawn.mean() - value) < 5 * spread
        assert set(np.unique(one.encode(delta, 1).view(np.int32))) == {round(value)}


def test_stochastic_rounding_follows_its_generator_alone():
    """The same seed gives the same words, another gives others, and NumPy's global generator has no say."""
    one, delta = codec(size=1000), np.random.default_rng(1).normal(size=1000)
    first = one.encode(delta, 5, np.random.default_rng(3))
    np.random.seed(9)  # noqa: NPY002 - to show that it does not matter
    np.testing.assert_array_equal(first, one.encode(delta, 5, np.random.default_rng(3)))
    assert np.any(first != one.encode(delta, 5, np.random.default_rng(4)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e200])
@pytest.mark.parametrize("place", [0, 299_999])
def test_what_is_not_finite_is_refused(value, place):
    """Wherever it stands, and where only its square is too large."""
    delta = np.zeros(300_000)
    delta[place] = value
    with pytest.raises(InputError, match="not a finite number"):
        codec(size=300_000).encode(delta, 1)


def test_an_update_is_left_as_it_was():
    """Encoding works on copies."""
    delta = np.array([1e9, -1e9, 3.0], dtype=np.float64)
    codec().encode(delta, 7)
    assert delta.tolist() == [1e9, -1e9, 3.0]


@pytest.mark.parametrize("shape", [(0,), (2,), (4,), (3, 1)])
def test_an_update_has_the_studys_length(shape):
    with pytest.raises(InputError, match="has 3 parameters"):
        codec().encode(np.zeros(shape), 1)


@pytest.mark.parametrize("weight", [-1, 0, 513])
def test_a_weight_is_in_range(weight):
    with pytest.raises(InputError, match="between 1 and 512"):
        codec().encode(np.zeros(3), weight)


@pytest.mark.parametrize(("size", "weight"), [(2, 1), (4, 1), (3, 0), (3, -1)])
def test_a_sum_is_decoded_with_its_weight(size, weight):
    with pytest.raises(InputError, match="positive weight"):
        codec().decode(np.zeros(size, dtype=np.uint32), weight)


@pytest.mark.parametrize("off", [1, -1, 1 << 30, -(1 << 31)])
def test_a_word_beyond_its_bound_is_refused(off):
    """One step too much is too much, on either side, and the sentence names the word."""
    one = codec()
    limit = one.word_limit(16)
    encoded = np.array([0, limit, -limit], dtype=np.int64)
    one.check(encoded.astype(np.int32).view(np.uint32), 16)
    encoded[0] = max(limit + off, -(2**31)) if off > 0 else max(off - limit, -(2**31))
    with pytest.raises(
        ProtocolError, match=f"weight 16 has the word {encoded[0]}, beyond its bound of {limit}"
    ):
        one.check(encoded.astype(np.int32).view(np.uint32), 16)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_hospitals": 64, "max_weight": 2**32},
        {"bound": 2.0**31, "scale": 1.0, "max_weight": 1, "max_hospitals": 1},
        {"bound": 2.0**29, "scale": 1.0, "max_weight": 1, "max_hospitals": 4},
        {"bound": 1e308, "scale": 1e308},
        {"bound": 1e300},
    ],
)
def test_a_spec_whose_sum_could_wrap_is_refused(changes):
    """Products that no integer and no float can hold included."""
    with pytest.raises(SpecError, match=r"could wrap.*limit is 2\^31"):
        codec(**changes)


def test_the_greatest_spec_is_allowed():
    """One step below 2^31 in all."""
    one = codec(bound=2.0**31 - 1, scale=1.0, max_weight=1, max_hospitals=1)
    assert one.word_limit(1) == 2**31 - 1


@pytest.mark.parametrize("name", ["clip_norm", "bound", "scale"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_reals_of_a_spec_are_positive_and_finite(name, value):
    with pytest.raises(SpecError, match="finite and above zero"):
        codec(**{name: value})


@pytest.mark.parametrize("name", ["max_weight", "max_hospitals", "size"])
def test_counts_of_a_spec_are_at_least_one(name):
    with pytest.raises(SpecError, match="at least 1"):
        codec(**{name: 0})


# --- the same everywhere -------------------------------------------------------------------------------------------

ENCODE = """
import hashlib, numpy as np
from medfed.protocol.header import Header
from medfed.protocol.vector import Codec, seal
delta = np.random.default_rng(5).normal(size=1_000_003).astype(np.float32)
one = Codec(8.0, 2.0, 65536.0, 512, 4, len(delta))
words = one.encode(delta, 48), one.encode(delta, 48, np.random.default_rng(1))
header = Header(1, "0x" + "c0" * 20, 1, 1)
print(*(hashlib.sha256(each).hexdigest() + seal(header, each).root.hex() for each in words))
"""


def test_bytes_are_the_same_for_one_thread_and_for_many():
    """The clipped norm is a sum, which no library may split up by the number of processors."""
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    found = {
        subprocess.run(
            [sys.executable, "-c", ENCODE],
            env=os.environ | dict.fromkeys(limits, count),
            capture_output=True,
            check=True,
        ).stdout
        for count in ("1", "2", "7")
    }
    assert len(found) == 1


def test_threads_may_encode_and_seal_side_by_side():
    """Nothing is shared between calls."""
    one, delta = codec(size=300_000), np.random.default_rng(2).normal(size=300_000)

    def work(weight):
        encoded = one.encode(delta, weight)
        return encoded.tobytes(), seal(HEADER, encoded)

    alone = [work(weight) for weight in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(1, 9))) == alone


# --- the file ------------------------------------------------------------------------------------------------------


def naive_file(header, values):
    """Header chunk, big-endian words, zeros up to a whole chunk."""
    body = b"".join(int(value).to_bytes(4, "big") for value in values)
    return header.chunk() + body + bytes(-len(body) % CHUNK_BYTES)


def pieces(data, size=CHUNK_SIZE):
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", SIZES)
def test_three_ways_to_one_file(size):
    """`vector_bytes`, `write_vector` and `seal` agree with the definition, with the CID and with the chunk tree."""
    values = words(size)
    expected = naive_file(HEADER, values)
    file = io.BytesIO()
    sealed = write_vector(HEADER, values, file)
    assert len(expected) == vector_size(size)
    assert vector_bytes(HEADER, values) == expected == file.getvalue()
    assert sealed == seal(HEADER, values) == Sealed(cid_of(expected), chunk_root(with_header(values)))


def with_header(values):
    return np.concatenate([HEADER.words(), values])


@pytest.mark.parametrize("size", SIZES)
def test_a_file_gives_its_words_back(size):
    """With the root that the tree over header and words has, however the file is cut into whole chunks."""
    values = words(size)
    data = vector_bytes(HEADER, values)
    for cut in (CHUNK_SIZE, CHUNK_BYTES * 777, len(data)):
        found, root = check_vector(pieces(data, cut), HEADER, size)
        np.testing.assert_array_equal(found, values)
        assert root == chunk_root(with_header(values))
    assert found.dtype == np.uint32
    add_into(found, found)  # the caller's own


@pytest.mark.parametrize(
    "other",
    [
        Header(1, HEADER.contract, 1, 2, HEADER.hospital),
        Header(31337, "0x" + "c1" * 20, 1, 2, HEADER.hospital),
        Header(31337, HEADER.contract, 2, 2, HEADER.hospital),
        Header(31337, HEADER.contract, 1, 3, HEADER.hospital),
        Header(31337, HEADER.contract, 1, 2, "0x" + "1b" * 20),
        Header(31337, HEADER.contract, 1, 2),
    ],
)
def test_another_header_is_refused(other):
    """Another chain, contract, study, round or hospital, or none."""
    data = vector_bytes(other, words(300))
    with pytest.raises(ProtocolError, match="header is not that of round 2 of study 1"):
        check_vector([data], HEADER, 300)


@pytest.mark.parametrize("place", [160, 511])
def test_a_header_is_zero_behind_its_fields(place):
    data = bytearray(vector_bytes(HEADER, words(300)))
    data[place] = 1
    with pytest.raises(ProtocolError, match="header"):
        check_vector([bytes(data)], HEADER, 300)


@pytest.mark.parametrize("change", [-512, -1, 1, 4, 512, -(10**6), 3 * CHUNK_SIZE])
def test_another_length_is_refused(change):
    """Shorter, longer, and much longer, which is not kept."""
    data = vector_bytes(HEADER, words(300))
    data = data[:change] if change < 0 else data + bytes(change)
    with pytest.raises(ProtocolError, match=f"2048 bytes long, not {len(data)}"):
        check_vector(pieces(data), HEADER, 300)


@pytest.mark.parametrize("place", [0, 1, 83])
@pytest.mark.parametrize("bit", [0, 31])
def test_padding_that_is_not_zero_is_refused(place, bit):
    """The first and the last word behind the vector, lowest and highest bit."""
    size = 300  # 84 words short of three chunks
    full = np.append(words(size), np.zeros(84, dtype=np.uint32))
    full[size + place] = np.uint32(1 << bit)
    with pytest.raises(ProtocolError, match="padding is not zero"):
        check_vector([vector_bytes(HEADER, full)], HEADER, size)


def test_pieces_that_end_inside_a_chunk_are_refused():
    data = vector_bytes(HEADER, words(300))
    with pytest.raises(ProtocolError, match="go on after"):
        check_vector(pieces(data, 700), HEADER, 300)


def test_what_the_pieces_raise_comes_through():
    """A store finds out at the end that the bytes are not what their CID says; then there are no words."""

    def broken():
        yield vector_bytes(HEADER, words(300))
        raise OSError("the store's own words")

    with pytest.raises(OSError, match="the store's own words"):
        check_vector(broken(), HEADER, 300)


def test_a_full_disk_comes_through():
    """No seal of a file that was not written."""

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_vector(HEADER, words(300), Full())


def test_memory_stays_at_one_vector():
    """Checking keeps the words and the tree; sealing the tree, and a few pieces of a MiB."""
    size = 2_000_000
    values = words(size)
    data = vector_bytes(HEADER, values)
    assert peak_of(lambda: check_vector(pieces_of(data), HEADER, size)) < 1.6 * len(data)
    assert peak_of(lambda: seal(HEADER, values)) < 4 * CHUNK_SIZE + 0.4 * len(data)


def pieces_of(data):
    view = memoryview(data)
    return (view[start : start + CHUNK_SIZE] for start in range(0, len(data), CHUNK_SIZE))


def peak_of(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(hnp.arrays(np.uint32, st.integers(1, 50)), st.integers(1, 5))
def test_sums_are_taken_modulo_two_to_the_32(values, times):
    """In place, word by word."""
    total = values.copy()
    for _ in range(times):
        add_into(total, values)
    assert total.tolist() == [int(value) * (times + 1) % 2**32 for value in values]


def test_the_files_form_is_pinned():
    """Another digest is another protocol."""
    data = vector_bytes(HEADER, np.arange(200, dtype=np.uint32))
    assert hashlib.sha256(data).hexdigest() == PINNED
