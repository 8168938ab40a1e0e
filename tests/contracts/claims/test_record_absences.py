"""`recordAbsences`: who was absent from a round, and what it costs."""

from __future__ import annotations

import pytest

from tests.contracts.facts import change, told
from tests.contracts.work import Work, filled, made, tainted
from tests.rig.world import CLAIM, DISPUTE, PHASE, STAKE, aggregate, update, vector

TRAINING, VOID = 1, 6
SHARE = STAKE // 5  # the rig's slash_bps is 2,000


def record(world, study, number=1):
    return world.claims.recordAbsences(study, number, sender=world.stranger)


def recorded(receipt):
    """Warned and slashed seats."""
    (event,) = receipt.named("AbsencesRecorded")
    return event["warned"], event["slashed"]


def miss(world, study, number, seat=2):
    """Everybody but `seat` submits, Training ends, and the absence is recorded."""
    for other in range(3):
        if other != seat:
            world.submit(study, other, number)
    world.evm.travel(PHASE)
    return record(world, study, number)


# -- checks, in their order -------------------------------------------------------------------------------------------


def test_not_before_training_has_closed(evm, world):
    study = world.running()
    world.submit(study, 0)
    evm.travel(PHASE - 1)
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        record(world, study)
    with evm.reverts("WrongPhase", study, 2, 0):
        record(world, study, 2)
    evm.travel(1)
    record(world, study)


def test_nobody_is_absent_from_a_round_that_a_proof_cut_short(evm, world):
    work = made(world)
    vector, lie = work.lying_quorum()
    world.submit(work.study, 2, number=2)
    work.challenge(vector, lie, 1)
    evm.travel(PHASE)
    with evm.reverts("WrongPhase", work.study, 2, VOID):
        record(world, work.study, 2)


def test_until_the_stakes_are_free(evm, world):
    study = world.running(maxVoids=0)
    world.submit(study, 0)
    evm.travel(PHASE)
    world.rounds.advance(study)
    evm.travel(DISPUTE - 1)
    token = evm.snapshot()
    assert recorded(record(world, study)) == (0, 0b110)
    evm.restore(token)
    evm.travel(1)
    with evm.reverts("RecordingClosed", study, evm.now):
        record(world, study)


def test_each_absence_is_recorded_once(evm, world):
    study = world.running()
    miss(world, study, 1)
    with evm.reverts("NothingToRecord", study, 1):
        record(world, study)


def test_there_has_to_be_one(evm, world):
    study = world.submitted()
    with evm.reverts("NothingToRecord", study, 1):
        record(world, study)


# -- who is absent ----------------------------------------------------------------------------------------------------


def test_who_neither_submitted_nor_abstained(evm, world):
    study = world.running(4)
    world.submit(study, 0)
    world.submit(study, 1)
    world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    evm.travel(PHASE)
    assert recorded(record(world, study)) == (0, 0b1000)


def test_nobody_where_nobody_submitted(evm, world):
    """A study that nobody can train costs no honest hospital anything."""
    study = world.running()
    world.rounds.abstain(study, 1, 0, sender=world.operators[0])
    evm.travel(PHASE)
    with evm.reverts("NothingToRecord", study, 1):
        record(world, study)
    world.rounds.advance(study)
    with evm.reverts("NothingToRecord", study, 1):
        record(world, study)


def test_whose_update_left_the_set_was_not_silent(evm, world):
    work = tainted(world, members=3)
    work.strike(2, 2)
    with evm.reverts("NothingToRecord", work.study, 1):
        record(world, work.study)


def test_where_only_a_struck_update_was_submitted_the_others_were_absent(evm, world):
    study = world.running(training=[vector()])
    lone = Work(world, study, 300)
    lone.submit(0, lone.with_word(0, 0, 2**31))
    lone.strike(0, 1)
    evm.travel(PHASE)
    assert recorded(record(world, study)) == (0, 0b110)


