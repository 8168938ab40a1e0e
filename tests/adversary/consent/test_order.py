"""Whoever brings a patient's signatures to the chain, in what order and how late: what the patient signed last counts."""

from __future__ import annotations

import pytest

from medfed.protocol import typed
from tests.contracts.consent.conftest import DS, GRU, HMB, NO_EXPIRY
from tests.rig.evm import CHAIN_ID

DAY = 86_400


def long(stage, **changes):
    """A message that may be held back for a week."""
    return {"deadline": stage.evm.now + 7 * DAY} | changes


class TestHeldBack:
    def test_mondays_consent_until_thursdays_revocation_is_seen(self, stage, evm):
        monday = stage.grant_of(**long(stage))
        evm.travel(3 * DAY)
        stage.revokeBySig(stage.revoke_of(), sender=stage.relayer)
        with evm.reverts("Overtaken"):
            stage.grantBySig(monday, sender=stage.relayer)
        assert not stage.active()

    def test_a_consent_until_everything_was_revoked(self, stage, evm):
        monday = stage.grant_of(**long(stage))
        evm.travel(DAY)
        stage.revokeAllBySig(stage.revoke_all_of(), sender=stage.relayer)
        with evm.reverts("Overtaken"):
            stage.grantBySig(monday, sender=stage.relayer)
        assert not stage.active()

    def test_a_wide_consent_until_the_narrow_one_stands(self, stage, evm):
        wide = stage.grant_of(**long(stage, purposes=GRU))
        evm.travel(1)
        stage.grantBySig(stage.grant_of(purposes=DS), sender=stage.relayer)
        with evm.reverts("Overtaken"):
            stage.grantBySig(wide, sender=stage.relayer)
        assert stage.active(purposes=DS)
        assert not stage.active(purposes=HMB)

    def test_an_old_revocation_against_a_later_consent(self, stage, evm):
        """A relayer who would do a study harm keeps it for a year: it ends nothing that was signed after it."""
        stage.grant(1, HMB, NO_EXPIRY, sender=stage.patient)
        evm.travel(1)
        kept = stage.revoke_of()
        evm.travel(1)
        stage.grantBySig(stage.grant_of(), sender=stage.relayer)
        evm.travel(365 * DAY)
        with evm.reverts("Overtaken"):
            stage.revokeBySig(kept, sender=stage.relayer)
        assert stage.active()

    def test_an_old_revoke_all_ends_what_was_signed_before_it_and_no_more(self, stage, evm, world):
        stage.grant(1, HMB, NO_EXPIRY, sender=stage.patient)
        evm.travel(1)
        kept = stage.revoke_all_of()
        evm.travel(1)
        stage.grant(2, HMB, NO_EXPIRY, sender=stage.patient)
        evm.travel(100 * DAY)
        stage.revokeAllBySig(kept, sender=stage.relayer)
        assert [world.consents.isActive(stage.patient, number, HMB, evm.now) for number in (1, 2)] == [
            False,
            True,
        ]

    def test_a_revocation_stands_before_there_is_a_consent(self, stage, evm):
        """Posted first, it keeps every consent out that was signed before it."""
        early = stage.grant_of(**long(stage))
        evm.travel(1)
        stage.revokeBySig(stage.revoke_of(), sender=stage.relayer)
        with evm.reverts("Overtaken"):
            stage.grantBySig(early, sender=stage.relayer)


class TestOneSecond:
    @pytest.mark.parametrize("first", ["grantBySig", "revokeBySig"])
    def test_a_consent_and_a_revocation_signed_in_it(self, stage, evm, first):
        """In whichever order they are posted, nobody can say which came later: the record is not used."""
        messages = {"grantBySig": stage.grant_of(), "revokeBySig": stage.revoke_of()}
        second = "revokeBySig" if first == "grantBySig" else "grantBySig"
        getattr(stage, first)(messages[first], sender=stage.relayer)
        if second == "grantBySig":
            with evm.reverts("Overtaken"):
                stage.grantBySig(messages[second], sender=stage.relayer)
        else:
            stage.revokeBySig(messages[second], sender=stage.relayer)
        assert not stage.active()

    def test_two_consents_signed_in_it__the_first_posted_stands(self, stage, evm):
        """Two devices of one patient: a relayer chooses between what the patient said at once, and no more than once."""
        wide, narrow = stage.grant_of(purposes=GRU), stage.grant_of(purposes=DS)
        stage.grantBySig(narrow, sender=stage.relayer)
        with evm.reverts("Overtaken"):
            stage.grantBySig(wide, sender=stage.relayer)
        assert not stage.active(purposes=HMB)

    def test_a_consent_that_lasted_within_one_second_never_counted(self, stage, evm):
        """Granted and revoked in the second before a round opens: what counts of a second is how it ended."""
        stage.grant(1, HMB, NO_EXPIRY, sender=stage.patient)
        stage.revoke(1, sender=stage.patient)
        at = evm.now
        evm.travel(1)
        assert not stage.active(at=at)
        word, last = stage.registry.wordOf(stage.patient, 1), stage.registry.revokeAllOf(stage.patient)
        assert not stage.registry.wasActive(stage.patient, 1, HMB, at, [word], [], [])
        assert last.postedAt == 0


