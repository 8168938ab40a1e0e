"""An update is bounded word by word and in length; what the codec writes always keeps both, what is longer never does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medfed.errors import ProtocolError
from medfed.protocol.vector import Codec

reals = st.floats(-1e6, 1e6)


def codec(**changes):
    values = {
        "clip_norm": 3.0,
        "bound": 2.0,
        "scale": 1000.0,
        "max_weight": 64,
        "max_hospitals": 8,
        "size": 5,
    }
    return Codec(**(values | changes))


@given(hnp.arrays(np.float64, 5, elements=reals), st.integers(1, 64), st.floats(1e-3, 1e9), st.booleans())
def test_what_is_encoded_keeps_the_bounds(delta, weight, clip_norm, stochastic):
    """For any values, clipped or not, rounded in either way."""
    coder = codec(clip_norm=clip_norm)
    rng = np.random.default_rng(1) if stochastic else None
    coder.check(coder.encode(delta, weight, rng), weight)


@pytest.mark.parametrize("size", [1, 1000, 300_000])
def test_an_update_at_its_longest_is_accepted_and_a_longer_one_refused(size):
    """All words alike, none beyond its own bound: the length alone decides."""
    coder = codec(size=size, bound=3.0)
    word = int(3000 * 64 / np.sqrt(size))
    coder.check(np.full(size, word, dtype=np.int32).view(np.uint32), 64)
    longer = int(word * 1.001) + 2
    if longer <= coder.word_limit(64):
        with pytest.raises(ProtocolError, match="longer than the study's clip_norm of 3"):
            coder.check(np.full(size, longer, dtype=np.int32).view(np.uint32), 64)


def test_the_length_is_measured_exactly():
    """In whole numbers: one step above the limit is seen, also where the squares outgrow 64 bits."""
    coder = codec(clip_norm=2.0, bound=2.0, scale=2.0**26, max_weight=1, max_hospitals=8, size=2_000_000)
    limit = coder.norm_limit(1)
    words = np.zeros(coder.size, dtype=np.int32)
    words[0] = coder.word_limit(1)
    left = limit - int(words[0]) ** 2
    at = 1
    while left:
        words[at] = -int(np.floor(np.sqrt(left))) if left > 1 else -1
        left -= int(words[at]) ** 2
        at += 1
    coder.check(words.view(np.uint32), 1)
    words[at] = 1
    with pytest.raises(ProtocolError, match="longer"):
        coder.check(words.view(np.uint32), 1)


def test_a_clip_norm_that_nothing_reaches_binds_nothing():
    """Any number may stand there, up to the largest."""
    coder = codec(clip_norm=1.7e308)
    coder.check(np.full(5, coder.word_limit(64), dtype=np.int32).view(np.uint32), 64)
