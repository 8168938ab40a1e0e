"""`refund`: what the sponsor gets back, and what it never gets."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.contracts.work import made, share
from tests.rig.world import DISPUTE, PHASE, REWARD, STAKE


def test_not_before_the_study_is_settled_and_once(evm, world):
    with evm.reverts("NotSettled", 99, 0):
        world.studies.refund(99)
    study, _ = world.final(rounds=1)
    ended = evm.now
    evm.travel(DISPUTE - 1)
    with evm.reverts("NotSettled", study, ended + DISPUTE):
        world.studies.refund(study)
    evm.travel(1)
    world.studies.refund(study)
    with evm.reverts("AlreadyRefunded", study):
        world.studies.refund(study)


def test_the_rewards_of_rounds_that_were_never_final(evm, world):
    study, _ = world.final(rounds=4, maxVoids=0)
    evm.travel(PHASE)
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    with change(world, study) as changed:
        receipt = world.studies.refund(study, sender=world.stranger)
    assert changed == {"refunded": True, "pot": REWARD, "sponsor.free": 3 * REWARD}
    sponsor = world.sponsor.address
    assert told(receipt) == [
        ("Refunded", {"study": study, "sponsor": sponsor, "amount": 3 * REWARD}),
        ("Paid", {"study": study, "account": sponsor, "amount": 3 * REWARD}),
    ]


def test_nothing_of_what_was_slashed(evm, world):
    """Neither for an absence, nor for a lie: half of it the challenger has at most, the rest is nobody's."""
    work = made(world)
    vector, lie = work.lying_quorum()
    work.challenge(vector, lie, 1)
    lost = 2 * STAKE
    assert world.vault.burntOf(world.token) == lost - share(lost)
    evm.travel(DISPUTE)
    world.studies.refund(work.study)
    assert world.free(world.sponsor) == REWARD
    assert work.pot() == REWARD


def test_nothing_of_what_absences_cost(evm, world):
    study = world.running(maxVoids=0)
    world.submit(study, 0)
    evm.travel(PHASE)
    world.claims.recordAbsences(study, 1)
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    world.studies.refund(study)
    assert world.free(world.sponsor) == 2 * REWARD
    assert world.vault.burntOf(world.token) == 2 * STAKE // 5


def test_a_refund_before_late_bonds_are_settled_leaves_nothing_behind(evm, world):
    """What is slashed after it is burnt, so nothing comes back into the pot."""
    work = made(world, rounds=1)
    _, lie, author = work.lie()
    truth = work.aggregate()
    work.final(truth, [seat for seat in range(3) if seat != author])
    evm.travel(DISPUTE)
    for seat in range(3):
        work.paid(seat, truth)
    world.studies.refund(work.study)
    left = work.pot()
    burnt = world.vault.burntOf(world.token)
    (settled,) = work.settle(lie, truth).named("AttemptSettled")
    assert settled["fromAuthor"] > 0
    assert work.pot() == left < 30 + 3
    assert world.vault.burntOf(world.token) == burnt + settled["fromAuthor"]
