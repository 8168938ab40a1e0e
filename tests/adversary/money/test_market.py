"""The market's book and its fees."""

from __future__ import annotations

from functools import partial

import pytest

from tests.adversary.money.purse import stopped
from tests.contracts.work import Work, filled, made, too_large
from tests.rig.cohorts import Listed, leaf_of
from tests.rig.world import DISPUTE, STEP, aggregate, update, vector

WHOLE = 10**18
PRICE = 10_007
SALT = b"\x5a" * 32


def bought(world, model, times=1):
    """So many licences, by the sponsor, whose tokens are enough."""
    for _ in range(times):
        version = world.market.getModel(model).versions
        world.market.buy(model, version, PRICE, world.stranger, sender=world.sponsor)


def offered(world, model, **changes):
    terms = {"token": world.token, "price": PRICE, "duration": 0, "transferable": False, "licence": bytes(32)}
    receipt = world.market.setTerms(model, terms | changes, sender=world.sponsor)
    world.evm.travel(3 * 86_400)
    return receipt


def test_a_struck_hospital_has_no_part_of_the_fees_whoever_writes_the_book(world, evm):
    """A hospital that was struck for an update that was left out, and its friends, write it into the book of that round and of a
    later one in which its update is in the result, before anybody else writes; write others twice; register too early."""
    study = world.running(4, training=[vector(130)], rounds=2)
    first = Work(world, study, 130)
    for seat in range(4):
        first.submit(seat, too_large(first, seat) if seat == 3 else None)
    one = first.aggregate(seats=(0, 1, 2))
    first.final(one, (0, 1, 2))
    second = filled(Work(world, study, 130, number=2), range(4))
    first.strike(3, 2, first.digest(one))
    two = second.aggregate()
    second.final(two, (0, 1, 2))
    evm.travel(DISPUTE)

    def credit(work, result, *seats):
        updates = [work.updates[seat] for seat in seats]
        return partial(world.market.credit, study, work.number, result, list(seats), updates)

    tries = [
        credit(first, one, 3),
        credit(second, two, 3),
        credit(second, two, 0, 0),
        credit(first, two, 0),
        partial(world.market.register, study, two),
        credit(first, one, 0, 1, 2),
        credit(second, two, 0, 1, 2),
        credit(second, two, 0),
        credit(second, two, 3),
        partial(world.market.register, study, one),
        partial(world.market.register, study, two),
    ]
    assert list(map(stopped, tries)) == [
        "NothingToClaim",
        "PayVoid",
        "AlreadyCredited",
        "NotFinal",
        "RoundNotCredited",
        None,
        None,
        "AlreadyCredited",
        "PayVoid",
        "NotFinal",
        None,
    ]
    shares = [world.market.shareOf(study, seat).share for seat in range(4)]
    assert shares[3] == 0
    assert sum(shares) <= 2 * WHOLE
    offered(world, study)
    bought(world, study)
    assert stopped(partial(world.market.claimFees, study, 3, world.token)) == "NothingEarned"


def test_fees_come_to_the_same_however_often_and_in_whatever_order_they_are_drawn(world, evm):
    """One hospital draws after each sale, one at the end, a sponsor between them, a patient twice; together they never have more
    than came in, and each has what it is due."""
    bps = 2500
    study = world.running(3, patientBps=bps, sponsorFeeBps=1000, rounds=1, rewardPerRound=9000)
    patients = evm.actors[30:32]
    own = {who: leaf_of(study, 1, 1, who, SALT) for who in patients}
    cohort = Listed(own.values())
    shown = [update(0, STEP, cohortRoot=cohort.root), update(1), update(2)]
    for seat in range(3):
        world.rounds.submitUpdate(study, 1, seat, shown[seat], sender=world.operators[seat])
    result = aggregate(range(3), STEP + 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    world.market.credit(study, 1, result, [0, 1, 2], shown)
    world.market.register(study, result)
    offered(world, study)

    def patient(who):
        shows = (study, 1, 0, world.token, result, shown[0], cohort.opened(own[who], SALT))
        return stopped(partial(world.market.claimPatientFees, *shows, sender=who))

    before = [world.free(each) for each in world.hospitals[:3]]
    sponsor = world.free(world.sponsor)
    for _ in range(3):
        bought(world, study)
        assert stopped(partial(world.market.claimFees, study, 0, world.token)) is None
        assert patient(patients[0]) is None
        assert patient(patients[0]) == "NothingEarned"
        assert stopped(partial(world.market.claimSponsorFees, study, world.token)) is None
    for seat in (1, 2):
        world.market.claimFees(study, seat, world.token)
        with evm.reverts("NothingEarned"):
            world.market.claimFees(study, seat, world.token)
    assert patient(patients[1]) is None
    fees = 3 * PRICE
    assert world.market.feesOf(study, world.token) == fees
    each = fees * bps // 10_000 * STEP // (STEP * (STEP + 160))
    assert [world.free(who) for who in patients] == [each, each]
    assert world.free(world.sponsor) - sponsor == fees // 10
    pool = fees * 6500 // 10_000
    due = [pool * world.market.shareOf(study, seat).share // WHOLE for seat in range(3)]
    assert [world.free(who) for who in world.hospitals[:3]] == [
        had + has for had, has in zip(before, due, strict=True)
    ]
    assert world.vault.feesHeld(world.token) == fees - 2 * each - fees // 10 - sum(due) >= 0


def test_a_price_is_not_changed_under_a_buyers_hands(world, evm):
    """A sponsor puts its price up, to another token, or withdraws, just before a purchase is mined."""
    work = made(world, size=130, rounds=1)
    result = work.aggregate()
    work.final(result, (0, 1, 2))
    evm.travel(DISPUTE)
    seats = list(range(3))
    world.market.credit(work.study, 1, result, seats, [work.updates[seat] for seat in seats])
    world.market.register(work.study, result)
    offered(world, work.study, price=100)

    def buy(version, most):
        args = (work.study, version, most, world.stranger)
        return stopped(partial(world.market.buy, *args, sender=world.sponsor))

    offered(world, work.study, price=10**6)
    assert [buy(1, 100), buy(2, 100)] == ["NotForSale", "PriceAboveMaximum"]
    offered(world, work.study, token="0x" + "00" * 20)
    assert buy(3, 100) == "NotForSale"
    offered(world, work.study, price=100)
    assert buy(4, 100) is None
    world.market.withdrawModel(work.study, sender=world.sponsor)
    assert buy(4, 100) == "ModelIsWithdrawn"
    assert world.market.isLicensed(world.stranger, world.market.licenceCount())


@pytest.mark.parametrize("undone", ["refuted", "tainted"])
def test_a_model_that_was_undone_is_not_sold(world, evm, undone):
    """A study completes with a lie, is credited and would be registered in the very second in which its claims unlock; the proof came in
    the second before."""
    study = world.running(3, training=[vector(130)], rounds=1)
    work = Work(world, study, 130)
    for seat in range(3):
        work.submit(seat, too_large(work, seat) if seat == 2 and undone == "tainted" else None)
    vector_ = work.sum() if undone == "tainted" else work.sum().changed(128)
    result = work.aggregate(vector_)
    work.final(result, (0, 1))
    evm.travel(DISPUTE - 1)
    if undone == "refuted":
        work.challenge(vector_, result, 1)
    else:
        work.strike(2, 2, work.digest(result))
    evm.travel(1)
    assert stopped(partial(world.market.register, study, result)) == "StudyNotCompleted"
