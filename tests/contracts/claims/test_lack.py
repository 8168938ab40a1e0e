"""`lack`: a submitter says whose bytes nobody serves it."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.rig.world import PHASE

TRAINING, VOID = 1, 6


def lack(work, seat, missing, sender=None):
    return work.world.claims.lack(work.study, 1, seat, missing, sender=sender or work.operators[seat])


def test_only_the_seats_active_operator(evm, work):
    for sender in (work.operators[1], work.world.stranger, work.hospitals[0]):
        with evm.reverts("NotTheSeatsOperator", work.study, 0, sender):
            lack(work, 0, 0b010, sender)
    work.world.consortium.suspend(work.hospitals[0])
    with evm.reverts("HospitalSuspended", work.study, 0):
        lack(work, 0, 0b010)


def test_only_while_bytes_are_due(evm, world, work):
    study = world.running()
    world.submit(study, 0)
    with evm.reverts("WrongPhase", study, 1, TRAINING):
        world.claims.lack(study, 1, 0, 0b010, sender=world.operators[0])
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    with evm.reverts("WrongPhase", work.study, 1, VOID):
        lack(work, 0, 0b010)


def test_only_by_a_submitter_of_a_submitters(evm, world):
    study = world.running(4)
    for seat in range(3):
        world.submit(study, seat)
    world.rounds.abstain(study, 1, 3, sender=world.operators[3])
    with evm.reverts("NotASubmitter", study, 1, 3):
        world.claims.lack(study, 1, 3, 0b001, sender=world.operators[3])
    for missing in (0, 0b1000, 0b1010, 1 << 63):
        with evm.reverts("LackingNotSubmitted", missing, 0b0111):
            world.claims.lack(study, 1, 0, missing, sender=world.operators[0])


def test_nobody_lacks_its_own(evm, work):
    for missing in (0b001, 0b011, 0b111):
        with evm.reverts("LackingNotSubmitted", missing, 0b111):
            lack(work, 0, missing)


def test_once(evm, work):
    lack(work, 0, 0b010)
    with evm.reverts("AlreadyLacking", work.study, 1, 0):
        lack(work, 0, 0b100)


def test_it_is_kept_and_told(work):
    with change(work.world, work.study) as changed:
        receipt = lack(work, 2, 0b011)
    assert changed == {"contest1.lacking": 0b100}
    assert told(receipt) == [("BytesLacking", {"study": work.study, "round": 1, "seat": 2, "missing": 0b011})]
