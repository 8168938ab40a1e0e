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


STANDING = {
    "a_quorum_burns_an_honest_authors_bond": "a root without bytes: known limit 15",
    "the_finder_of_a_key_that_was_replaced": "a hospital that never set an allowance: known limit 32",
}
"""Attacks that still succeed, by a part of the test's name: the day one is stopped, its line has to go."""


def pytest_collection_modifyitems(items):
    for item in items:
        for name, reason in STANDING.items():
            if name in item.nodeid:
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
