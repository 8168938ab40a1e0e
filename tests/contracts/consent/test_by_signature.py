"""grantBySig, narrowBySig, revokeBySig, revokeAllBySig: whose, where, when, once, and in whatever order."""

from __future__ import annotations

from itertools import permutations

import pytest

from medfed.protocol import typed
from medfed.protocol.consent import RevokeAll, Word
from tests.contracts.consent.conftest import DS, GRU, HMB, IRB, NO_EXPIRY, packed
from tests.rig.evm import CHAIN_ID, Revert

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
        changed = [
            {name: item[name] - 1} for name in sorted(item.keys() - {"patient", "details", "signature"})
        ]
        if "details" in item:
            others = ((1, 0xFFFF, bytes(28)), (0, 2024, bytes(28)), (0, 0xFFFF, b"f" * 28))
            changed += [{"details": packed(details)} for details in others]
        for change in changed:
            with consented.evm.reverts("InvalidSignature"):
                bring(consented, kind, item | change)

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
            with consented.evm.reverts("Overtaken", item["issuedAt"], item["issuedAt"]):
                bring(consented, kind, item)
            consented.evm.travel(1)

    def test_zero_address_has_no_signature(self, consented, kind):
        """A recovery that fails yields address zero, which must not match."""
        item = sign(consented, kind) | {"patient": "0x" + "00" * 20, "signature": b"\0" * 65}
        with consented.evm.reverts("InvalidSignature"):
            bring(consented, kind, item)


@pytest.mark.parametrize("kind", ["grant", "narrow"])
class TestGrantAndNarrowing:
    def test_expired__reverts(self, consented, kind):
        item = sign(consented, kind)
        consented.evm.travel(60)
        token = consented.evm.snapshot()
        bring(consented, kind, item)
        consented.evm.restore(token)
        consented.evm.travel(1)
        with consented.evm.reverts("SignatureExpired", item["deadline"], consented.evm.now):
            bring(consented, kind, item)

    def test_overtaken_by_a_newer_word__reverts(self, consented, kind):
        item = sign(consented, kind)
        consented.grant(7, HMB, NO_EXPIRY, sender=consented.patient)
        consented.evm.travel(1)
        with consented.evm.reverts("Overtaken", item["issuedAt"], item["issuedAt"]):
            bring(consented, kind, item)

    def test_overtaken_by_a_revocation__reverts(self, consented, kind):
        """An old consent never undoes a revocation, whoever posts it."""
        item = sign(consented, kind)
        revoked = consented.evm.travel(1)
        consented.revoke(7, sender=consented.patient)
        consented.evm.travel(1)
        with consented.evm.reverts("Overtaken", item["issuedAt"], revoked):
            bring(consented, kind, item)

    def test_overtaken_by_a_revocation_without_a_word__reverts(self, consents, kind):
        """The tombstone's purpose: a grant that was signed and not posted yet."""
        item = sign(consents, kind)
        consents.revoke(7, sender=consents.patient)
        with consents.evm.reverts("Overtaken", item["issuedAt"], consents.evm.now):
            bring(consents, kind, item)

    def test_overtaken_by_a_revoke_all__reverts(self, consented, kind):
        item = sign(consented, kind)
        moment = consented.evm.travel(1)
        consented.revokeAll(sender=consented.patient)
        consented.evm.travel(1)
        with consented.evm.reverts("Overtaken", item["issuedAt"], moment):
            bring(consented, kind, item)

    def test_values_are_checked_as_in_a_call(self, consented, kind):
        with consented.evm.reverts("UndefinedPurposes"):
            bring(consented, kind, sign(consented, kind, purposes=1 << 31))
        with consented.evm.reverts("NoPermission"):
            bring(consented, kind, sign(consented, kind, purposes=IRB))

    def test_that_has_expired_already__replaces_a_longer_one(self, consented, kind):
        """The patient had shortened it: a relayer who comes late makes it no longer."""
        day, now = consented.today, consented.evm.now
        bring(consented, kind, sign(consented, kind, purposes=DS, expiry_day=day))
        assert consented.word()[:4] == (DS, now, now, day)
        assert not any(consented.active(purposes=DS, at=now + d) for d in (0, 1))

    def test_tells_when_it_was_signed_and_when_posted(self, consented, kind):
        """It is active from the latter. The relayer appears nowhere."""
        item = sign(consented, kind, purposes=DS)
        signed, posted = consented.evm.now, consented.evm.travel(5)
        receipt = bring(consented, kind, item)
        name = {"grant": "Granted", "narrow": "Narrowed"}[kind]
        terms = {"purposes": DS, "expiryDay": NO_EXPIRY, "details": bytes(32)}
        who, when = (
            {"patient": consented.patient.address, "datasetId": 7},
            {"signedAt": signed, "at": posted},
        )
        assert receipt.named(name) == [who | terms | when]
        assert consented.word()[:4] == (DS, posted, signed, NO_EXPIRY)
        assert [consented.active(purposes=DS, at=posted + d) for d in (-1, 0)] == [False, True]
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


