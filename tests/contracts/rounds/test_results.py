"""Attesting, ending rounds, voiding, absences, claims, refunds."""

from __future__ import annotations

import pytest

from tests.rig.world import DISPUTE, PHASE, REWARD, STAKE, aggregate, update

TRAINING, AGGREGATING, FINAL, VOID = 1, 4, 5, 6


def test_two_thirds_make_a_round_final_and_open_the_next(evm, world):
    study, result = world.final()
    assert world.rounds.phase(study, 1) == FINAL
    assert world.rounds.phase(study, 2) == TRAINING
    digest = world.rounds.hashAggregate(study, 1, result)
    assert world.rounds.getBallot(study, 1, digest).attesters == 0b011
    assert world.rounds.getStudy(study).finals == 1


def test_a_known_aggregate_is_attested_by_its_hash(evm, world):
    study = world.submitted()
    result = aggregate(range(3), 240)
    digest = world.rounds.hashAggregate(study, 1, result)
    with evm.reverts("AggregateUnknown", study, 1, digest):
        world.rounds.attestHash(study, 1, 0, digest, sender=world.operators[0])
    world.attest(study, 0, result)
    assert world.rounds.attestHash(study, 1, 1, digest, sender=world.operators[1]).named("RoundFinal")


def test_nobody_attests_twice_nor_to_two_results(evm, world):
    study = world.submitted()
    world.attest(study, 0, aggregate(range(3), 240))
    for other in (aggregate(range(3), 240), aggregate(range(3), 240, root=b"\xff" * 32)):
        with evm.reverts("AlreadyAttested", study, 1, 0):
            world.attest(study, 0, other)


def test_who_did_not_submit_does_not_attest(evm, world):
    study = world.running()
    world.submit(study, 0)
    world.submit(study, 1)
    world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    with evm.reverts("NotASubmitter", study, 1, 2):
        world.attest(study, 2, aggregate((0, 1), 160))
    with evm.reverts("NotTheSeatsOperator", study, 0, world.stranger):
        world.rounds.attest(study, 1, 0, aggregate((0, 1), 160), sender=world.stranger)


def test_attesting_waits_for_training_to_close(evm, world):
    study = world.running()
    world.submit(study, 0)
    world.submit(study, 1)
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        world.attest(study, 0, aggregate((0, 1), 160))


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (aggregate((0, 1, 2, 3), 240), "IncludedNotSubmitted"),
        (aggregate((0,), 80), "TooFewIncluded"),
        (aggregate((0, 1, 2), 239), "WrongTotalWeight"),
        (aggregate((0, 1), 240), "WrongTotalWeight"),
        (aggregate((0, 1), 0), "WrongTotalWeight"),
    ],
)
def test_a_result_fits_what_was_submitted(evm, world, result, error):
    study = world.submitted()
    with evm.reverts(error):
        world.attest(study, 0, result)


def test_signatures_are_brought_by_anyone_at_once(evm, world):
    study = world.submitted()
    result = aggregate(range(3), 240)
    both = world.signed(study, 0, result) + world.signed(study, 2, result)
    receipt = world.rounds.attestBySig(study, 1, result, [0, 2], both, sender=world.stranger)
    assert receipt.named("RoundFinal")


def test_bad_signatures_are_refused(evm, world):
    study = world.submitted()
    result = aggregate(range(3), 240)
    good = world.signed(study, 0, result)
    with evm.reverts("SignatureCount", 2, 1):
        world.rounds.attestBySig(study, 1, result, [0, 1], good)
    with evm.reverts("BadSignature", 1, world.operators[0]):
        world.rounds.attestBySig(study, 1, result, [1], good)
    with evm.reverts("AlreadyAttested", study, 1, 0):
        world.rounds.attestBySig(study, 1, result, [0, 0], good + good)


def test_a_late_attestation_counts_until_the_window_closes(evm, world):
    study, result = world.final()
    with evm.reverts("WrongPhase", study, 1, FINAL):
        world.attest(study, 2, aggregate(range(3), 240, root=b"\xff" * 32))
    evm.travel(DISPUTE)
    with evm.reverts("AttestationClosed", study, 1, evm.now):
        world.attest(study, 2, result)


