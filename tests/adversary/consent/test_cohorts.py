"""Cohorts that are not what they seem: patients whom a hospital invents to have the pay of those it has."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest

from medfed.protocol.leaf_tree import leaf_proof
from medfed.protocol.leaves import filler_leaf
from medfed.protocol.manifest import CohortManifest
from medfed.types import DatasetId, RoundNumber, StudyId
from tests.adversary.money.purse import stopped
from tests.rig.cohorts import Listed, leaf_of
from tests.rig.world import DISPUTE, STEP, aggregate, update

REWARD, BPS, OTHERS = 900_000, 2000, 160
PART = REWARD * BPS // 10_000 * STEP // (OTHERS + STEP)
"""What the patients of seat 0 have together."""
SALT = b"\x5a" * 32


class Played:
    """A final round in which seat 0 committed to these leaves with the least weight."""

    def __init__(self, world, study, root):
        self.world, self.study = world, study
        self.shown = update(0, STEP, cohortRoot=root)
        world.rounds.submitUpdate(study, 1, 0, self.shown, sender=world.operators[0])
        for seat in (1, 2):
            world.submit(study, seat)
        self.result = aggregate(range(3), OTHERS + STEP)
        for seat in (0, 1):
            world.attest(study, seat, self.result)
        world.evm.travel(DISPUTE)

    def claim(self, patient, opened):
        """The name of what stops a patient's claim, or None when it is paid."""
        place = (self.study, 1, 0, self.result, self.shown)
        return stopped(lambda: self.world.payouts.claimPatient(*place, opened, sender=patient))


@pytest.fixture
def study(world):
    return world.running(3, patientBps=BPS, rewardPerRound=REWARD)


def below(leaves):
    """The top of a tree of a power of two of leaves, as a node of the cohort's tree is made."""
    while len(leaves) > 1:
        pairs = zip(leaves[::2], leaves[1::2], strict=True)
        leaves = [hashlib.sha256(left + right).digest() for left, right in pairs]
    return leaves[0]


def test_a_tree_hidden_below_a_filler_is_paid_nothing(world, evm, study):
    """Sixteen invented patients stand below one leaf of a manifest that every attester accepts. No index, no count and no length
    of the path opens them, and the nine real patients have all that is theirs."""
    real, invented = evm.actors[50:59], evm.actors[60:76]
    own = [leaf_of(study, 1, 1, each, SALT) for each in real]
    hidden = [leaf_of(study, 1, 1, each, SALT) for each in invented]
    trap = below(hidden)
    cohort = Listed([*own, trap, *(filler_leaf(bytes([number]) * 32) for number in range(6))])

    manifest = CohortManifest(StudyId(study), RoundNumber(1), DatasetId(1), cohort.leaves)
    CohortManifest.from_bytes(manifest.to_bytes()).check_weight(STEP, STEP)
    played = Played(world, study, manifest.root())

    at = cohort.order.index(trap)
    above = leaf_proof(cohort.leaves, at)
    for number, count in product((0, 15), (cohort.count, 16 * cohort.count, 17, 32)):
        path = [*leaf_proof(b"".join(hidden), number), *above]
        for index in {at, 16 * at + number, number, cohort.count - 1}:
            opened = {"dataset": 1, "salt": SALT, "index": index, "count": count, "proof": path}
            assert played.claim(invented[number], opened) == "NotInCohort"
    assert sum(map(world.free, invented)) == 0

    each = PART // cohort.count
    for patient, leaf in zip(real, own, strict=True):
        assert played.claim(patient, cohort.opened(leaf, SALT)) is None
        assert world.free(patient) == each > 0


def test_invented_patients_in_the_open_take_from_their_own_cohort_only(world, evm, study):
    """A hospital lists thirty accounts of its own beside one patient: together they have the part of the weight that it has."""
    people = evm.actors[50:81]
    cohort = Listed(leaf_of(study, 1, 1, each, SALT) for each in people)
    played = Played(world, study, cohort.root)
    for each in people:
        assert played.claim(each, cohort.opened(leaf_of(study, 1, 1, each, SALT), SALT)) is None
    assert sum(map(world.free, people)) <= PART
    assert world.free(people[0]) == PART // 31


def test_an_inner_node_is_no_leaf(world, evm, study):
    """Nor the root itself, with a shorter path and a smaller count."""
    people = evm.actors[50:58]
    leaves = Listed(leaf_of(study, 1, 1, each, SALT) for each in people)
    played = Played(world, study, leaves.root)
    opened = leaves.opened(leaves.order[0], SALT)
    for cut, count in ((1, 4), (2, 2), (3, 1)):
        shorter = opened | {"count": count, "index": 0, "proof": opened["proof"][cut:]}
        assert played.claim(people[0], shorter) == "NotInCohort"


def test_a_smaller_count_makes_no_share_larger(world, evm, study):
    """Sixteen leaves of weight eight: a patient that says there are fewer is not believed."""
    people = evm.actors[50:66]
    own = {each: leaf_of(study, 1, 1, each, SALT) for each in people}
    cohort = Listed(own.values())
    played = Played(world, study, cohort.root)
    opened = cohort.opened(own[people[0]], SALT)
    for count in (0, 1, 8, 15, 17, 2**32 - 1):
        assert played.claim(people[0], opened | {"count": count}) == "NotInCohort"
    assert played.claim(people[0], opened) is None
    assert world.free(people[0]) == PART // 16
