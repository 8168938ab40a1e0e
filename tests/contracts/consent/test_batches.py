"""grantBatch, narrowBatch, revokeBatch, revokeAllBatch: one bad item is reported and sinks no other."""

from __future__ import annotations

import pytest
from eth_utils import keccak

from medfed.protocol import typed
from tests.contracts.consent.conftest import DS, GRU, HMB, NO_EXPIRY
from tests.rig.evm import CHAIN_ID, Revert

KINDS = ["grant", "narrow", "revoke", "revoke_all"]
FUNCTION = {
    "grant": "grantBatch",
    "narrow": "narrowBatch",
    "revoke": "revokeBatch",
    "revoke_all": "revokeAllBatch",
}
EVENT = {"grant": "Granted", "narrow": "Narrowed", "revoke": "Revoked", "revoke_all": "AllRevoked"}


def selector(signature):
    return keccak(text=signature)[:4]


@pytest.fixture
def patients(consents):
    """Four patients who granted GRU a minute ago."""
    found = consents.evm.actors[10:14]
    for patient in found:
        consents.grant(7, GRU, NO_EXPIRY, sender=patient)
    consents.evm.travel(60)
    return found


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_bad_items_are_reported_and_the_others_count(self, consents, patients, kind):
        make = getattr(consents, f"{kind}_of")
        elsewhere = typed.consent_domain(CHAIN_ID, "0x" + "11" * 20)
        items = [
            make(patients[0]),
            make(patients[1], signer=patients[0]),
            make(patients[1], domain=elsewhere),
            make(patients[1], issued_at=consents.evm.now + 1),
            make(patients[2]),
            make(patients[2]),
            make(patients[3]),
        ]
        receipt = getattr(consents, FUNCTION[kind])(items, sender=consents.relayer)
        counted = [event["patient"] for event in receipt.named(EVENT[kind])]
        assert counted == [patient.address for patient in (patients[0], patients[2], patients[3])]
        wrong = selector("InvalidSignature(address,bytes32)")
        assert [(event["index"], event["reason"]) for event in receipt.named("SignatureSkipped")] == [
            (1, wrong),
            (2, wrong),
            (3, selector("SignatureFromFuture(uint32,uint32)")),
            (5, selector("Overtaken(uint32,uint32)")),
        ]

    def test_batch_does_what_the_items_do_alone(self, consents, patients, kind):
        token = consents.evm.snapshot()
        items = [getattr(consents, f"{kind}_of")(patient) for patient in patients]
        alone = {"grant": "grantBySig", "narrow": "narrowBySig", "revoke": "revokeBySig"}.get(
            kind, "revokeAllBySig"
        )
        events = [getattr(consents, alone)(item, sender=consents.relayer).events for item in items]
        words = [(consents.word(patient), consents.revokeAllOf(patient)) for patient in patients]
        consents.evm.restore(token)
        receipt = getattr(consents, FUNCTION[kind])(items, sender=consents.relayer)
        assert list(receipt.events) == [event for group in events for event in group]
        assert [(consents.word(patient), consents.revokeAllOf(patient)) for patient in patients] == words

    def test_empty_batch_does_nothing(self, consents, patients, kind):
        assert getattr(consents, FUNCTION[kind])([], sender=consents.relayer).events == ()

    def test_too_little_gas__reverts_and_skips_nobody(self, consents, patients, kind):
        """Whatever gas is sent, either every good item counts or the batch reverts: none is reported as bad."""
        items = [getattr(consents, f"{kind}_of")(patient) for patient in patients[:2]]
        token = consents.evm.snapshot()
        refused = 0
        for gas in range(60_000, 980_000, 40_000):
            try:
                receipt = getattr(consents, FUNCTION[kind])(items, sender=consents.relayer, gas=gas)
            except Revert as error:
                assert error.name in ("InsufficientGas", "OutOfGas")
                refused += 1
            else:
                assert receipt.named("SignatureSkipped") == []
                assert len(receipt.named(EVENT[kind])) == 2
            consents.evm.restore(token)
        assert 0 < refused < 23


def test_terms_are_checked_item_by_item(consents):
    """An undefined purpose bit in one grant is that grant's matter, and so is a deadline that has passed."""
    first, second, third = consents.evm.actors[10:13]
    items = [
        consents.grant_of(first, purposes=HMB | 1 << 7),
        consents.grant_of(second, deadline=consents.evm.now - 1),
        consents.grant_of(third, purposes=DS),
    ]
    receipt = consents.grantBatch(items, sender=consents.relayer)
    assert [event["reason"] for event in receipt.named("SignatureSkipped")] == [
        selector("UndefinedPurposes(uint32,uint32)"),
        selector("SignatureExpired(uint32,uint32)"),
    ]
    assert [event["patient"] for event in receipt.named("Granted")] == [third.address]


def test_wallet_that_burns_gas_costs_its_cap_and_no_more(consents):
    """A hundred thousand gas for each, not a 64th less than everything."""
    wallet = consents.evm.deploy("FaultyWallet", 2)
    honest = consents.grantBatch([consents.grant_of(consents.evm.actors[10])], sender=consents.relayer)
    item = consents.grant_of(wallet, signer=consents.patient)
    receipt = consents.grantBatch([item] * 10, sender=consents.relayer)
    assert len(receipt.named("SignatureSkipped")) == 10
    assert receipt.gas_used < honest.gas_used + 10 * 130_000


@pytest.mark.parametrize("kind", FUNCTION)
def test_a_batch_with_less_gas_than_an_item_may_need__reverts(consents, kind):
    item = getattr(consents, f"{kind}_of")()
    with consents.evm.reverts("InsufficientGas"):
        getattr(consents, FUNCTION[kind])([item], sender=consents.relayer, gas=200_000)
