"""`claim`: what a seat is paid for rounds whose disputes are over."""

from __future__ import annotations

import pytest

from tests.contracts.facts import change, told
from tests.contracts.work import Work, filled, made, tainted, too_large
from tests.rig.world import DISPUTE, PHASE, REWARD, STAKE, aggregate, digest, earned, nothing, update

WEIGHTED, EQUAL = 0, 1
POOL = REWARD // 10  # attesters have a tenth
SHARED = REWARD - POOL


def rejected(result):
    return result | {"root": b"\xff" * 32}


# -- checks, in their order -------------------------------------------------------------------------------------------


def test_there_has_to_be_a_round_to_be_paid_for(evm, world):
    study, _ = world.final()
    with evm.reverts("NothingToClaim", study, 0, 1):
        world.payouts.claim(study, 1, [], sender=world.stranger)


def test_only_the_result_pays(evm, world):
    study, result = world.final()
    evm.travel(DISPUTE)
    for number, shown in ((1, rejected(result)), (1, nothing()), (2, result), (3, result)):
        with evm.reverts("NotFinal", study, number, digest(study, number, shown)):
            world.claim(study, 0, shown, number)


def test_not_before_disputes_are_over(evm, world):
    study, result = world.final()
    unlocked = evm.now + DISPUTE
    evm.travel(DISPUTE - 1)
    with evm.reverts("ClaimLocked", study, 1, unlocked):
        world.claim(study, 0, result)
    evm.travel(1)
    world.claim(study, 0, result)


def test_once(evm, world):
    study, result = world.final()
    evm.travel(DISPUTE)
    world.claim(study, 0, result)
    with evm.reverts("AlreadyPaid", study, 1, 0):
        world.claim(study, 0, result)
    with evm.reverts("AlreadyPaid", study, 1, 1):
        shown = earned(1, result, update(1))
        world.payouts.claim(study, 1, [shown, shown], sender=world.stranger)


def test_for_the_update_that_was_committed_to(evm, world):
    study, result = world.final()
    evm.travel(DISPUTE)
    for seat, shown in ((0, update(0, weight=88)), (0, update(1)), (3, update(3)), (255, update(0))):
        with evm.reverts("UpdateMismatch", study, 1, seat):
            world.claim(study, seat, result, own=shown)


def test_not_to_whom_a_proof_barred(evm, world):
    work = made(world)
    file, lie = work.lying_quorum()
    work.challenge(file, lie, 1)
    evm.travel(DISPUTE)
    for seat in (0, 1):
        with evm.reverts("PayVoid", work.study, 1, seat):
            work.paid(seat, lie)
    assert work.paid(2, lie) == SHARED // 3


