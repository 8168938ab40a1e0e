"""`claimPatient`: what patients are paid for a leaf of a cohort."""

from __future__ import annotations

import pytest

from tests.contracts.facts import change, told
from tests.contracts.work import Work, filled, too_large
from tests.rig.cohorts import Listed, leaf_of
from tests.rig.world import DISPUTE, PHASE, STEP, aggregate, digest, update

BPS, REWARD = 2000, 900_000
POOL = REWARD * BPS // 10_000
WEIGHT = 80


class Cohort(Listed):
    """The leaves of seat 0 (dataset 1) in round 1: two patients, and fillers, as many as its weight and a step."""

    def __init__(self, world, study):
        self.patients = world.evm.actors[50:52]
        self.salts = [bytes([number]) * 32 for number in (7, 8)]
        pairs = zip(self.patients, self.salts, strict=True)
        self.own = [leaf_of(study, 1, 1, patient, salt) for patient, salt in pairs]
        super().__init__([*self.own, *(bytes([number]) * 32 for number in range(1, WEIGHT + STEP - 1))])

    def leaf(self, patient):
        return self.opened(self.own[patient], self.salts[patient])


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


@pytest.mark.parametrize(
    "change", [{"index": 1}, {"count": 88 + 1}, {"count": 64}, {"count": 0}, {"index": 2**32 - 1}]
)
def test_a_leaf_is_opened_at_its_place_among_all(evm, world, played, change):
    """The root commits to the count, and the proof to the index: nobody makes a share larger by another number."""
    study, _, _, cohort = played
    evm.travel(DISPUTE)
    assert cohort.leaf(0)["index"] != 1
    with evm.reverts("NotInCohort", study, 1, 0, cohort.patients[0]):
        claim(world, played, 0, **change)


@pytest.mark.parametrize(
    "cut", [lambda proof: proof[1:], lambda proof: [*proof, bytes(32)], lambda proof: []]
)
def test_a_proof_has_one_length(evm, world, played, cut):
    study, _, _, cohort = played
    evm.travel(DISPUTE)
    with evm.reverts("NotInCohort", study, 1, 0, cohort.patients[0]):
        claim(world, played, 0, proof=cut(cohort.leaf(0)["proof"]))


@pytest.mark.parametrize("people", [1, STEP, STEP + 1, 2 * STEP + 1])
def test_a_cohort_gets_its_part_and_no_more_however_many_leaves_it_has(evm, world, people):
    """Weight 8: of fewer leaves each has an eighth, of more each an equal part. Everybody may claim."""
    study = world.running(3, patientBps=BPS, rewardPerRound=REWARD)
    patients, salt = evm.actors[50 : 50 + people], b"\7" * 32
    own = [leaf_of(study, 1, 1, patient, salt) for patient in patients]
    cohort = Listed(own)
    shown = update(0, STEP, cohortRoot=cohort.root)
    world.rounds.submitUpdate(study, 1, 0, shown, sender=world.operators[0])
    for seat in (1, 2):
        world.submit(study, seat)
    result = aggregate(range(3), 2 * WEIGHT + STEP)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    whole = 2 * WEIGHT + STEP
    for patient, leaf in zip(patients, own, strict=True):
        opened = cohort.opened(leaf, salt)
        world.payouts.claimPatient(study, 1, 0, result, shown, opened, sender=patient)
    each = POOL * STEP // (max(people, STEP) * whole)
    assert {world.free(patient) for patient in patients} == {each}
    assert people * each <= POOL * STEP // whole


def test_a_leaf_that_is_listed_twice_is_paid_once(evm, world):
    """A hospital lists one account in each place; the other places are nobody's."""
    study = world.running(3, patientBps=BPS, rewardPerRound=REWARD)
    patient, salt = evm.actors[50], b"\7" * 32
    own = leaf_of(study, 1, 1, patient, salt)
    cohort = Listed([own] * STEP)
    shown = update(0, STEP, cohortRoot=cohort.root)
    world.rounds.submitUpdate(study, 1, 0, shown, sender=world.operators[0])
    for seat in (1, 2):
        world.submit(study, seat)
    result = aggregate(range(3), 2 * WEIGHT + STEP)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    opened = cohort.opened(own, salt)
    world.payouts.claimPatient(study, 1, 0, result, shown, opened, sender=patient)
    with evm.reverts("LeafClaimed", study, 1, own):
        world.payouts.claimPatient(study, 1, 0, result, shown, opened, sender=patient)


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
    study, result, shown, cohort = played
    evm.travel(DISPUTE)
    updates = [shown, update(1), update(2)]
    hospitals = sum(
        world.claim(study, seat, result, own=updates[seat]).named("Claimed")[0]["amount"] for seat in range(3)
    )
    # Every leaf of each cohort.
    most = 3 * cohort.count * (POOL * WEIGHT // (3 * WEIGHT * cohort.count))
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
