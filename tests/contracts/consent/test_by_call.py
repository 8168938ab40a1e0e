"""grant, narrow, revoke, revokeAll and revokeFor: reverts in the order of the checks, then effects and events."""

from __future__ import annotations

import pytest

from medfed.protocol.consent import RevokeAll, Word
from tests.contracts.consent.conftest import DS, GRU, HMB, IRB, NO_EXPIRY

NONE = (0, 0, 0, 0, bytes(18))


@pytest.mark.parametrize("change", ["grant", "narrow"])
class TestTerms:
    """What neither a grant nor a narrowing may say."""

    @pytest.fixture(autouse=True)
    def consented(self, consents):
        consents.grant(7, GRU, NO_EXPIRY, sender=consents.patient)
        consents.evm.travel(1)

    def test_undefined_purpose_bit_is_refused(self, consents, change):
        with consents.evm.reverts("UndefinedPurposes", HMB | 1 << 23, 1 << 23):
            getattr(consents, change)(7, HMB | 1 << 23, NO_EXPIRY, sender=consents.patient)

    @pytest.mark.parametrize("purposes", [0, IRB])
    def test_purposes_that_permit_nothing_are_refused(self, consents, change, purposes):
        with consents.evm.reverts("NoPermission", purposes):
            getattr(consents, change)(7, purposes, NO_EXPIRY, sender=consents.patient)

    def test_expiry_day_that_has_begun_is_refused(self, consents, change):
        with consents.evm.reverts("ExpiryPassed", consents.today, consents.evm.now):
            getattr(consents, change)(7, HMB, consents.today, sender=consents.patient)

    def test_tomorrow_is_the_earliest_expiry(self, consents, change):
        getattr(consents, change)(7, HMB, consents.today + 1, sender=consents.patient)
        end = (consents.today + 1) * 86_400
        assert [consents.active(at=t) for t in (end - 1, end)] == [True, False]