def test_not_to_who_was_left_out(evm, world):
    """Unless it attested to the result; then it has an attester's part."""
    study = world.submitted()
    result, left = aggregate((0, 1), 160), [update(2)]
    for seat in (2, 0):
        world.attest(study, seat, result, left_out=left)
    evm.travel(DISPUTE)
    paid = [world.claim(study, seat, result).named("Claimed")[0]["amount"] for seat in range(3)]
    assert paid == [SHARED // 3 + POOL // 3, SHARED // 3, POOL // 3]
    other = world.submitted()
    for seat in (0, 1):
        world.attest(other, seat, result, left_out=left)
    evm.travel(DISPUTE)
    with evm.reverts("NothingToClaim", other, 1, 2):
        world.claim(other, 2, result)


# -- what it pays -----------------------------------------------------------------------------------------------------


def test_a_seat_is_paid_into_its_hospitals_free_balance(evm, world):
    """Whoever calls."""
    study, result = world.final()
    evm.travel(DISPUTE)
    with change(world, study) as changed:
        receipt = world.claim(study, 1, result)
    amount, hospital = SHARED // 3 + POOL // 3, world.hospitals[1].address
    assert changed == {
        "pot": 2 * REWARD - amount,
        "hospital1.free": 9 * STAKE + amount,
    }
    assert told(receipt) == [
        ("Claimed", {"study": study, "round": 1, "seat": 1, "hospital": hospital, "amount": amount}),
        ("Paid", {"study": study, "account": hospital, "amount": amount}),
    ]


def test_several_rounds_come_in_one_payment(evm, world):
    study, result = world.final(rounds=3)
    for seat in range(3):
        world.submit(study, seat, 2, weight=72)
    second = aggregate(range(3), 3 * 72)
    for seat in (1, 2):
        world.attest(study, seat, second, 2)
    evm.travel(DISPUTE)
    shown = [earned(2, second, update(2, 72)), earned(1, result, update(2))]
    receipt = world.payouts.claim(study, 2, shown, sender=world.stranger)
    amounts = [(event["round"], event["amount"]) for event in receipt.named("Claimed")]
    assert amounts == [(2, SHARED // 3 + POOL // 3), (1, SHARED // 3)]
    assert [event["amount"] for event in receipt.named("Paid")] == [2 * (SHARED // 3) + POOL // 3]
    names = [digest(study, 1, result), digest(study, 2, second)]
    assert [world.rounds.getBallot(study, 1 + i, name).paid for i, name in enumerate(names)] == [0b100, 0b100]


def test_one_round_that_is_refused_refuses_all(evm, world):
    study, result = world.final()
    evm.travel(DISPUTE)
    shown = [earned(1, result, update(0)), earned(2, result, update(0))]
    with evm.reverts("NotFinal", study, 2, digest(study, 2, result)):
        world.payouts.claim(study, 0, shown, sender=world.stranger)
    assert world.rounds.getBallot(study, 1, digest(study, 1, result)).paid == 0


@pytest.mark.parametrize(("mode", "parts"), [(WEIGHTED, (8, 32, 40)), (EQUAL, (1, 1, 1))])
def test_updates_share_by_weight_or_equally(evm, world, mode, parts):
    study = world.running(scoreMode=mode)
    for seat, weight in enumerate((8, 32, 40)):
        world.submit(study, seat, weight=weight)
    result = aggregate(range(3), 80)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    paid = []
    for seat, weight in enumerate((8, 32, 40)):
        receipt = world.claim(study, seat, result, own=update(seat, weight))
        paid.append(receipt.named("Claimed")[0]["amount"])
    attested = (POOL // 3, POOL // 3, 0)
    assert paid == [SHARED * part // sum(parts) + more for part, more in zip(parts, attested, strict=True)]


@pytest.mark.parametrize("mode", [WEIGHTED, EQUAL])
def test_two_thirds_do_not_earn_what_they_take_from_whom_they_leave_out(evm, world, mode):
    """Each has what it would have had with the fourth in; the rest is nobody's, and the stake is untouched."""
    study = world.running(4, scoreMode=mode)
    for seat in range(4):
        world.submit(study, seat)
    result = aggregate((0, 1, 2), 240)
    for seat in range(3):
        world.attest(study, seat, result, left_out=[update(3)])
    evm.travel(DISPUTE)
    paid = [world.claim(study, seat, result).named("Claimed")[0]["amount"] for seat in range(3)]
    assert paid == [(SHARED + POOL) // 4] * 3


def test_late_attesters_within_the_first_half_have_an_attesters_part(evm, world):
    study, result = world.final(members=4)
    evm.travel(DISPUTE // 2 - 1)
    world.attest(study, 3, result)
    evm.travel(DISPUTE)
    paid = [world.claim(study, seat, result).named("Claimed")[0]["amount"] for seat in range(4)]
    assert paid == [(SHARED + POOL) // 4] * 4


def test_no_claim_loses_a_whole_unit_to_rounding(evm, world):
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
        world.claim(study, seat, result, own=update(seat, weight))
    assert 0 <= world.vault.potOf(study).amount < 3


def test_what_is_nobodys_stays_in_the_pot(evm, world):
    study = world.running(4, rounds=1, rewardPerRound=997, attesterBps=3333, cohortStep=1)
    weights = (7, 31, 89, 64)
    for seat, weight in enumerate(weights):
        world.submit(study, seat, weight=weight)
    result = aggregate((0, 1, 2), 127)
    for seat in range(3):
        world.attest(study, seat, result, left_out=[update(3, 64)])
    evm.travel(DISPUTE)
    for seat in range(3):
        world.claim(study, seat, result, own=update(seat, weights[seat]))
    attesters = 997 * 3333 // 10_000
    nobodys = (997 - attesters) * 64 / sum(weights) + attesters / 4
    assert nobodys <= world.vault.potOf(study).amount < nobodys + 3
    world.studies.refund(study)
    assert nobodys <= world.vault.potOf(study).amount


@pytest.mark.parametrize("mode", [WEIGHTED, EQUAL])
@pytest.mark.parametrize("reinstated", [False, True])
def test_who_was_suspended_while_a_round_trained_makes_nobody_richer(evm, world, mode, reinstated):
    """Its part, of all that it could have submitted, is nobody's, be it back a second later."""
    study = world.running(4, scoreMode=mode)
    world.consortium.suspend(world.hospitals[3])
    world.rounds.abstain(study, 1, 3, sender=world.operators[3] if reinstated else world.stranger)
    if reinstated:
        evm.travel(1)
        world.consortium.reinstate(world.hospitals[3])
    for seat in range(3):
        world.submit(study, seat)
    result = aggregate(range(3), 240)
    for seat in range(2):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    most = min(world.rounds.getSeat(study, 3).records, world.rounds.getStudy(study).maxWeight)
    most -= most % world.rounds.getStudy(study).cohortStep
    part = SHARED * 80 // (240 + most) if mode == WEIGHTED else SHARED // 4
    paid = [world.claim(study, seat, result).named("Claimed")[0]["amount"] for seat in range(3)]
    assert most >= 80
    assert [amount - part for amount in paid] == pytest.approx([POOL / 4, POOL / 4, 0], abs=1)


@pytest.mark.parametrize("when", ["before it opened", "when it had abstained", "when it had trained"])
def test_who_was_suspended_at_another_time_counts_as_one_that_did_not_come(evm, world, when):
    study = world.running(4)
    if when == "before it opened":
        for seat in range(4):
            world.rounds.abstain(study, 1, seat, sender=world.operators[seat])
        world.consortium.suspend(world.hospitals[3])
        evm.travel(1)
        world.consortium.reinstate(world.hospitals[3])
        evm.travel(1)
        world.rounds.advance(study)
    number = world.rounds.getStudy(study).round
    world.rounds.abstain(study, number, 3, sender=world.operators[3])
    if when == "when it had abstained":
        world.consortium.suspend(world.hospitals[3])
    for seat in range(3):
        world.submit(study, seat, number)
    evm.travel(1)
    if when == "when it had trained":
        world.consortium.suspend(world.hospitals[3])
    result = aggregate(range(3), 240)
    for seat in range(2):
        world.attest(study, seat, result, number)
    evm.travel(DISPUTE)
    paid = [world.claim(study, seat, result, number).named("Claimed")[0]["amount"] for seat in range(3)]
    assert paid == [SHARED // 3 + POOL // 3] * 2 + [SHARED // 3]


def test_without_pay_there_is_nothing_to_claim(evm, world):
    study, result = world.final(rewardPerRound=0)
    evm.travel(DISPUTE)
    with evm.reverts("NothingToClaim", study, 1, 0):
        world.claim(study, 0, result)


def test_after_an_undone_round_the_honest_are_paid_as_if_it_were_right(evm, world):
    """Undone by an update that was wrong: who did not attest has its part of the updates' pay."""
    work = tainted(world, members=4)
    result = work.aggregate()
    work.final(result, (0, 1, 3))
    work.strike(3, 2, work.digest(result))
    evm.travel(DISPUTE)
    assert work.paid(2, result) == SHARED // 4


# -- void rounds ------------------------------------------------------------------------------------------------------


def compensated(world, **changes):
    """Every hospital is needed; the last one's update is struck when all are public, and the round is void."""
    work = Work(world, world.running(4, minHospitals=4, **changes), 300)
    for seat, weight in enumerate((8, 32, 80)):
        work.submit(seat, weight=weight)
    work.submit(3, too_large(work, 3))
    work.strike(3, 2)
    world.rounds.advance(work.study)
    return work


def test_a_void_round_pays_nothing(evm, world):
    study = world.submitted()
    evm.travel(PHASE)
    world.rounds.advance(study)
    evm.travel(DISPUTE - 1)
    with evm.reverts("ClaimLocked", study, 1, evm.now + 1):
        world.claim(study, 0, nothing())
    evm.travel(1)
    with evm.reverts("NothingToClaim", study, 1, 0):
        world.claim(study, 0, nothing())


@pytest.mark.parametrize(("mode", "parts"), [(WEIGHTED, (8, 32, 80)), (EQUAL, (1, 1, 1))])
def test_but_what_a_struck_stake_left_for_those_who_remain(evm, world, mode, parts):
    """By weight or equally; the aggregate is not read."""
    work = compensated(world, scoreMode=mode)
    evm.travel(DISPUTE)
    with change(world, work.study) as changed:
        paid = [work.paid(seat) for seat in range(3)]
    assert paid == [STAKE // 2 * part // sum(parts) for part in parts]
    assert changed["absence1.paid"] == 0b0111
    assert changed["pot"] == 2 * REWARD + STAKE // 2 - sum(paid)
    with evm.reverts("AlreadyPaid", work.study, 1, 0):
        work.paid(0)
    with evm.reverts("PayVoid", work.study, 1, 3):
        work.paid(3)


def test_not_to_who_had_not_submitted(evm, world):
    work = filled(Work(world, world.running(4, minHospitals=3), 300), (0, 1))
    work.submit(2, too_large(work, 2))
    world.rounds.abstain(work.study, 1, 3, sender=world.operators[3])
    work.strike(2, 2)
    world.rounds.advance(work.study)
    evm.travel(DISPUTE)
    with evm.reverts("UpdateMismatch", work.study, 1, 3):
        world.claim(work.study, 3, nothing(), own=update(3))
    assert [work.paid(seat) for seat in (0, 1)] == [STAKE // 4] * 2


def test_a_round_that_a_proof_cut_short_pays_nothing(evm, world):
    work = made(world)
    file, lie = work.lying_quorum()
    later = work.next()
    work.challenge(file, lie, 1)
    evm.travel(DISPUTE)
    with evm.reverts("NothingToClaim", work.study, 2, 2):
        later.paid(2)
    with evm.reverts("PayVoid", work.study, 2, 0):
        later.paid(0)
