"""`sweep`: what nobody claims."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.contracts.work import tainted
from tests.rig.world import DISPUTE, REWARD, STAKE, SWEEP


def test_a_study_has_to_have_ended(evm, world):
    for study in (99, world.final()[0]):
        with evm.reverts("NotEnded", study):
            world.payouts.sweep(study)
        evm.travel(10 * SWEEP)


def test_not_before_half_a_year_after_its_claims(evm, world):
    study, result = world.final(rounds=1)
    until = evm.now + DISPUTE + SWEEP
    evm.travel(DISPUTE + SWEEP - 1)
    with evm.reverts("SweepLocked", study, until):
        world.payouts.sweep(study)
    world.claim(study, 0, result)
    evm.travel(1)
    world.payouts.sweep(study)


def test_there_has_to_be_something(evm, world):
    study, _ = world.final(rounds=1)
    evm.travel(DISPUTE + SWEEP)
    world.payouts.sweep(study)
    with evm.reverts("NothingToSweep", study):
        world.payouts.sweep(study)


def test_the_rewards_go_to_the_sponsor(evm, world):
    study, result = world.final(rounds=1)
    evm.travel(DISPUTE + SWEEP)
    world.claim(study, 0, result)
    left = world.vault.potOf(study).amount
    with change(world, study) as changed:
        receipt = world.payouts.sweep(study, sender=world.stranger)
    assert changed == {"pot": 0, "sponsor.free": left}
    sponsor = world.sponsor.address
    assert told(receipt) == [
        ("Swept", {"study": study, "sponsor": sponsor, "amount": left, "burnt": 0}),
        ("Paid", {"study": study, "account": sponsor, "amount": left}),
    ]
    with evm.reverts("PotTooSmall"):
        world.claim(study, 1, result)


def test_nobodys_stake_does(evm, world):
    """What a struck stake left for those who remained, and they did not claim, is burnt."""
    work = tainted(world, members=4, minHospitals=4, maxVoids=0)
    work.strike(3, 2)
    world.rounds.advance(work.study)
    evm.travel(DISPUTE + SWEEP)
    paid = work.paid(0)
    burnt = world.vault.burntOf(world.token)
    world.studies.refund(work.study)
    assert work.pot() == STAKE - paid
    with change(world, work.study) as changed:
        receipt = world.payouts.sweep(work.study)
    left = STAKE - paid
    assert changed == {"pot": 0, "burnt": burnt + left, "compensations.paid": STAKE}
    assert told(receipt) == [
        ("Swept", {"study": work.study, "sponsor": world.sponsor.address, "amount": 0, "burnt": left}),
        ("Burnt", {"study": work.study, "token": world.token.address, "amount": left}),
    ]


def test_both_at_once_where_the_refund_was_never_asked_for(evm, world):
    work = tainted(world, members=4, minHospitals=4, maxVoids=0)
    work.strike(3, 2)
    world.rounds.advance(work.study)
    evm.travel(DISPUTE + SWEEP)
    (event,) = world.payouts.sweep(work.study).named("Swept")
    assert (event["amount"], event["burnt"]) == (2 * REWARD, STAKE)
    with evm.reverts("PotTooSmall", work.study, 0, 2 * REWARD):
        world.studies.refund(work.study)


def test_pay_is_held_for_at_least_half_a_year(evm, world):
    places = (world.consortium, world.rounds, world.studies, world.vault)
    with evm.reverts("SweepDelayOutOfRange", SWEEP - 1, SWEEP):
        evm.deploy("Payouts", *places, SWEEP - 1)
