"""`finalise`: a claim that nobody objected to is the round's result."""

from __future__ import annotations

import pytest

from tests.contracts.facts import change, told
from tests.contracts.work import WEIGHT, Work, filled, made
from tests.rig.world import BOND, CLAIM, DISPUTE, PHASE, REWARD, STAKE

FINAL = 5
ACCEPTED, FINAL_OUTCOME = 3, 1


def test_there_has_to_be_a_pending_claim(evm, work):
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.finalise(work.aggregate())
    work.claim(1, work.aggregate())
    work.object(work.operators[0])
    with evm.reverts("NoAttemptPending", work.study, 1):
        work.finalise(work.aggregate())


def test_not_once_a_quorum_decided(evm, work):
    """Whatever it decided: an accomplice's claim is not the result a second time."""
    truth = work.aggregate()
    work.claim(1, work.aggregate(root=b"\xee" * 32))
    work.final(truth, (0, 2))
    evm.travel(CLAIM)
    for aggregate in (truth, work.aggregate(root=b"\xee" * 32)):
        with evm.reverts("WrongPhase", work.study, 1, FINAL):
            work.finalise(aggregate)


@pytest.mark.parametrize("field", ["model", "cid", "root"])
def test_only_what_was_claimed(evm, work, field):
    work.claim(1, work.aggregate())
    evm.travel(CLAIM)
    other = work.aggregate(**{field: b"\xff" * 32})
    with evm.reverts("AttemptDiffers", work.study, 1, work.digest(other)):
        work.finalise(other)


def test_not_before_the_window_closes(evm, work):
    work.claim(1, work.aggregate())
    closes = evm.now + CLAIM
    evm.travel(CLAIM - 1)
    with evm.reverts("ClaimWindowOpen", work.study, 1, closes):
        work.finalise(work.aggregate())
    evm.travel(1)
    work.finalise(work.aggregate())


def test_it_ends_the_round_with_its_author_as_the_attester(evm, work):
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    evm.travel(CLAIM)
    with change(work.world, work.study) as changed:
        receipt = work.finalise(aggregate)
    assert changed == {
        "attempt1.0.state": ACCEPTED,
        "round1.outcome": FINAL_OUTCOME,
        "round1.attested": 0b010,
        "study.finals": 1,
        "study.round": 2,
        "round2.openedAt": evm.now,
        "round2.finalsBefore": 1,
    }
    at = {"study": work.study, "round": 1, "aggregateHash": work.digest(aggregate)}
    names = [name for name, _ in told(receipt)]
    assert names == ["AttemptAccepted", "AggregateProposed", "Attested", "RoundFinal", "RoundOpened"]
    assert told(receipt)[0][1] == {"study": work.study, "round": 1, "attempt": 0}
    assert told(receipt)[2:4] == [("Attested", at | {"seats": 0b010}), ("RoundFinal", at)]
    ballot = work.world.rounds.getBallot(work.study, 1, work.digest(aggregate))
    assert tuple(ballot) == (0b010, 0b111, evm.now, 3 * WEIGHT, 0)


def test_those_who_attested_before_are_attesters_too(evm, world):
    """Silence of a third does not stop a round: one of four attests, one claims, and it is final a window later."""
    work = made(world, members=4)
    aggregate = work.aggregate()
    work.attest(0, aggregate)
    work.claim(1, aggregate)
    evm.travel(CLAIM)
    work.finalise(aggregate)
    ballot = world.rounds.getBallot(work.study, 1, work.digest(aggregate))
    assert (ballot.attesters, ballot.included) == (0b0011, 0b1111)


def test_a_claim_holds_the_round_until_it_can_be_final(evm, work):
    """Made in the last second of Aggregating, it has its window and as much time again before the round is void."""
    evm.travel(PHASE - 1)
    aggregate = work.aggregate()
    work.claim(0, aggregate)
    held = evm.now + 2 * CLAIM
    evm.travel(2 * CLAIM - 1)
    with evm.reverts("NothingToAdvance", work.study, held):
        work.world.rounds.advance(work.study)
    work.finalise(aggregate)
    assert work.world.rounds.standingOf(work.study, 1)[0] == FINAL


