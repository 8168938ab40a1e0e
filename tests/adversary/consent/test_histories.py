"""A hospital shows a contract, or a court, which words stood when: it can neither leave one out nor put one in."""

from __future__ import annotations

import pytest

from medfed.protocol.purposes import Purpose
from tests.rig.world import DATASET

HMB, NO_EXPIRY = int(Purpose.HMB), 0xFFFF
NO_DETAILS = bytes(32)


@pytest.fixture
def revoked(world, evm):
    """A patient who consented, revoked and consented again, a second apart: the words, newest first, and the second in which
    nothing stood."""
    patient, words = evm.actors[80], []
    for call in ("grant", "revoke", "grant"):
        terms = (1, HMB, NO_EXPIRY, NO_DETAILS) if call == "grant" else (1,)
        getattr(world.consents, call)(*terms, sender=patient)
        words.insert(0, world.consents.wordOf(patient, 1))
        evm.travel(2)
    return patient, words, words[1].postedAt


def asked(world, patient, at, words, revoke_alls=()):
    return world.consents.wasActive(patient, 1, HMB, at, list(words), [], list(revoke_alls))


def test_the_truth(world, revoked):
    patient, words, gap = revoked
    assert not asked(world, patient, gap, words)
    assert asked(world, patient, gap + 2, words)


def test_the_revocation_left_out(world, evm, revoked):
    patient, words, gap = revoked
    with evm.reverts("BrokenHistory", 1):
        asked(world, patient, gap, [words[0], words[2]])


def test_the_newest_left_out(world, evm, revoked):
    patient, words, gap = revoked
    with evm.reverts("BrokenHistory", 0):
        asked(world, patient, gap, words[2:])


def test_too_few_to_tell(world, evm, revoked):
    patient, words, gap = revoked
    with evm.reverts("HistoryTooShort", 1):
        asked(world, patient, gap, words[:1])


def test_another_patients_words(world, evm, revoked):
    _, words, gap = revoked
    other = evm.actors[81]
    world.consents.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=other)
    evm.travel(1)
    with evm.reverts("BrokenHistory", 0):
        asked(world, other, gap, words)


def test_another_datasets_words(world, evm, revoked):
    patient, _, gap = revoked
    world.consents.grant(2, HMB, NO_EXPIRY, NO_DETAILS, sender=patient)
    evm.travel(1)
    with evm.reverts("BrokenHistory", 0):
        asked(world, patient, gap, [world.consents.wordOf(patient, 2)])


def test_a_revoke_all_kept_quiet(world, evm, revoked):
    patient, words, _ = revoked
    world.consents.revokeAll(sender=patient)
    at = evm.now
    evm.travel(1)
    with evm.reverts("HistoryTooShort", 0):
        asked(world, patient, at, words)
    assert not asked(world, patient, at, words, [world.consents.revokeAllOf(patient)])


class TestOwners:
    def test_revoking_is_the_owners_and_no_ones_else(self, world, evm):
        """Not another hospital's, the consortium's or the sponsor's: each could keep a patient out of a study."""
        patient = evm.actors[80]
        world.consents.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=patient)
        for who in (world.operators[1], world.hospitals[1], world.admin, world.sponsor, world.stranger):
            with evm.reverts("NotDatasetOwner"):
                world.consents.revokeFor(patient, 1, sender=who)

    @pytest.mark.parametrize("by", ["hospitals", "operators"])
    def test_a_suspended_hospital_still_revokes(self, world, evm, by):
        """What protects the patient needs nobody's leave."""
        patient = evm.actors[80]
        world.consents.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=patient)
        world.consortium.suspend(world.hospitals[0])
        world.consents.revokeFor(patient, 1, sender=getattr(world, by)[0])
        assert not world.consents.isActive(patient, 1, HMB, evm.now)

    def test_no_hospital_brings_a_patients_consent_back(self, world, evm):
        """Revoked for on paper, then registered anew: nobody who consented to the old number has consented to the new one."""
        patient = evm.actors[80]
        world.consents.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=patient)
        world.consents.revokeFor(patient, 1, sender=world.hospitals[0])
        renewed = world.datasets.renew(1, DATASET, sender=world.operators[0]).value
        assert not world.consents.isActive(patient, renewed, HMB, evm.now)
        with evm.reverts("NotDatasetOwner"):
            world.consents.revokeFor(patient, renewed, sender=world.hospitals[1])


class TestNames:
    """What a wallet shows beside a signature."""

    def test_a_hospital_calls_itself_nothing(self, world, evm):
        for who in (world.hospitals[0], world.operators[0], world.stranger):
            with evm.reverts("AccessManagedUnauthorized"):
                world.consortium.giveName(world.hospitals[0], "University Hospital", sender=who)

    def test_neither_name_nor_title_changes_under_who_signed(self, world, evm):
        world.consortium.giveName(world.hospitals[0], "University Hospital", sender=world.admin)
        world.datasets.giveTitle(1, "Heart failure", sender=world.operators[0])
        with evm.reverts("NameGiven"):
            world.consortium.giveName(world.hospitals[0], "Another", sender=world.admin)
        with evm.reverts("TitleGiven"):
            world.datasets.giveTitle(1, "Marketing", sender=world.operators[0])

    def test_a_title_that_ends_its_own_quotation(self, world, evm):
        """Or turns the text around, or hides the rest of it."""
        for title in (
            'Cancer" of University Hospital',
            "Cancer\u202e lacigrus",
            "Cancer\u200b",
            "Cancer\n\n",
        ):
            with evm.reverts("LabelRefused"):
                world.datasets.giveTitle(1, title, sender=world.operators[0])
