"""`attestBySig`: attestations that were signed, brought by anyone at once."""

from __future__ import annotations

from medfed.protocol import typed
from medfed.protocol.commitments import Aggregate
from tests.contracts.facts import change, told
from tests.contracts.work import tainted
from tests.rig.evm import CHAIN_ID
from tests.rig.world import DISPUTE, PHASE, aggregate, compact, digest, update

FINAL, VOID, TRAINING = 5, 6, 1
NOTHING = (bytes(32), bytes(32))


def bring(world, study, result, signed, left_out=()):
    """`signed` has (seat, signature) pairs."""
    seats = [seat for seat, _ in signed]
    signatures = [signature for _, signature in signed]
    return world.rounds.attestBySig(
        study, 1, result, list(left_out), seats, signatures, sender=world.stranger
    )


def by(world, study, result, *seats):
    return [(seat, world.signed(study, seat, result)) for seat in seats]


def test_there_is_one_signature_for_each_seat(evm, world):
    study, result = world.submitted(), aggregate(range(3), 240)
    signature = world.signed(study, 0, result)
    for seats, given in (([0, 1], [signature]), ([0], [signature, signature]), ([], [signature])):
        with evm.reverts("SignatureCount", len(seats), len(given)):
            world.rounds.attestBySig(study, 1, result, [], seats, given, sender=world.stranger)


def test_the_result_is_checked_as_when_it_is_given_by_a_seat(evm, world):
    study = world.submitted()
    result = aggregate((0, 1), 160)
    signed = by(world, study, result, 0)
    with evm.reverts("LeftOutCount", 0, 1):
        bring(world, study, result, signed)
    with evm.reverts("UpdateMismatch", study, 1, 2):
        bring(world, study, result, signed, [update(2, 72)])
    few, wrong = aggregate((0,), 80), aggregate((0, 1), 168)
    with evm.reverts("TooFewIncluded", 1, 3):
        bring(world, study, few, by(world, study, few, 0), [update(1), update(2)])
    with evm.reverts("WrongTotalWeight", 168, 160):
        bring(world, study, wrong, by(world, study, wrong, 0), [update(2)])
    with evm.reverts("IncludedNotSubmitted", 0b1111, 0b0111):
        all_four = aggregate(range(4), 320)
        bring(world, study, all_four, by(world, study, all_four, 0))


def test_it_takes_one_signature_that_counts(evm, world):
    """None at all, of another seat's operator, of a stranger, of a suspended hospital, by who abstained or attested."""
    study, result = world.running(4), aggregate((0, 1, 2), 240)
    for seat in range(3):
        world.submit(study, seat)
    world.rounds.abstain(study, 1, 3, sender=world.operators[3])
    world.attest(study, 2, result)
    world.consortium.suspend(world.hospitals[1])
    own = world.signed(study, 0, result)
    for signed in (
        [],
        [(0, world.signed(study, 1, result))],
        [(0, NOTHING)],
        [(0, (own[0], own[1][:-1] + bytes([own[1][-1] ^ 1])))],
        [(0, own[::-1])],
        by(world, study, result, 1),
        by(world, study, result, 2),
        by(world, study, result, 3),
        [(4, own), (64, own), (255, own)],
    ):
        with evm.reverts("NoSignatureCounts", study, 1):
            bring(world, study, result, signed)
    assert bring(world, study, result, [(0, own)]).named("RoundFinal")


def test_a_signature_is_for_one_round_of_one_study_and_one_result(evm, world):
    study, result = world.submitted(2), aggregate((0, 1), 160)
    fields = Aggregate(*result.values())
    domain = typed.rounds_domain(CHAIN_ID, world.rounds.address)

    def signature(study_=study, number=1, domain_=domain, shown=fields):
        message = typed.AttestationMessage(study_, number, shown.digest(study, 1))
        return compact(world.operators[0].sign_digest(typed.digest(domain_, message)))

    for wrong in (
        signature(study_=study + 1),
        signature(number=2),
        signature(domain_=typed.rounds_domain(CHAIN_ID + 1, world.rounds.address)),
        signature(domain_=typed.rounds_domain(CHAIN_ID, world.vault.address)),
        signature(shown=Aggregate(*(result | {"model": b"\xff" * 32}).values())),
    ):
        with evm.reverts("NoSignatureCounts", study, 1):
            bring(world, study, result, [(0, wrong)])
    assert bring(world, study, result, [(0, signature())]).named("Attested")


def test_only_when_a_seat_could_attest_itself(evm, world):
    study, result = world.running(), aggregate((0, 1), 160)
    for seat in (0, 1):
        world.submit(study, seat)
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        bring(world, study, result, by(world, study, result, 0))
    evm.travel(PHASE)
    world.attest(study, 0, result)
    token = evm.snapshot()
    evm.travel(PHASE)
    world.rounds.advance(study)
    with evm.reverts("WrongPhase", study, 1, VOID):
        bring(world, study, result, by(world, study, result, 1))
    evm.restore(token)
    work = tainted(world, members=4)
    whole = work.aggregate()
    world.rounds.attest(work.study, 1, 0, whole, [], sender=world.operators[0])
    work.strike(3, 2)
    with evm.reverts("IncludedNotSubmitted", 0b1111, 0b0111):
        given = {name: getattr(whole, name) for name in ("cid", "root", "model", "included", "weight")}
        bring(world, work.study, given, by(world, work.study, given, 1))


def test_in_the_dispute_window_only_to_the_result_and_in_its_first_half(evm, world):
    study, result = world.final(4)
    other = aggregate(range(4), 320, root=b"\xff" * 32)
    with evm.reverts("WrongPhase", study, 1, FINAL):
        bring(world, study, other, by(world, study, other, 3))
    evm.travel(DISPUTE // 2)
    with evm.reverts("AttestationClosed", study, 1, evm.now):
        bring(world, study, result, by(world, study, result, 3))


def test_all_that_count_are_taken_in_one_event(evm, world):
    study, result = world.submitted(4), aggregate(range(4), 320)
    signed = by(world, study, result, 3, 0)
    with change(world, study) as changed:
        receipt = bring(world, study, result, signed)
    assert changed == {"round1.attested": 0b1001}
    at = {"study": study, "round": 1, "aggregateHash": digest(study, 1, result)}
    assert told(receipt) == [
        ("AggregateProposed", at | {"aggregate": tuple(result.values())}),
        ("Attested", at | {"seats": 0b1001}),
    ]


def test_one_signature_that_was_handed_in_before_undoes_nobody_elses(evm, world):
    """Nor does a wrong one among them, nor one that is there twice: the rest makes the round final."""
    study, result = world.submitted(4), aggregate(range(4), 320)
    bring(world, study, result, by(world, study, result, 1))
    garbage = (3, NOTHING)
    signed = [garbage, *by(world, study, result, 0, 1, 2, 2)]
    receipt = bring(world, study, result, signed)
    assert receipt.named("Attested")[0]["seats"] == 0b0101
    assert receipt.named("RoundFinal")
    assert world.rounds.getBallot(study, 1, digest(study, 1, result)).attesters == 0b0111
