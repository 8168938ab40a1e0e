"""`claimPatient`: what patients are paid for a leaf of a cohort."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from medfed.protocol.merkle import merkle_proof, merkle_root
from tests.contracts.facts import change, told
from tests.contracts.work import Work, filled, too_large
from tests.rig.world import DISPUTE, PHASE, STEP, aggregate, digest, update

BPS, REWARD = 2000, 900_000
POOL = REWARD * BPS // 10_000
WEIGHT = 80


def leaf_of(study, number, dataset, patient, salt):
    words = [value.to_bytes(32, "big") for value in (study, number, dataset, int(patient.address, 16))]
    return bytes(keccak(b"".join(words) + salt))


class Cohort:
    """The leaves of seat 0 (dataset 1) in round 1: two patients, and fillers."""

    def __init__(self, world, study):
        self.patients = world.evm.actors[50:52]
        self.salts = [bytes([number]) * 32 for number in (7, 8)]
        pairs = zip(self.patients, self.salts, strict=True)
        found = [leaf_of(study, 1, 1, patient, salt) for patient, salt in pairs]
        self.leaves = sorted([*found, *(bytes([number]) * 32 for number in range(1, 7))])
        self.own = found
        self.root = merkle_root(self.leaves)

    def leaf(self, patient):
        proof = merkle_proof(self.leaves, self.leaves.index(self.own[patient]))
        return {"dataset": 1, "salt": self.salts[patient], "proof": proof}


@pytest.fixture
def played(world):
    """A final round in which seat 0's cohort has two known patients; study, aggregate, update of seat 0, cohort."""
    study = world.running(3, patientBps=BPS, rewardPerRound=REWARD)
    cohort = Cohort(world, study)
    shown = update(0, WEIGHT, cohortRoot=cohort.root)
    world.rounds.submitUpdate(study, 1, 0, shown, sender=world.operators[0])
    for seat in (1, 2):
        world.submit(study, seat)
    result = aggregate(range(3), 3 * WEIGHT)
    for seat in (0, 1):
        world.attest(study, seat, result)
    return study, result, shown, cohort


def claim(world, played, patient, **changes):
    study, result, shown, cohort = played
    leaf = cohort.leaf(patient) | changes
    return world.payouts.claimPatient(study, 1, 0, result, shown, leaf, sender=cohort.patients[patient])


def test_a_patient_is_paid_once_for_a_leaf_when_the_round_is_safe(evm, world, played):
    study, _, _, cohort = played
    with evm.reverts("ClaimLocked", study, 1, evm.now + DISPUTE):
        claim(world, played, 0)
    evm.travel(DISPUTE)
    amount = POOL * WEIGHT // (3 * WEIGHT * (WEIGHT + STEP))
    with change(world, study) as changed:
        receipt = claim(world, played, 0)
    patient = cohort.patients[0].address
    at = {"study": study, "round": 1, "seat": 0, "patient": patient, "amount": amount}
    paid = {"study": study, "account": patient, "amount": amount}
    assert told(receipt) == [("PatientPaid", at), ("Paid", paid)]
    assert changed == {"pot": 2 * REWARD - amount}
    assert world.free(cohort.patients[0]) == amount > 0
    with evm.reverts("LeafClaimed", study, 1, cohort.own[0]):
        claim(world, played, 0)
    claim(world, played, 1)
    assert world.free(cohort.patients[1]) == amount


def test_nobody_else_can_claim_a_leaf(evm, world, played):
    study, result, shown, cohort = played
    evm.travel(DISPUTE)
    with evm.reverts("NotInCohort", study, 1, 0, world.stranger):
        world.payouts.claimPatient(study, 1, 0, result, shown, cohort.leaf(0), sender=world.stranger)
    with evm.reverts("NotInCohort", study, 1, 0, cohort.patients[0]):
        claim(world, played, 0, salt=b"\0" * 32)
    with evm.reverts("NotInCohort", study, 1, 0, cohort.patients[0]):
        claim(world, played, 0, dataset=2)
    with evm.reverts("UpdateMismatch", study, 1, 0):
        world.payouts.claimPatient(
            study, 1, 0, result, shown | {"weight": 72}, cohort.leaf(0), sender=cohort.patients[0]
        )
    with evm.reverts("NotFinal"):
        world.payouts.claimPatient(
            study, 1, 0, result | {"weight": 1}, shown, cohort.leaf(0), sender=cohort.patients[0]
        )


