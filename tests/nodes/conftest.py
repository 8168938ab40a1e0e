"""A chain for each file, hospitals for each test."""

from __future__ import annotations

import pytest

from tests.nodes.federation import deploy


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def world(ground, tmp_path):
    """Three hospitals, 18 consenting patients each."""
    return ground.world(tmp_path, 3)


@pytest.fixture
def three(world):
    """Their daemons."""
    return [world.hospital(member) for member in world.members]


@pytest.fixture
def quiet():
    """Only what goes wrong is worth reading when a test fails."""
    from medfed.log import configure

    configure("error")
