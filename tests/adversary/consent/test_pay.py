"""Pay for somebody else's leaf, or for one leaf more than once."""

from __future__ import annotations

import pytest

from medfed.protocol.leaves import filler_leaf
from tests.adversary.consent.test_cohorts import PART, SALT, Played, study
from tests.rig.cohorts import Listed, leaf_of
from tests.rig.world import DISPUTE, STEP, aggregate, update

__all__ = ["study"]
OTHER = b"\x3c" * 32
HMB, NO_EXPIRY, NO_DETAILS = 2, 0xFFFF, bytes(32)


@pytest.fixture
def people(evm):
    return evm.actors[50:54]


@pytest.fixture
def cohort(study, people):
    """Four patients, and four fillers of which the hospital knows the seeds."""
    fillers = [filler_leaf(bytes([number]) * 32) for number in range(4)]
    return Listed([*(leaf_of(study, 1, 1, each, SALT) for each in people), *fillers])


@pytest.fixture
def played(world, study, cohort):
    return Played(world, study, cohort.root)


def opened_by(cohort, study, who):
    return cohort.opened(leaf_of(study, 1, 1, who, SALT), SALT)


def test_a_proof_that_was_seen_in_the_pool_pays_nobody_else(world, evm, study, people, cohort, played):
    """Copied by a thief, by the hospital, its operator, the sponsor or another patient: the leaf has one account."""
    seen = opened_by(cohort, study, people[0])
    for who in (evm.actors[60], world.hospitals[0], world.operators[0], world.sponsor, people[1]):
        assert played.claim(who, seen) == "NotInCohort"
    assert played.claim(people[0], seen) is None
    assert played.claim(people[0], seen) == "LeafClaimed"
    assert world.free(people[0]) == PART // cohort.count


@pytest.mark.parametrize(
    "change", [{"dataset": 2}, {"dataset": 0}, {"salt": OTHER}, {"index": 0}, {"index": 7}, {"index": 8}, {"index": 2**32 - 1}]
)  # fmt: skip
def test_a_leaf_moved_to_another_dataset_or_place(study, people, cohort, played, change):
    seen = opened_by(cohort, study, people[0])
    if seen["index"] == change.get("index"):
        change = {"index": seen["index"] ^ 1}
    assert played.claim(people[0], seen | change) == "NotInCohort"


def test_a_filler_is_nobodys(world, evm, study, people, cohort, played):
    """Also not the hospital's, which knows its seed: what opens it is no patient's leaf."""
    for number in range(4):
        leaf = filler_leaf(bytes([number]) * 32)
        for salt in (bytes([number]) * 32, leaf, SALT):
            for who in (world.operators[0], world.hospitals[0], evm.actors[60]):
                assert played.claim(who, cohort.opened(leaf, salt)) == "NotInCohort"


def test_a_proof_of_one_round_or_study_opens_no_other(world, evm, people):
    """Two rounds and two studies commit to the root of the first."""
    first = world.running(3, patientBps=2000, rewardPerRound=900_000)
    cohort = Listed(leaf_of(first, 1, 1, each, SALT) for each in people)
    played = Played(world, first, cohort.root)
    seen = opened_by(cohort, first, people[0])
    world.rounds.submitUpdate(first, 2, 0, played.shown, sender=world.operators[0])
    for seat in (1, 2):
        world.submit(first, seat, 2)
    again = aggregate(range(3), 160 + STEP, cid=b"\xb1" * 32)
    for seat in (0, 1):
        world.attest(first, seat, again, 2)
    evm.travel(DISPUTE)
    with evm.reverts("NotInCohort"):
        world.payouts.claimPatient(first, 2, 0, again, played.shown, seen, sender=people[0])
    other = Played(world, world.running(3, patientBps=2000, rewardPerRound=900_000), cohort.root)
    assert other.claim(people[0], seen) == "NotInCohort"
    with evm.reverts("UpdateMismatch"):  # the leaf is at that place of seat 0 alone
        world.payouts.claimPatient(first, 1, 1, played.result, played.shown, seen, sender=people[0])
    assert played.claim(people[0], seen) is None


def test_one_patient_in_two_hospitals_takes_of_each_its_own_part(world, evm, study, people, cohort):
    """The second hospital copies the first one's manifest to have its patients' pay: they are paid out of its own part."""
    shown = [update(seat, STEP, cohortRoot=cohort.root) for seat in (0, 1)]
    for seat in (0, 1):
        world.rounds.submitUpdate(study, 1, seat, shown[seat], sender=world.operators[seat])
    world.submit(study, 2)
    result = aggregate(range(3), 80 + 2 * STEP)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    part = 900_000 * 2000 // 10_000 * STEP // (80 + 2 * STEP)
    seen = opened_by(cohort, study, people[0])
    for seat in (0, 1):
        world.payouts.claimPatient(study, 1, seat, result, shown[seat], seen, sender=people[0])
        with evm.reverts("LeafClaimed"):
            world.payouts.claimPatient(study, 1, seat, result, shown[seat], seen, sender=people[0])
    assert world.free(people[0]) == 2 * (part // cohort.count)


def test_whoever_revoked_since_is_paid_for_what_was_used(world, evm, study, people, cohort, played):
    """A revocation does not undo a use, and nobody keeps its pay by bringing one."""
    world.consents.revokeAll(sender=people[0])
    world.consents.revokeFor(people[0], 1, sender=world.hospitals[0])
    assert played.claim(people[0], opened_by(cohort, study, people[0])) is None
