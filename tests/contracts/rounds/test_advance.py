"""`advance`: what time allows."""

from __future__ import annotations

import pytest

from tests.contracts.facts import change, told
from tests.contracts.work import made, tainted
from tests.rig.world import CLAIM, DISPUTE, PHASE, aggregate

ENROLLING, RUNNING, COMPLETED, ABORTED = 1, 2, 3, 4
TRAINING, VOID = 1, 6
VOID_OUTCOME = 2


def test_a_study_that_is_not_there_or_over_does_not_move(evm, world):
    with evm.reverts("NotRunning", 99, 0):
        world.rounds.advance(99)
    study, _ = world.final(rounds=1)
    with evm.reverts("NotRunning", study, COMPLETED):
        world.rounds.advance(study)


def test_too_few_hospitals_abort_a_study_at_its_deadline(evm, world):
    study = world.create()
    world.enrol(study, 0)
    for sender in (world.sponsor, world.stranger):
        with evm.reverts("NothingToAdvance", study, evm.now + 1000):
            world.rounds.advance(study, sender=sender)
    evm.travel(1000)
    with change(world, study) as changed:
        receipt = world.rounds.advance(study, sender=world.stranger)
    assert changed == {"study.state": ABORTED, "study.endedAt": evm.now}
    assert told(receipt) == [("StudyAborted", {"study": study})]


def test_with_enough_the_sponsor_opens_before_the_deadline_and_anyone_at_it(evm, world):
    study = world.create()
    for seat in range(2):
        world.enrol(study, seat)
    with evm.reverts("NothingToAdvance", study, evm.now + 1000):
        world.rounds.advance(study, sender=world.stranger)
    token = evm.snapshot()
    evm.travel(4)
    with change(world, study) as changed:
        receipt = world.rounds.advance(study, sender=world.sponsor)
    assert changed == {"study.state": RUNNING, "study.round": 1, "round1.openedAt": evm.now}
    assert told(receipt) == [("RoundOpened", {"study": study, "round": 1})]
    evm.restore(token)
    evm.travel(1000)
    assert world.rounds.advance(study, sender=world.stranger).named("RoundOpened")


def test_with_all_seats_taken_anyone_opens(evm, world):
    study = world.create(maxHospitals=2)
    world.enrol(study, 0)
    with evm.reverts("NothingToAdvance", study, evm.now + 1000):
        world.rounds.advance(study, sender=world.stranger)
    world.enrol(study, 1)
    assert world.rounds.advance(study, sender=world.stranger).named("RoundOpened")


def test_too_few_submissions_void_a_round_when_training_ends(evm, world):
    study = world.running()
    world.submit(study, 0)
    with evm.reverts("NothingToAdvance", study, evm.now + PHASE):
        world.rounds.advance(study)
    evm.travel(PHASE)
    with change(world, study) as changed:
        receipt = world.rounds.advance(study, sender=world.stranger)
    assert changed == {
        "study.voids": 1,
        "study.round": 2,
        "round1.outcome": VOID_OUTCOME,
        "round2.openedAt": evm.now,
    }
    assert told(receipt) == [
        ("RoundVoid", {"study": study, "round": 1}),
        ("RoundOpened", {"study": study, "round": 2}),
    ]
    assert (world.rounds.standingOf(study, 1)[0], world.rounds.standingOf(study, 2)[0]) == (VOID, TRAINING)
    assert (world.rounds.standingOf(study, 1)[3], world.rounds.standingOf(study, 2)[3]) == (evm.now, 0)


def test_with_enough_submissions_a_round_has_its_aggregating_phase(evm, world):
    study = world.submitted()
    end = evm.now + PHASE
    evm.travel(PHASE - 1)
    with evm.reverts("NothingToAdvance", study, end):
        world.rounds.advance(study)
    evm.travel(1)
    assert world.rounds.advance(study).named("RoundVoid")


def test_an_update_that_leaves_the_set_gives_time_to_attest_anew(evm, world):
    work = tainted(world, members=4)
    evm.travel(PHASE - 1)
    work.strike(3, 2)
    with evm.reverts("NothingToAdvance", work.study, evm.now + CLAIM):
        world.rounds.advance(work.study)
    evm.travel(CLAIM)
    assert world.rounds.advance(work.study).named("RoundVoid")


def test_and_where_it_leaves_too_few_the_round_is_void_at_once(world):
    work = tainted(world, members=3, minHospitals=3)
    work.strike(2, 2)
    assert world.rounds.advance(work.study).named("RoundVoid")


def test_one_void_round_too_many_aborts_the_study(evm, world):
    study = world.submitted(maxVoids=0)
    evm.travel(PHASE)
    with change(world, study) as changed:
        receipt = world.rounds.advance(study)
    assert changed == {
        "study.voids": 1,
        "study.state": ABORTED,
        "study.endedAt": evm.now,
        "round1.outcome": VOID_OUTCOME,
    }
    assert [event.name for event in receipt.events] == ["RoundVoid", "StudyAborted"]
    assert world.rounds.standingOf(study, 1)[3] == evm.now


@pytest.mark.slow
def test_the_most_void_rounds_a_study_may_have_end_it(evm, world):
    """254 and one more: the counter holds them, and nobody's stake hangs on it."""
    study = world.running(maxVoids=254)
    for _ in range(254):
        evm.travel(PHASE)
        assert world.rounds.advance(study).named("RoundOpened")
    evm.travel(PHASE)
    assert world.rounds.advance(study).named("StudyAborted")
    assert world.rounds.getStudy(study).voids == 255
    evm.travel(DISPUTE)
    assert world.studies.release(study, 0).named("StakeReleased")


def test_a_round_goes_on_while_the_vault_is_paused(evm, world):
    """Clocks do not stop: everything but new studies, deposits and licence fees works."""
    study = world.running(rounds=1)
    world.vault.pause()
    for seat in range(3):
        world.submit(study, seat)
    result = aggregate(range(3), 240)
    for seat in range(2):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    world.claim(study, 0, result)
    world.studies.release(study, 0)
    assert world.studies.refund(study).named("Refunded")


def test_an_undone_study_does_not_move(evm, world):
    work = made(world)
    vector, lie = work.lying_quorum()
    work.challenge(vector, lie, 1)
    with evm.reverts("NotRunning", work.study, ABORTED):
        world.rounds.advance(work.study)