@pytest.mark.parametrize("when", ["before it", "in its last second", "for an instant"])
def test_not_whose_hospital_was_suspended_in_the_round(evm, world, when):
    """Whether or not anybody abstains for it."""
    study = world.running()
    world.submit(study, 0)
    world.submit(study, 1)
    if when != "before it":
        evm.travel(PHASE // 2)
    world.consortium.suspend(world.hospitals[2])
    if when == "for an instant":
        world.consortium.reinstate(world.hospitals[2])
    evm.travel(PHASE)
    with evm.reverts("NothingToRecord", study, 1):
        record(world, study)


def test_but_one_that_was_reinstated_before_or_suspended_after_it(evm, world):
    study = world.create()
    for seat in range(3):
        world.enrol(study, seat)
    world.consortium.suspend(world.hospitals[2])
    world.consortium.reinstate(world.hospitals[2])
    evm.travel(1)
    world.rounds.advance(study, sender=world.sponsor)
    for seat in (0, 1):
        world.submit(study, seat)
    evm.travel(PHASE)
    for seat in (0, 1):
        world.attest(study, seat, aggregate((0, 1), 160))
    evm.travel(1)
    world.consortium.suspend(world.hospitals[2])
    assert recorded(record(world, study)) == (0, 0b100)


def test_not_who_lost_its_stake_to_a_proof(evm, world):
    """It may submit no more, and nothing is left to be taken."""
    work = tainted(world, rounds=3)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1))
    work.strike(2, 2, work.digest(result))
    later = work.next(seats=(0, 1))
    evm.travel(PHASE)
    with evm.reverts("NothingToRecord", work.study, 2):
        record(world, later.study, 2)


# -- void rounds ------------------------------------------------------------------------------------------------------


def test_not_who_was_barred_before_the_round(evm, world):
    """It may not submit, and has a stake still: its claim was proved wrong. In the round before it was absent like anybody else."""
    work = made(world, members=4, rounds=3)
    vector, lie, author = work.lie()
    work.challenge(vector, lie, 1)
    work.final(work.aggregate(), [seat for seat in range(4) if seat != author])
    for seat in range(4):
        if seat not in (author, 3):
            world.submit(work.study, seat, 2)
    evm.travel(PHASE)
    assert recorded(record(world, work.study, 2)) == (0b1000, 0)


def test_a_submitter_that_did_nothing_for_a_round_that_ended_void_is_absent(evm, world):
    """Who attested, claimed, objected or said whose bytes it lacks was there."""
    work = made(world, members=4, maxAttempts=2)
    truth = work.aggregate()
    work.attest(0, truth)
    work.claim(1, truth)
    work.object(work.operators[2])
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    assert recorded(record(world, work.study)) == (0, 0b1000)
    other = made(world, members=4)
    world.claims.lack(other.study, 1, 3, 0b0001, sender=world.operators[3])
    evm.travel(PHASE)
    world.rounds.advance(other.study)
    assert recorded(record(world, other.study)) == (0, 0b0111)


def test_who_was_silent_and_who_did_nothing_are_recorded_as_they_become_so(evm, world):
    study = world.running(4)
    for seat in range(3):
        world.submit(study, seat)
    evm.travel(PHASE)
    assert recorded(record(world, study)) == (0, 0b1000)
    world.attest(study, 0, aggregate(range(3), 240))
    with evm.reverts("NothingToRecord", study, 1):
        record(world, study)
    evm.travel(PHASE)
    world.rounds.advance(study)
    with change(world, study) as changed:
        receipt = record(world, study)
    assert recorded(receipt) == (0, 0b0110)
    assert changed["recorded1"] == 0b1110


def test_nothing_is_asked_of_submitters_where_too_few_submitted(evm, world):
    study = world.running(3, minHospitals=3)
    world.submit(study, 0)
    world.submit(study, 1)
    evm.travel(PHASE)
    world.rounds.advance(study)
    assert recorded(record(world, study)) == (0, 0b100)


def test_nor_where_a_proof_left_too_few(evm, world):
    work = tainted(world, minHospitals=3)
    work.strike(2, 2)
    world.rounds.advance(work.study)
    with evm.reverts("NothingToRecord", work.study, 1):
        record(world, work.study)


def test_nor_of_a_final_round(evm, world):
    """Whoever did not attest to it is merely not paid for that."""
    study, _ = world.final()
    with evm.reverts("NothingToRecord", study, 1):
        record(world, study)


def test_being_left_out_costs_no_stake(evm, world):
    """Two of three leave the third out of every round: it loses its pay, and nobody gains that."""
    study = world.running(rounds=4)
    for number in (1, 2, 3):
        for seat in range(3):
            world.submit(study, seat, number)
        for seat in (0, 1):
            world.attest(study, seat, aggregate((0, 1), 160), number, left_out=[update(2)])
        with evm.reverts("NothingToRecord", study, number):
            record(world, study, number)


