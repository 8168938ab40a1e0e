"""`submitAggregate`: a bonded claim over all submitters."""

from __future__ import annotations

from medfed.protocol.commitments import Aggregate
from tests.contracts.facts import change, told
from tests.contracts.work import WEIGHT, Work, made, tainted
from tests.rig.evm import NO_ONE
from tests.rig.world import ATTEMPTS, BOND, CLAIM, DISPUTE, PHASE, REWARD, STAKE

TRAINING, AGGREGATING, FINAL, VOID = 1, 4, 5, 6
PENDING = 1


# -- checks, in their order -------------------------------------------------------------------------------------------


def test_only_the_seats_active_operator_claims(evm, work):
    claims, aggregate = work.world.claims, work.aggregate()
    for seat, sender in (
        (1, work.world.stranger),
        (1, work.operators[0]),
        (1, work.hospitals[1]),
        (9, work.operators[1]),
    ):
        with evm.reverts("NotTheSeatsOperator", work.study, seat, sender):
            claims.submitAggregate(work.study, 1, seat, aggregate, sender=sender)
    work.world.consortium.suspend(work.hospitals[1])
    with evm.reverts("HospitalSuspended", work.study, 1):
        work.claim(1, aggregate)


def test_a_study_may_leave_everything_to_the_quorum(evm, world):
    work = made(world, maxAttempts=0, bond=0)
    with evm.reverts("QuorumOnly", work.study):
        work.claim(1, work.aggregate())


def test_only_in_aggregating(evm, world):
    study = world.running()
    world.submit(study, 0)
    early = Aggregate(b"\1" * 32, b"\2" * 32, b"\3" * 32, 1, 80)
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        world.claims.submitAggregate(study, 1, 0, early, sender=world.operators[0])
    with evm.reverts("WrongPhase", study, 2, 0):
        world.claims.submitAggregate(study, 2, 0, early, sender=world.operators[0])
    work = made(world)
    truth = work.aggregate()
    work.final(truth, (0, 1))
    with evm.reverts("WrongPhase", work.study, 1, FINAL):
        work.claim(work.leader(), truth)


def test_a_round_has_so_many_claims(evm, world):
    work = made(world, maxAttempts=1)
    work.claim(1, work.aggregate())
    work.object(work.operators[0])
    with evm.reverts("AttemptsExhausted", work.study, 1, 1):
        work.claim(2, work.aggregate())


def test_one_at_a_time(evm, work):
    work.claim(1, work.aggregate())
    with evm.reverts("AttemptPending", work.study, 1, 0):
        work.claim(2, work.aggregate())
    work.object(work.operators[0])
    work.claim(work.leader(), work.aggregate())


def test_who_did_not_submit_claims_nothing(evm, world):
    study = world.running(4)
    for seat in range(3):
        world.submit(study, seat)
    world.rounds.abstain(study, 1, 3, sender=world.operators[3])
    aggregate = Aggregate(b"\1" * 32, b"\2" * 32, b"\3" * 32, 0b111, 240)
    with evm.reverts("NotASubmitter", study, 1, 3):
        world.claims.submitAggregate(study, 1, 3, aggregate, sender=world.operators[3])


