"""A deployment with two hospitals more than a study has seats, deployed once per file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rig.world import SEATS, deploy_world


@pytest.fixture(scope="module")
def deployed(evm_module):
    return deploy_world(evm_module, SEATS + 2)


@pytest.fixture
def world(deployed, evm):
    """The deployment; what a test does to it is undone."""
    return replace(deployed, evm=evm)