def test_a_set_that_changes_asks_everybody_anew(evm, world):
    """Who attested to the old set and did nothing in the time that was given for the new one."""
    work = tainted(world, members=4)
    work.attest(0, work.aggregate())
    work.strike(3, 2)
    work.attest(1, work.aggregate(seats=(0, 1, 2)))
    evm.travel(PHASE + CLAIM)
    world.rounds.advance(work.study)
    assert recorded(record(world, work.study)) == (0, 0b101)


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_in_the_first_round_it_costs_at_once(evm, world):
    study = world.running()
    for seat in (0, 1):
        world.submit(study, seat)
    evm.travel(PHASE)
    with change(world, study) as changed:
        receipt = record(world, study)
    assert changed == {
        "recorded1": 0b100,
        "seat2.taken": SHARE,
        "seat2.misses": 1,
        "hospital2.locked": STAKE - SHARE,
        "burnt": SHARE,
    }
    token, hospital = world.token.address, world.hospitals[2].address
    assert told(receipt) == [
        ("AbsencesRecorded", {"study": study, "round": 1, "warned": 0, "slashed": 0b100}),
        ("Slashed", {"study": study, "token": token, "account": hospital, "amount": SHARE}),
        ("Burnt", {"study": study, "token": token, "amount": SHARE}),
    ]


def test_later_the_first_warns_and_the_second_costs(evm, world):
    study, _ = world.final(rounds=3, maxVoids=3)
    with change(world, study) as changed:
        for seat in (0, 1):
            world.submit(study, seat, 2)
        evm.travel(PHASE)
        receipt = record(world, study, 2)
    assert told(receipt) == [
        ("AbsencesRecorded", {"study": study, "round": 2, "warned": 0b100, "slashed": 0})
    ]
    assert (changed["seat2.misses"], changed["recorded2"]) == (1, 0b100)
    assert not {"burnt", "seat2.taken", "hospital2.locked"} & changed.keys()
    evm.travel(PHASE)
    world.rounds.advance(study)
    assert recorded(miss(world, study, 3)) == (0, 0b100)
    assert (world.studies.takenOf(study, 2), world.studies.missesOf(study, 2)) == (SHARE, 2)


def test_no_more_than_the_stake_is_taken(evm, world):
    """Five absences cost a fifth each; the sixth finds nothing, though the account has more."""
    study = world.running(maxVoids=9)
    amounts = []
    for number in range(1, 8):
        amounts += [event["amount"] for event in miss(world, study, number).named("Slashed")]
        evm.travel(PHASE)
        world.rounds.advance(study)
    assert amounts == [SHARE] * 5 + [0, 0]
    assert world.studies.takenOf(study, 2) == STAKE
    assert tuple(world.vault.balanceOf(world.hospitals[2], world.token)) == (9 * STAKE, 0)


def test_what_one_study_took_is_not_of_another_ones_stake(evm, world):
    other = world.create()
    world.enrol(other, 2)
    study = world.running(maxVoids=0)
    miss(world, study, 1)
    evm.travel(PHASE)
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    world.studies.release(study, 2)
    assert world.vault.balanceOf(world.hospitals[2], world.token).locked == STAKE
    assert world.studies.takenOf(other, 2) == 0


def test_a_stake_that_is_worn_off_can_still_be_lost(evm, world):
    """A proof takes what absences left."""
    study = world.running(rounds=3, maxVoids=3)
    miss(world, study, 1)
    evm.travel(PHASE)
    world.rounds.advance(study)
    later = filled(Work(world, study, 300, 2), (0, 1))
    later.submit(2, later.with_word(2, 0, 2**31))
    receipt = later.strike(2, 1)
    assert [event["amount"] for event in receipt.named("Slashed")] == [STAKE - SHARE]
    assert world.studies.takenOf(study, 2) == STAKE


def test_absences_of_long_ago_are_recorded_while_the_study_runs(evm, world):
    study = world.running(rounds=3)
    for seat in (0, 1):
        world.submit(study, seat)
    evm.travel(PHASE)
    for seat in (0, 1):
        world.attest(study, seat, aggregate((0, 1), 160))
    evm.travel(PHASE)
    world.rounds.advance(study)
    assert recorded(record(world, study, 1)) == (0, 0b100)
