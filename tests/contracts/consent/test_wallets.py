"""Patients whose account is a contract: ERC-1271, capped in gas."""

from __future__ import annotations

import pytest

from tests.contracts.consent.conftest import HMB, NO_EXPIRY
from tests.rig.evm import Revert

FAULTS = ("Refuses", "Reverts", "BurnsGas", "ReturnsTooMuch", "ReturnsTooLittle")


def wallet_of(consents, fault):
    return consents.evm.deploy("FaultyWallet", FAULTS.index(fault))


@pytest.fixture
def wallet(consents):
    return consents.evm.deploy("OwnedWallet", consents.patient)


class TestOwnedWallet:
    def test_signature_of_its_owner_counts(self, consents, wallet):
        consents.grantBySig(consents.grant_of(wallet, signer=consents.patient), sender=consents.relayer)
        assert consents.active(wallet)
        assert not consents.active(consents.patient)
        consents.evm.travel(1)
        consents.revokeBySig(consents.revoke_of(wallet, signer=consents.patient), sender=consents.relayer)
        assert not consents.active(wallet)
        consents.revokeAllBySig(
            consents.revoke_all_of(wallet, signer=consents.patient), sender=consents.relayer
        )

    def test_signature_of_another__reverts(self, consents, wallet):
        with consents.evm.reverts("InvalidSignature"):
            consents.grantBySig(consents.grant_of(wallet, signer=consents.relayer), sender=consents.relayer)

    def test_wallet_may_call_by_itself(self, consents, wallet):
        consents.grant(7, HMB, NO_EXPIRY, sender=wallet)
        assert consents.active(wallet)

    def test_too_little_gas_for_the_wallet__reverts_saying_so(self, consents, wallet):
        """A good signature never looks bad because the relayer was mean; it counts as soon as the gas suffices."""
        item = consents.grant_of(wallet, signer=consents.patient)
        names = []
        for gas in range(60_000, 460_000, 20_000):
            token = consents.evm.snapshot()
            try:
                consents.grantBySig(item, sender=consents.relayer, gas=gas)
                names.append("counted")
            except Revert as error:
                names.append(error.name)
            consents.evm.restore(token)
        assert set(names) == {"OutOfGas", "Revert", "InsufficientGas", "counted"}
        assert list(dict.fromkeys(names))[-2:] == ["InsufficientGas", "counted"]

    def test_too_little_gas_for_a_batch__never_skips_a_good_signature(self, consents, wallet):
        """Behind a wallet that burns its cap, with any gas: the batch reverts, or the good one counts."""
        burner = wallet_of(consents, "BurnsGas")
        items = [consents.grant_of(account, signer=consents.patient) for account in (burner, wallet)]
        counted = set()
        for gas in range(600_000, 1_500_000, 7_000):
            token = consents.evm.snapshot()
            try:
                receipt = consents.grantBatch(items, sender=consents.relayer, gas=gas)
                assert [event["index"] for event in receipt.named("SignatureSkipped")] == [0]
                counted.add(consents.active(wallet))
            except Revert as error:
                assert error.name in ("InsufficientGas", "OutOfGas")
            consents.evm.restore(token)
        assert counted == {True}


@pytest.mark.parametrize("fault", FAULTS)
class TestFaultyWallet:
    def test_signature__reverts_cheaply(self, consents, fault):
        """Whatever the wallet does costs the relayer no more than its cap."""
        wallet = wallet_of(consents, fault)
        with consents.evm.reverts("InvalidSignature"):
            consents.grantBySig(
                consents.grant_of(wallet, signer=consents.patient), sender=consents.relayer, gas=500_000
            )

    def test_question_to_the_wallet_is_answered_no(self, consents, fault):
        wallet = wallet_of(consents, fault)
        assert not consents.isWalletSignature(wallet, bytes(32), b"", gas=1_000_000)

    def test_batch_goes_on(self, consents, fault):
        """One bad wallet between two patients: both count, it is reported, and the gas of all is bounded."""
        wallet = wallet_of(consents, fault)
        first, last = consents.evm.actors[10:12]
        items = [consents.grant_of(first), consents.grant_of(wallet, signer=first), consents.grant_of(last)]
        receipt = consents.grantBatch(items, sender=consents.relayer, gas=1_500_000)
        skipped = receipt.named("SignatureSkipped")
        assert [(each["index"], each["patient"]) for each in skipped] == [(1, wallet.address)]
        assert consents.active(first)
        assert consents.active(last)
        assert not consents.active(wallet)


def test_account_that_delegated_its_code_still_signs_by_key(consents):
    """ECDSA comes first: an account with code that refuses everything counts by its key."""
    contract = wallet_of(consents, "Refuses")
    delegated = consents.evm.actors[12]
    code = consents.evm.code(contract)
    vm = consents.evm._vm()
    vm.state.set_code(bytes.fromhex(delegated.address[2:]), code)
    vm.state.persist()
    consents.evm._root = vm.state.state_root
    consents.grantBySig(consents.grant_of(delegated), sender=consents.relayer)
    assert consents.active(delegated)