@pytest.mark.parametrize("kind", ["revoke", "revoke_all"])
def test_signed_revocation_never_expires(consented, kind):
    """It only ends what was signed before it."""
    item = sign(consented, kind)
    consented.evm.travel(20 * 365 * 86_400)
    assert consented.active()
    bring(consented, kind, item)
    assert not consented.active()


class TestRevocation:
    def test_older_than_the_grant__reverts(self, consented):
        """An old revocation never undoes a newer consent."""
        item = sign(consented, "revoke")
        granted = consented.evm.travel(1)
        consented.grant(7, HMB, NO_EXPIRY, sender=consented.patient)
        with consented.evm.reverts("Overtaken", item["issuedAt"], granted):
            bring(consented, "revoke", item)

    def test_issued_in_the_second_of_the_grant__counts(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        granted, item = consents.evm.now, sign(consents, "revoke")
        posted = consents.evm.travel(5)
        receipt = bring(consents, "revoke", item)
        who = {"patient": consents.patient.address, "datasetId": 7, "by": consents.patient.address}
        assert receipt.named("Revoked") == [who | {"signedAt": granted, "at": posted}]
        closed = Word(HMB, granted, granted, NO_EXPIRY)
        assert consents.word() == (0, posted, granted, 0, closed.digest())
        assert not consents.active()

    def test_newer_than_the_signing_of_a_grant_that_is_posted_late__counts(self, consents):
        """What counts is when the grant was signed, not when its relayer came."""
        consent = sign(consents, "grant")
        consents.evm.travel(5)
        item = sign(consents, "revoke")
        consents.evm.travel(5)
        bring(consents, "grant", consent)
        consents.evm.travel(5)
        bring(consents, "revoke", item)
        assert not consents.active()

    def test_without_a_word__leaves_a_tombstone(self, consents):
        item = sign(consents, "revoke")
        signed, posted = consents.evm.now, consents.evm.travel(5)
        bring(consents, "revoke", item)
        assert consents.word() == (0, posted, signed, 0, bytes(18))

    def test_within_its_own_second__works_once(self, consents):
        """The patient cannot grant by call before the next second; by then the signature is spent."""
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        item = sign(consents, "revoke")
        bring(consents, "revoke", item)
        with consents.evm.reverts("Overtaken"):
            consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        consents.evm.travel(1)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        with consents.evm.reverts("Overtaken"):
            bring(consents, "revoke", item)


class TestRevokeAll:
    def test_withheld__ends_nothing_that_was_signed_after_it(self, consented):
        """Whoever keeps one back has no weapon. What was signed before it ends, though posted since."""
        item = sign(consented, "revoke_all")
        older = sign(consented, "grant", dataset_id=8)
        signed = consented.evm.now
        consented.evm.travel(5)
        bring(consented, "grant", older)
        consented.grant(7, HMB, NO_EXPIRY, sender=consented.patient)
        posted = consented.evm.travel(5)
        receipt = bring(consented, "revoke_all", item)
        who = {"patient": consented.patient.address}
        assert receipt.named("AllRevoked") == [who | {"signedAt": signed, "at": posted}]
        assert tuple(consented.revokeAllOf(consented.patient)) == (posted, signed, bytes(24))
        assert consented.active()
        assert not consented.isActive(consented.patient, 8, HMB, posted)
        assert consented.isActive(consented.patient, 8, HMB, posted - 1)

    def test_overtaken_by_another_only(self, consented):
        """Neither by grants nor by a revocation that were posted since."""
        item = sign(consented, "revoke_all")
        consented.evm.travel(5)
        consented.revoke(7, sender=consented.patient)
        token = consented.evm.snapshot()
        bring(consented, "revoke_all", item)
        consented.evm.restore(token)
        consented.revokeAll(sender=consented.patient)
        with consented.evm.reverts("Overtaken", item["issuedAt"], consented.evm.now):
            bring(consented, "revoke_all", item)

    def test_later_one_posted_in_the_same_second__replaces_without_chaining(self, consents):
        earlier = sign(consents, "revoke_all")
        consents.evm.travel(5)
        later = sign(consents, "revoke_all")
        now = consents.evm.travel(5)
        for item in (earlier, later):
            bring(consents, "revoke_all", item)
        assert tuple(consents.revokeAllOf(consents.patient)) == (now, later["issuedAt"], bytes(24))
        then = consents.evm.travel(5)
        consents.revokeAll(sender=consents.patient)
        last = RevokeAll(now, later["issuedAt"])
        assert tuple(consents.revokeAllOf(consents.patient)) == (then, then, last.digest())


# What four messages of one patient say; the two grants are told apart by the purposes.
DECISIONS = [
    ("grant", {"purposes": GRU}),
    ("grant", {"purposes": DS}),
    ("revoke", {}),
    ("revoke_all", {}),
]


def try_all(consents, items, wait):
    """Bring each, whether it counts or not, `wait` seconds apart."""
    for kind, item in items:
        try:
            bring(consents, kind, item)
        except Revert as error:
            assert error.name == "Overtaken"
        consents.evm.travel(wait)


def state(consents):
    """What the registry keeps of the patient."""
    return consents.word(), tuple(consents.revokeAllOf(consents.patient))


@pytest.mark.parametrize("wait", [0, 1])
@pytest.mark.parametrize("last", range(4))
def test_what_was_signed_later_wins_in_every_order_of_posting(consents, last, wait):
    """Two grants, a revocation and a revoke-all, posted in one second or in four; none counts a second time."""
    items = []
    for place in range(last - 3, last + 1):
        kind, terms = DECISIONS[place % 4]
        items.append((kind, sign(consents, kind, **terms)))
        consents.evm.travel(1)
    wanted = {0: [True, True], 1: [False, True]}.get(last, [False, False])
    for order in permutations(items):
        token = consents.evm.snapshot()
        try_all(consents, order, wait)
        assert [consents.active(purposes=purposes) for purposes in (GRU, DS)] == wanted
        found = state(consents)
        try_all(consents, order, wait)
        assert state(consents) == found, "a replay counted"
        consents.evm.restore(token)


def test_ties_in_one_second_fall_to_the_revocation(consents):
    """All four signed in one second: in whatever order they are posted, nothing is active."""
    items = [(kind, sign(consents, kind, **terms)) for kind, terms in DECISIONS]
    for order in permutations(items):
        token = consents.evm.snapshot()
        try_all(consents, order, wait=0)
        assert not any(consents.active(purposes=purposes) for purposes in (GRU, DS))
        consents.evm.restore(token)


def test_narrowing_that_comes_before_its_consent__counts_when_it_is_brought_again(consents):
    """There is nothing to narrow yet. The narrowest, which was signed last, stands."""
    grant = sign(consents, "grant", purposes=GRU)
    consents.evm.travel(1)
    wider = sign(consents, "narrow", purposes=HMB)
    consents.evm.travel(1)
    last = sign(consents, "narrow", purposes=DS)
    with consents.evm.reverts("NothingToNarrow"):
        bring(consents, "narrow", last)
    bring(consents, "grant", grant)
    bring(consents, "narrow", last)
    with consents.evm.reverts("Overtaken", wider["issuedAt"], last["issuedAt"]):
        bring(consents, "narrow", wider)
    assert [consents.active(purposes=purposes) for purposes in (HMB, DS)] == [False, True]
