"""Terms that a relayer, a wallet or an owner would rather have than those that were signed."""

from __future__ import annotations

import pytest

from medfed.protocol import wording
from medfed.protocol.consent import Details
from medfed.protocol.purposes import PARAMETERISED, Purpose
from tests.adversary.consent.wallets import put_code
from tests.contracts.consent.conftest import HMB, NO_EXPIRY
from tests.rig.world import DATASET, SPEC

NO_DETAILS = bytes(32)
GS, TS = int(Purpose.GS), int(Purpose.TS)


def other(item, **changes):
    """The struct with other fields and the same signature."""
    return item | changes


class TestWords:
    @pytest.mark.parametrize("bit", [6, 7, 9, 10, 21, 22, 23, 31])
    def test_bits_that_have_no_words(self, stage, evm, bit):
        """Their text is that of the consent without them, or of none: whoever adds them changes nothing that counts."""
        good = stage.grant_of()
        with evm.reverts("InvalidSignature" if bit == 6 else "UndefinedPurposes"):
            stage.grantBySig(other(good, purposes=HMB | 1 << bit), sender=stage.relayer)
        stage.grantBySig(good, sender=stage.relayer)
        assert stage.registry.wordOf(stage.patient, 1).purposes == HMB

    def test_kept_words_are_no_other_datasets_and_no_other_purposes(self, stage, evm, world):
        """After the hashes of both are kept."""
        for number, who in enumerate(evm.actors[81:83], 1):
            stage.grantBySig(
                stage.grant_of(who, dataset_id=number, purposes=HMB | number << 12), sender=stage.relayer
            )
        good = stage.grant_of(purposes=HMB | 1 << 12)
        for changes in ({"datasetId": 2}, {"purposes": HMB | 2 << 12}, {"purposes": HMB}):
            with evm.reverts("InvalidSignature"):
                stage.grantBySig(other(good, **changes), sender=stage.relayer)

    def test_words_that_were_kept_by_what_failed_are_right(self, stage, evm, world):
        """A batch in which the first to say the words is refused: the next says the same."""
        first, second = evm.actors[81:83]
        bad = other(stage.grant_of(first), signature=b"\1" * 65)
        receipt = stage.grantBatch([bad, stage.grant_of(second)], sender=stage.relayer)
        assert [event["patient"] for event in receipt.named("Granted")] == [second.address]

    def test_a_narrowing_is_no_grant(self, stage, evm):
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(stage.narrow_of(), sender=stage.relayer)


class TestDetails:
    @pytest.mark.parametrize(
        "said",
        [
            Details(2010, 2020).packed()[:4] + b"\0" * 27 + b"\1",
            Details(2010, 2021).packed(),
            Details(2010).packed(),
            NO_DETAILS,
        ],
    )
    def test_other_details_than_were_signed(self, stage, evm, said):
        good = stage.grant_of(data_from=2010, data_until=2020)
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(other(good, details=said), sender=stage.relayer)

    @pytest.mark.parametrize("years", ["ffffffff", "0000ffff", "07e007df", "00010000"])
    def test_a_window_written_in_two_ways(self, stage, evm, years):
        """What has the text of another window is refused: no bound is 0 and no other number."""
        said = bytes.fromhex(years) + bytes(28)
        if years == "00010000":
            stage.registry.grant(1, HMB, NO_EXPIRY, said, sender=stage.patient)
            return
        with evm.reverts("EmptyWindow"):
            stage.registry.grant(1, HMB, NO_EXPIRY, said, sender=stage.patient)

    def test_different_windows_have_different_words(self):
        years = [0, 1, 9, 10, 99, 100, 1999, 2000, 2015, 65_534, 65_535]
        pairs = {(first, last) for first in years for last in years if first <= last and last}
        assert len({wording.window(*pair) for pair in pairs}) == len(pairs)
        assert len({wording.until(day) for day in range(65_536)}) == 65_536


