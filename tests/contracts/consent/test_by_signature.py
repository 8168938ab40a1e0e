"""grantBySig, narrowBySig, revokeBySig, revokeAllBySig: whose, where, when, and once."""

from __future__ import annotations

import pytest

from medfed.protocol import typed
from tests.contracts.consent.conftest import DS, GRU, HMB, IRB, NO_EXPIRY
from tests.rig.evm import CHAIN_ID

KINDS = ["grant", "narrow", "revoke", "revoke_all"]
FUNCTION = {
    "grant": "grantBySig",
    "narrow": "narrowBySig",
    "revoke": "revokeBySig",
    "revoke_all": "revokeAllBySig",
}


def sign(consents, kind, **options):
    return getattr(consents, f"{kind}_of")(**options)


def bring(consents, kind, item):
    return getattr(consents, FUNCTION[kind])(item, sender=consents.relayer)


@pytest.fixture
def consented(consents):
    """The patient granted GRU a minute ago, so that every kind of message would count."""
    consents.grant(7, GRU, NO_EXPIRY, sender=consents.patient)
    consents.evm.travel(60)
    return consents


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_expired__reverts(self, consented, kind):
        item = sign(consented, kind)
        consented.evm.travel(60)
        token = consented.evm.snapshot()
        bring(consented, kind, item)
        consented.evm.restore(token)
        consented.evm.travel(1)
        with consented.evm.reverts("SignatureExpired", item["deadline"], consented.evm.now):
            bring(consented, kind, item)

    def test_issued_in_the_future__reverts(self, consented, kind):
        item = sign(consented, kind, issued_at=consented.evm.now + 1)
        with consented.evm.reverts("SignatureFromFuture", consented.evm.now + 1, consented.evm.now):
            bring(consented, kind, item)
        consented.evm.travel(1)
        bring(consented, kind, item)

    def test_for_another_chain__reverts(self, consented, kind):
        elsewhere = typed.consent_domain(CHAIN_ID + 1, consented.registry.address)
        with consented.evm.reverts("InvalidSignature"):
            bring(consented, kind, sign(consented, kind, domain=elsewhere))

    def test_for_another_contract__reverts(self, consented, kind):
        other = consented.evm.deploy("ConsentRegistry", consented.CONSORTIUM(), consented.DATASETS())
        elsewhere = typed.consent_domain(CHAIN_ID, other.address)
        with consented.evm.reverts("InvalidSignature"):
            bring(consented, kind, sign(consented, kind, domain=elsewhere))

    def test_by_someone_else__reverts_with_the_digest(self, consented, kind):
        item = sign(consented, kind, signer=consented.relayer)
        message = {
            "grant": typed.GrantMessage,
            "narrow": typed.NarrowMessage,
            "revoke": typed.RevokeMessage,
            "revoke_all": typed.RevokeAllMessage,
        }[kind]
        digest = typed.digest(consented.domain, consented.terms(message, consented.patient))
        with consented.evm.reverts("InvalidSignature", consented.patient, digest):
            bring(consented, kind, item)

    def test_changed_value__reverts(self, consented, kind):
        item = sign(consented, kind)
        for field in sorted(item.keys() - {"patient", "signature"}):
            with consented.evm.reverts("InvalidSignature"):
                bring(consented, kind, item | {field: item[field] - 1})

    @pytest.mark.parametrize("signature", [b"", b"\0" * 65, b"\xff" * 65, b"\1" * 64])
    def test_nonsense_for_a_signature__reverts(self, consented, kind, signature):
        with consented.evm.reverts("InvalidSignature"):
            bring(consented, kind, sign(consented, kind) | {"signature": signature})

    def test_malleable_twin_of_a_signature__reverts(self, consented, kind):
        """(r, n - s, v') verifies under plain ECDSA; it is refused."""
        item = sign(consented, kind)
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        r, s, v = (
            item["signature"][:32],
            int.from_bytes(item["signature"][32:64], "big"),
            item["signature"][64],
        )
        twin = r + (order - s).to_bytes(32, "big") + bytes([55 - v])
        with consented.evm.reverts("InvalidSignature"):
            bring(consented, kind, item | {"signature": twin})

    def test_one_kind_never_serves_another(self, consented, kind):
        """A signed grant is no narrowing, though their fields are the same."""
        if kind in ("grant", "narrow"):
            other = {"grant": "narrow", "narrow": "grant"}[kind]
            with consented.evm.reverts("InvalidSignature"):
                bring(consented, other, sign(consented, kind))

    def test_replayed__reverts(self, consented, kind):
        """At once, and later."""
        item = sign(consented, kind)
        bring(consented, kind, item)
        for _ in range(2):
            with consented.evm.reverts("SignatureOvertaken", item["issuedAt"], item["issuedAt"]):
                bring(consented, kind, item)
            consented.evm.travel(1)

    def test_zero_address_has_no_signature(self, consented, kind):
        """A recovery that fails yields address zero, which must not match."""
        item = sign(consented, kind) | {"patient": "0x" + "00" * 20, "signature": b"\0" * 65}
        with consented.evm.reverts("InvalidSignature"):
            bring(consented, kind, item)


