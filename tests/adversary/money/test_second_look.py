"""A second look: pay that counts who was kept away, bars, results over two thirds, claims that end by silence."""

from __future__ import annotations

from functools import partial
from itertools import permutations

import pytest

from medfed.chain.contracts.payouts import review_hash
from tests.adversary.money.purse import loss, owed, stopped, wealth
from tests.contracts.work import Work, filled, made, tainted, too_large
from tests.rig.world import (
    BOND,
    CLAIM,
    DISPUTE,
    PHASE,
    REWARD,
    STAKE,
    STEP,
    VERSION,
    aggregate,
    digest,
    earned,
    nothing,
    update,
    vector,
)

EQUAL, REVIEWED = 1, 2
FINAL, VOID, TAINTED, REFUTED = 1, 2, 3, 4
SALT = b"\x5a" * 32
SHARED = REWARD * 9 // 10
"""Of a reward, what is for the updates."""


def blink(world, hospital):
    """Suspended and reinstated within one second."""
    world.consortium.suspend(hospital)
    world.consortium.reinstate(hospital)


def larger(world, seat, records):
    """A hospital's dataset, as large as it says."""
    world.datasets.publish(seat + 1, (*VERSION[:3], records, VERSION[4]), sender=world.operators[seat])


def reviewed(world, study, result, scores, between=lambda: None):
    """Reviews of round 1 by seat, revealed by whoever can; something happens between commitments and reveals."""
    name = digest(study, 1, result) if isinstance(result, dict) else result.digest(study, 1)
    half = DISPUTE // 2
    for seat, said in scores.items():
        hashed = review_hash((study, 1, seat), world.hospitals[seat].address, said, SALT)
        world.payouts.commitReview(study, 1, seat, name, hashed, sender=world.operators[seat])
    world.evm.travel(half)
    between()
    for seat, said in scores.items():
        reveal = partial(world.payouts.revealReview, study, 1, seat, name, said, SALT)
        stopped(partial(reveal, sender=world.operators[seat]))
    world.evm.travel(DISPUTE - half)
    world.payouts.tally(study, 1, name)


def amount(receipt):
    return sum(event["amount"] for event in receipt.named("Claimed"))


def pay_of_two(world, study):
    """Round 1, to which seats 0 and 1 alone submitted, becomes final by both: what the first is paid when its claims unlock."""
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    world.evm.travel(DISPUTE)
    return amount(world.claim(study, 0, result))


# -- silence -----------------------------------------------------------------------------------------------------------


def test_the_silenced_are_not_given_back_their_voice_to_have_been_silent(world, evm):
    """The consortium suspends all submitters but its friend, who claims a root without bytes, and reinstates them in the second in
    which the window has closed: nobody could object for free while it was open, and everybody counts as heard."""
    work = made(world, size=130, rounds=1, maxVoids=0)
    author = work.leader()
    honest = [seat for seat in range(3) if seat != author]
    for seat in honest:
        world.consortium.suspend(world.hospitals[seat])
    garbage = work.aggregate(root=b"\xee" * 32)
    work.claim(author, garbage)
    refusals = {stopped(partial(work.object, work.operators[seat])) for seat in honest}
    assert refusals == {"FreeBalanceTooSmall"}
    evm.travel(CLAIM)
    for seat in honest:
        world.consortium.reinstate(world.hospitals[seat])
    refusal = stopped(partial(work.finalise, garbage))
    assert world.rounds.getRound(work.study, 1).outcome != FINAL, "garbage is the result"
    assert refusal is not None


