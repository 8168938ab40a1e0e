"""Aggregators' claims: who may make one, what closes it, what it becomes, and what its bond is for."""

from __future__ import annotations

import pytest

from tests.contracts.disputes.conftest import WEIGHT, made
from tests.rig.world import (
    ATTEMPTS,
    BOND,
    CLAIM,
    DISPUTE,
    PHASE,
    REWARD,
    STAKE,
)

PENDING, OBJECTED = 1, 2
TRAINING, AGGREGATING, FINAL, VOID = 1, 4, 5, 6
NO_ONE = "0x" + "00" * 20
NO_HASH = bytes(32)


def digest(work, aggregate):
    return aggregate.digest(work.study, work.number)


def test_only_the_seats_operator_claims(evm, work):
    with evm.reverts("NotTheSeatsOperator", work.study, 1, work.world.stranger):
        work.world.disputes.submitAggregate(work.study, 1, 1, work.aggregate(), sender=work.world.stranger)
    work.world.consortium.suspend(work.world.hospitals[1])
    with evm.reverts("HospitalSuspended", work.study, 1):
        work.claim(1, work.aggregate())


def test_a_study_may_leave_everything_to_the_quorum(evm, world):
    work = made(world, maxAttempts=0, bond=0)
    with evm.reverts("QuorumOnly", work.study):
        work.claim(1, work.aggregate())


def test_a_rule_without_chunks_is_refused_the_optimistic_path(evm, world):
    rule = evm.deploy("QuorumOnlyRule")
    with evm.reverts("RuleNotPerChunk", rule):
        world.create(rule=rule)
    assert world.create(rule=rule, maxAttempts=0) == 1


def test_a_claim_waits_for_training_to_close(evm, world):
    study = world.running()
    world.submit(study, 0)
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        world.disputes.submitAggregate(
            study, 1, 0, (b"\1" * 32, b"\2" * 32, b"\3" * 32, 1, 80), sender=world.operators[0]
        )


