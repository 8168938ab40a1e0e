"""Phases against the words of the protocol. `tests/contracts/rounds` drives the contract through the same vectors."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.protocol.phase import (
    Outcome,
    Phase,
    RoundFacts,
    attestation_ends,
    longest_round,
    phase_of,
    quorum_of,
    settled_at,
    training_ends,
    unlocked_at,
    voidable_at,
)
from tests.conftest import ROOT

VECTORS = json.loads((ROOT / "tests" / "vectors" / "phases.json").read_text(encoding="utf-8"))
START = 1_800_000_000


@st.composite
def facts(draw):
    """A round that opened; whoever closed Training did so within it."""
    training = draw(st.integers(1, 10_000))
    closed = draw(st.none() | st.integers(0, training - 1))
    return RoundFacts(
        opened_at=START,
        closed_at=0 if closed is None else START + closed,
        outcome=draw(st.sampled_from(Outcome)),
        submitters=draw(st.integers(0, 64)),
        training_seconds=training,
        aggregating_seconds=draw(st.integers(1, 10_000)),
        min_hospitals=draw(st.integers(2, 64)),
    )


def rows():
    for case in VECTORS["rounds"]:
        for at, closed_at, outcome, submitters, phase, voidable in case["rows"]:
            found = RoundFacts(
                START,
                START + closed_at if closed_at >= 0 else 0,
                Outcome(outcome),
                submitters,
                VECTORS["training_seconds"],
                VECTORS["aggregating_seconds"],
                VECTORS["min_hospitals"],
            )
            yield pytest.param(found, at, phase, voidable, id=f"{case['name']}, second {at}")


@pytest.mark.parametrize(("found", "at", "phase", "voidable"), list(rows()))
def test_vectors(found, at, phase, voidable):
    """What the contract is driven through."""
    assert phase_of(found, START + at) == phase
    assert voidable_at(found) == START + voidable


def test_the_vectors_reach_every_phase_of_plain_studies():
    seen = {row[4] for case in VECTORS["rounds"] for row in case["rows"]}
    assert seen == {Phase.TRAINING, Phase.AGGREGATING, Phase.FINAL, Phase.VOID}


@given(facts(), st.integers(0, 30_000))
def test_an_open_round_trains_until_all_have_acted_or_time_is_up(found, later):
    """The second that closes Training belongs to Aggregating."""
    found, now = replace(found, outcome=Outcome.OPEN), START + later
    acted = found.closed_at != 0
    training = not acted and later < found.training_seconds
    if acted and now < found.closed_at:
        return  # facts of a later second
    assert phase_of(found, now) is (Phase.TRAINING if training else Phase.AGGREGATING)
    assert (now < training_ends(found)) == training


@given(facts(), st.integers(0, 30_000), st.integers(0, 30_000))
def test_time_alone_moves_a_round_forward_only(found, first, second):
    """Nothing that was over begins again."""
    early, late = sorted((first, second))
    assert phase_of(found, START + early) <= phase_of(found, START + late)


@given(facts(), st.integers(0, 30_000))
def test_an_ended_round_stays_ended(found, later):
    """Whatever the time; the phase has the outcome's name."""
    if found.outcome is not Outcome.OPEN:
        assert phase_of(found, START + later).name == found.outcome.name


@given(facts())
def test_a_round_is_void_early_only_for_want_of_updates(found):
    """Never before Training has closed, and with enough updates not before Aggregating is over."""
    least = training_ends(found) + (
        found.aggregating_seconds if found.submitters >= found.min_hospitals else 0
    )
    assert voidable_at(found) == least
    assert phase_of(replace(found, outcome=Outcome.OPEN), voidable_at(found)) is Phase.AGGREGATING


@given(facts(), st.integers(0, 2**40))
def test_a_round_that_has_not_opened_has_no_phase(found, now):
    assert phase_of(replace(found, opened_at=0), now) is Phase.NONE


@pytest.mark.parametrize("submitters", range(1, 65))
def test_a_quorum_is_the_least_two_thirds(submitters):
    """3 · quorum ≥ 2 · submitters, one fewer is too few, and two quorums of one round share a hospital."""
    quorum = quorum_of(submitters)
    assert quorum == VECTORS["quorums"][submitters]
    assert 3 * quorum >= 2 * submitters > 3 * (quorum - 1)
    assert quorum <= submitters < 2 * quorum


@pytest.mark.parametrize("case", VECTORS["clock"])
def test_clock_vectors(case):
    """Ends of windows, as the contract's library has them."""
    ended, seconds = case["ended_at"], case["dispute_seconds"]
    assert attestation_ends(ended, seconds) == case["attestation_ends"]
    assert unlocked_at(ended, seconds) == case["unlocked_at"]
    assert [settled_at(ended, newest, seconds) for newest in (0, 1)] == case["settled_at"]
    assert longest_round(*case["lengths"]) == case["longest_round"]


lengths = st.integers(1, 90 * 86_400)


@given(st.integers(0, 2**32 - 1), lengths)
def test_whoever_attests_can_be_proved_wrong_for_half_of_the_window(final_at, seconds):
    """And no stake is free while a proof of the last round counts."""
    assert unlocked_at(final_at, seconds) - attestation_ends(final_at, seconds) >= seconds / 2
    assert settled_at(final_at, 1, seconds) >= unlocked_at(final_at, seconds)


@given(lengths, lengths, lengths, st.integers(0, 16), st.integers(0, 62))
def test_the_longest_round_is_that_of_a_play_in_which_everybody_waits(
    training, aggregating, claim, most, leavers
):
    """Before each update leaves, all claims are made and objected to in the last second, one after the other."""
    held = closed = training
    for era in range(leavers + 1):
        for _ in range(most):
            held += 2 * claim  # made, then an objection when its window closes
        held += claim if era < leavers else 0  # an update leaves
    assert longest_round(training, aggregating, claim, most, leavers) >= max(held, closed + aggregating)


def test_names_and_numbers_are_the_contracts():
    """Both are written by hand; the ABI has the numbers only."""
    source = (ROOT / "contracts" / "interfaces" / "IFederatedRounds.sol").read_text(encoding="utf-8")
    for kind in (Phase, Outcome):
        body = source.split(f"enum {kind.__name__} {{")[1].split("}")[0]
        names = [line.split("//")[0].strip(" ,") for line in body.splitlines() if line.strip()]
        assert [name.upper() for name in names] == [each.name for each in kind]
