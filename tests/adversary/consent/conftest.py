"""Whom the attacks on consent are played with."""

from __future__ import annotations

import pytest

from tests.contracts.consent.conftest import Consents


@pytest.fixture
def patient(evm):
    return evm.actors[80]


@pytest.fixture
def stage(world, evm, patient):
    """The deployed registry, a patient of dataset 1, and a relayer who is nobody's friend."""
    return Consents(
        evm, world.consortium, world.consents, world.hospitals[0], patient, world.stranger, dataset=1
    )
