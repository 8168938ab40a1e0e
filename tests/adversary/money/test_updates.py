"""Wrong, withheld and sacrificed updates: what they cost their authors, and what the others have of it."""

from __future__ import annotations

import pytest

from tests.adversary.money.purse import loss, stopped, wealth
from tests.contracts.work import WEIGHT, Work, filled, made, rich, share, tainted, too_large
from tests.rig.world import BOND, CLAIM, DISPUTE, PHASE, REWARD, SLASH_BPS, STAKE, VERSION, vector

VOID = 2
PART = STAKE * SLASH_BPS // 10_000


def end(world, *works):
    """Let every window pass, release all stakes and refund."""
    study = works[0].study
    stopped(lambda: world.rounds.advance(study))
    world.evm.travel(DISPUTE)
    members = world.rounds.getStudy(study).members
    for seat in range(members):
        for work in works:
            if seat in work.updates:
                stopped(lambda seat=seat, work=work: work.paid(seat))
        world.studies.release(study, seat)
    stopped(lambda: world.studies.refund(study))


@pytest.mark.parametrize("least", [3, 4])
def test_a_sponsor_and_one_hospital_have_the_others_work_for_nothing(world, evm, least):
    """Four submit and publish, but for the sponsor's friend, whose bytes nobody gets. The others leave it out, also where the study
    needs four: else the round would end void, the sponsor have its reward back, and three have shown their updates for nothing."""
    work = made(world, members=4, size=130, minHospitals=least, rounds=1, maxVoids=0)
    league, honest = (world.sponsor, world.hospitals[3]), world.hospitals[:3]
    spent = world.vault.potOf(work.study).amount
    before, others = wealth(world, *league) + spent, wealth(world, *honest)
    result = work.aggregate(seats=(0, 1, 2))
    refusals = [stopped(lambda seat=seat: work.attest(seat, result)) for seat in range(3)]
    final = refusals == [None] * 3
    if not final:
        for seat in range(3):
            world.claims.lack(work.study, 1, seat, 0b1000, sender=work.operators[seat])
        world.claims.lack(work.study, 1, 3, 0b0001, sender=work.operators[3])
    evm.travel(PHASE)
    stopped(lambda: world.rounds.advance(work.study))
    stopped(lambda: world.claims.recordAbsences(work.study, 1))
    evm.travel(DISPUTE)
    for seat in range(4):
        stopped(lambda seat=seat: work.paid(seat, result))
    end(world, work)
    paid, lost = -loss(world, others, *honest), loss(world, before, *league)
    assert lost > 0, f"the league lost {lost}, three honest hospitals were paid {paid} ({refusals[0]})"


@pytest.mark.parametrize("weight", [WEIGHT, 400])
def test_a_struck_stake_comes_back_through_a_friend_in_the_same_round(world, evm, weight):
    """One of three sends a wrong update, so that the round is void, and its friend, whose dataset is as large as it says, is
    compensated by weight. Whoever voids a round so must lose what a proof takes for good, half of the stake at least."""
    world.datasets.publish(2, (*VERSION[:3], 400, VERSION[4]), sender=world.operators[1])
    study = world.running(3, training=[vector(130)], minHospitals=3, maxVoids=0)
    work = Work(world, study, 130)
    work.submit(0)
    work.submit(1, weight=weight)
    work.submit(2, too_large(work, 2))
    league = (*world.hospitals[1:3], evm.actors[3])
    before = wealth(world, *league)
    work.strike(2, 2, sender=evm.actors[3])
    end(world, work)
    lost = loss(world, before, *league)
    assert 2 * lost >= STAKE, f"the league lost {lost} of {STAKE}"


def test_a_doomed_stake_is_saved_through_a_compensation(world, evm):
    """A claim by one liar became the result while the others were away. Before they are back it and a friend play the next
    round alone: its update is struck, too few are left, and the friend is compensated with the whole stake. The proof of the lie
    then finds nothing; convicting oneself gives back two fifths only."""
    changes = {"trainingSeconds": 20, "rounds": 2, "maxVoids": 3}
    work = made(world, members=4, size=130, **changes)
    vector_, lie, liar = work.lie()
    evm.travel(CLAIM)
    work.finalise(lie)
    friend = (liar + 1) % 4
    league = (world.hospitals[liar], world.hospitals[friend], evm.actors[3])
    before = wealth(world, *league)
    later = Work(world, work.study, 130, number=2)
    later.submit(friend)
    later.submit(liar, too_large(later, liar))
    evm.travel(20)
    later.strike(liar, 2, sender=evm.actors[3])
    world.rounds.advance(work.study)
    work.challenge(vector_, lie, 1)
    work.settle()
    end(world, later, work)
    lost = loss(world, before, *league) - BOND
    assert 2 * lost >= STAKE, f"the league lost {lost} of a stake of {STAKE}"


