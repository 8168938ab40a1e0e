"""The committed vectors are those that the script writes."""

from __future__ import annotations

import pytest

from tests.vectors import make_consent


@pytest.mark.parametrize("name", ["purposes.json", "consent.json", "typed_consent.json"])
def test_vectors_are_fresh(name):
    """`python tests/vectors/make_consent.py` would change nothing."""
    committed = (make_consent.FOLDER / name).read_text(encoding="utf-8")
    assert committed == make_consent.render()[name]
