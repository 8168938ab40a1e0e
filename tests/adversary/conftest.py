"""One deployment for all attacks, on a chain of its own; what an attack does to it is undone."""

from __future__ import annotations

import pytest

from tests.rig.evm import Evm
from tests.rig.world import deploy_world

HOSPITALS = 6


@pytest.fixture(scope="session")
def federation():
    return deploy_world(Evm(), HOSPITALS)


@pytest.fixture
def world(federation):
    token = federation.evm.snapshot()
    yield federation
    federation.evm.restore(token)


@pytest.fixture
def evm(world):
    return world.evm
