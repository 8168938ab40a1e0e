"""Draws follow from what they are for, and from nothing else."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medfed.protocol.randomness import draw_seed, generator, torch_seed

PINNED = "b6ffd98915b8063a0be49423ce9fba9f16e38171e39234847ce4edab9fb4a4cd"
DRAWN = [2938073360, 4226779132, 3677898156]

labels = st.lists(st.integers(0, 2**64) | st.text(max_size=8), max_size=4)


@given(st.integers(0, 2**64), st.text(max_size=8), labels)
def test_a_draw_repeats(seed, purpose, names):
    """On any machine, after any restart, whatever other generators did in between."""
    first = generator(seed, purpose, *names).integers(0, 2**63, 4)
    np.random.seed(1)  # noqa: NPY002 - to show that it does not matter
    random.seed(1)
    assert draw_seed(seed, purpose, *names) == draw_seed(seed, purpose, *names)
    np.testing.assert_array_equal(first, generator(seed, purpose, *names).integers(0, 2**63, 4))


@given(
    st.tuples(st.integers(0, 2**64), st.text(max_size=8), labels),
    st.tuples(st.integers(0, 2**64), st.text(max_size=8), labels),
)
def test_other_names_give_other_draws(one, other):
    """Labels are told apart one by one: ("ab", "c") is not ("a", "bc")."""
    shown = [(str(seed), purpose, *map(str, names)) for seed, purpose, names in (one, other)]
    assume(shown[0] != shown[1])
    assert draw_seed(one[0], one[1], *one[2]) != draw_seed(other[0], other[1], *other[2])


@pytest.mark.parametrize(
    "change",
    [
        (8, "batches", b"\1", 2, 3),
        (7, "init", b"\1", 2, 3),
        (7, "batches", b"\2", 2, 3),
        (7, "batches", b"\1", 3, 2),
        (7, "batches", b"\1", 23),
    ],
)
def test_seed_spec_seat_and_round_each_count(change):
    """Nothing is left out, and the order counts."""
    assert draw_seed(*change) != draw_seed(7, "batches", b"\1", 2, 3)


def test_generators_are_fresh():
    """One that was used leaves no trace in the next."""
    used = generator(7, "batches")
    used.random(100)
    assert generator(7, "batches").random() == generator(7, "batches").random() != used.random()


@given(st.integers(0, 2**64), labels)
def test_a_torch_seed_fits_a_signed_word(seed, names):
    """The upper 63 of the first 64 bits."""
    found = torch_seed(seed, "train", *names)
    assert 0 <= found < 2**63
    assert found == int.from_bytes(draw_seed(seed, "train", *names)[:8], "big") // 2


def test_draws_are_pinned():
    """Another number here is another final model for every study: a change of the protocol."""
    assert draw_seed(7, "batches", b"\1", 2, 3).hex() == PINNED
    assert generator(7, "batches", b"\1", 2, 3).integers(0, 2**32, 3).tolist() == DRAWN
