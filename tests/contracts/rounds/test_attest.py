"""`attest` and `attestHash`: who agrees to a result, and when it is the round's."""

from __future__ import annotations

import pytest

from tests.contracts.facts import change, told
from tests.contracts.work import made, tainted
from tests.rig.world import DISPUTE, PHASE, aggregate, digest, update

TRAINING, AGGREGATING, FINAL, VOID, TAINTED, REFUTED = 1, 4, 5, 6, 7, 8
RUNNING, COMPLETED = 2, 3
FINAL_OUTCOME = 1


def by_hash(world, study, seat, result, number=1):
    name = digest(study, number, result)
    return world.rounds.attestHash(study, number, seat, name, sender=world.operators[seat])


# -- checks, in their order -------------------------------------------------------------------------------------------


def test_all_that_is_left_out_is_shown(evm, world):
    """By its number, and in the order of the seats; neither more nor less."""
    study = world.submitted(6, maxHospitals=6)
    result = aggregate((1, 3, 4, 5), 320)
    shown = [update(0), update(2)]
    for wrong in ([], shown[:1], [*shown, update(1)]):
        with evm.reverts("LeftOutCount", len(wrong), 2):
            world.attest(study, 1, result, left_out=wrong)
    with evm.reverts("LeftOutCount", 1, 0):
        world.attest(study, 1, aggregate(range(6), 480), left_out=[update(0)])
    with evm.reverts("UpdateMismatch", study, 1, 0):
        world.attest(study, 1, result, left_out=shown[::-1])
    with evm.reverts("UpdateMismatch", study, 1, 2):
        world.attest(study, 1, result, left_out=[update(0), update(2, weight=72)])
    world.attest(study, 1, result, left_out=shown)


@pytest.mark.parametrize(
    ("result", "left_out", "error", "values"),
    [
        (aggregate((0, 1, 2, 3), 240), (), "IncludedNotSubmitted", (0b1111, 0b0111)),
        (aggregate((), 0), (0, 1, 2), "TooFewIncluded", (0, 3)),
        (aggregate((0,), 80), (1, 2), "TooFewIncluded", (1, 3)),
        (aggregate((0, 1, 2), 239), (), "WrongTotalWeight", (239, 240)),
        *(
            (aggregate((0, 1), weight), (2,), "WrongTotalWeight", (weight, 160))
            for weight in (0, 8, 80, 152, 159, 161, 168, 240, 2**32 - 1)
        ),
    ],
)
def test_a_result_fits_what_was_submitted(evm, world, result, left_out, error, values):
    """A wrong weight is never proposed, whatever is left out, so nobody has to prove it wrong."""
    study = world.submitted()
    with evm.reverts(error, *values):
        world.attest(study, 0, result, left_out=[update(seat) for seat in left_out])


def test_a_hash_names_what_somebody_has_given_in_full(evm, world):
    study, result = world.submitted(), aggregate(range(3), 240)
    with evm.reverts("AggregateUnknown", study, 1, digest(study, 1, result)):
        by_hash(world, study, 0, result)
    world.attest(study, 0, result)
    assert by_hash(world, study, 1, result).named("RoundFinal")


@pytest.mark.parametrize("way", ["in full", "by its hash"])
def test_only_the_seats_active_operator_once(evm, world, way):
    study, result = world.submitted(4), aggregate(range(4), 320)
    world.attest(study, 0, result)

    def attest(seat, sender):
        if way == "in full":
            return world.rounds.attest(study, 1, seat, result, [], sender=sender)
        return world.rounds.attestHash(study, 1, seat, digest(study, 1, result), sender=sender)

    for seat in (1, 4, 64, 255):
        with evm.reverts("NotTheSeatsOperator", study, seat, world.operators[2]):
            attest(seat, world.operators[2])
    world.consortium.suspend(world.hospitals[1])
    with evm.reverts("HospitalSuspended", study, 1):
        attest(1, world.operators[1])
    with evm.reverts("AlreadyAttested", study, 1, 0):
        attest(0, world.operators[0])
    assert attest(2, world.operators[2]).named("Attested")[0]["seats"] == 0b100


def test_nobody_attests_to_two_results(evm, world):
    study = world.submitted()
    world.attest(study, 0, aggregate(range(3), 240))
    with evm.reverts("AlreadyAttested", study, 1, 0):
        world.attest(study, 0, aggregate(range(3), 240, root=b"\xff" * 32))


