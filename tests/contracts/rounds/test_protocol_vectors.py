"""The contract against its Python twin: phases second by second, quorums, commitments."""

from __future__ import annotations

import json

import pytest

from medfed.protocol.commitments import Update
from medfed.protocol.phase import Outcome, Phase, RoundFacts, phase_of, quorum_of, voidable_at
from tests.conftest import ROOT
from tests.rig.evm import Revert
from tests.rig.world import DATASET, SPEC, aggregate, update

VECTORS = ROOT / "tests" / "vectors"
PHASES = json.loads((VECTORS / "phases.json").read_text(encoding="utf-8"))
COMMITMENTS = json.loads((VECTORS / "commitments.json").read_text(encoding="utf-8"))


def study_of(world):
    return world.running(
        PHASES["members"],
        trainingSeconds=PHASES["training_seconds"],
        aggregatingSeconds=PHASES["aggregating_seconds"],
        minHospitals=PHASES["min_hospitals"],
    )


def act(world, study, what, seat):
    """One step of a vector."""
    if what == "submit":
        world.submit(study, seat)
    elif what == "abstain":
        world.rounds.abstain(study, 1, seat, sender=world.operators[seat])
    elif what == "attest":
        submitted = world.rounds.getRound(study, 1).submitted
        seats = [place for place in range(PHASES["members"]) if submitted >> place & 1]
        world.attest(study, seat, aggregate(seats, 80 * len(seats)))
    else:
        world.rounds.advance(study, sender=world.stranger)


def facts_of(world, study):
    """The facts of round 1 as the contract stores them."""
    found, terms = world.rounds.getRound(study, 1), world.rounds.getStudy(study)
    return RoundFacts(
        found.openedAt,
        found.closedAt,
        Outcome(found.outcome),
        found.submitted.bit_count(),
        terms.trainingSeconds,
        terms.aggregatingSeconds,
        terms.minHospitals,
    )


@pytest.mark.parametrize("case", PHASES["rounds"], ids=lambda case: case["name"])
def test_every_second_has_the_phase_of_the_vectors(world, case):
    """The real contract, led through the steps, stores the facts of each row and answers its phase."""
    study = study_of(world)
    opened, waiting = world.evm.now, list(case["steps"])
    for at, closed_at, outcome, submitters, phase, voidable in case["rows"]:
        while waiting and waiting[0][0] <= at:
            when, what, seat = waiting.pop(0)
            world.evm.travel(opened + when - world.evm.now)
            act(world, study, what, seat)
        world.evm.travel(opened + at - world.evm.now)
        facts = facts_of(world, study)
        assert facts.closed_at == (opened + closed_at if closed_at >= 0 else 0)
        assert (facts.outcome, facts.submitters) == (outcome, submitters)
        assert world.rounds.standingOf(study, 1)[0] == phase == phase_of(facts, world.evm.now)
        assert voidable_at(facts) == opened + voidable
        if outcome == Outcome.OPEN:
            assert can_be_voided(world, study, facts) == (at >= voidable)
    assert not waiting


def can_be_voided(world, study, facts):
    """Whether `advance` would go through; when not, it says from when on it will."""
    try:
        world.rounds.view("advance", study, sender=world.stranger)
    except Revert as revert:
        assert (revert.name, revert.values) == ("NothingToAdvance", (study, voidable_at(facts)))
        return False
    return True


def test_a_round_that_never_opened_has_no_phase(world):
    """On either side."""
    study = world.create()
    assert world.rounds.standingOf(study, 1)[0] == Phase.NONE
    assert phase_of(facts_of(world, study), world.evm.now) is Phase.NONE


@pytest.mark.parametrize("members", [2, 3, 4])
def test_the_quorum_is_what_the_vectors_say(world, members):
    """One attestation fewer leaves the round open."""
    study = world.submitted(members)
    quorum = PHASES["quorums"][members]
    assert quorum == quorum_of(members)
    for seat in range(quorum):
        assert world.rounds.getRound(study, 1).outcome == Outcome.OPEN
        world.attest(study, seat, aggregate(range(members), 80 * members))
    assert world.rounds.getRound(study, 1).outcome == Outcome.FINAL


def raw(case, *names):
    return [bytes.fromhex(case[name][2:]) for name in names]


@pytest.mark.parametrize("case", COMMITMENTS["updates"][:2], ids=lambda case: case["weight"])
def test_the_slot_of_an_update_is_its_commitment(world, case):
    """What `submitUpdate` stores is what the twin computes."""
    record = (b"\1" * 32, b"\2" * 32, b"\3" * 32, 400, 1, 0, 0, *DATASET[7:])
    dataset = world.datasets.register(record, sender=world.operators[0]).value
    study = world.create(cohortStep=16)
    world.rounds.enrol(study, dataset, SPEC, 2**96 - 1, 0, sender=world.operators[0])
    world.enrol(study, 1)
    world.rounds.advance(study, sender=world.sponsor)
    fields = raw(case, "cid", "update_root", "cohort_cid", "cohort_root")
    given = (*fields, int(case["weight"]))
    world.rounds.submitUpdate(study, 1, 0, given, sender=world.operators[0])
    assert world.rounds.updateOf(study, 1, 0).hex() == case["commitment"][2:]
    assert Update(*given).commitment().hex() == case["commitment"][2:]


def test_the_rigs_update_is_the_twins(world):
    """The fields of an update are in one order in ABI, rig and twin."""
    study = world.running(2)
    world.submit(study, 1)
    fields = update(1)
    twin = Update(fields["cid"], fields["updateRoot"], fields["cohortCid"], fields["cohortRoot"], 80)
    assert world.rounds.updateOf(study, 1, 1) == twin.commitment()
