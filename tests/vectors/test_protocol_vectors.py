"""The committed vectors are those that the script writes."""

from __future__ import annotations

import pytest

from tests.vectors import make_protocol


@pytest.mark.parametrize("name", ["chunks.json", "layouts.json", "commitments.json", "phases.json"])
def test_vectors_are_fresh(name):
    """`python tests/vectors/make_protocol.py` would change nothing."""
    committed = (make_protocol.FOLDER / name).read_text(encoding="utf-8")
    assert committed == make_protocol.render()[name]