def test_once_for_each_hospital(evm, work):
    work.claim(1, work.aggregate())
    work.object(work.operators[0])
    evm.travel(PHASE // 2)
    with evm.reverts("AlreadyAttempted", work.study, 1, 1):
        work.claim(1, work.aggregate())
    work.claim(0, work.aggregate())


def test_a_liar_has_no_part_in_what_follows(evm, world):
    """Its pay for the round is void too, and nobody has it."""
    work = made(world, members=4)
    vector, lie, author = work.lie()
    work.challenge(vector, lie, 1)
    truth = work.aggregate()
    honest = [seat for seat in range(4) if seat != author]
    work.final(truth, honest)
    later = Work(world, work.study, work.size, number=2)
    with evm.reverts("SeatBarred", work.study, author):
        later.submit(author)
    evm.travel(DISPUTE)
    with evm.reverts("PayVoid", work.study, 1, author):
        work.paid(author, truth)
    assert [work.paid(seat, truth) for seat in honest] == [REWARD // 4] * 3


def test_a_liar_does_not_lead_when_the_set_has_changed(evm, world):
    """It claims no more, so that its turn would only cost time."""
    work = tainted(world, members=4)
    vector, lie, author = work.lie()
    work.challenge(vector, lie, 1)
    work.strike(3, 2)
    assert work.contest().authors == 1 << author
    assert work.leader() not in (author, 3)
    evm.travel(PHASE // 2)
    with evm.reverts("AlreadyAttempted", work.study, 1, author):
        work.claim(author, work.aggregate(seats=(0, 1, 2)))


def test_nor_one_whose_update_was_proved_wrong(evm, world):
    """It had submitted to the next round before: it is of no use there as an author without a stake."""
    work = tainted(world, members=4)
    result = work.aggregate(seats=(0, 1, 2))
    work.final(result, (0, 1, 2))
    later = work.next()
    work.strike(3, 2, work.digest(result))
    evm.travel(PHASE // 2)
    with evm.reverts("AuthorBarred", work.study, 3):
        later.claim(3, later.aggregate())


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


def test_a_claim_is_over_the_complete_set(evm, work):
    for included in (0b011, 0b1111, 0):
        with evm.reverts("SetIncomplete", included, 0b111):
            work.claim(1, work.aggregate(included=included))
    for weight in (3 * WEIGHT - 1, 3 * WEIGHT + 1, 0):
        with evm.reverts("WrongTotalWeight", weight, 3 * WEIGHT):
            work.claim(1, work.aggregate(weight=weight))


def test_of_enough_hospitals(evm, world):
    """Where too few are left nobody can end the round any more."""
    work = tainted(world, minHospitals=3)
    work.strike(2, 2)
    author = work.leader()
    with evm.reverts("TooFewSubmitted", 0b011, 3):
        work.claim(author, work.aggregate(seats=(0, 1)))


def test_the_bond_is_free_and_within_the_allowance(evm, work):
    """It draws on the same allowance as the stake."""
    world, hospital = work.world, work.hospitals[1]
    world.vault.setAllowance(hospital, world.token, STAKE + BOND - 1, sender=hospital)
    with evm.reverts("AllowanceTooSmall", hospital, world.token, STAKE + BOND - 1, STAKE, BOND):
        work.claim(1, work.aggregate())
    world.vault.setAllowance(hospital, world.token, STAKE + BOND, sender=hospital)
    world.vault.withdraw(hospital, world.token, 9 * STAKE - BOND + 1, hospital, sender=hospital)
    with evm.reverts("FreeBalanceTooSmall", hospital, world.token, BOND - 1, BOND):
        work.claim(1, work.aggregate())


# -- what it does -----------------------------------------------------------------------------------------------------


def test_a_claim_locks_the_bond_and_is_told_in_full(evm, work):
    aggregate = work.aggregate()
    with change(work.world, work.study) as changed:
        receipt = work.claim(1, aggregate)
    assert changed == {
        "contest1.count": 1,
        "contest1.used": 1,
        "contest1.heldUntil": evm.now + 2 * CLAIM,
        "contest1.authors": 0b010,
        "attempt1.0.aggregateHash": work.digest(aggregate),
        "attempt1.0.state": PENDING,
        "attempt1.0.seat": 1,
        "attempt1.0.madeAt": evm.now,
        "attempt1.0.claimSeconds": CLAIM,
        "hospital1.free": 9 * STAKE - BOND,
        "hospital1.locked": STAKE + BOND,
        "hospital1.used": STAKE + BOND,
    }
    made_, locked = told(receipt)
    shown = made_[1].pop("aggregate")
    assert Aggregate(*shown) == aggregate
    names = {"study": work.study, "round": 1, "seat": 1, "attempt": 0}
    assert made_ == ("AttemptMade", names | {"aggregateHash": work.digest(aggregate)})
    hospital = work.hospitals[1].address
    assert locked == ("Locked", {"token": work.world.token.address, "account": hospital, "amount": BOND})
    assert work.attempt().objector == work.attempt().challenger == NO_ONE
    assert work.world.claims.heldUntil(work.study, 1) == evm.now + 2 * CLAIM


def test_turns_pass_on_among_those_who_may(work):
    """Round 1: seat (1 + attempts) modulo the authors that are left."""
    assert work.leader() == 1
    work.claim(1, work.aggregate())
    assert work.leader() == 0  # of (0, 2) the (1 + 1) mod 2 = first
    work.object(work.operators[2])
    work.claim(0, work.aggregate())
    assert work.leader() == 2
    work.object(work.operators[1])
    work.claim(2, work.aggregate())
    assert work.leader() == 64


def test_when_the_set_changes_everybody_may_claim_again(evm, world):
    work = tainted(world, members=4)
    author = work.leader()
    work.claim(author, work.aggregate())
    work.object(work.operators[0])
    work.strike(3, 2)
    rest = work.aggregate(seats=(0, 1, 2))
    work.claim(work.leader(), rest)
    found = work.contest()
    assert (found.count, found.used, found.era) == (2, 1, 1)
    assert work.attempt(1).era == 1


def test_a_claim_of_the_old_set_bars_nobody_from_a_new_one(evm, world):
    """It lapsed though it still reads as pending."""
    work = tainted(world, members=4)
    work.claim(work.leader(), work.aggregate())
    work.strike(3, 2)
    assert work.attempt().state == PENDING
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.object(work.operators[0])
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.finalise(work.aggregate())
    work.claim(work.leader(), work.aggregate(seats=(0, 1, 2)))


def test_objections_at_the_last_second_end_in_a_bounded_time_and_cost_only_the_objector(evm, world):
    """An attacker objects to every claim it can, in its last second, and nobody attests: the round is void in bounded time,
    the honest have all their bonds back, and the attacker none."""
    work = made(world, members=4)
    closed, before = evm.now, [work.balance(hospital) for hospital in work.hospitals[:4]]
    world.vault.deposit(world.token, ATTEMPTS * BOND, world.stranger, sender=world.sponsor)
    evm.travel(PHASE - 1)
    for number in range(ATTEMPTS):
        work.claim(number, work.aggregate())
        evm.travel(CLAIM - 1)
        work.object(world.stranger)
        evm.travel(CLAIM - 1)
    with evm.reverts("AttemptsExhausted", work.study, 1, ATTEMPTS):
        work.claim(3, work.aggregate())
    evm.travel(1)
    world.rounds.advance(work.study)
    assert evm.now <= closed + PHASE + ATTEMPTS * 2 * CLAIM
    for number in range(ATTEMPTS):
        work.settle(attempt=number)
    assert [work.balance(hospital) for hospital in work.hospitals[:4]] == before
    assert work.balance(world.stranger) == (0, 0)
    assert world.vault.burntOf(world.token) == ATTEMPTS * BOND


def test_garbage_whenever_possible_ends_in_a_bounded_time_and_costs_its_author(evm, world):
    """The attacker holds one of four seats and claims garbage as soon as it may; others object, attest, claim and are final."""
    work = made(world, members=4)
    closed = evm.now
    garbage, truth = work.aggregate(root=b"\xee" * 32), work.aggregate()
    evm.travel(PHASE // 2)
    work.claim(3, garbage)
    work.object(work.operators[0])
    work.claim(work.leader(), truth)
    work.object(work.operators[3])  # the attacker's free objection
    work.attest(0, truth)  # or its silence would not count, as it has objected
    with evm.reverts("AlreadyAttempted", work.study, 1, 3):
        work.claim(3, garbage)
    work.claim(work.leader(), truth)
    evm.travel(CLAIM)
    work.finalise(truth)
    assert evm.now <= closed + PHASE + ATTEMPTS * 2 * CLAIM
    evm.travel(100)
    taken = []
    for number, claimed in enumerate((garbage, truth, truth)):
        (event,) = work.settle(claimed, truth, attempt=number).named("AttemptSettled")
        taken.append(event["fromAuthor"])
    assert taken == [BOND, 0, 0]


def test_nobody_waits_for_a_leader_that_is_barred(evm, world):
    """It had submitted to this round before it was proved wrong in an earlier one; others claim at once."""
    work = tainted(world, members=4, rounds=4)
    result = work.aggregate(seats=(0, 1, 2))
    work.final(result, (0, 1, 2))
    second = work.next()
    second.final(second.aggregate(), (0, 1, 2))
    third = second.next()
    assert third.leader() == 3
    with evm.reverts("NotTheLeader", work.study, 3, 3, evm.now + PHASE // 2):
        third.claim(0, third.aggregate())
    work.strike(3, 2, work.digest(result))
    third.claim(0, third.aggregate())