def test_two_wrong_updates_in_a_round_pay_no_more_than_was_taken(world, evm):
    """Two friends send wrong updates, so that one is struck above and one at the least number; a third is struck when the round
    is void. What is paid out is the one compensation, and what nobody claims of it is not the sponsor's."""
    study = world.running(4, training=[vector(130)], minHospitals=3, maxVoids=0)
    work = Work(world, study, 130)
    for seat in range(4):
        work.submit(seat, too_large(work, seat) if seat else None)
    league = (world.sponsor, *world.hospitals[1:4], evm.actors[3])
    before = wealth(world, *league) + world.vault.potOf(study).amount
    honest = wealth(world, world.hospitals[0])
    for seat in (3, 2, 1):
        work.strike(seat, 2, sender=evm.actors[3])
        if seat == 2:
            world.rounds.advance(study)
    assert world.studies.compensationOf(study, 1) == STAKE // 2
    end(world, work)
    gained = -loss(world, honest, world.hospitals[0])
    assert gained == STAKE // 2 // 2
    lost = loss(world, before, *league)
    assert lost == 3 * STAKE - 2 * share(STAKE)
    # The part of the one that was struck last is nobody's.
    assert world.vault.potOf(study).amount == STAKE // 2 // 2
    assert world.vault.burntOf(world.token) == lost - gained - STAKE // 2 // 2


def test_voiding_a_round_before_its_end_costs_three_fifths_of_a_stake(world, evm):
    """An author has its wrong update struck in the last second of Training, when there is no compensation yet, because another
    friend kept Training open. Nobody's bytes are out then; the author loses what a conviction by a friend costs, and gets nobody's
    stake."""
    study = world.running(4, training=[vector(130)], minHospitals=3, maxVoids=0)
    work = Work(world, study, 130)
    for seat in (0, 1):
        work.submit(seat)
    work.submit(2, too_large(work, 2))
    league = (world.sponsor, *world.hospitals[2:4], evm.actors[3])
    before = wealth(world, *league) + world.vault.potOf(study).amount
    evm.travel(PHASE - 1)
    work.strike(2, 2, sender=evm.actors[3])
    world.rounds.abstain(study, 1, 3, sender=work.operators[3])
    world.rounds.advance(study)
    end(world, work)
    assert loss(world, before, *league) == STAKE - share(STAKE)


def test_a_stake_that_was_lost_before_leaves_no_compensation_but_was_lost(world, evm):
    """An author of two wrong updates is struck first for the round in which it was left out, in favour of a friend, so that the
    next round, which its second one makes void, is compensated with nothing. It costs the league the same three fifths."""
    work = tainted(world, members=4, size=130, minHospitals=3, rounds=2, maxVoids=0)
    result = work.aggregate(seats=(0, 1, 2))
    work.final(result, (0, 1, 2))
    later = Work(world, work.study, 130, number=2)
    for seat in (0, 1):
        later.submit(seat)
    later.submit(3, too_large(later, 3))
    world.rounds.abstain(work.study, 2, 2, sender=work.operators[2])
    league = (world.hospitals[3], evm.actors[3])
    before = wealth(world, *league)
    work.strike(3, 2, work.digest(result), sender=evm.actors[3])
    later.strike(3, 2, sender=evm.actors[3])
    end(world, later)
    assert loss(world, before, *league) == STAKE - share(STAKE)
    assert world.studies.compensationOf(work.study, 2) == 0


@pytest.mark.parametrize("answers", [True, False])
def test_a_strike_in_the_last_second_makes_absent_who_does_not_answer(world, evm, answers):
    """Two honest hospitals have attested. In the last second of the round a friend's update is struck, and all that was attested is
    asked anew. They have a claim's window for it: if they answer the round is final; only if they do not, it costs a
    fifth of their stakes, and the league more than that takes from both."""
    work = tainted(world, members=4, size=130, maxVoids=0)
    for seat in (0, 1):
        work.attest(seat, work.aggregate())
    league, honest = (*world.hospitals[2:4], evm.actors[3]), world.hospitals[:2]
    before, others = wealth(world, *league), wealth(world, *honest)
    world.claims.lack(work.study, 1, 2, 0b1, sender=work.operators[2])
    evm.travel(PHASE - 1)
    work.strike(3, 2, sender=evm.actors[3])
    del work.vectors[3]
    evm.travel(CLAIM - 1)
    with evm.reverts("NothingToAdvance"):
        world.rounds.advance(work.study)
    if answers:
        work.final(work.aggregate(), (0, 1))
    evm.travel(1)
    stopped(lambda: world.rounds.advance(work.study))
    stopped(lambda: world.claims.recordAbsences(work.study, 1))
    lost = loss(world, others, *honest)
    assert lost == (0 if answers else 2 * PART)
    assert loss(world, before, *league) == STAKE - share(STAKE) > lost