@pytest.mark.parametrize("kind", ["grant", "narrow"])
class TestGrantAndNarrowing:
    def test_overtaken_by_a_newer_word__reverts(self, consented, kind):
        item = sign(consented, kind)
        consented.grant(7, HMB, NO_EXPIRY, sender=consented.patient)
        consented.evm.travel(1)
        with consented.evm.reverts("SignatureOvertaken", item["issuedAt"], item["issuedAt"]):
            bring(consented, kind, item)

    def test_overtaken_by_a_revocation__reverts(self, consented, kind):
        """An old consent never undoes a revocation, whoever posts it."""
        item = sign(consented, kind)
        revoked = consented.evm.travel(1)
        consented.revoke(7, sender=consented.patient)
        consented.evm.travel(1)
        with consented.evm.reverts("SignatureOvertaken", item["issuedAt"], revoked):
            bring(consented, kind, item)

    def test_overtaken_by_a_revocation_without_a_word__reverts(self, consents, kind):
        """The tombstone's purpose: a grant that was signed and not posted yet."""
        item = sign(consents, kind)
        consents.revoke(7, sender=consents.patient)
        with consents.evm.reverts("SignatureOvertaken", item["issuedAt"], consents.evm.now):
            bring(consents, kind, item)

    def test_overtaken_by_a_revoke_all__reverts(self, consented, kind):
        item = sign(consented, kind)
        moment = consented.evm.travel(1)
        consented.revokeAll(sender=consented.patient)
        consented.evm.travel(1)
        with consented.evm.reverts("SignatureOvertaken", item["issuedAt"], moment):
            bring(consented, kind, item)

    def test_values_are_checked_as_in_a_call(self, consented, kind):
        with consented.evm.reverts("UndefinedPurposes"):
            bring(consented, kind, sign(consented, kind, purposes=1 << 31))
        with consented.evm.reverts("NoPermission"):
            bring(consented, kind, sign(consented, kind, purposes=IRB))
        with consented.evm.reverts("ExpiryPassed"):
            bring(consented, kind, sign(consented, kind, expiry_day=consented.today))

    def test_counts_as_a_call_of_the_patient(self, consented, kind):
        """The relayer appears nowhere."""
        item = sign(consented, kind, purposes=DS)
        consented.evm.travel(5)
        receipt = bring(consented, kind, item)
        name = {"grant": "Granted", "narrow": "Narrowed"}[kind]
        terms = {"purposes": DS, "expiryDay": NO_EXPIRY, "at": consented.evm.now}
        assert receipt.named(name) == [{"patient": consented.patient.address, "datasetId": 7} | terms]
        assert consented.active(purposes=DS)
        assert not consented.active(purposes=HMB)


class TestNarrowing:
    def test_wider__reverts(self, consents):
        consents.grant(7, DS, NO_EXPIRY, sender=consents.patient)
        consents.evm.travel(1)
        with consents.evm.reverts("NotNarrower"):
            bring(consents, "narrow", sign(consents, "narrow", purposes=HMB))

    def test_nothing_to_narrow__reverts(self, consents):
        with consents.evm.reverts("NothingToNarrow"):
            bring(consents, "narrow", sign(consents, "narrow"))


class TestRevocation:
    def test_older_than_the_grant__reverts(self, consented):
        """An old revocation never undoes a newer consent."""
        item = sign(consented, "revoke")
        granted = consented.evm.travel(1)
        consented.grant(7, HMB, NO_EXPIRY, sender=consented.patient)
        with consented.evm.reverts("SignatureOvertaken", item["issuedAt"], granted):
            bring(consented, "revoke", item)

    def test_issued_in_the_second_of_the_grant__counts(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        item = sign(consents, "revoke")
        consents.evm.travel(5)
        receipt = bring(consents, "revoke", item)
        who = {"patient": consents.patient.address, "datasetId": 7, "by": consents.patient.address}
        assert receipt.named("Revoked") == [who | {"at": consents.evm.now}]
        assert not consents.active()

    def test_without_a_word__leaves_a_tombstone(self, consents):
        bring(consents, "revoke", sign(consents, "revoke"))
        assert consents.word() == (0, consents.evm.now, 0, consents.evm.now, bytes(16))

    def test_after_a_regrant_in_its_own_second__wins_again(self, consents):
        """The documented exception to once: a patient who revokes by signature and grants again by call in one
        second."""
        item = sign(consents, "revoke")
        bring(consents, "revoke", item)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        bring(consents, "revoke", item)
        assert not consents.active()
        consents.evm.travel(1)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        with consents.evm.reverts("SignatureOvertaken"):
            bring(consents, "revoke", item)


class TestRevokeAll:
    def test_overtaken_by_another_only(self, consented):
        """Grants that were posted since do not stop it."""
        item = sign(consented, "revoke_all")
        consented.evm.travel(5)
        consented.grant(7, HMB, NO_EXPIRY, sender=consented.patient)
        token = consented.evm.snapshot()
        bring(consented, "revoke_all", item)
        assert not consented.active()
        consented.evm.restore(token)
        consented.revokeAll(sender=consented.patient)
        with consented.evm.reverts("SignatureOvertaken", item["issuedAt"], consented.evm.now):
            bring(consented, "revoke_all", item)