def test_a_cohort_with_more_leaves_than_its_weight_allows_pays_no_more(evm, world):
    """Weight 8 in steps of 8 stands for at most 15 patients; a tree of 17 invented ones is paid for 16 at most."""
    study = world.running(3, patientBps=BPS, rewardPerRound=REWARD)
    patients, salt = evm.actors[50:67], b"\7" * 32
    own = [leaf_of(study, 1, 1, patient, salt) for patient in patients]
    leaves = sorted(own)
    shown = update(0, STEP, cohortRoot=merkle_root(leaves))
    world.rounds.submitUpdate(study, 1, 0, shown, sender=world.operators[0])
    for seat in (1, 2):
        world.submit(study, seat)
    result = aggregate(range(3), 2 * WEIGHT + STEP)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)

    def claimed(number):
        leaf = {"dataset": 1, "salt": salt, "proof": merkle_proof(leaves, leaves.index(own[number]))}
        return world.payouts.claimPatient(study, 1, 0, result, shown, leaf, sender=patients[number])

    for number in range(16):
        claimed(number)
    with evm.reverts("CohortSpent", study, 1, 0):
        claimed(16)


def test_a_study_without_a_patients_share_pays_patients_nothing(evm, world):
    study = world.running(3, rewardPerRound=REWARD)
    cohort = Cohort(world, study)
    shown = update(0, WEIGHT, cohortRoot=cohort.root)
    world.rounds.submitUpdate(study, 1, 0, shown, sender=world.operators[0])
    for seat in (1, 2):
        world.submit(study, seat)
    result = aggregate(range(3), 3 * WEIGHT)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    with evm.reverts("NothingToClaim", study, 1, 0):
        claim(world, (study, result, shown, cohort), 0)


def test_a_left_out_updates_patients_are_not_paid(evm, world):
    study = world.running(3, patientBps=BPS, rewardPerRound=REWARD)
    cohort = Cohort(world, study)
    shown = update(0, WEIGHT, cohortRoot=cohort.root)
    world.rounds.submitUpdate(study, 1, 0, shown, sender=world.operators[0])
    for seat in (1, 2):
        world.submit(study, seat)
    result = aggregate((1, 2), 2 * WEIGHT)
    for seat in (1, 2):
        world.attest(study, seat, result, left_out=[shown])
    evm.travel(DISPUTE)
    with evm.reverts("NothingToClaim", study, 1, 0):
        claim(world, (study, result, shown, cohort), 0)


def test_hospitals_and_patients_together_never_get_more_than_the_reward(evm, world, played):
    study, result, shown, _ = played
    evm.travel(DISPUTE)
    updates = [shown, update(1), update(2)]
    hospitals = sum(
        world.claim(study, seat, result, own=updates[seat]).named("Claimed")[0]["amount"] for seat in range(3)
    )
    # Every patient of each cohort there can be: fewer than weight and one step.
    most = 3 * (WEIGHT + STEP) * (POOL * WEIGHT // (3 * WEIGHT * (WEIGHT + STEP)))
    assert hospitals + most <= REWARD


def test_patients_are_paid_though_their_hospital_lied(evm, world, played):
    """Their records were used as if the result were right, and they did nothing wrong."""
    study, result, _, cohort = played
    world.rounds.refute(study, 1, digest(study, 1, result), sender=world.proofs)
    evm.travel(DISPUTE)
    with evm.reverts("PayVoid", study, 1, 0):
        world.claim(study, 0, result, own=played[2])
    claim(world, played, 0)
    assert world.free(cohort.patients[0]) > 0


def test_not_for_an_update_that_was_proved_wrong(evm, world, played):
    study, result, _, _ = played
    world.rounds.strike(study, 1, 0, WEIGHT, digest(study, 1, result), sender=world.proofs)
    evm.travel(DISPUTE)
    with evm.reverts("NothingToClaim", study, 1, 0):
        claim(world, played, 0)


def test_not_for_a_void_round(evm, world, played):
    """A compensation is the hospitals'."""
    work = Work(world, world.running(4, minHospitals=4, patientBps=BPS), 300)
    filled(work, range(3))
    work.submit(3, too_large(work, 3))
    work.strike(3, 2)
    world.rounds.advance(work.study)
    evm.travel(DISPUTE + PHASE)
    result, cohort = aggregate(range(3), 3 * WEIGHT), played[3]
    with evm.reverts("NotFinal", work.study, 1, digest(work.study, 1, result)):
        world.payouts.claimPatient(
            work.study, 1, 0, result, work.updates[0], cohort.leaf(0), sender=cohort.patients[0]
        )
