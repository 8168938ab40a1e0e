"""A final round of a reviewed study."""

from __future__ import annotations

import pytest

from tests.contracts.payouts.reviews import REVIEWED
from tests.rig.world import digest


@pytest.fixture
def final(world):
    """With three submitters: study, aggregate, its hash."""
    study, result = world.final(scoreMode=REVIEWED)
    return study, result, digest(study, 1, result)