def test_too_few_submissions_void_the_round(evm, world):
    study = world.running()
    world.submit(study, 0)
    with evm.reverts("NothingToAdvance", study, evm.now + PHASE):
        world.rounds.advance(study)
    evm.travel(PHASE)
    world.rounds.advance(study)
    assert (world.rounds.phase(study, 1), world.rounds.phase(study, 2)) == (VOID, TRAINING)


def test_one_void_round_too_many_aborts_the_study(evm, world):
    study = world.submitted(maxVoids=0)
    evm.travel(PHASE)
    assert world.rounds.advance(study).named("StudyAborted")
    with evm.reverts("StakeLocked", study, evm.now + DISPUTE):
        world.rounds.refund(study)
    evm.travel(DISPUTE)
    world.rounds.refund(study)
    assert world.free(world.sponsor) == 2 * REWARD


def test_claims_wait_and_come_once(evm, world):
    study, result = world.final()
    claim = (study, 1, 0, result, update(0))
    with evm.reverts("ClaimLocked", study, 1, evm.now + DISPUTE):
        world.rounds.claim(*claim)
    evm.travel(DISPUTE)
    before = world.free(world.hospitals[0])
    world.rounds.claim(*claim, sender=world.stranger)
    assert world.free(world.hospitals[0]) - before == (REWARD - 90) // 3 + 90 // 2  # both divide evenly
    with evm.reverts("AlreadyClaimed", study, 1, 0):
        world.rounds.claim(*claim)


def test_a_claim_shows_what_was_committed_and_became_final(evm, world):
    study, result = world.final()
    evm.travel(DISPUTE)
    with evm.reverts("UpdateMismatch", study, 1, 0):
        world.rounds.claim(study, 1, 0, result, update(0, weight=88))
    with evm.reverts(
        "NotFinal",
        study,
        1,
        world.rounds.hashAggregate(study, 1, aggregate(range(3), 240, root=b"\xff" * 32)),
    ):
        world.rounds.claim(study, 1, 0, aggregate(range(3), 240, root=b"\xff" * 32), update(0))


def test_who_was_left_out_has_nothing_to_claim_and_its_share_carries_on(evm, world):
    study = world.submitted()
    result = aggregate((0, 1), 160)
    world.attest(study, 0, result)
    world.attest(study, 1, result)
    assert world.rounds.carriedInto(study, 2) == (REWARD - 90) // 3
    evm.travel(DISPUTE)
    with evm.reverts("NothingToClaim", study, 1, 2):
        world.rounds.claim(study, 1, 2, result, update(2))


def test_an_absence_in_the_first_round_costs_at_once(evm, world):
    study = world.running()
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        world.disputes.recordAbsences(study, 1, aggregate((), 0))
    world.submit(study, 0)
    world.submit(study, 1)
    evm.travel(PHASE)
    receipt = world.disputes.recordAbsences(study, 1, aggregate((), 0))
    assert receipt.named("AbsenceSlashed")[0]["amount"] == STAKE // 5
    assert world.rounds.carriedInto(study, 1) == STAKE // 5
    with evm.reverts("NothingToRecord", study, 1):
        world.disputes.recordAbsences(study, 1, aggregate((), 0))


def test_every_token_of_a_study_ends_with_its_owner(evm, world):
    """After all claims, releases and the refund, only roundings stay in the pot."""
    study, result = world.final(rounds=1)
    with evm.reverts("StakeLocked", study, evm.now + DISPUTE):
        world.rounds.release(study, 0)
    evm.travel(DISPUTE)
    for seat in range(3):
        world.rounds.claim(study, 1, seat, result, update(seat))
        world.rounds.release(study, seat)
    world.rounds.refund(study)
    assert world.vault.potOf(study).amount < 3
    assert all(world.vault.balanceOf(each, world.token).locked == 0 for each in world.hospitals)
