"""Each entry point's success in full: every event in order, what is stored, and that nothing else moved."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils import keccak

from tests.rig.evm import NO_ONE
from tests.rig.world import DISPUTE, PHASE, REWARD, STAKE, aggregate, update

ZERO = b"\0" * 32


def events(receipt):
    return [(event.name, event.args) for event in receipt.events]


def shape(world, study):
    """All that a study keeps of seats 0 to 3 and rounds 1 to 3, but for ballots."""
    rounds = world.rounds
    seats = [(rounds.getSeat(study, seat), world.disputes.slashedOf(study, seat)) for seat in range(4)]
    course = [
        (
            rounds.getRound(study, number),
            rounds.getAbsence(study, number),
            rounds.carriedInto(study, number),
            [rounds.updateOf(study, number, seat) for seat in range(4)],
        )
        for number in (1, 2, 3)
    ]
    return rounds.getStudy(study), seats, course


def money(world):
    """Every balance in the vault that the file's accounts have."""
    accounts = (*world.hospitals, world.sponsor)
    return [tuple(world.vault.balanceOf(account, world.token)) for account in accounts]


def test_create(evm, world):
    terms = world.terms()
    before = money(world)
    receipt = world.rounds.createStudy(terms, sender=world.sponsor)
    study = receipt.value
    named = [(event.name, event.args.get("study")) for event in receipt.events]
    assert named == [("StudyCreated", study), ("Funded", study), ("Transfer", None)]
    told = receipt.named("StudyCreated")[0]
    assert told["sponsor"] == world.sponsor.address
    assert told["terms"] == tuple(getattr(value, "address", value) for value in terms.values())
    stored = world.disputes.getTerms(study)._asdict() | world.rounds.getStudy(study)._asdict()
    for name, value in terms.items():
        assert stored[name] == getattr(value, "address", value)
    assert (stored["state"], stored["members"], stored["round"]) == (1, 0, 0)
    assert money(world) == before
    assert world.rounds.studyCount() == study


def test_enrol(evm, world):
    study = world.create()
    world.rounds.enrol(study, 1, sender=world.operators[0])
    before = money(world)
    receipt = world.rounds.enrol(study, 2, sender=world.operators[1])
    hospital = world.hospitals[1].address
    assert receipt.value == 1
    assert events(receipt) == [
        (
            "Enrolled",
            {"study": study, "hospital": hospital, "dataset": 2, "seat": 1, "version": 1, "records": 100},
        ),
        ("Locked", {"token": world.token.address, "account": hospital, "amount": STAKE}),
    ]
    before[1] = (before[1][0] - STAKE, before[1][1] + STAKE)
    assert money(world) == before
    assert tuple(world.rounds.getSeat(study, 1)) == (hospital, 2, 1, 100, False)
    assert world.rounds.getSeat(study, 2).hospital == NO_ONE


def test_submit_update(evm, world):
    study = world.running()
    before, held = shape(world, study), money(world)
    receipt = world.submit(study, 1)
    work = update(1)
    told = {"study": study, "round": 1, "seat": 1, "update": tuple(work.values())}
    assert events(receipt) == [("UpdateSubmitted", told)]
    rest = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint32"],
            [work["cid"], work["cohortCid"], work["cohortRoot"], work["weight"]],
        )
    )
    after = shape(world, study)
    assert after[2][0][3] == [ZERO, keccak(work["updateRoot"] + rest), ZERO, ZERO]
    assert after[2][0][0] == before[2][0][0]._replace(totalWeight=80, acted=1, submitted=0b010)
    assert (after[:2], after[2][1:], money(world)) == (before[:2], before[2][1:], held)


def test_abstain(evm, world):
    study = world.running()
    before = shape(world, study)
    receipt = world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    assert events(receipt) == [("Abstained", {"study": study, "round": 1, "seat": 2})]
    after = shape(world, study)
    assert after[2][0][:2] == (before[2][0][0]._replace(acted=1), (0b100, 0))
    assert (after[:2], after[2][1:]) == (before[:2], before[2][1:])


