"""Which attacks on money still succeed."""

from __future__ import annotations

import pytest

STANDING = {
    "a_quorum_burns_an_honest_authors_bond": "a root without bytes: known limit 15",
    "an_honest_objection_against_a_bond_costs_no_more": "a bond against a claim in a round that ends void: known limit 35",
    "makes_nobodys_what_hospitals_earned[silent]": "a silent hospital that is suspended: known limit 36",
    "leaving_out_is_not_paid_for_where_reviews_count": "reviews and left-out updates: known limit 37",
    "a_tainted_update_makes_no_reviewers_part_larger": "reviews of undone rounds: known limit 37",
    "liars_that_are_proved_wrong_have_no_say": "as above",
    "one_sacrifice_saves_no_more_bonds": "bonds of lapsed claims: known limit 38",
    "the_finder_of_a_key_that_was_replaced": "a hospital that never set an allowance: known limit 32",
}
"""Attacks that still succeed, by a part of the test's name: the day one is stopped, its line has to go."""


def pytest_collection_modifyitems(items):
    for item in items:
        for name, reason in STANDING.items():
            if name in item.nodeid:
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
