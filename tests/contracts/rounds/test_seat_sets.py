"""Sets of seats against the obvious: Python's own integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

BITMAPS = st.integers(0, 2**64 - 1) | st.sets(st.integers(0, 63)).map(lambda s: sum(1 << i for i in s))


@pytest.fixture(scope="module")
def seats(evm_module):
    return evm_module.deploy("SeatSetHarness")


def test_counting_the_lowest_seat_and_listing(seats):
    @given(BITMAPS)
    def agree(bitmap):
        assert seats.count(bitmap) == bitmap.bit_count()
        lowest = (bitmap & -bitmap).bit_length() - 1 if bitmap else 64
        assert seats.lowest(bitmap) == lowest
        assert seats.toArray(bitmap) == tuple(seat for seat in range(64) if bitmap >> seat & 1)

    agree()


def test_membership_ends_at_64(seats):
    """A seat beyond the last bit is in no set."""
    full = 2**64 - 1
    assert all(seats.has(full, seat) for seat in range(64))
    assert not any(seats.has(full, seat) for seat in (64, 65, 128, 255))
    assert [seats.first(members) for members in (0, 1, 4, 63, 64)] == [0, 1, 15, 2**63 - 1, full]
