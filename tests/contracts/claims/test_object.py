"""`object`: whoever doubts a claim closes the path by time for it."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.contracts.work import Work, filled, made, rich
from tests.rig.evm import NO_ONE
from tests.rig.world import BOND, CLAIM, STAKE

FINAL = 5
OBJECTED = 2


def test_there_has_to_be_a_pending_claim(evm, work):
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.object(work.operators[0])
    work.claim(1, work.aggregate())
    work.object(work.operators[0])
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.object(work.operators[2])


def test_it_is_to_the_claim_that_was_looked_at(evm, work):
    """By the time it is mined another one may be pending: nobody is made to object to the truth."""
    rich(work.world, work.world.stranger)
    work.claim(1, work.aggregate(root=b"\xee" * 32))
    work.object(work.operators[2])
    work.claim(work.leader(), work.aggregate())
    for attempt in (0, 2, 2**16 - 1):
        with evm.reverts("NoAttemptPending", work.study, 1):
            work.object(work.world.stranger, attempt)
    work.object(work.world.stranger, 1)


def test_it_comes_within_the_window(evm, work):
    work.claim(1, work.aggregate())
    evm.travel(CLAIM - 1)
    token = evm.snapshot()
    work.object(work.operators[0])
    evm.restore(token)
    evm.travel(1)
    with evm.reverts("ClaimWindowClosed", work.study, 1, evm.now):
        work.object(work.operators[0])


def test_not_once_a_quorum_decided(evm, work):
    truth = work.aggregate()
    work.claim(1, truth)
    work.final(truth, (0, 2))
    with evm.reverts("WrongPhase", work.study, 1, FINAL):
        work.object(work.operators[0])


def test_a_submitter_objects_once_for_free(evm, work):
    work.claim(1, work.aggregate())
    evm.travel(10)
    with change(work.world, work.study) as changed:
        receipt = work.object(work.operators[2])
    assert changed == {
        "attempt1.0.state": OBJECTED,
        "contest1.objectors": 0b100,
        "contest1.heldUntil": evm.now + CLAIM,
    }
    objector = work.operators[2].address
    at = {"study": work.study, "round": 1, "attempt": 0, "objector": objector, "bond": 0}
    assert told(receipt) == [("Objected", at)]
    assert work.attempt().objector == NO_ONE


def test_a_stranger_locks_the_bond_of_its_own(evm, work):
    """Without an allowance, as it speaks for itself."""
    rich(work.world, work.world.stranger)
    work.claim(1, work.aggregate())
    with change(work.world, work.study) as changed:
        receipt = work.object(work.world.stranger)
    stranger = work.world.stranger.address
    assert changed == {
        "attempt1.0.state": OBJECTED,
        "attempt1.0.objector": stranger,
        "contest1.heldUntil": evm.now + CLAIM,
        "stranger.free": STAKE - BOND,
        "stranger.locked": BOND,
    }
    at = {"study": work.study, "round": 1, "attempt": 0, "objector": stranger, "bond": BOND}
    lock = {"token": work.world.token.address, "account": stranger, "amount": BOND}
    assert told(receipt) == [("Objected", at), ("Locked", lock)]


def test_who_is_not_free_needs_the_bond(evm, work):
    """A stranger without tokens, a submitter the second time, a hospital's cold account, a member without a seat."""
    world = work.world
    work.claim(1, work.aggregate())
    for sender in (world.stranger, world.admin, work.operators[4]):
        with evm.reverts("FreeBalanceTooSmall", sender, world.token, 0, BOND):
            work.object(sender)
    work.object(work.operators[0])
    work.claim(work.leader(), work.aggregate())
    with evm.reverts("FreeBalanceTooSmall", work.operators[0], world.token, 0, BOND):
        work.object(work.operators[0])
    free = world.free(work.hospitals[0])
    receipt = work.object(work.hospitals[0])
    assert receipt.named("Objected")[0]["bond"] == BOND
    assert world.free(work.hospitals[0]) == free - BOND


def test_a_suspended_hospital_does_not_object_for_free(evm, work):
    work.claim(1, work.aggregate())
    work.world.consortium.suspend(work.hospitals[2])
    with evm.reverts("FreeBalanceTooSmall", work.operators[2], work.world.token, 0, BOND):
        work.object(work.operators[2])
    assert work.contest().objectors == 0


def test_who_abstained_does_not_object_for_free(evm, world):
    work = filled(Work(world, world.running(4), 300), range(3))
    world.rounds.abstain(work.study, 1, 3, sender=world.operators[3])
    work.claim(work.leader(), work.aggregate())
    with evm.reverts("FreeBalanceTooSmall", world.operators[3], world.token, 0, BOND):
        work.object(world.operators[3])


def test_a_replaced_admin_account_has_no_bond_to_lock(evm, work):
    """Who held the lost key still is the hospital's id, and no more: what the id owns is not its own."""
    world, hospital, admin = work.world, work.hospitals[2], evm.actors[60]
    world.consortium.proposeAdmin(hospital, admin)
    evm.travel(30 * 86_400)
    world.consortium.acceptAdmin(hospital, sender=admin)
    other = made(world)
    other.claim(1, other.aggregate())
    with evm.reverts("NotTheAccounts", hospital, hospital):
        other.object(hospital)


def test_it_leaves_time_to_attest(evm, work):
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    evm.travel(CLAIM - 1)
    work.object(work.operators[2])
    evm.travel(1)
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.finalise(aggregate)
    work.final(aggregate, (0, 2))
    assert work.world.rounds.standingOf(work.study, 1)[0] == FINAL
