"""Accounts that delegated their code (EIP-7702), and wallets that answer as it suits them: what they do in a batch stays theirs."""

from __future__ import annotations

import pytest

from tests.adversary.consent.wallets import GREEDY, put_code
from tests.contracts.consent.conftest import HMB, NO_EXPIRY

ANY = b"\1" * 65
MOST_GAS = 215_000
"""For one that does not count: its cap, its bytes, and the batch's own work."""
YES = "631626ba7e60e01b60005260206000f3"


def delegate(evm, account, code_of: str) -> None:
    """What a transaction of type 4 leaves in the account."""
    vm = evm._vm()
    designator = b"\xef\x01\x00" + bytes.fromhex(code_of[2:])
    vm.state.set_code(bytes.fromhex(account.address[2:]), designator)
    vm.state.persist()
    evm._root = vm.state.state_root


def mutable(evm) -> str:
    """A wallet that says yes while its first slot is 0, and writes there whatever else it is sent: keys that changed."""
    # CALLDATASIZE 36 LT JUMPI ask; 0 CALLDATALOAD 0 SSTORE STOP; ask: 0 SLOAD JUMPI no; yes; no: revert
    code = bytes.fromhex(
        "3660241060" + "0f" + "57" + "6000356000550000" + "5b" + "600054" + "60" + "26" + "57" + YES
    )
    return put_code(evm, code + bytes.fromhex("5b60006000fd"))


#: Code -> what it is. Each answers a question about a signature in its own way.
ANSWERS = {
    "nothing at all": "00",
    "four bytes": "631626ba7e60e01b60005260046000f3",
    "the magic value, and junk in its last byte": "631626ba7e60e01b600117" + "60005260206000f3",
    "the magic value as a number": "631626ba7e60005260206000f3",
    "an endless answer": "631626ba7e60e01b600052621000006000f3",
    "an endless revert": "620100006000fd",
    "an invalid opcode": "fe",
    "itself, for ever": "5b60006000600060003030" + "5a" + "fa50600056",
    "a magic value that it reverts with": "631626ba7e60e01b60005260206000fd",
    "a change that it may not make": "60016000556001600055" + YES,
}


class TestAnswers:
    @pytest.mark.parametrize("code", ANSWERS.values(), ids=ANSWERS.keys())
    def test_what_is_no_plain_yes_counts_for_nothing(self, stage, evm, code):
        """In a batch, between two patients, with the batch's gas bounded whatever it does."""
        first, last = evm.actors[81:83]
        wallet = put_code(evm, bytes.fromhex(code))
        bad = stage.grant_of() | {"patient": wallet, "signature": ANY}
        alone = stage.evm.snapshot()
        plain = stage.grantBatch([stage.grant_of(first), stage.grant_of(last)], sender=stage.relayer).gas_used
        stage.evm.restore(alone)
        receipt = stage.grantBatch(
            [stage.grant_of(first), bad, stage.grant_of(last)], sender=stage.relayer, gas=3_000_000
        )
        assert [event["index"] for event in receipt.named("SignatureSkipped")] == [1]
        assert [event["patient"] for event in receipt.named("Granted")] == [first.address, last.address]
        assert receipt.gas_used - plain < MOST_GAS
        assert not stage.registry.wordOf(wallet, 1).postedAt


class TestDelegates:
    def test_one_that_delegated_to_a_wallet_is_asked_as_one(self, stage, evm):
        account = evm.actors[84]
        delegate(evm, account, put_code(evm, bytes.fromhex(YES)))
        stage.grantBySig(stage.grant_of(account) | {"signature": ANY}, sender=stage.relayer)
        assert stage.registry.wordOf(account, 1).purposes == HMB

    @pytest.mark.parametrize("to", ["nobody", "itself", "another delegate", "a precompile", "the registry"])
    def test_one_that_delegated_to_what_is_no_wallet(self, stage, evm, to):
        """Its key counts as before, and no other bytes do."""
        account, other = evm.actors[84:86]
        delegate(evm, other, put_code(evm, bytes.fromhex(YES)))
        target = {
            "nobody": "0x" + "de" * 20,
            "itself": account.address,
            "another delegate": other.address,
            "a precompile": "0x" + "00" * 19 + "04",
            "the registry": stage.registry.address,
        }[to]
        delegate(evm, account, target)
        good = stage.grant_of(account)
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(good | {"signature": ANY}, sender=stage.relayer)
        stage.grantBySig(good, sender=stage.relayer)
        assert stage.registry.wordOf(account, 1).purposes == HMB

    def test_one_that_burns_cannot_disown_its_key(self, stage, evm):
        """A thief who delegated an account to what says no to everything ends no revocation of its owner's."""
        account = evm.actors[84]
        stage.grantBySig(stage.grant_of(account), sender=stage.relayer)
        delegate(evm, account, put_code(evm, bytes.fromhex("5b600056")))
        evm.travel(1)
        stage.revokeBySig(stage.revoke_of(account), sender=stage.relayer)
        assert stage.registry.wordOf(account, 1).purposes == 0

    @pytest.mark.parametrize("call", ["grantBatch", "narrowBatch", "revokeBatch", "revokeAllBatch"])
    def test_63_that_burn_and_one_patient(self, stage, evm, call):
        """The patient stands last, where all that the others use is gone; one wallet's code serves all of them."""
        burner = put_code(evm, bytes.fromhex("5b600056"))
        crowd, patient = evm.actors[90:153], evm.actors[84]
        for each in crowd:
            delegate(evm, each, burner)
        make = {
            "grantBatch": stage.grant_of,
            "narrowBatch": stage.narrow_of,
            "revokeBatch": stage.revoke_of,
            "revokeAllBatch": stage.revoke_all_of,
        }[call]
        stage.registry.grant(1, HMB, NO_EXPIRY, bytes(32), sender=patient)
        evm.travel(1)
        bad = [make(each) | {"signature": ANY} for each in crowd]
        receipt = getattr(stage, call)([*bad, make(patient)], sender=stage.relayer, gas=16_000_000)
        assert len(receipt.named("SignatureSkipped")) == 63
        assert len(receipt.events) == 64
        assert receipt.gas_used < 63 * MOST_GAS + 200_000

    def test_one_whose_keys_changed_between_signing_and_posting(self, stage, evm):
        """It does not stand by the old signature, and the batch goes on; what it says by call counts."""
        wallet, patient = mutable(evm), evm.actors[84]
        old = stage.grant_of() | {"patient": wallet, "signature": ANY}
        token = evm.snapshot()
        stage.grantBySig(old, sender=stage.relayer)
        evm.restore(token)
        evm.send(wallet, (1).to_bytes(32, "big"))
        receipt = stage.grantBatch([old, stage.grant_of(patient)], sender=stage.relayer)
        assert [event["patient"] for event in receipt.named("Granted")] == [patient.address]
        with evm.reverts("InvalidSignature"):
            stage.revokeBySig(stage.revoke_of() | {"patient": wallet, "signature": ANY}, sender=stage.relayer)

    def test_one_signature_of_several_kinds_of_account_counts_once(self, stage, evm):
        """By key, and by the wallet that the account delegated to: the same decision, whichever comes first."""
        account = evm.actors[84]
        delegate(evm, account, put_code(evm, GREEDY))
        good = stage.grant_of(account)
        receipt = stage.grantBatch([good, good | {"signature": ANY}], sender=stage.relayer, gas=3_000_000)
        assert len(receipt.named("Granted")) == 1
        [skipped] = receipt.named("SignatureSkipped")
        assert skipped["index"] == 1
