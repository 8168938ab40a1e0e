"""What the demo's captions say of money and phases is what happened, whatever the attack and the rule."""

from __future__ import annotations

import pytest

from medfed.cli.demo.tables import attack_parts, phases

UNIT = 10**6


def row(name, **amounts):
    return {"name": name, "paid": 0, "slashed": 0, "won": 0, "net": 0, "honest": 0, **amounts}


def result(kind="quorum", *, ended="aborted", left=0):
    """As much of a demo's result as the captions are made of."""
    attack = {
        "kind": kind,
        "ended": ended,
        "undone_from": 2,
        "completed_by": ["hospital-1"],
        "same_model": True,
        "lies": [],
        "gains": [
            row("hospital-4", slashed=500 * UNIT),
            row("watchtower", won=250 * UNIT),
            row("burnt", net=250 * UNIT),
            row("left in the study's pot", net=left),
        ],
    }
    return {"token": {"symbol": "MFT", "decimals": 6}, "rule": "sum", "attack": attack}


def captions(found) -> list[str]:
    return [" ".join(words.split()) for _, _, _, words in attack_parts(found)]


def test_what_is_left_in_the_pot_is_nobodys():
    """The sponsor has rewards of rounds that never were final, and nothing that is left."""
    (_, money) = captions(result(left=3 * UNIT))
    assert (
        "What is left in the pot has not been claimed yet, or was earned by nobody and is nobody's." in money
    )
    assert "the sponsor's" not in money
    assert "left in the pot" not in captions(result())[1]


def test_after_a_refuted_result_updates_are_paid_and_attesting_to_it_is_not():
    (verdict, _) = captions(result())
    assert "who attested to it is paid nothing" in verdict
    assert "all others are paid for their updates as if it were right" in verdict
    assert "Attesting to it pays nobody anything." in verdict


@pytest.mark.parametrize("rule", ["sum", "median"])
def test_phases_are_those_of_the_rule(rule):
    assert f"the {rule}, until two thirds had attested to it" in " ".join(phases({"rule": rule}).split())


def test_phases_under_an_aggregators_attack_end_by_claims():
    assert "until a claim of it was final" in " ".join(phases(result("aggregator")).split())