class TestGrant:
    @pytest.mark.parametrize("how", ["revoke", "revokeFor", "revokeAll"])
    def test_grant_in_the_second_of_a_revocation__reverts(self, consents, how):
        """Whichever revocation: in one and the same second it wins."""
        revocations = {
            "revoke": lambda: consents.revoke(7, sender=consents.patient),
            "revokeFor": lambda: consents.revokeFor(consents.patient, 7, sender=consents.owner),
            "revokeAll": lambda: consents.revokeAll(sender=consents.patient),
        }
        consents.grant(7, GRU, NO_EXPIRY, sender=consents.patient)
        revocations[how]()
        for change in (consents.grant, consents.narrow):
            with consents.evm.reverts("Overtaken", consents.evm.now, consents.evm.now):
                change(7, HMB, NO_EXPIRY, sender=consents.patient)
        consents.evm.travel(1)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        assert consents.active()

    def test_grant_stores_the_word_and_tells(self, consents):
        """And nothing else moves: neither another dataset nor another patient."""
        receipt = consents.grant(7, HMB | IRB, consents.today + 9, sender=consents.patient)
        now = consents.evm.now
        terms = {"purposes": HMB | IRB, "expiryDay": consents.today + 9, "details": bytes(32)}
        who, when = {"patient": consents.patient.address, "datasetId": 7}, {"signedAt": now, "at": now}
        assert receipt.named("Granted") == [who | terms | when]
        assert len(receipt.events) == 1
        assert consents.word() == (HMB | IRB, now, now, consents.today + 9, bytes(18))
        assert tuple(consents.wordOf(consents.patient, 8)) == NONE
        assert consents.word(consents.owner) == NONE
        assert tuple(consents.revokeAllOf(consents.patient)) == (0, 0, bytes(24))

    def test_second_grant_chains_the_first(self, consents):
        first = consents.evm.now
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        now = consents.evm.travel(5)
        consents.grant(7, DS, NO_EXPIRY, sender=consents.patient)
        assert consents.word() == (DS, now, now, NO_EXPIRY, Word(HMB, first, first, NO_EXPIRY).digest())

    def test_second_grant_in_one_second_replaces_the_first(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        consents.grant(7, DS, NO_EXPIRY, sender=consents.patient)
        assert consents.word() == (DS, consents.evm.now, consents.evm.now, NO_EXPIRY, bytes(18))

    def test_grant_replaces_a_signed_one_of_its_second(self, consents):
        """A call cannot be shown again, so it needs no order within its second."""
        item = consents.grant_of(purposes=GRU)
        consents.grantBySig(item, sender=consents.relayer)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        assert consents.word() == (HMB, consents.evm.now, consents.evm.now, NO_EXPIRY, bytes(18))
        with consents.evm.reverts("Overtaken", consents.evm.now, consents.evm.now):
            consents.grantBySig(item, sender=consents.relayer)

    def test_dataset_need_not_exist(self, consents):
        """Looking it up would cost every patient; consent for a dataset that is none binds nobody."""
        consents.grant(4_000_000_000, HMB, NO_EXPIRY, sender=consents.patient)


class TestNarrow:
    def test_nothing_to_narrow__reverts(self, consents):
        """Absent, expired, revoked, or ended by a revoke-all: narrowing never revives a consent."""
        patient = consents.patient

        def refuses():
            with consents.evm.reverts("NothingToNarrow", patient, 7):
                consents.narrow(7, DS, NO_EXPIRY, sender=patient)

        refuses()
        consents.grant(7, HMB, consents.today + 1, sender=patient)
        consents.evm.travel(86_400)
        refuses()
        consents.grant(7, HMB, NO_EXPIRY, sender=patient)
        consents.revoke(7, sender=patient)
        consents.evm.travel(1)
        refuses()
        consents.grant(7, HMB, NO_EXPIRY, sender=patient)
        consents.revokeAll(sender=patient)
        consents.evm.travel(1)
        refuses()

    def test_anything_wider_or_longer__reverts(self, consents):
        day = consents.today + 9
        consents.grant(7, HMB | IRB, day, sender=consents.patient)
        for purposes, expiry in ((GRU | IRB, day), (HMB, day), (DS | IRB, day + 1), (DS | IRB, NO_EXPIRY)):
            with consents.evm.reverts("NotNarrower", HMB | IRB, purposes, day, expiry):
                consents.narrow(7, purposes, expiry, sender=consents.patient)

    def test_narrowing_stores_the_word_and_tells(self, consents):
        first = consents.evm.now
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        now = consents.evm.travel(5)
        day = consents.today + 9
        receipt = consents.narrow(7, DS | IRB, day, sender=consents.patient)
        terms = {"purposes": DS | IRB, "expiryDay": day, "details": bytes(32)}
        who, when = {"patient": consents.patient.address, "datasetId": 7}, {"signedAt": now, "at": now}
        assert receipt.named("Narrowed") == [who | terms | when]
        assert consents.word() == (DS | IRB, now, now, day, Word(HMB, first, first, NO_EXPIRY).digest())
        assert not consents.active(purposes=HMB)
        assert consents.active(purposes=DS | IRB)


class TestRevoke:
    def test_revocation_chains_the_consent_and_tells(self, consents):
        granted = consents.evm.now
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        now = consents.evm.travel(5)
        receipt = consents.revoke(7, sender=consents.patient)
        who = {"patient": consents.patient.address, "datasetId": 7, "by": consents.patient.address}
        assert receipt.named("Revoked") == [who | {"signedAt": now, "at": now}]
        assert consents.word() == (0, now, now, 0, Word(HMB, granted, granted, NO_EXPIRY).digest())
        assert not consents.active()

    def test_revocation_in_the_second_of_the_grant_replaces_it(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        consents.revoke(7, sender=consents.patient)
        assert consents.word() == (0, consents.evm.now, consents.evm.now, 0, bytes(18))

    def test_revocation_without_a_word_leaves_a_tombstone(self, consents):
        consents.revoke(7, sender=consents.patient)
        assert consents.word() == (0, consents.evm.now, consents.evm.now, 0, bytes(18))

    def test_second_revocation_chains_but_not_within_its_second(self, consents):
        """There it says nothing."""
        first = consents.evm.now
        consents.revoke(7, sender=consents.patient)
        assert consents.revoke(7, sender=consents.patient).events == ()
        assert consents.word() == (0, first, first, 0, bytes(18))
        now = consents.evm.travel(5)
        consents.revoke(7, sender=consents.patient)
        assert consents.word() == (0, now, now, 0, Word(0, first, first).digest())


class TestRevokeAll:
    def test_revoke_all_ends_every_consent_and_tells(self, consents):
        for dataset in (7, 8):
            consents.grant(dataset, HMB, NO_EXPIRY, sender=consents.patient)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.owner)
        receipt = consents.revokeAll(sender=consents.patient)
        now = consents.evm.now
        assert receipt.named("AllRevoked") == [
            {"patient": consents.patient.address, "signedAt": now, "at": now}
        ]
        assert not consents.active()
        assert not consents.isActive(consents.patient, 8, HMB, now)
        assert consents.active(consents.owner)

    def test_second_revoke_all_chains_but_not_within_its_second(self, consents):
        """There it says nothing."""
        first = consents.evm.now
        consents.revokeAll(sender=consents.patient)
        assert consents.revokeAll(sender=consents.patient).events == ()
        assert tuple(consents.revokeAllOf(consents.patient)) == (first, first, bytes(24))
        now = consents.evm.travel(5)
        consents.revokeAll(sender=consents.patient)
        last = tuple(consents.revokeAllOf(consents.patient))
        assert last == (now, now, RevokeAll(first, first).digest())


class TestRevokeFor:
    def test_stranger__reverts(self, consents):
        with consents.evm.reverts("NotDatasetOwner", 7, consents.relayer, consents.owner):
            consents.revokeFor(consents.patient, 7, sender=consents.relayer)

    def test_dataset_that_does_not_exist__reverts(self, consents):
        with consents.evm.reverts("DatasetUnknown", 9):
            consents.revokeFor(consents.patient, 9, sender=consents.owner)

    def test_what_is_revoked_already_is_revoked_anew_but_not_within_its_second(self, consents):
        """There it says nothing; later it stops a grant that was signed before."""
        first = consents.evm.now
        consents.revokeFor(consents.patient, 7, sender=consents.owner)
        assert consents.revokeFor(consents.patient, 7, sender=consents.owner).events == ()
        consents.evm.travel(5)
        held_back = consents.grant_of()
        now = consents.evm.travel(5)
        consents.revokeFor(consents.patient, 7, sender=consents.owner)
        assert consents.word() == (0, now, now, 0, Word(0, first, first).digest())
        with consents.evm.reverts("Overtaken", now - 5, now):
            consents.grantBySig(held_back, sender=consents.relayer)

    def test_owner_revokes_this_dataset_only(self, consents):
        for dataset in (7, 8):
            consents.grant(dataset, HMB, NO_EXPIRY, sender=consents.patient)
        receipt = consents.revokeFor(consents.patient, 7, sender=consents.owner)
        who = {"patient": consents.patient.address, "datasetId": 7, "by": consents.owner.address}
        assert receipt.named("Revoked") == [who | {"signedAt": consents.evm.now, "at": consents.evm.now}]
        assert not consents.active()
        assert consents.isActive(consents.patient, 8, HMB, consents.evm.now)

    def test_right_is_the_owners_whom_the_registry_names(self, consents):
        datasets = consents.evm.at("OpenDatasets", consents.DATASETS())
        datasets.give(7, consents.relayer)
        consents.revokeFor(consents.patient, 7, sender=consents.relayer)
        with consents.evm.reverts("NotDatasetOwner", 7, consents.owner, consents.relayer):
            consents.revokeFor(consents.patient, 7, sender=consents.owner)

    def test_right_follows_a_replaced_admin_account(self, consents):
        """A hospital that lost its key can still end a consent, and who finds the key cannot."""
        admin = consents.evm.actors[5]
        consents.consortium.proposeAdmin(consents.owner, admin)
        consents.evm.travel(30 * 86_400)
        consents.consortium.acceptAdmin(consents.owner, sender=admin)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        with consents.evm.reverts("NotDatasetOwner", 7, consents.owner, consents.owner):
            consents.revokeFor(consents.patient, 7, sender=consents.owner)
        receipt = consents.revokeFor(consents.patient, 7, sender=admin)
        who = {"patient": consents.patient.address, "datasetId": 7, "by": admin.address}
        assert receipt.named("Revoked") == [who | {"signedAt": consents.evm.now, "at": consents.evm.now}]
        assert not consents.active()

    def test_owner_has_no_way_to_grant(self, consents):
        """Every function that opens a consent takes the patient from the sender or from a signature."""
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.owner)
        assert consents.active(consents.owner)
        assert not consents.active(consents.patient)
