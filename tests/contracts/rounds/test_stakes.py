"""What a study may take of a stake, until when, and that it is nobody else's."""

from __future__ import annotations

import pytest

from tests.rig.world import DISPUTE, PHASE, REWARD, STAKE, aggregate, update

NOTHING = aggregate((), 0)
SHARE = STAKE // 5  # the rig's slash_bps is 2,000


def miss(world, study, number, seat=2):
    """Everybody but `seat` submits, Training ends, and the absence is recorded."""
    for other in range(3):
        if other != seat:
            world.submit(study, other, number)
    world.evm.travel(PHASE)
    receipt = world.disputes.recordAbsences(study, number, NOTHING)
    return [event["amount"] for event in receipt.named("AbsenceSlashed")]


def test_a_study_takes_no_more_than_its_stake(evm, world):
    """Five absences cost a fifth each; the sixth finds nothing, though the account has more."""
    study = world.running(maxVoids=9)
    taken = []
    for number in range(1, 8):
        taken += miss(world, study, number)
        evm.travel(PHASE)
        world.rounds.advance(study)
    assert taken == [SHARE] * 5 + [0, 0]
    assert world.disputes.slashedOf(study, 2) == STAKE
    assert tuple(world.vault.balanceOf(world.hospitals[2], world.token)) == (9 * STAKE, 0)


def test_what_one_study_slashed_is_not_taken_from_the_stake_of_another(evm, world):
    """The release gives back what is left, so the other study's stake stays locked in full."""
    other = world.running()
    study = world.running(maxVoids=0)
    assert miss(world, study, 1) == [SHARE]
    evm.travel(PHASE)
    assert world.rounds.advance(study).named("StudyAborted")
    evm.travel(DISPUTE)
    released = world.rounds.release(study, 2).named("StakeReleased")
    assert released == [{"study": study, "seat": 2, "amount": STAKE - SHARE}]
    assert world.vault.balanceOf(world.hospitals[2], world.token).locked == STAKE
    assert world.disputes.slashedOf(other, 2) == 0


def test_absences_are_recorded_until_the_stakes_are_free(evm, world):
    study = world.running(maxVoids=0)
    evm.travel(PHASE)
    world.rounds.advance(study)
    evm.travel(DISPUTE - 1)
    token = evm.snapshot()
    slashed = world.disputes.recordAbsences(study, 1, NOTHING).named("AbsenceSlashed")
    assert [event["seat"] for event in slashed] == [0, 1, 2]
    assert world.rounds.getStudy(study).forfeited == 3 * SHARE
    evm.restore(token)
    evm.travel(1)
    with evm.reverts("RecordingClosed", study, evm.now):
        world.disputes.recordAbsences(study, 1, NOTHING)


def test_nobody_aborts_and_leaves_at_one_stroke(evm, world):
    """Where a round was opened, stakes wait for absences to be recorded, even if no round became final."""
    study = world.running(maxVoids=0)
    evm.travel(PHASE)
    world.rounds.advance(study)
    with evm.reverts("StakeLocked", study, evm.now + DISPUTE):
        world.rounds.release(study, 0)


def test_stakes_of_a_study_that_never_opened_are_free_at_once(evm, world):
    study = world.create()
    world.rounds.enrol(study, 1, sender=world.operators[0])
    world.rounds.cancel(study, sender=world.sponsor)
    world.rounds.release(study, 0)
    assert tuple(world.vault.balanceOf(world.hospitals[0], world.token)) == (10 * STAKE, 0)


def test_what_was_slashed_after_the_last_round_is_the_sponsors(evm, world):
    study = world.running(maxVoids=0)
    evm.travel(PHASE)
    world.rounds.advance(study)
    world.disputes.recordAbsences(study, 1, NOTHING)
    evm.travel(DISPUTE)
    world.rounds.refund(study)
    assert world.free(world.sponsor) == 2 * REWARD + 3 * SHARE
    assert world.vault.potOf(study).amount == 0


def left_out(world, study, number):
    """All submit; a quorum leaves seat 2 out; the absence is recorded."""
    for seat in range(3):
        world.submit(study, seat, number)
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result, number)
    return world.disputes.recordAbsences(study, number, result)


def test_being_left_out_warns_twice_and_costs_from_the_third_time(evm, world):
    study = world.running(rounds=4)
    for number in (1, 2):
        assert left_out(world, study, number).named("AbsenceWarned") == [
            {"study": study, "round": number, "seat": 2}
        ]
    assert left_out(world, study, 3).named("AbsenceSlashed")[0]["amount"] == SHARE
    assert world.disputes.recordOf(study, 2).leftOut == 3


