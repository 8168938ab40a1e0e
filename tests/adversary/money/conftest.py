"""One deployment for all attacks, on a chain of its own; what an attack does to it is undone."""

from __future__ import annotations

import pytest

from tests.rig.evm import Evm
from tests.rig.world import deploy_world

HOSPITALS = 4


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
    "it_makes_garbage_a_result_or_costs_the_honest_a_bond": "suspended submitters cannot object: known limit 31",
    "the_finder_of_a_key_that_was_replaced": "a hospital that never set an allowance: known limit 32",
    "no_two_roles_in_league_earn_more_than_honesty[sponsor+quorum]": "attesters' part under a false CID: known limit 33",
    "no_two_roles_in_league_earn_more_than_honesty[quorum+aggregator]": "as above",
    "no_two_roles_in_league_earn_more_than_honesty[quorum+challenger]": "as above",
    "no_two_roles_in_league_earn_more_than_honesty[quorum+stranger]": "as above",
    "no_two_roles_in_league_earn_more_than_honesty[quorum+consortium]": "shares of the suspended: known limit 34",
    "no_two_roles_in_league_earn_more_than_honesty[aggregator+consortium]": "as above",
    "a_sponsor_and_one_hospital_have_the_others_work_for_nothing[4]": "withheld bytes where all are needed: known limit 35",
    "a_doomed_stake_is_saved_through_a_compensation": "compensation of a friend: known limit 24",
    "a_struck_stake_comes_back_through_a_friend_in_the_same_round[400]": "as above",
}
"""Attacks that still succeed, by a part of the test's name: the day one is stopped, its line has to go."""


def pytest_collection_modifyitems(items):
    for item in items:
        for name, reason in STANDING.items():
            if name in item.nodeid:
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