def test_a_careless_attestation_is_no_bounty(world, evm):
    """A league of author, challenger and sponsor gets an honest quorum to attest to a wrong update. The honest lose a fifth of
    their stakes, but the league has none of it."""
    work = tainted(world, members=4, size=130, rounds=2)
    league = (world.sponsor, world.hospitals[3], evm.actors[3])
    before = wealth(world, *league) + world.vault.potOf(work.study).amount
    honest = wealth(world, *world.hospitals[:3])
    result = work.aggregate()
    work.final(result, (0, 1, 2))
    work.strike(3, 2, work.digest(result), sender=evm.actors[3])
    assert loss(world, honest, *world.hospitals[:3]) == 3 * PART
    end(world, work)
    assert loss(world, before, *league) == REWARD + STAKE - share(STAKE)


def test_a_struck_hospital_earns_no_more_and_what_it_had_earned_stays(world, evm):
    """An author is paid for the round before its fault, and tries to be paid for that round and a later one in which it had
    submitted already."""
    study = world.running(4, training=[vector(130)], rounds=3)
    work = filled(Work(world, study, 130), range(4))
    first = work.aggregate()
    work.final(first, (0, 1, 2))
    middle = Work(world, study, 130, number=2)
    for seat in range(3):
        middle.submit(seat)
    middle.submit(3, too_large(middle, 3))
    second = middle.aggregate(seats=(0, 1, 2))
    middle.final(second, (0, 1, 2))
    last = filled(Work(world, study, 130, number=3), range(4))
    third = last.aggregate()
    last.final(third, (0, 1, 2))
    middle.strike(3, 2, middle.digest(second))
    evm.travel(DISPUTE)
    assert work.paid(3, first) == (REWARD - REWARD // 10) // 4
    for later, result in ((middle, second), (last, third)):
        with evm.reverts("PayVoid"):
            later.paid(3, result)
    assert last.paid(0, third) == REWARD // 4


def test_a_compensation_is_nobodys_but_the_harmed_ones(world, evm):
    """A struck author, a hospital that abstained, a sponsor by its refund and a second claim are all after what a struck stake
    left: half of it is for those that stayed, and half is burnt."""
    study = world.running(4, training=[vector(130)], minHospitals=3, maxVoids=0)
    work = Work(world, study, 130)
    for seat in (0, 1):
        work.submit(seat)
    work.submit(2, too_large(work, 2))
    world.rounds.abstain(study, 1, 3, sender=work.operators[3])
    before = wealth(world, world.sponsor) + world.vault.potOf(study).amount
    work.strike(2, 2, sender=evm.actors[3])
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    with evm.reverts("PayVoid"):
        work.paid(2)
    work.updates[3] = work.updates[0]
    with evm.reverts("UpdateMismatch"):
        work.paid(3)
    assert work.paid(0) == STAKE // 4
    with evm.reverts("AlreadyPaid"):
        work.paid(0)
    world.studies.refund(study)
    assert work.paid(1) == STAKE // 4
    assert wealth(world, world.sponsor) == before
    assert world.vault.burntOf(world.token) == STAKE // 2


def test_silence_and_bad_work_never_take_more_than_the_stake(world, evm):
    """A hospital of two studies is silent, then proves its own update wrong, in one of them; the other's stake and its bond stay
    whole."""
    other = made(world, size=130)
    rich(world, world.stranger)
    other.claim(other.leader(), other.aggregate())
    locked = {seat: other.balance(world.hospitals[seat])[1] for seat in range(3)}
    study = world.running(3, training=[vector(130)], rounds=2, maxVoids=5)
    for number in (1, 2):
        for seat in (0, 1):
            world.submit(study, seat, number)
        evm.travel(PHASE)
        world.claims.recordAbsences(study, number)
        evm.travel(PHASE)
        world.rounds.advance(study)
    work = Work(world, study, 130, number=3)
    for seat in (0, 1):
        work.submit(seat)
    work.submit(2, too_large(work, 2))
    work.strike(2, 2)
    assert world.studies.takenOf(study, 2) == STAKE
    assert other.balance(world.hospitals[2])[1] == locked[2]
    assert world.vault.burntOf(world.token) == STAKE - share(STAKE - 2 * PART)
