"""A hospital's cohort of a round, and what it shows of it later."""

from __future__ import annotations

import pytest

from medfed.protocol.cid import cid_from_digest
from medfed.protocol.leaves import cohort_leaf, use_salt
from medfed.protocol.manifest import CohortManifest
from medfed.rounds.cohort import committed_cohort, round_cohort
from medfed.rounds.disclose import disclosure
from medfed.rounds.recompute import RoundPlace
from medfed.rounds.study import fetch_spec


def cohort_of(ended, number, member=0, rule=committed_cohort):
    world = ended.world
    study, history = world.study(ended.study), world.round(ended.study, number)
    spec = fetch_spec(world.store, study)
    rounds = world.contracts.rounds.address
    place = RoundPlace(world.client.chain_id, rounds, ended.study, history.number, spec)
    hospital = world.hospital(world.members[member])
    entry = study.enrolment(hospital.id)
    return rule(world.index, place, history, entry, hospital.holdings)


def manifest_of(ended, number, seat=0) -> CohortManifest:
    update = ended.world.round(ended.study, number).updates[seat]
    return CohortManifest.from_bytes(
        ended.world.store.get(cid_from_digest(update.cohort_cid), CohortManifest.maximum)
    )


@pytest.mark.parametrize("number", [1, 2])
def test_the_cohort_is_the_published_one_whenever_it_is_asked_for(ended, number):
    """Long after the round, from the same register: leaf by leaf the manifest that was committed to."""
    for rule in (round_cohort, committed_cohort):
        assert cohort_of(ended, number, rule=rule).manifest() == manifest_of(ended, number)


def test_a_patient_finds_their_leaf_and_nobody_elses(ended):
    """By their link secret, where they are in the cohort; a stranger finds none."""
    member = ended.world.members[0]
    for number in (1, 2):
        use = cohort_of(ended, number).use
        manifest = manifest_of(ended, number)
        listed = {each.patient for each in cohort_of(ended, number).members}
        for index in (*range(18), 99):
            patient = member.wallet.account(index).address
            leaf = cohort_leaf(use, patient, use_salt(member.wallet.link_secret(index), use))
            assert (manifest.index(leaf) is not None) == (patient in listed)


def test_who_revoked_is_in_the_manifest_before_and_in_none_after(ended):
    """Provably absent: of the two who revoked in round 1, round 1 lists the leaves, round 2 does not."""
    member = ended.world.members[0]
    for number, present in ((1, True), (2, False)):
        use = cohort_of(ended, number).use
        manifest = manifest_of(ended, number)
        for index in ended.revoked:
            salt = use_salt(member.wallet.link_secret(index), use)
            leaf = cohort_leaf(use, member.wallet.account(index).address, salt)
            assert (manifest.index(leaf) is not None) == present


def test_a_disclosure_names_each_round_in_which_the_hospital_submitted(ended):
    world = ended.world
    hospital = world.hospital(world.members[0])
    study = world.study(ended.study)
    shown = disclosure(world.federation(), study, study.enrolment(hospital.id), hospital.holdings)
    assert [(entry.round, len(entry.uses)) for entry in shown.rounds] == [(1, 18), (2, 16)]
    for number in (1, 2):
        patients = shown.patients(manifest_of(ended, number), 16, 16)
        assert set(patients) == {member.patient for member in cohort_of(ended, number).members}