def test_attest_first_then_last(evm, world):
    study = world.submitted()
    result = aggregate(range(3), 240)
    digest = world.rounds.hashAggregate(study, 1, result)
    proposed = {"study": study, "round": 1, "aggregateHash": digest, "aggregate": tuple(result.values())}
    at = {"study": study, "round": 1, "aggregateHash": digest}
    first = world.attest(study, 2, result)
    assert events(first) == [("AggregateProposed", proposed), ("Attested", at | {"seats": 0b100})]
    assert tuple(world.rounds.getBallot(study, 1, digest)) == (0b100, 0, 0b111, 0, 240)
    last = world.rounds.attestHash(study, 1, 0, digest, sender=world.operators[0])
    assert events(last) == [
        ("Attested", at | {"seats": 0b001}),
        ("RoundFinal", at),
        ("RoundOpened", {"study": study, "round": 2}),
    ]
    assert tuple(world.rounds.getBallot(study, 1, digest)) == (0b101, 0, 0b111, evm.now, 240)
    assert world.rounds.getRound(study, 1).attested == 0b101
    assert world.rounds.getRound(study, 2).openedAt == evm.now


def test_the_last_final_round_completes_the_study(evm, world):
    study = world.submitted(rounds=1)
    result = aggregate(range(3), 240)
    world.attest(study, 0, result)
    names = [event.name for event in world.attest(study, 1, result).events]
    assert names == ["Attested", "RoundFinal", "StudyCompleted"]
    found = world.rounds.getStudy(study)
    assert (found.state, found.finals, found.round, found.endedAt) == (3, 1, 1, evm.now)
    assert world.rounds.getRound(study, 2).openedAt == 0


def test_advance_to_a_void_round(evm, world):
    study = world.submitted()
    evm.travel(PHASE)
    receipt = world.rounds.advance(study, sender=world.stranger)
    assert events(receipt) == [
        ("RoundVoid", {"study": study, "round": 1}),
        ("RoundOpened", {"study": study, "round": 2}),
    ]
    found = world.rounds.getStudy(study)
    assert (found.round, found.voids, found.finals, found.state) == (2, 1, 0, 2)


def test_advance_opens_when_it_may(evm, world):
    """By the sponsor with enough hospitals; by anyone once all seats are taken, or at the deadline."""
    early = world.create()
    for seat in range(2):
        world.rounds.enrol(early, seat + 1, sender=world.operators[seat])
    with evm.reverts("NothingToAdvance"):
        world.rounds.advance(early, sender=world.stranger)
    token = evm.snapshot()
    assert world.rounds.advance(early, sender=world.sponsor).named("RoundOpened")
    evm.restore(token)
    evm.travel(1000)
    assert world.rounds.advance(early, sender=world.stranger).named("RoundOpened")
    full = world.create(maxHospitals=2)
    for seat in range(2):
        world.rounds.enrol(full, seat + 1, sender=world.operators[seat])
    assert world.rounds.advance(full, sender=world.stranger).named("RoundOpened")


def test_claim(evm, world):
    study, result = world.final()
    evm.travel(DISPUTE)
    digest = world.rounds.hashAggregate(study, 1, result)
    before, held = shape(world, study), money(world)
    receipt = world.rounds.claim(study, 1, 1, result, update(1), sender=world.stranger)
    hospital, amount = world.hospitals[1].address, (REWARD - 90) // 3 + 90 // 2
    assert events(receipt) == [
        ("Claimed", {"study": study, "round": 1, "seat": 1, "hospital": hospital, "amount": amount}),
        ("Paid", {"study": study, "account": hospital, "amount": amount}),
    ]
    ballot = world.rounds.getBallot(study, 1, digest)
    assert (ballot.attesters, ballot.claimed, ballot.weight) == (0b011, 0b010, 160)
    held[1] = (held[1][0] + amount, held[1][1])
    assert (shape(world, study), money(world)) == (before, held)