class TestWallets:
    def test_one_that_writes_while_it_is_asked(self, stage, evm):
        """It is asked statically: nothing it calls may change anything."""
        call = stage.registry.encode("revokeAll")
        # CALL(gas, registry, 0, 0, 4, 0, 0) with `revokeAll`, then REVERT unless it went well, then the magic value.
        code = bytes.fromhex(
            "63" + call[:4].hex() + "60e01b600052" + "60006000600460006000"
            "73" + stage.registry.address[2:] + "5af1" + "602f57" + "60006000fd" + "5b"
            "631626ba7e60e01b60005260206000f3"
        )
        code = code.replace(bytes.fromhex("602f57"), bytes([0x60, code.index(b"\x5b\x63\x16\x26"), 0x57]))
        wallet = put_code(evm, code)
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(
                other(stage.grant_of(), patient=wallet, signature=b"\1" * 65), sender=stage.relayer
            )
        assert stage.registry.revokeAllOf(wallet).signedAt == 0
        evm.send(wallet)
        assert stage.registry.revokeAllOf(wallet).signedAt == evm.now, "it can where it may"

    def test_ones_own_key_counts_for_no_wallet(self, stage, evm):
        wallet = evm.deploy("OwnedWallet", evm.actors[81])
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(other(stage.grant_of(), patient=wallet.address), sender=stage.relayer)

    @pytest.mark.parametrize("signature", [b"", b"\0" * 65, b"\1" * 64, b"\1" * 66])
    def test_nobodys_signature(self, stage, evm, signature):
        """Address zero, which a failed recovery gives, consents to nothing."""
        zero = "0x" + "00" * 20
        with evm.reverts("InvalidSignature"):
            stage.grantBySig(other(stage.grant_of(), patient=zero, signature=signature), sender=stage.relayer)


class TestOwners:
    def test_one_that_revokes_before_each_posting_keeps_out_only_what_was_signed(self, stage, evm, world):
        """A suspended hospital that watches for signatures can refuse them, each at its cost; the patient's own call stands."""
        world.consortium.suspend(world.hospitals[0])
        for _ in range(3):
            signed = stage.grant_of()
            evm.travel(1)
            world.consents.revokeFor(stage.patient, 1, sender=world.hospitals[0])
            with evm.reverts("Overtaken"):
                stage.grantBySig(signed, sender=stage.relayer)
        evm.travel(1)
        stage.registry.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=stage.patient)
        assert stage.active()

    def test_one_whose_dataset_is_not_there_yet_revokes_for_nobody(self, stage, evm, world):
        """The number that it will have, in advance."""
        following = world.datasets.datasetCount() + 1
        with evm.reverts("DatasetUnknown", following):
            world.consents.revokeFor(stage.patient, following, sender=world.hospitals[0])

    def test_a_consent_for_a_number_that_somebody_takes_before_its_hospital(self, stage, evm, world):
        """By call anybody may consent to a number in advance; whose it becomes is chance. Signatures wait for the dataset."""
        following = world.datasets.datasetCount() + 1
        with evm.reverts("DatasetUnknown", following):
            stage.grantBySig(stage.grant_of(dataset_id=following), sender=stage.relayer)


class TestConfirmed:
    @pytest.mark.parametrize(
        "confirmed", [1 << 31, int(Purpose.IRB), int(Purpose.NRES), TS, GS | TS, 1 << 21]
    )
    def test_what_the_study_does_not_ask(self, world, evm, confirmed):
        study = world.create(purposes=HMB | GS)
        with evm.reverts("UnaskedConfirmation"):
            world.rounds.enrol(study, 1, SPEC, 2**96 - 1, confirmed, sender=world.operators[0])

    @pytest.mark.parametrize("said", [GS, TS, PARAMETERISED])
    def test_a_code_that_the_patient_asks_and_nobody_confirmed(self, stage, evm, said):
        """What the sponsor only says of itself is no confirmation: the effective request is without it."""
        stage.registry.grant(1, HMB | said, NO_EXPIRY, NO_DETAILS, sender=stage.patient)
        assert not stage.registry.isActive(stage.patient, 1, HMB, evm.now)
        assert stage.registry.isActive(stage.patient, 1, HMB | said, evm.now)

    def test_no_restriction_is_no_request_and_takes_no_restriction(self, stage, evm, world):
        nres = int(Purpose.NRES)
        with evm.reverts("AmbiguousRequest"):
            world.create(purposes=nres | HMB)
        for extra in (GS, int(Purpose.NPOA), int(Purpose.NMDS)):
            with evm.reverts("RestrictedNRES"):
                stage.registry.grant(1, nres | extra, NO_EXPIRY, NO_DETAILS, sender=stage.patient)
            with evm.reverts("RestrictedNRES"):
                world.datasets.register((*DATASET[:4], nres | extra, *DATASET[5:]), sender=world.operators[0])


def test_a_consent_for_one_second(stage, evm):
    """Granted in the second before a round opens and taken back in the next: it stood, and stands no more for who asks now."""
    at = evm.now
    stage.registry.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=stage.patient)
    granted = stage.registry.wordOf(stage.patient, 1)
    evm.travel(1)
    stage.registry.revoke(1, sender=stage.patient)
    revoked = stage.registry.wordOf(stage.patient, 1)
    evm.travel(1)
    assert not stage.registry.isActive(stage.patient, 1, HMB, at)
    assert stage.registry.wasActive(stage.patient, 1, HMB, at, [revoked, granted], [], [])
    assert not stage.registry.wasActive(stage.patient, 1, HMB, at + 1, [revoked, granted], [], [])