def test_who_did_not_submit_does_not_attest(evm, world):
    """Neither who abstained, nor whose update left the set."""
    work = tainted(world, members=4)
    work.strike(3, 2)
    result = work.aggregate(seats=(0, 1, 2))
    with evm.reverts("NotASubmitter", work.study, 1, 3):
        world.rounds.attest(work.study, 1, 3, result, [], sender=world.operators[3])
    study = world.running(rounds=1)
    for seat in (0, 1):
        world.submit(study, seat)
    world.rounds.abstain(study, 1, 2, sender=world.operators[2])
    with evm.reverts("NotASubmitter", study, 1, 2):
        world.attest(study, 2, aggregate((0, 1), 160))


def test_not_before_training_has_closed(evm, world):
    study = world.running()
    for seat in (0, 1):
        world.submit(study, seat)
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        world.attest(study, 0, aggregate((0, 1), 160))
    evm.travel(PHASE)
    world.attest(study, 0, aggregate((0, 1), 160))


def test_not_to_what_has_an_update_that_left_the_set(evm, world):
    work = tainted(world, members=4)
    with_it = work.aggregate()
    work.attest(0, with_it)
    work.strike(3, 2)
    with evm.reverts("IncludedNotSubmitted", 0b1111, 0b0111):
        world.rounds.attestHash(work.study, 1, 1, work.digest(with_it), sender=world.operators[1])


def test_not_to_another_result_than_the_final_one(evm, world):
    study, _ = world.final()
    with evm.reverts("WrongPhase", study, 1, FINAL):
        world.attest(study, 2, aggregate(range(3), 240, root=b"\xff" * 32))


def test_not_in_a_void_round(evm, world):
    study = world.submitted()
    evm.travel(PHASE)
    world.rounds.advance(study)
    with evm.reverts("WrongPhase", study, 1, VOID):
        world.attest(study, 0, aggregate(range(3), 240))


def test_not_to_what_was_undone(evm, world):
    work = made(world)
    vector, lie = work.lying_quorum()
    work.challenge(vector, lie, 1)
    with evm.reverts("WrongPhase", work.study, 1, REFUTED):
        work.attest(2, lie)
    other = tainted(world, members=4, maxHospitals=4)
    result = other.aggregate()
    other.final(result, (0, 1, 3))
    other.strike(3, 2, other.digest(result))
    with evm.reverts("WrongPhase", other.study, 1, TAINTED):
        other.attest(2, result)