def test_only_the_final_aggregate_says_who_was_left_out(evm, world):
    """An aggregate that was merely proposed, or never was, accuses nobody."""
    study = world.submitted()
    accusing = aggregate((0, 1), 160)
    world.attest(study, 0, accusing)
    with evm.reverts("NothingToRecord", study, 1):
        world.disputes.recordAbsences(study, 1, accusing)
    honest = aggregate(range(3), 240)
    world.attest(study, 1, honest)
    world.attest(study, 2, honest)
    for result in (accusing, honest, NOTHING):
        with evm.reverts("NothingToRecord", study, 1):
            world.disputes.recordAbsences(study, 1, result)


def test_a_second_absence_costs_and_a_first_after_round_one_warns(evm, world):
    study = world.running(rounds=3, maxVoids=3)
    for seat in range(3):
        world.submit(study, seat)
    for seat in range(2):
        world.attest(study, seat, aggregate(range(3), 240))
    assert miss(world, study, 2) == []
    evm.travel(PHASE)
    world.rounds.advance(study)
    assert miss(world, study, 3) == [SHARE]
    assert world.disputes.recordOf(study, 2).misses == 2


def test_a_suspended_hospital_for_which_nobody_abstains_is_silent(evm, world):
    """Anyone may abstain for it, its own daemon included, so that this need not happen."""
    study = world.running()
    world.consortium.suspend(world.hospitals[2])
    token = evm.snapshot()
    world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    assert miss_of_none(evm, world, study)
    evm.restore(token)
    assert miss(world, study, 1) == [SHARE]


def miss_of_none(evm, world, study):
    for seat in (0, 1):
        world.submit(study, seat)
    with evm.reverts("NothingToRecord", study, 1):
        world.disputes.recordAbsences(study, 1, NOTHING)
    return True


@pytest.mark.parametrize("named", [8, 80, 152, 232])
def test_a_quorum_that_names_a_wrong_weight_overdraws_no_pot(evm, world, named):
    """Two thirds in league leave seat 2 out and lie about the weight they include: the round still pays at most its reward,
    and the sponsor gets the rest."""
    study = world.submitted(rounds=1)
    result = aggregate((0, 1), named)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    paid = sum(
        world.rounds.claim(study, 1, seat, result, update(seat)).named("Claimed")[0]["amount"]
        for seat in (0, 1)
    )
    refunded = world.rounds.refund(study).named("Refunded")[0]["amount"]
    assert paid + refunded <= 2 * REWARD // 2
    assert world.vault.potOf(study).amount == REWARD - paid - refunded


def test_every_claim_loses_less_than_one_unit_to_rounding(evm, world):
    """A reward and weights that divide by nothing: three claims, at most two units left in the pot."""
    study = world.running(rounds=1, rewardPerRound=997, attesterBps=3333, cohortStep=1)
    weights = (7, 31, 89)
    for seat, weight in enumerate(weights):
        world.submit(study, seat, weight=weight)
    result = aggregate(range(3), sum(weights))
    for seat in range(3):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    for seat, weight in enumerate(weights):
        world.rounds.claim(study, 1, seat, result, update(seat, weight))
    world.rounds.refund(study)
    assert world.vault.potOf(study).amount < 3


def test_the_256th_void_round_still_ends_a_study(evm, world):
    """The counter of void rounds is full by then; nobody's stake may hang on it."""
    study = world.running(maxVoids=255)
    for _ in range(255):
        evm.travel(PHASE)
        assert world.rounds.advance(study).named("RoundOpened")
    evm.travel(PHASE)
    assert world.rounds.advance(study).named("StudyAborted")
    evm.travel(DISPUTE)
    assert world.rounds.release(study, 0).named("StakeReleased")[0]["amount"] == STAKE


def test_signatures_for_no_seat_propose_nothing(evm, world):
    study = world.submitted()
    with evm.reverts("SignatureCount", 0, 0):
        world.rounds.attestBySig(study, 1, aggregate(range(3), 240), [], b"", sender=world.stranger)


def test_enrolling_does_not_last_for_ever(evm, world):
    """A stake that waits for a study to open is free again within the longest phase."""
    limit = 90 * 86_400
    world.create(enrolDeadline=evm.now + limit)
    with evm.reverts("PhaseLengthOutOfRange", limit + 1, 0, limit):
        world.create(enrolDeadline=evm.now + limit + 1)