def test_release_and_refund(evm, world):
    study, _ = world.final(rounds=1)
    evm.travel(DISPUTE)
    hospital = world.hospitals[2].address
    released = world.rounds.release(study, 2, sender=world.stranger)
    assert events(released) == [
        ("StakeReleased", {"study": study, "seat": 2, "amount": STAKE}),
        ("Unlocked", {"token": world.token.address, "account": hospital, "amount": STAKE}),
    ]
    assert tuple(world.rounds.getSeat(study, 2)) == (hospital, 0, 1, 100, False)
    assert world.datasets.getDataset(3).enrolments == 0
    refunded = world.rounds.refund(study, sender=world.stranger)
    assert events(refunded) == [
        ("Refunded", {"study": study, "sponsor": world.sponsor.address, "amount": 0}),
        ("Paid", {"study": study, "account": world.sponsor.address, "amount": 0}),
    ]
    assert world.rounds.getStudy(study).refunded


def test_cancel(evm, world):
    study = world.create()
    receipt = world.rounds.cancel(study, sender=world.sponsor)
    assert events(receipt) == [("StudyAborted", {"study": study})]
    found = world.rounds.getStudy(study)
    assert (found.state, found.endedAt, found.refunded) == (4, evm.now, False)


@pytest.mark.parametrize("how", ["in full", "by its hash", "by signature"])
def test_each_way_to_attest_asks_for_the_seats_active_operator_once(evm, world, how):
    """Reverts in the order of the checks, the same whichever way is taken."""
    study = world.submitted(members=4)
    result = aggregate(range(4), 320)
    world.attest(study, 0, result)

    def attest(seat, sender):
        if how == "in full":
            return world.rounds.attest(study, 1, seat, result, sender=sender)
        if how == "by its hash":
            digest = world.rounds.hashAggregate(study, 1, result)
            return world.rounds.attestHash(study, 1, seat, digest, sender=sender)
        signer = world.operators.index(sender)
        return world.rounds.attestBySig(study, 1, result, [seat], world.signed(study, signer, result))

    wrong = "BadSignature" if how == "by signature" else "NotTheSeatsOperator"
    for seat in (1, 4, 64, 255):
        with evm.reverts(wrong):
            attest(seat, world.operators[2])
    world.consortium.suspend(world.hospitals[1])
    with evm.reverts("HospitalSuspended", study, 1):
        attest(1, world.operators[1])
    with evm.reverts("AlreadyAttested", study, 1, 0):
        attest(0, world.operators[0])
    assert attest(2, world.operators[2]).named("Attested")[0]["seats"] == 0b100


def test_a_signature_by_a_member_who_abstained_counts_for_nothing(evm, world):
    study = world.running()
    world.submit(study, 0)
    world.submit(study, 1)
    world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    result = aggregate((0, 1), 160)
    with evm.reverts("NotASubmitter", study, 1, 2):
        world.rounds.attestBySig(study, 1, result, [2], world.signed(study, 2, result))


def test_pausing_is_the_pausers(evm, world):
    for function in ("pause", "unpause"):
        with evm.reverts("AccessManagedUnauthorized", world.stranger):
            getattr(world.rounds, function)(sender=world.stranger)


def test_a_round_goes_on_while_paused(evm, world):
    """Clocks do not stop: everything but new studies and enrolments works."""
    study = world.running(rounds=1)
    world.rounds.pause()
    for seat in range(3):
        world.submit(study, seat)
    result = aggregate(range(3), 240)
    for seat in range(2):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    world.rounds.claim(study, 1, 0, result, update(0))
    world.rounds.release(study, 0)
    assert world.rounds.refund(study).named("Refunded")
