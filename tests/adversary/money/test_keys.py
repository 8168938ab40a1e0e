"""Stolen keys and signatures: what they can lock, and what they can say in another's name."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from tests.adversary.money.purse import loss, stopped, wealth
from tests.contracts.work import Work, made, tainted, too_large
from tests.rig.pledges import pledge
from tests.rig.world import BOND, CLAIM, DISPUTE, SPEC, STAKE, digest, vector


def test_a_stolen_operator_key_loses_what_was_allowed_and_no_more(world, evm):
    """Its thief enrols in the sponsor friend's studies until nothing more is allowed, claims against a bond, has updates struck and
    claims proved wrong by a friend, and locks anew what came back."""
    victim, thief, friend = world.hospitals[0], world.operators[0], evm.actors[3]
    allowed = 2 * STAKE + BOND
    world.vault.setAllowance(victim, world.token, allowed, sender=victim)
    before = wealth(world, victim)
    work = tainted(world, members=3, size=130, stake=STAKE)
    liar = work.leader()
    vector_, lie = work.sum().changed(128), None
    if liar != 0:
        evm.travel(500)
    lie = work.aggregate(vector_)
    work.claim(0, lie)
    work.challenge(vector_, lie, 1, sender=friend)
    work.settle()
    study = world.create(minHospitals=2, training=[vector(130)])
    for seat in (0, 1):
        world.enrol(study, seat)
    world.rounds.advance(study, sender=world.sponsor)
    wrong = Work(world, study, 130)
    wrong.submit(0, too_large(wrong, 0))
    wrong.strike(0, 2, sender=friend)
    another = world.create()
    refusal = stopped(partial(world.rounds.enrol, another, 1, SPEC, 2**96 - 1, 0, sender=thief))
    assert refusal == "AllowanceTooSmall"
    assert loss(world, before, victim) == STAKE + BOND
    assert (
        stopped(partial(world.vault.withdraw, victim, world.token, 1, thief, sender=thief))
        == "NotTheAccounts"
    )
    assert (
        stopped(partial(world.vault.setAllowance, victim, world.token, 10**6, sender=thief))
        == "NotTheAccounts"
    )
    used = world.vault.allowanceOf(victim, world.token).used
    assert (used, wealth(world, victim)) == (allowed, before - STAKE - BOND)


def test_what_comes_back_is_allowed_again_once(world, evm):
    """Locking and releasing in turns neither wears the allowance out nor grows it."""
    hospital = world.hospitals[0]
    world.vault.setAllowance(hospital, world.token, STAKE, sender=hospital)
    for _ in range(3):
        study = world.create()
        world.enrol(study, 0)
        assert stopped(partial(world.enrol, world.create(), 0)) == "AllowanceTooSmall"
        world.rounds.cancel(study, sender=world.sponsor)
        world.studies.release(study, 0)
        assert stopped(partial(world.studies.release, study, 0)) == "AlreadyReleased"
        assert world.vault.allowanceOf(hospital, world.token).used == 0


def test_signatures_say_nothing_but_what_was_signed(world, evm):
    """Somebody with three signatures hands them in twice, for other seats, with garbage between, for another aggregate, another
    round, another study, and after the operator was rotated; and again when the set has changed and all may attest anew."""
    another = made(world, members=3, size=130).study
    work = tainted(world, members=4, size=130)
    without = work.aggregate(seats=(0, 1, 2))
    left_out = [work.updates[3]]
    signed = [world.signed(work.study, seat, asdict(without)) for seat in range(3)]

    def hand_in(result, seats, signatures, study=work.study, left=left_out):
        shows = (study, 1, result, left, seats, signatures)
        return stopped(partial(world.rounds.attestBySig, *shows, sender=world.stranger))

    other = work.aggregate(seats=(0, 1, 2), model=b"\x77" * 32)
    garbage = (b"\xff" * 32, b"\xff" * 32)
    refused = [
        hand_in(other, [0, 1, 2], signed),
        hand_in(without, [1, 2, 0], signed),
        hand_in(without, [64, 255, 3], signed),
        hand_in(without, [0, 1], signed),
        hand_in(without, [0], [garbage]),
    ]
    assert refused == ["NoSignatureCounts"] * 3 + ["SignatureCount", "NoSignatureCounts"]
    assert hand_in(without, [0, 0, 200, 1], [signed[0], signed[0], garbage, garbage]) is None
    assert hand_in(without, [0], signed[:1]) == "NoSignatureCounts"
    world.consortium.rotateOperator(
        world.hospitals[1],
        evm.actors[75],
        pledge(world.consortium, world.hospitals[1], evm.actors[75]),
        sender=world.hospitals[1],
    )
    assert hand_in(without, [1], signed[1:2]) == "NoSignatureCounts"
    assert hand_in(without, [0], signed[:1], study=another, left=[]) == "NoSignatureCounts"
    work.strike(3, 2)
    assert world.rounds.getRound(work.study, 1).attested == 0
    world.consortium.suspend(world.hospitals[2])
    assert hand_in(without, [2], signed[2:], left=[]) == "NoSignatureCounts"
    assert hand_in(without, [0], signed[:1], left=[]) is None
    assert world.rounds.getBallot(work.study, 1, work.digest(without)).attesters == 1


def test_a_seats_words_are_its_own_operators(world, evm):
    """Strangers, sponsors, other hospitals' operators and the hospital's own cold account act for a seat: submit, abstain, attest,
    claim, say that bytes are lacking, review."""
    work = made(world, members=3, size=130)
    truth = work.aggregate()
    seat = work.leader()
    outsiders = (world.stranger, world.sponsor, work.operators[(seat + 1) % 3], world.hospitals[seat])
    for who in outsiders:
        for attempt in (
            partial(world.rounds.submitUpdate, work.study, 1, seat, work.updates[seat], sender=who),
            partial(world.rounds.abstain, work.study, 1, seat, sender=who),
            partial(world.rounds.attest, work.study, 1, seat, truth, [], sender=who),
            partial(world.claims.submitAggregate, work.study, 1, seat, truth, sender=who),
            partial(world.claims.lack, work.study, 1, seat, 1 << (seat + 1) % 3, sender=who),
        ):
            assert stopped(attempt) == "NotTheSeatsOperator"
    result = digest(work.study, 1, asdict(truth))
    for who, refusal in ((world.stranger, "NotTheSeatsOperator"), (work.operators[seat], "AggregateUnknown")):
        assert stopped(partial(world.rounds.attestHash, work.study, 1, seat, result, sender=who)) == refusal


def test_a_late_attester_answers_for_what_it_says(world, evm):
    """A hospital attests to a result in the last second in which it can, for its pay, and is slashed with the others; a second later it can
    not, and what is proved later pays it nothing that the honest would have had."""
    work = made(world, members=3, size=130, rounds=2)
    vector_, lie = work.lying_quorum(seats=(0, 1))
    evm.travel(DISPUTE // 2 - 1)
    work.attest(2, lie)
    evm.travel(DISPUTE // 2)
    work.challenge(vector_, lie, 1)
    assert [world.studies.takenOf(work.study, seat) for seat in range(3)] == [STAKE] * 3
    other = made(world, members=4, size=130)
    other.claim(other.leader(), other.aggregate())
    evm.travel(CLAIM)
    other.finalise(other.aggregate())
    evm.travel(DISPUTE // 2)
    last = next(seat for seat in range(4) if seat != 1)
    assert stopped(partial(other.attest, last, other.aggregate())) == "AttestationClosed"
