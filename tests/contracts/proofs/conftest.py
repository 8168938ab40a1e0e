"""A round with real vectors."""

from __future__ import annotations

import pytest

from tests.contracts.work import made


@pytest.fixture
def work(world):
    """Three hospitals, vectors of 300 words: a header and three chunks, the last one padded."""
    return made(world)