def test_its_author_is_paid_as_an_attester_and_has_its_bond_back(evm, work):
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    evm.travel(CLAIM)
    work.finalise(aggregate)
    work.attest(0, aggregate)
    evm.travel(DISPUTE)
    assert [work.paid(seat, aggregate) for seat in range(3)] == [
        (REWARD - 90) // 3 + 30,
        (REWARD - 90) // 3 + 30,
        (REWARD - 90) // 3,
    ]
    work.settle(aggregate, aggregate)
    assert work.balance(work.hospitals[1]) == (9 * STAKE + (REWARD - 90) // 3 + 30, STAKE)
    assert BOND > 0


@pytest.mark.parametrize("silenced", [1, 2])
@pytest.mark.parametrize("back", ["at the end", "never"])
def test_the_silence_of_those_that_cannot_speak_ends_no_round(evm, world, silenced, back):
    """With more than a third of the submitters suspended for a part of the window, be they back when it closes."""
    work = made(world, maxVoids=0)
    aggregate = work.aggregate()
    work.claim(1, aggregate)
    evm.travel(1)
    for seat in (0, 2)[:silenced]:
        world.consortium.suspend(world.hospitals[seat])
    evm.travel(CLAIM - 1)
    if back == "at the end":
        for seat in (0, 2)[:silenced]:
            world.consortium.reinstate(world.hospitals[seat])
    if silenced == 1:
        assert work.finalise(aggregate).named("RoundFinal")
        return
    with evm.reverts("TooFewHeard", work.study, 1, 0b010, 0b111):
        work.finalise(aggregate)
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    work.settle()
    assert work.balance(work.hospitals[1]) == (9 * STAKE, STAKE)


def test_nor_does_that_of_those_that_used_their_free_objection(evm, world):
    """Unless they attested to the same: two of five objected to garbage, and are not asked for a bond each time it comes again."""
    work = made(world, members=5, maxHospitals=5)
    garbage, truth = work.aggregate(root=b"\xee" * 32), work.aggregate()
    evm.travel(PHASE // 2)
    for author, objector in ((2, 0), (3, 1)):
        work.claim(author, garbage)
        work.object(work.operators[objector])
    work.claim(4, garbage)
    evm.travel(CLAIM)
    with evm.reverts("TooFewHeard", work.study, 1, 0b11100, 0b11111):
        work.finalise(garbage)
    token = evm.snapshot()
    other = made(world, members=5, maxHospitals=5)
    evm.travel(PHASE // 2)
    for author, objector in ((2, 0), (3, 1)):
        other.claim(author, other.aggregate(root=b"\xee" * 32))
        other.object(other.operators[objector])
    truth = other.aggregate()
    other.claim(0, truth)
    evm.travel(CLAIM)
    with evm.reverts("TooFewHeard", other.study, 1, 0b11100, 0b11111):
        other.finalise(truth)
    other.attest(1, truth)
    assert other.finalise(truth).named("RoundFinal")
    evm.restore(token)


def test_who_was_suspended_before_the_round_opened_is_not_asked(evm, world):
    """It is no submitter; and one that is back is."""
    study = world.running(4, maxVoids=1)
    world.consortium.suspend(world.hospitals[3])
    evm.travel(PHASE)
    world.rounds.advance(study)
    work = Work(world, study, 300, number=2)
    evm.travel(1)
    filled(work, range(3))
    world.rounds.abstain(study, 2, 3, sender=world.stranger)
    aggregate = work.aggregate()
    work.claim(work.leader(), aggregate)
    evm.travel(CLAIM)
    work.finalise(aggregate)
    assert world.rounds.standingOf(study, 2)[0] == FINAL
