"""A registry with two hospitals, deployed once per file."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.contracts.datasets.infos import info
from tests.rig import roles
from tests.rig.pledges import pledge


@pytest.fixture(scope="module")
def deployed(evm_module):
    """Two hospitals with their operators, dataset 1 of the first; `rounds` and `studies` stand where these contracts would."""
    evm = evm_module
    admin, hospital, operator, other, rounds, studies, second, its_operator, heir = evm.actors[:9]
    manager = evm.deploy("AccessManager", admin)
    consortium = evm.deploy("Consortium", manager)
    roles.open_to(manager, roles.CONSORTIUM, consortium, "admit", "suspend", "reinstate", "proposeAdmin")
    roles.give(manager, roles.CONSORTIUM, admin)
    for each, hot in ((hospital, operator), (second, its_operator)):
        consortium.admit(each, hot, b"\x11" * 32, b"\x22" * 32, pledge(consortium, each, hot))
    datasets = evm.deploy("DatasetRegistry", consortium, rounds, studies)
    datasets.register(info(), sender=operator)
    return SimpleNamespace(**locals())


@pytest.fixture
def world(deployed, evm):
    """What was deployed; what a test does to it is undone."""
    return deployed