def test_late_attestations_end_with_half_of_the_dispute_window(evm, world):
    """Whoever attests has as long to answer for it: nobody takes a share in the last second, without a risk."""
    study, result = world.final(members=4)
    evm.travel(DISPUTE // 2 - 1)
    token = evm.snapshot()
    assert by_hash(world, study, 3, result).named("Attested")
    evm.restore(token)
    evm.travel(1)
    with evm.reverts("AttestationClosed", study, 1, evm.now):
        by_hash(world, study, 3, result)


# -- what it does -----------------------------------------------------------------------------------------------------


def test_the_first_proposes_the_aggregate(world):
    study, result = world.submitted(4), aggregate(range(4), 320)
    name = digest(study, 1, result)
    with change(world, study) as changed:
        receipt = world.attest(study, 2, result)
    assert changed == {"round1.attested": 0b0100}
    at = {"study": study, "round": 1, "aggregateHash": name}
    assert told(receipt) == [
        ("AggregateProposed", at | {"aggregate": tuple(result.values())}),
        ("Attested", at | {"seats": 0b0100}),
    ]
    assert tuple(world.rounds.getBallot(study, 1, name)) == (0b0100, 0b1111, 0, 320, 0)


def test_the_next_adds_to_it(world):
    study, result = world.submitted(4), aggregate(range(4), 320)
    world.attest(study, 2, result)
    with change(world, study) as changed:
        receipt = by_hash(world, study, 0, result)
    assert changed == {"round1.attested": 0b0101}
    name = digest(study, 1, result)
    assert told(receipt) == [
        ("Attested", {"study": study, "round": 1, "aggregateHash": name, "seats": 0b0001})
    ]
    assert tuple(world.rounds.getBallot(study, 1, name)) == (0b0101, 0b1111, 0, 320, 0)


def test_two_thirds_end_the_round_and_open_the_next(evm, world):
    study, result = world.submitted(), aggregate(range(3), 240)
    world.attest(study, 2, result)
    evm.travel(5)
    with change(world, study) as changed:
        receipt = by_hash(world, study, 0, result)
    at = {"study": study, "round": 1, "aggregateHash": digest(study, 1, result)}
    assert told(receipt) == [
        ("Attested", at | {"seats": 0b001}),
        ("RoundFinal", at),
        ("RoundOpened", {"study": study, "round": 2}),
    ]
    assert changed == {
        "round1.attested": 0b101,
        "round1.outcome": FINAL_OUTCOME,
        "study.finals": 1,
        "study.round": 2,
        "round2.openedAt": evm.now,
        "round2.finalsBefore": 1,
    }
    assert tuple(world.rounds.getBallot(study, 1, at["aggregateHash"])) == (0b101, 0b111, evm.now, 240, 0)
    assert world.rounds.standingOf(study, 1)[3] == evm.now
    assert (world.rounds.standingOf(study, 1)[0], world.rounds.standingOf(study, 2)[0]) == (FINAL, TRAINING)


def test_the_last_final_round_completes_the_study(evm, world):
    study, result = world.submitted(rounds=1), aggregate(range(3), 240)
    world.attest(study, 0, result)
    with change(world, study) as changed:
        receipt = by_hash(world, study, 1, result)
    assert [event.name for event in receipt.events] == ["Attested", "RoundFinal", "StudyCompleted"]
    assert changed == {
        "round1.attested": 0b011,
        "round1.outcome": FINAL_OUTCOME,
        "study.finals": 1,
        "study.state": COMPLETED,
        "study.endedAt": evm.now,
    }
    assert world.rounds.standingOf(study, 1)[3] == evm.now


def test_what_is_kept_back_is_left_out_although_all_are_needed(evm, world):
    """A result is over two thirds of the submitters, of whom there are enough."""
    study = world.submitted(4, minHospitals=4)
    with evm.reverts("TooFewIncluded", 2, 4):
        world.attest(study, 0, aggregate((0, 1), 160), left_out=[update(2), update(3)])
    result, shown = aggregate((0, 1, 2), 240), [update(3)]
    for seat in range(2):
        world.attest(study, seat, result, left_out=shown)
    assert by_hash(world, study, 2, result).named("RoundFinal")


def test_a_set_that_became_too_small_ends_no_round(evm, world):
    """Not by a result either that was proposed before, without the update that was proved wrong."""
    work = tainted(world, members=4, minHospitals=4)
    result = work.aggregate(seats=(0, 1, 2))
    work.attest(0, result)
    work.strike(3, 2)
    for seat in (0, 1):
        with evm.reverts("TooFewSubmitted", 0b0111, 4):
            work.attest(seat, result)
        with evm.reverts("TooFewSubmitted", 0b0111, 4):
            world.rounds.attestHash(work.study, 1, seat, work.digest(result), sender=work.operators[seat])
    world.rounds.advance(work.study)
    assert world.rounds.standingOf(work.study, 1)[0] == VOID


def test_late_attestations_join_the_attesters(evm, world):
    study, result = world.final()
    evm.travel(DISPUTE // 2 - 1)
    with change(world, study) as changed:
        receipt = by_hash(world, study, 2, result)
    assert changed == {"round1.attested": 0b111}
    assert [event.name for event in receipt.events] == ["Attested"]
    assert world.rounds.getBallot(study, 1, digest(study, 1, result)).attesters == 0b111


def test_attestations_to_what_stays_right_stand_when_the_set_changes(world):
    """Two of four attested to a result without the update that is then proved wrong: they are two of three."""
    work = tainted(world, members=4)
    result = work.aggregate(seats=(0, 1, 2))
    work.attest(0, result)
    work.strike(3, 2)
    assert world.rounds.getRound(work.study, 1).attested == 0
    receipt = world.rounds.attestHash(work.study, 1, 1, work.digest(result), sender=world.operators[1])
    assert receipt.named("RoundFinal")
    assert world.rounds.getBallot(work.study, 1, work.digest(result)).attesters == 0b011