class TestReplays:
    def test_a_used_consent_after_its_revocation(self, stage, evm):
        used = stage.grant_of(**long(stage))
        stage.grantBySig(used, sender=stage.relayer)
        evm.travel(1)
        stage.revoke(1, sender=stage.patient)
        with evm.reverts("Overtaken"):
            stage.grantBySig(used, sender=stage.relayer)

    def test_a_used_revocation_after_the_next_consent(self, stage, evm):
        stage.grant(1, HMB, NO_EXPIRY, sender=stage.patient)
        evm.travel(1)
        used = stage.revoke_of()
        stage.revokeBySig(used, sender=stage.relayer)
        evm.travel(1)
        stage.grant(1, HMB, NO_EXPIRY, sender=stage.patient)
        with evm.reverts("Overtaken"):
            stage.revokeBySig(used, sender=stage.relayer)
        assert stage.active()

    def test_one_consent_64_times_in_a_batch(self, stage):
        receipt = stage.grantBatch([stage.grant_of()] * 64, sender=stage.relayer)
        assert len(receipt.named("Granted")) == 1
        assert len(receipt.named("SignatureSkipped")) == 63

    @pytest.mark.parametrize("where", ["chain", "contract", "name"])
    def test_a_consent_that_was_given_elsewhere(self, stage, evm, world, where):
        """On another chain, to another deployment, or to another of the same deployment's contracts."""
        domain = {
            "chain": typed.consent_domain(CHAIN_ID + 1, stage.registry.address),
            "contract": typed.consent_domain(CHAIN_ID, world.rounds.address),
            "name": typed.Domain("MedFed FederatedRounds", CHAIN_ID, stage.registry.address),
        }[where]
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(stage.grant_of(domain=domain), sender=stage.relayer)

    @pytest.mark.parametrize("change", [{"datasetId": 2}, {"purposes": GRU}, {"expiryDay": 65_000}])
    def test_a_consent_turned_into_another(self, stage, evm, change):
        """For another dataset, for more, for longer: the calldata are the relayer's, the signature is not."""
        signed = stage.grant_of(purposes=DS, expiry_day=30_000) | change
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(signed, sender=stage.relayer)

    def test_a_narrowing_passed_off_as_a_consent(self, stage, evm):
        """Nothing is left to narrow after a revocation; the same fields would make a consent."""
        signed = stage.narrow_of(purposes=DS)
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(signed, sender=stage.relayer)


class TestMoments:
    def test_signed_for_the_end_of_time(self, stage, evm):
        """A signature from the future would stand above all decisions to come."""
        last = 2**32 - 1
        for call, message in (
            ("grantBySig", stage.grant_of(issued_at=last, deadline=last)),
            ("revokeBySig", stage.revoke_of(issued_at=last)),
            ("revokeAllBySig", stage.revoke_all_of(issued_at=last)),
        ):
            with evm.reverts("SignatureFromFuture"):
                getattr(stage, call)(message, sender=stage.relayer)

    def test_the_deadline_is_the_last_second(self, stage, evm):
        first, second = stage.grant_of(), stage.grant_of(patient=evm.actors[81])
        evm.travel(60)
        stage.grantBySig(first, sender=stage.relayer)
        evm.travel(1)
        with evm.reverts("SignatureExpired"):
            stage.grantBySig(second, sender=stage.relayer)

    def test_a_consent_ends_with_its_last_second(self, stage, evm):
        stage.grant(1, HMB, stage.today + 1, sender=stage.patient)
        midnight = (stage.today + 1) * DAY
        evm.travel(midnight + 5 - evm.now)
        assert stage.active(at=midnight - 1)
        assert not stage.active(at=midnight)

    def test_nothing_is_asked_of_the_future(self, stage, evm):
        """`wasActive` of a second that is not over could still change."""
        stage.grant(1, HMB, NO_EXPIRY, sender=stage.patient)
        word = stage.registry.wordOf(stage.patient, 1)
        with evm.reverts("NotYetPast", evm.now, evm.now):
            stage.registry.wasActive(stage.patient, 1, HMB, evm.now, [word], [], [])