@pytest.mark.parametrize(("members", "truths"), [(5, 0), (5, 2), (6, 0)])
def test_fewer_than_two_thirds_do_not_outlast_the_free_objections(world, evm, members, truths):
    """Three of five, no quorum, claim garbage without bytes one after the other. Each of the two honest has one free objection; to the
    third claim they have none left but against a bond, which no operator has to have in the vault. That the honest claim the truth
    before does not help: the league objects, and has another claim. Half of six are enough where the consortium suspends one other."""
    work = made(
        world, members=members, size=130, maxHospitals=6, rounds=1, maxVoids=0, maxAttempts=3 + truths
    )
    if members == 6:
        world.consortium.suspend(world.hospitals[5])
    evm.travel(PHASE // 2)
    for seat in range(truths):
        work.claim(seat, work.aggregate())
        work.object(work.operators[2 + seat])
    refusals = []
    for author, honest in ((2, 0), (3, 1), (4, 0)):
        garbage = work.aggregate(root=bytes([author]) * 32)
        work.claim(author, garbage)
        refusals.append(stopped(partial(work.object, work.operators[honest])))
    assert refusals == [None, None, "FreeBalanceTooSmall"]
    evm.travel(CLAIM)
    stopped(partial(work.finalise, garbage))
    assert world.rounds.getRound(work.study, 1).outcome != FINAL, "garbage is the result"


def test_an_honest_objection_against_a_bond_costs_no_more_than_the_garbage(world, evm):
    """The same three; to the third claim an honest hospital objects from its cold account, against a bond. The round ends void by time,
    as nobody can prove anything about bytes that nobody has."""
    work = made(world, members=5, size=130, maxHospitals=5, rounds=1, maxVoids=0)
    honest, liars = world.hospitals[:2], world.hospitals[2:5]
    before, others = wealth(world, *honest), wealth(world, *liars)
    for seat in (0, 1):
        world.claims.lack(work.study, 1, seat, 0b11100, sender=work.operators[seat])
    evm.travel(PHASE // 2)
    claims = [work.aggregate(root=bytes([author]) * 32) for author in (2, 3, 4)]
    objectors = (work.operators[0], work.operators[1], world.hospitals[0])
    for author, garbage, objector in zip((2, 3, 4), claims, objectors, strict=True):
        work.claim(author, garbage)
        work.object(objector)
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    stopped(partial(world.claims.recordAbsences, work.study, 1))
    evm.travel(DISPUTE)
    for number, garbage in enumerate(claims):
        work.settle(garbage, garbage, number)
    lost, theirs = loss(world, before, *honest), loss(world, others, *liars)
    assert lost <= theirs, f"the honest lost {lost}, the liars {theirs}"


# -- who counts as kept away -------------------------------------------------------------------------------------------


def barred_and_suspended(world, evm, suspended):
    """A wrong update of a hospital with a large dataset is struck, and what a right hospital has of that round and the next."""
    token = evm.snapshot()
    larger(world, 3, 400)
    study = world.running(4, training=[vector(130)], rounds=2)
    work = Work(world, study, 130)
    for seat in range(3):
        work.submit(seat)
    work.submit(3, too_large(work, 3))
    work.strike(3, 2)
    if suspended:
        world.consortium.suspend(world.hospitals[3])
    works = []
    for number in (1, 2):
        if number == 2:
            work = Work(world, study, 130, 2)
            for seat in range(3):
                work.submit(seat)
            world.rounds.abstain(study, 2, 3, sender=world.stranger)
        right = work.aggregate(seats=range(3))
        for seat in range(3):
            world.rounds.attest(study, number, seat, right, [], sender=work.operators[seat])
        works.append((work, right))
    evm.travel(DISPUTE)
    found = [each.paid(0, right) for each, right in works]
    evm.restore(token)
    return found


def test_a_struck_liar_that_is_then_suspended_takes_nothing_from_the_honest(world, evm):
    """A hospital that says it has many records sends a wrong update and is struck. The consortium suspends it, as it should. Nobody
    kept it away who was not its own fault: the three that worked have what they would have had."""
    assert barred_and_suspended(world, evm, suspended=True) == barred_and_suspended(
        world, evm, suspended=False
    )


def test_a_struck_author_that_is_suspended_thins_no_compensation(world, evm):
    """An author with a large dataset sends a wrong update at the least number and is suspended while the others still train. It is
    struck when Training has closed: half of its stake is for the two that stayed."""
    larger(world, 2, 400)
    study = world.running(3, training=[vector(130)], minHospitals=3, maxVoids=0, rounds=1)
    work = Work(world, study, 130)
    work.submit(2, too_large(work, 2))
    world.consortium.suspend(world.hospitals[2])
    work.submit(0)
    work.submit(1)
    work.strike(2, 2)
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    assert [work.paid(0), work.paid(1)] == [STAKE // 4] * 2


@pytest.mark.parametrize("idle", ["abstained", "silent"])
def test_the_consortium_makes_nobodys_what_hospitals_earned(world, evm, idle):
    """Two of five work; three abstain by themselves, or do nothing, all of them active. In the last second of Training the consortium
    suspends the three, for no time at all: nobody was kept away, and the two should have what they would have had."""
    found = []
    for thinned in (False, True):
        token = evm.snapshot()
        study = world.running(5, maxHospitals=5, rounds=1)
        for seat in (0, 1):
            world.submit(study, seat)
        for seat in (2, 3, 4) if idle == "abstained" else ():
            if seat == 4:
                evm.travel(1)
            world.rounds.abstain(study, 1, seat, sender=world.operators[seat])
        if idle == "silent":
            evm.travel(PHASE)
        for seat in (2, 3, 4) if thinned else ():
            blink(world, world.hospitals[seat])
        found.append(pay_of_two(world, study))
        evm.restore(token)
    assert found[1] == found[0]


def test_a_hospital_that_could_submit_nothing_is_kept_from_nothing(world, evm):
    """A hospital enrols with fewer records than one step of a cohort, so that no weight of its own is allowed, and is suspended. Where
    all are paid alike the two others have what they would have had."""
    found = []
    for suspended in (False, True):
        token = evm.snapshot()
        larger(world, 2, STEP - 1)
        study = world.running(3, scoreMode=EQUAL, rounds=1)
        for weight in (0, STEP):
            assert stopped(partial(world.submit, study, 2, weight=weight)) == "WeightNotAllowed"
        for seat in (0, 1):
            world.submit(study, seat)
        world.rounds.abstain(study, 1, 2, sender=world.operators[2])
        if suspended:
            world.consortium.suspend(world.hospitals[2])
        found.append(pay_of_two(world, study))
        evm.restore(token)
    assert found[1] == found[0]


@pytest.mark.parametrize("moment", ["before", "opening", "training", "closing", "after"])
@pytest.mark.parametrize("mode", [0, EQUAL])
def test_no_second_of_a_suspension_makes_another_hospitals_pay_larger(world, evm, moment, mode):
    """The consortium suspends a hospital around the edges of Training, and a friend abstains for it where it can, so that it has
    no update in the set. Wherever it could not submit, the others have no unit more than if it had."""
    whole = (SHARED + REWARD // 10) // 3 if mode == EQUAL else (SHARED * 80 + REWARD // 10 * 80) // 240
    hospital = world.hospitals[2]
    study = world.create(rounds=1, maxVoids=0, scoreMode=mode)
    for seat in range(3):
        world.enrol(study, seat)
    if moment in ("before", "opening"):
        world.consortium.suspend(hospital)
        evm.travel(1)
    world.rounds.advance(study, sender=world.sponsor)
    if moment == "opening":
        world.rounds.abstain(study, 1, 2, sender=world.stranger)
        world.consortium.reinstate(hospital)
    world.submit(study, 0)
    evm.travel(PHASE - 1)
    if moment in ("training", "closing"):
        world.consortium.suspend(hospital)
    if moment == "training":
        world.rounds.abstain(study, 1, 2, sender=world.stranger)
        world.consortium.reinstate(hospital)
    world.submit(study, 1)
    evm.travel(2)
    if moment == "after":
        world.consortium.suspend(hospital)
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    paid = [amount(world.claim(study, seat, result)) for seat in (0, 1)]
    if moment == "after":  # silent by itself: the round is over two
        assert paid == [REWARD // 2] * 2
    else:
        assert all(each <= whole for each in paid)


def test_the_largest_hospitals_there_are_stop_no_pay_by_being_kept_away(world, evm):
    """Six hospitals say that they have more records than there are people, and four of them are suspended: all weights together stay
    a uint32, and the two that worked are paid to the unit."""
    most = (2**24 - 1) // STEP * STEP
    for seat in range(6):
        larger(world, seat, 2**24 - 1)
    study = world.running(6, maxHospitals=6, maxWeight=most, training=[vector(300, 1)], rounds=1, maxVoids=0)
    for seat in (0, 1):
        world.submit(study, seat, weight=most)
    for seat in (2, 3, 4, 5):
        world.consortium.suspend(world.hospitals[seat])
        world.rounds.abstain(study, 1, seat, sender=world.stranger)
    result = aggregate((0, 1), 2 * most)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    for seat in (0, 1):
        paid = amount(world.claim(study, seat, result, own=update(seat, most)))
        assert paid == REWARD // 6
    assert world.vault.potOf(study).amount == REWARD - 2 * (REWARD // 6)


# -- reviews -----------------------------------------------------------------------------------------------------------


def test_leaving_out_is_not_paid_for_where_reviews_count(world, evm):
    """A quorum leaves out a small hospital whose work all praise. What was that one's should be nobody's; the two have no more than
    with it in the result."""
    scores, weights = [10, 10, 100], (80, 80, 8)
    found = []
    for included in ((0, 1, 2), (0, 1)):
        token = evm.snapshot()
        study = world.running(3, scoreMode=REVIEWED, rounds=1)
        for seat, weight in enumerate(weights):
            world.submit(study, seat, weight=weight)
        result = aggregate(included, sum(weights[seat] for seat in included))
        for seat in (0, 1):
            world.attest(study, seat, result, left_out=[update(2, 8)] if 2 not in included else [])
        reviewed(world, study, result, dict.fromkeys(range(3), scores))
        found.append(sum(amount(world.claim(study, seat, result)) for seat in (0, 1)))
        evm.restore(token)
    assert found[1] <= found[0], f"{found[1]} without it, {found[0]} with it"


def test_a_tainted_update_makes_no_reviewers_part_larger(world, evm):
    """A hospital sees a wrong update, lets the others attest to it, and proves it wrong when the round is final: besides the
    challenger's share it should have what it would have had, the others' parts are nobody's."""
    found = []
    for strike in (False, True):
        token = evm.snapshot()
        work = tainted(world, members=4, size=130, scoreMode=REVIEWED, rounds=1)
        result = work.aggregate()
        work.final(result, (0, 1, 3))
        if strike:
            work.strike(3, 2, work.digest(result), sender=work.operators[2])
        reviewed(world, work.study, result, dict.fromkeys(range(4), [100] * 4))
        found.append(work.paid(2, result))
        evm.restore(token)
    assert found[1] <= found[0]


def test_the_consortium_and_a_reviewer_divide_no_others_pay(world, evm):
    """One of four talks the others' work down, which the median does not mind while the other two are heard. So the consortium
    suspends one of them for the time in which reviews are revealed."""
    said = {0: [100, -32768, -32768, -32768]} | dict.fromkeys((1, 2, 3), [100] * 4)
    found = []
    for silenced in (False, True):
        token = evm.snapshot()
        study, result = world.final(4, scoreMode=REVIEWED, rounds=1)
        silence = partial(world.consortium.suspend, world.hospitals[3]) if silenced else lambda: None
        reviewed(world, study, result, said, silence)
        found.append(amount(world.claim(study, 0, result)))
        evm.restore(token)
    assert found[1] <= found[0]


def test_liars_that_are_proved_wrong_have_no_say_in_an_honest_ones_pay(world, evm):
    """Two of three lie and are proved wrong. They have nothing to lose any more, and talk the third's work down: it should be paid as
    if the result were right."""
    work = made(world, size=130, scoreMode=REVIEWED, rounds=1)
    wrong, result = work.lying_quorum((0, 1))
    work.challenge(wrong, result, 1)
    said = {0: [0, 1, -32768], 1: [1, 0, -32768], 2: [100, 100, 100]}
    reviewed(world, work.study, result, said)
    assert work.paid(2, result) >= SHARED // 3


# -- the pot -----------------------------------------------------------------------------------------------------------


def test_a_full_pot_shields_no_wrong_update(world, evm):
    """A sponsor whose token has many small units fills the pot to its brim, so that there is no room for a compensation. Its friend's
    wrong update, at the least number, is struck all the same."""
    most = (2**96 - 1) // 2
    world.token.mint(world.sponsor, 2 * most)
    terms = {"training": [vector(130)], "minHospitals": 3, "rounds": 1, "maxVoids": 0}
    assert stopped(partial(world.create, rewardPerRound=most + 1, **terms)) == "RewardOutOfRange"
    study = world.running(3, rewardPerRound=most, **terms)
    work = filled(Work(world, study, 130), (0, 1))
    work.submit(2, too_large(work, 2))
    work.strike(2, 2)
    assert world.studies.takenOf(study, 2) == STAKE


# -- twice -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [FINAL, VOID, TAINTED, REFUTED])
def test_no_outcome_pays_a_round_twice_or_by_another_name(world, evm, outcome):
    """Whoever claims names the result, another ballot of the round, no result at all, each several times and in one list: each seat is
    paid once, and together never more than the reward, or half of the stake that a void round was left."""
    study = world.running(3, training=[vector(130)], minHospitals=3, maxVoids=0, rounds=1)
    work = filled(Work(world, study, 130), (0, 1))
    work.submit(2, too_large(work, 2) if outcome in (VOID, TAINTED) else None)
    other = work.aggregate(cid=b"\xee" * 32)
    work.attest(2, other)
    result = work.aggregate()
    if outcome == VOID:
        work.strike(2, 2)
        world.rounds.advance(study)
    elif outcome == REFUTED:
        wrong, result = work.lying_quorum((0, 1))
        work.challenge(wrong, result, 1)
    else:
        work.final(result, (0, 1))
        if outcome == TAINTED:
            work.strike(2, 2, work.digest(result))
    assert world.rounds.getRound(study, 1).outcome == outcome
    before = world.vault.potOf(study).amount
    evm.travel(DISPUTE)
    names = [result, other, nothing()]
    for seat in range(3):
        listed = [earned(1, name, work.updates[seat]) for name in names]
        several = [[a, b] for a in listed for b in listed]
        for shown in several:
            refused = stopped(partial(world.payouts.claim, study, seat, shown))
            assert refused in ("NotFinal", "AlreadyPaid", "PayVoid")
        taken = [stopped(partial(world.payouts.claim, study, seat, [shown])) for shown in 2 * listed]
        assert taken.count(None) <= 1
        assert (taken.count(None) == 1) == (
            seat in {VOID: (0, 1), REFUTED: (2,), TAINTED: ()}.get(outcome, range(3))
        )
    paid = before - world.vault.potOf(study).amount
    assert paid <= (STAKE // 2 if outcome == VOID else REWARD)
    world.studies.refund(study)
    assert owed(world, study) == world.token.balanceOf(world.vault)


@pytest.mark.parametrize("early", [False, True])
def test_an_author_that_is_proved_wrong_late_is_not_paid_twice_and_costs_nobody_else(world, evm, early):
    """Its claim was objected to, and a quorum ended the round. Its friend keeps the proof until all windows have closed, before or
    after the author has drawn its pay. Nothing is proved then any more: the bond is lost by the result."""
    work = made(world, size=130, rounds=1)
    wrong, claim, author = work.lie()
    others = [seat for seat in range(3) if seat != author]
    work.object(work.operators[others[0]])
    truth = work.aggregate()
    work.final(truth, others)
    evm.travel(DISPUTE)
    pot = world.vault.potOf(work.study).amount
    if early:
        assert work.paid(author, truth) == SHARED // 3
    with evm.reverts("DisputeClosed"):
        work.challenge(wrong, claim, 1, sender=evm.actors[3])
    if not early:
        assert work.paid(author, truth) == SHARED // 3
    with evm.reverts("AlreadyPaid"):
        work.paid(author, truth)
    assert [work.paid(seat, truth) for seat in others] == [SHARED // 3 + REWARD // 30] * 2
    work.settle(claim, truth)
    assert stopped(partial(work.settle, claim, truth)) == "AttemptOver"
    assert world.vault.burntOf(world.token) == BOND
    left = world.vault.potOf(work.study).amount
    assert pot - left == 2 * (SHARED // 3 + REWARD // 30) + SHARED // 3


# -- results over two thirds -------------------------------------------------------------------------------------------


def test_one_voice_in_two_ballots_makes_no_two_results(world, evm):
    """Four of five attest in part to a result without the fifth; the fifth is struck, so that all may attest anew, and the first
    ballot keeps its voices. Only one becomes final, and only that one pays, once."""
    study = world.running(5, maxHospitals=5, training=[vector(130)], rounds=1)
    work = filled(Work(world, study, 130), range(4))
    work.submit(4, too_large(work, 4))
    first = work.aggregate(seats=range(4))
    for seat in (0, 1, 2):
        work.attest(seat, first)
    assert stopped(partial(work.attest, 0, first)) == "AlreadyAttested"
    work.strike(4, 2)
    second = work.aggregate(seats=range(4), cid=b"\xee" * 32)

    def attest(seat, to):
        return lambda: world.rounds.attest(study, 1, seat, to, [], sender=work.operators[seat])

    tries = [attest(0, second), attest(1, second), attest(4, second), attest(2, first)]
    assert list(map(stopped, tries)) == [None, None, "NotASubmitter", None]
    assert world.rounds.getBallot(study, 1, work.digest(first)).finalAt != 0
    assert stopped(attest(3, second)) == "WrongPhase"
    evm.travel(DISPUTE)
    assert stopped(partial(work.paid, 0, second)) == "NotFinal"
    assert stopped(partial(work.paid, 4, first)) == "PayVoid"
    assert [work.paid(seat, first) for seat in range(4)] == [REWARD // 4] * 3 + [SHARED // 4]


def test_a_barred_leader_lets_nobody_wait_and_has_nothing_of_it(world, evm):
    """A hospital whose update was left out of round 1 has it struck when it leads round 2. It may not claim, its stake is gone, its
    second update pays it nothing, and another may claim at once."""
    study = world.running(4, training=[vector(130)], rounds=2)
    work = Work(world, study, 130)
    leader = 2  # of round 2 with four submitters
    for seat in range(4):
        work.submit(seat, too_large(work, seat) if seat == leader else None)
    result = work.aggregate(seats=[seat for seat in range(4) if seat != leader])
    work.final(result, [seat for seat in range(4) if seat != leader])
    later = work.next()
    assert later.leader() == leader
    truth = later.aggregate()
    assert stopped(partial(later.claim, 3, truth)) == "NotTheLeader"
    work.strike(leader, 2, work.digest(result))
    assert stopped(partial(later.claim, leader, truth)) == "AuthorBarred"
    later.claim(3, truth)
    evm.travel(CLAIM)
    later.finalise(truth)
    evm.travel(DISPUTE)
    assert stopped(partial(later.paid, leader, truth)) == "PayVoid"
    assert stopped(partial(work.paid, leader, result)) == "PayVoid"
    assert later.paid(3, truth) == REWARD // 4
    assert later.paid(0, truth) == SHARED // 4
    world.studies.release(study, leader)
    assert world.studies.takenOf(study, leader) == STAKE


def test_a_liar_has_no_second_claim_when_the_set_changes(world, evm):
    """Its claim was proved wrong, then a friend's update is struck, so that all may claim anew: not it, whoever leads. Its pay of the
    round is gone whatever becomes of it."""
    study = world.running(5, maxHospitals=5, training=[vector(130)], rounds=1)
    work = filled(Work(world, study, 130), range(4))
    work.submit(4, too_large(work, 4))
    wrong, claim, author = work.lie()
    work.challenge(wrong, claim, 1)
    work.strike(4, 2)
    assert work.leader() not in (author, 4)
    truth = work.aggregate(seats=range(4))
    evm.travel(PHASE // 2)
    assert stopped(partial(work.claim, author, truth)) == "AlreadyAttempted"
    assert stopped(partial(work.settle, claim)) is None
    for seat in range(4):
        stopped(lambda seat=seat: world.rounds.attest(study, 1, seat, truth, [], sender=work.operators[seat]))
    evm.travel(DISPUTE)
    assert stopped(partial(work.paid, author, truth)) == "PayVoid"
    honest = [seat for seat in range(4) if seat != author]
    assert all(work.paid(seat, truth) <= REWARD // 4 for seat in honest)


# -- what is locked ----------------------------------------------------------------------------------------------------


def test_a_study_whose_hospitals_are_all_barred_locks_up_only_what_nobody_earned(world, evm):
    """All lie together in one round and are proved wrong; the sponsor has the rounds that never were final, the hospitals their
    allowances' rest, and only the reward of the refuted round stays."""
    work = made(world, size=130, rounds=3)
    wrong, result = work.lying_quorum((0, 1))
    work.attest(2, result)
    later = work.next()
    before = world.free(world.sponsor)
    work.challenge(wrong, result, 1)
    evm.travel(DISPUTE)
    for seat in range(3):
        assert stopped(partial(work.paid, seat, result)) == "PayVoid"
        assert stopped(partial(later.paid, seat)) in ("PayVoid", "NothingToClaim")
        world.studies.release(work.study, seat)
        assert world.vault.allowanceOf(world.hospitals[seat], world.token).used == STAKE
    world.studies.refund(work.study)
    assert world.free(world.sponsor) - before == 2 * REWARD
    assert world.vault.potOf(work.study).amount == REWARD
    assert owed(world, work.study) == world.token.balanceOf(world.vault)


def test_a_pause_while_hospitals_enrol_costs_no_stake_and_no_pay(world, evm):
    """The consortium pauses the vault when a study is posted: hospitals enrol with what is in the vault, are paid, and withdraw;
    nobody else's tokens come in."""
    study = world.create(rounds=1)
    world.vault.pause()
    for seat in range(3):
        world.enrol(study, seat)
    assert stopped(partial(world.vault.deposit, world.token, 1, world.hospitals[0])) == "EnforcedPause"
    world.rounds.advance(study, sender=world.sponsor)
    for seat in range(3):
        world.submit(study, seat)
    result = aggregate(range(3), 240)
    for seat in range(3):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    for seat, hospital in enumerate(world.hospitals[:3]):
        assert amount(world.claim(study, seat, result)) == REWARD // 3
        world.studies.release(study, seat)
        free = world.free(hospital)
        world.vault.withdraw(hospital, world.token, free, hospital, sender=hospital)
        assert world.vault.allowanceOf(hospital, world.token).used == 0


# -- bonds -------------------------------------------------------------------------------------------------------------


def test_one_sacrifice_saves_no_more_bonds_than_it_costs(world, evm):
    """Three friends claim garbage, one after the other, and object to each other for free. Before a quorum ends the round over the same
    set, which would cost all their bonds, a fourth has its own update struck in favour of a fifth."""
    found = []
    for sacrifice in (False, True):
        token = evm.snapshot()
        friends, scapegoat = (1, 2, 3), 5
        league = [evm.actors[3], *(world.hospitals[seat] for seat in (*friends, scapegoat))]
        before = wealth(world, *league)
        study = world.running(6, maxHospitals=6, training=[vector(130)], rounds=1, rewardPerRound=60)
        work = filled(Work(world, study, 130), range(5))
        work.submit(scapegoat, too_large(work, scapegoat) if sacrifice else None)
        evm.travel(PHASE // 2)
        claims = [work.aggregate(root=bytes([seat]) * 32) for seat in friends]
        for seat, claimed in zip(friends, claims, strict=True):
            work.claim(seat, claimed)
            work.object(work.operators[seat])
        if sacrifice:
            work.strike(scapegoat, 2, sender=evm.actors[3])
        truth = work.aggregate(seats=range(5 if sacrifice else 6))
        for seat in range(4):
            world.rounds.attest(study, 1, seat, truth, [], sender=work.operators[seat])
        evm.travel(DISPUTE)
        for number, claimed in enumerate(claims):
            work.settle(claimed, truth, number)
        for seat in (*friends, scapegoat):
            stopped(partial(work.paid, seat, truth))
            world.studies.release(study, seat)
        found.append(loss(world, before, *league))
        evm.restore(token)
    assert found[1] >= found[0], f"lost {found[1]} by the sacrifice, {found[0]} without it"


# -- leagues -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stake", [100, 2 * REWARD, 20 * REWARD])
def test_author_challenger_friend_and_sponsor_lose_half_of_the_stake(world, evm, stake):
    """An author's wrong update makes a round void; a friend stays in the set for the compensation, another friend proves it, and the
    sponsor has its reward back. Together they lose half of the stake and what the honest one is paid, whatever was staked."""
    for hospital in world.hospitals[:3]:
        world.token.mint(hospital, stake)
        world.vault.deposit(world.token, stake, hospital, sender=hospital)
        world.vault.setAllowance(hospital, world.token, 2**100, sender=hospital)
    league = (world.sponsor, evm.actors[3], world.hospitals[0], world.hospitals[2])
    before = wealth(world, *league)
    study = world.running(
        3, training=[vector(130)], minHospitals=3, maxVoids=0, rounds=1, stake=stake, bond=50
    )
    work = filled(Work(world, study, 130), (0, 1))
    work.submit(2, too_large(work, 2))
    work.strike(2, 2, sender=evm.actors[3])
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    honest = work.paid(1)
    work.paid(0)
    for seat in range(3):
        world.studies.release(study, seat)
    world.studies.refund(study)
    assert honest == min(stake // 2, REWARD) // 2
    assert loss(world, before, *league) >= stake // 2 + honest


def test_every_token_is_somebodys_after_every_order_of_two_guilts(world, evm):
    """Two wrong updates and a refuted claim in one round, in every order: what is locked, free, burnt and in the pot is what came in,
    and nobody in the league has more than before."""
    for order in permutations(range(3)):
        token = evm.snapshot()
        study = world.running(6, maxHospitals=6, training=[vector(130)], rounds=1, maxVoids=0)
        work = filled(Work(world, study, 130), range(4))
        for seat in (4, 5):
            work.submit(seat, too_large(work, seat))
        wrong, claim, author = work.lie()
        league = [evm.actors[3], world.hospitals[author], *world.hospitals[4:6]]
        before = wealth(world, *league)
        guilts = [
            partial(work.challenge, wrong, claim, 1, sender=evm.actors[3]),
            partial(work.strike, 4, 2, sender=evm.actors[3]),
            partial(work.strike, 5, 2, sender=evm.actors[3]),
        ]
        refusals = [stopped(guilts[each]) for each in order]
        assert refusals == ["NothingAtStake" if each == 0 and order[0] != 0 else None for each in order]
        work.settle(claim)
        world.evm.travel(2 * PHASE)
        world.rounds.advance(study)
        evm.travel(DISPUTE)
        for seat in range(6):
            world.studies.release(study, seat)
        world.studies.refund(study)
        assert loss(world, before, *league) >= STAKE
        assert owed(world, study) == world.token.balanceOf(world.vault)
        evm.restore(token)