def test_the_leader_claims_first_and_later_anyone(evm, work):
    """The turn is that of (round + attempts) among the submitters; after half of Aggregating it is everybody's."""
    assert work.leader() == 1
    opens = evm.now + PHASE // 2
    with evm.reverts("NotTheLeader", work.study, 1, 1, opens):
        work.claim(0, work.aggregate())
    evm.travel(PHASE // 2 - 1)
    with evm.reverts("NotTheLeader", work.study, 1, 1, opens):
        work.claim(2, work.aggregate())
    evm.travel(1)
    work.claim(2, work.aggregate())


def test_who_did_not_submit_claims_nothing(evm, world):
    study = world.running(4)
    for seat in range(3):
        world.submit(study, seat)
    world.rounds.abstain(study, 1, 3, sender=world.operators[3])
    evm.travel(PHASE)
    aggregate = (b"\1" * 32, b"\2" * 32, b"\3" * 32, 0b111, 240)
    with evm.reverts("NotASubmitter", study, 1, 3):
        world.disputes.submitAggregate(study, 1, 3, aggregate, sender=world.operators[3])


def test_a_claim_is_over_the_complete_set(evm, work):
    with evm.reverts("SetIncomplete", 0b011, 0b111):
        work.claim(1, work.aggregate(included=0b011))
    with evm.reverts("WrongTotalWeight", 3 * WEIGHT - 1, 3 * WEIGHT):
        work.claim(1, work.aggregate(weight=3 * WEIGHT - 1))


def test_a_claim_locks_the_bond_and_is_told_in_full(evm, work):
    aggregate = work.aggregate()
    before = work.balance(work.world.hospitals[1])
    receipt = work.claim(1, aggregate)
    assert work.balance(work.world.hospitals[1]) == (before[0] - BOND, before[1] + BOND)
    (event,) = receipt.named("AttemptMade")
    assert (event["study"], event["round"], event["seat"], event["attempt"]) == (work.study, 1, 1, 0)
    assert event["aggregateHash"] == digest(work, aggregate)
    assert (event["aggregate"].root, event["aggregate"].included) == (aggregate.root, 0b111)
    assert tuple(work.attempt()) == (digest(work, aggregate), PENDING, 1, 0, evm.now, NO_ONE, NO_ONE)
    assert tuple(work.contest()) == (1, 1, 0, evm.now + 2 * CLAIM, 0b010, 0)
    assert work.world.disputes.heldUntil(work.study, 1) == evm.now + 2 * CLAIM


def test_one_claim_at_a_time_and_one_per_hospital(evm, work):
    work.claim(1, work.aggregate())
    with evm.reverts("AttemptPending", work.study, 1, 0):
        work.claim(2, work.aggregate())
    work.world.disputes.object(work.study, 1, sender=work.world.operators[0])
    evm.travel(PHASE // 2)
    with evm.reverts("AlreadyAttempted", work.study, 1, 1):
        work.claim(1, work.aggregate())
    work.claim(0, work.aggregate())


def test_a_round_has_so_many_claims(evm, world):
    work = made(world, maxAttempts=1)
    work.claim(1, work.aggregate())
    world.disputes.object(work.study, 1, sender=world.operators[0])
    with evm.reverts("AttemptsExhausted", work.study, 1, 1):
        work.claim(2, work.aggregate())


def test_a_bond_must_be_free(evm, work):
    hospital = work.world.hospitals[1]
    work.world.vault.requestExit(work.world.token, work.balance(hospital)[0] - BOND + 1, sender=hospital)
    with evm.reverts("FreeBalanceTooSmall", hospital, work.world.token, BOND - 1, BOND):
        work.claim(1, work.aggregate())


def test_a_claim_becomes_final_when_its_window_closes(evm, work):
    """The author is the one attester: it is paid as one. Its bond comes back when the claims unlock."""
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    with evm.reverts("ClaimWindowOpen", work.study, 1, evm.now + CLAIM):
        work.world.disputes.finalise(work.study, 1, aggregate)
    evm.travel(CLAIM)
    other = work.aggregate(model=b"\xff" * 32)
    with evm.reverts("AttemptDiffers", work.study, 1, digest(work, other)):
        work.world.disputes.finalise(work.study, 1, other)
    receipt = work.world.disputes.finalise(work.study, 1, aggregate, sender=work.world.stranger)
    assert receipt.named("RoundFinal")[0]["aggregateHash"] == digest(work, aggregate)
    assert receipt.named("AttemptAccepted") == [{"study": work.study, "round": 1, "attempt": 0}]
    ballot = work.world.rounds.getBallot(work.study, 1, digest(work, aggregate))
    assert (ballot.attesters, ballot.included, ballot.finalAt, ballot.weight) == (0b010, 0b111, evm.now, 240)
    assert work.world.rounds.phase(work.study, 2) == TRAINING
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.world.disputes.finalise(work.study, 1, aggregate)
    with evm.reverts("BondLocked", work.study, 1, evm.now + DISPUTE):
        work.world.disputes.settle(work.study, 1, 0, digest(work, aggregate))
    evm.travel(DISPUTE)
    before = work.balance(work.world.hospitals[1])
    work.world.disputes.settle(work.study, 1, 0, digest(work, aggregate))
    assert work.balance(work.world.hospitals[1]) == (before[0] + BOND, before[1] - BOND)
    work.world.rounds.claim(work.study, 1, 1, aggregate, work.updates[1])
    assert work.balance(work.world.hospitals[1])[0] == before[0] + BOND + (REWARD - 90) // 3 + 90


def test_an_objection_closes_the_time_path_and_leaves_time_to_attest(evm, work):
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    evm.travel(CLAIM - 1)
    receipt = work.world.disputes.object(work.study, 1, sender=work.world.operators[2])
    assert receipt.named("Objected") == [
        {
            "study": work.study,
            "round": 1,
            "attempt": 0,
            "objector": work.world.operators[2].address,
            "bond": 0,
        }
    ]
    assert work.contest().heldUntil == evm.now + CLAIM
    assert work.attempt().state == OBJECTED
    evm.travel(1)
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.world.disputes.finalise(work.study, 1, aggregate)
    work.finalised(aggregate, (0, 2))
    assert work.world.rounds.phase(work.study, 1) == FINAL


def test_an_objection_is_free_once_and_costs_a_bond_after_that(evm, work):
    work.claim(1, work.aggregate())
    work.world.disputes.object(work.study, 1, sender=work.world.operators[0])
    work.claim(work.leader(), work.aggregate())
    with evm.reverts("FreeBalanceTooSmall", work.world.operators[0], work.world.token, 0, BOND):
        work.world.disputes.object(work.study, 1, sender=work.world.operators[0])
    stranger = rich(work, work.world.stranger)
    receipt = work.world.disputes.object(work.study, 1, sender=stranger)
    assert receipt.named("Objected")[0]["bond"] == BOND
    assert work.balance(stranger) == (STAKE - BOND, BOND)
    assert work.attempt(1).objector == stranger.address


def rich(work, account):
    """An account with tokens in the vault."""
    world = work.world
    world.token.mint(world.sponsor, STAKE)
    world.vault.deposit(world.token, STAKE, account, sender=world.sponsor)
    return account


def test_an_objection_comes_within_the_window(evm, work):
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.world.disputes.object(work.study, 1, sender=work.world.operators[0])
    work.claim(1, work.aggregate())
    evm.travel(CLAIM)
    with evm.reverts("ClaimWindowClosed", work.study, 1, evm.now):
        work.world.disputes.object(work.study, 1, sender=work.world.operators[0])


def test_nothing_is_objected_to_nor_finalised_once_a_quorum_decided(evm, work):
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    work.finalised(aggregate, (0, 2))
    with evm.reverts("WrongPhase", work.study, 1, FINAL):
        work.world.disputes.object(work.study, 1, sender=work.world.operators[0])
    evm.travel(CLAIM)
    with evm.reverts("WrongPhase", work.study, 1, FINAL):
        work.world.disputes.finalise(work.study, 1, aggregate)


@pytest.mark.parametrize("change", [{"model": b"\xff" * 32}, {"cid": b"\xff" * 32}, {"root": b"\xff" * 32}])
def test_a_quorum_slashes_who_claimed_something_else_for_the_same_set(evm, work, change):
    """Given the set, cid, root and model are a function of public data; no chunk need be opened."""
    lie, truth = work.aggregate(**change), work.aggregate()
    work.claim(1, lie)
    work.world.disputes.object(work.study, 1, sender=rich(work, work.world.stranger))
    work.finalised(truth, (0, 2))
    with evm.reverts("NotFinal", work.study, 1, digest(work, lie)):
        work.world.disputes.settle(work.study, 1, 0, digest(work, lie))
    with evm.reverts("BondLocked", work.study, 1, evm.now + DISPUTE):
        work.world.disputes.settle(work.study, 1, 0, digest(work, truth))
    evm.travel(DISPUTE)
    before, pot = work.balance(work.world.hospitals[1]), work.pot()
    receipt = work.world.disputes.settle(work.study, 1, 0, digest(work, truth), sender=work.world.stranger)
    assert receipt.named("AttemptSettled")[0]["fromAuthor"] == BOND
    assert receipt.named("Forfeited") == [{"study": work.study, "round": 2, "amount": BOND}]
    assert work.balance(work.world.hospitals[1]) == (before[0], before[1] - BOND)
    assert work.balance(work.world.stranger) == (STAKE, 0)
    assert work.pot() == pot + BOND
    assert work.world.rounds.carriedInto(work.study, 2) == BOND
    with evm.reverts("AttemptOver", work.study, 1, 0):
        work.world.disputes.settle(work.study, 1, 0, digest(work, truth))


def test_who_objected_against_what_became_final_loses_the_bond(evm, work):
    truth = work.aggregate()
    work.claim(1, truth)
    work.world.disputes.object(work.study, 1, sender=rich(work, work.world.stranger))
    work.finalised(truth, (0, 2))
    evm.travel(DISPUTE)
    before = work.balance(work.world.hospitals[1])
    receipt = work.world.disputes.settle(work.study, 1, 0, digest(work, truth))
    event = receipt.named("AttemptSettled")[0]
    assert (event["fromAuthor"], event["fromObjector"]) == (0, BOND)
    assert work.balance(work.world.stranger) == (STAKE - BOND, 0)
    assert work.balance(work.world.hospitals[1]) == (before[0] + BOND, before[1] - BOND)


def test_a_result_over_another_set_says_nothing_about_a_claim(evm, work):
    """The quorum left an update out; the claim over all of them may have been right."""
    claimed, result = work.aggregate(), work.aggregate(included=0b101, weight=2 * WEIGHT)
    work.claim(1, claimed)
    work.world.disputes.object(work.study, 1, sender=work.world.operators[2])
    work.finalised(result, (0, 2))
    evm.travel(DISPUTE)
    receipt = work.world.disputes.settle(work.study, 1, 0, digest(work, result))
    assert receipt.named("AttemptSettled")[0]["fromAuthor"] == 0


def test_bonds_come_back_from_a_void_round_at_once(evm, world):
    work = made(world)
    work.claim(1, work.aggregate())
    with evm.reverts("NotFinal", work.study, 1, NO_HASH):
        world.disputes.settle(work.study, 1, 0, NO_HASH)
    with evm.reverts("AttemptUnknown", work.study, 1, 1):
        world.disputes.settle(work.study, 1, 1, NO_HASH)
    world.disputes.object(work.study, 1, sender=rich(work, world.stranger))
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    assert world.rounds.phase(work.study, 1) == VOID
    before = work.balance(world.hospitals[1])
    world.disputes.settle(work.study, 1, 0, NO_HASH)
    assert work.balance(world.hospitals[1]) == (before[0] + BOND, before[1] - BOND)
    assert work.balance(world.stranger) == (STAKE, 0)


def test_a_pending_claim_holds_the_round_until_it_can_be_finalised(evm, work):
    """Made in the last second of Aggregating, it has its window and as much time again before the round is void."""
    evm.travel(PHASE - 1)
    aggregate = work.aggregate()
    work.claim(0, aggregate)
    held = evm.now + 2 * CLAIM
    evm.travel(2 * CLAIM - 1)
    with evm.reverts("NothingToAdvance", work.study, held):
        work.world.rounds.advance(work.study)
    work.world.disputes.finalise(work.study, 1, aggregate)
    assert work.world.rounds.phase(work.study, 1) == FINAL


def test_silence_of_a_third_does_not_stop_a_round(evm, world):
    """Four hospitals, two of which attest nothing: no quorum, and the round is final a window later."""
    work = made(world, members=4)
    aggregate = work.aggregate()
    work.attest(0, aggregate)
    work.claim(work.leader(), aggregate)
    evm.travel(CLAIM)
    world.disputes.finalise(work.study, 1, aggregate)
    assert world.rounds.phase(work.study, 1) == FINAL
    assert world.rounds.getBallot(work.study, 1, digest(work, aggregate)).attesters == 0b0011


def test_objections_at_the_last_second_end_in_a_bounded_time_and_cost_nobody_honest(evm, world):
    """An attacker objects to every claim it can, in its last second, and nobody attests: the round is void in bounded time,
    and all bonds, its own too, are free again."""
    work = made(world, members=4)
    closed, before = evm.now, {seat: work.balance(world.hospitals[seat]) for seat in range(4)}
    enemy = rich(work, rich(work, rich(work, world.stranger)))
    evm.travel(PHASE - 1)
    for number in range(ATTEMPTS):
        work.claim(number, work.aggregate())
        evm.travel(CLAIM - 1)
        world.disputes.object(work.study, 1, sender=enemy)
        evm.travel(CLAIM - 1)
    with evm.reverts("AttemptsExhausted", work.study, 1, ATTEMPTS):
        work.claim(3, work.aggregate())
    evm.travel(1)
    world.rounds.advance(work.study)
    assert evm.now <= closed + PHASE + ATTEMPTS * 2 * CLAIM
    for number in range(ATTEMPTS):
        world.disputes.settle(work.study, 1, number, NO_HASH)
    assert {seat: work.balance(world.hospitals[seat]) for seat in range(4)} == before
    assert work.balance(enemy) == (3 * STAKE, 0)


def test_garbage_whenever_possible_ends_in_a_bounded_time_and_pays_the_honest(evm, world):
    """The attacker holds one of four seats and claims garbage as soon as it may; others object, claim and are final."""
    work = made(world, members=4)
    closed = evm.now
    garbage, truth = work.aggregate(root=b"\xee" * 32), work.aggregate()
    evm.travel(PHASE // 2)
    work.claim(3, garbage)
    world.disputes.object(work.study, 1, sender=world.operators[0])
    work.claim(work.leader(), truth)
    world.disputes.object(work.study, 1, sender=world.operators[3])  # the attacker's free objection
    with evm.reverts("AlreadyAttempted", work.study, 1, 3):
        work.claim(3, garbage)
    work.claim(work.leader(), truth)
    evm.travel(CLAIM)
    world.disputes.finalise(work.study, 1, truth)
    assert evm.now <= closed + PHASE + ATTEMPTS * 2 * CLAIM
    evm.travel(DISPUTE)
    taken = [
        world.disputes.settle(work.study, 1, number, digest(work, truth)).named("AttemptSettled")[0][
            "fromAuthor"
        ]
        for number in range(3)
    ]
    assert taken == [BOND, 0, 0]


def test_late_attesters_to_a_claim_that_is_final_share_its_pay(evm, work):
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    evm.travel(CLAIM)
    work.world.disputes.finalise(work.study, 1, aggregate)
    work.attest(0, aggregate)
    evm.travel(DISPUTE)
    before = work.balance(work.world.hospitals[0])[0]
    work.world.rounds.claim(work.study, 1, 0, aggregate, work.updates[0])
    assert work.balance(work.world.hospitals[0])[0] - before == (REWARD - 90) // 3 + 45
