"""`medfed patient`: consent by call and by signature, accounts that cannot be linked, and one's own uses."""

from __future__ import annotations

import itertools
import json
import stat
import time

import pytest

from medfed.chain.wallet import Wallet, create_wallet, load_wallet
from medfed.cli.cards import read_card
from medfed.errors import KeystoreError
from tests.cli.conftest import PASSWORD

_fresh = itertools.count(2_000_000)


def sign(medfed, what, number, *arguments):
    dataset = () if what == "revoke-all" else ("1",)
    return medfed.data(
        *("patient", "sign", what, *dataset, "--keystore", "patients.json", *arguments),
        *("--out", f"{what}.consent", "--accounts", number),
    )


def relay(medfed, *names):
    files = [f"{name}.consent" for name in names]
    return medfed.data("patient", "relay", *files, "--keystore", "relayer.json")


def status(medfed, number):
    return medfed.data("patient", "status", "patients.json", "1", "--account", number)


class TestWallet:
    def test_each_dataset_has_an_account_of_its_own(self, tmp_path):
        """Nothing on chain links a patient's hospitals; the same seed makes the same accounts again."""
        wallet = create_wallet(tmp_path / "w.json", "x", trial=True)
        again = load_wallet(tmp_path / "w.json", "x")
        accounts = [wallet.account(number).address for number in range(1, 6)]
        assert len(set(accounts)) == 5
        assert accounts == [again.account(number).address for number in range(1, 6)]
        assert len({wallet.link_secret(number) for number in range(1, 6)}) == 5

    def test_its_file_names_no_address(self, tmp_path):
        """The seed is no key: nobody should send anything to it."""
        create_wallet(tmp_path / "w.json", "x", trial=True)
        assert "address" not in json.loads((tmp_path / "w.json").read_text())

    def test_a_plain_keystore_is_a_wallet_with_one_account(self, medfed):
        account = load_wallet(medfed.folder / "stranger.json", PASSWORD)
        assert account.single
        assert account.account(1).address == account.account(2).address

    def test_a_wrong_password_does_not_open_it(self, tmp_path):
        create_wallet(tmp_path / "w.json", "x", trial=True)
        with pytest.raises(KeystoreError, match="does not open"):
            load_wallet(tmp_path / "w.json", "y")

    def test_keygen_makes_a_wallet_again_from_its_seed(self, medfed):
        seed = bytes(range(32))
        (medfed.folder / "seed.hex").write_text(seed.hex())
        (medfed.folder / "seed.hex").chmod(0o600)
        medfed.ok("patient", "keygen", "again.json", "--seed-file", "seed.hex", "--trial")
        found = load_wallet(medfed.folder / "again.json", PASSWORD)
        assert found.account(3).address == Wallet(seed).account(3).address


class TestCard:
    def test_it_holds_account_and_secret_for_one_hospital_and_is_private(self, medfed, hospitals):
        medfed.ok("patient", "card", "2", "--keystore", "patients.json", "--out", "me.card")
        card = read_card(medfed.folder / "me.card")
        wallet = load_wallet(medfed.folder / "patients.json", PASSWORD)
        assert (card.patient, card.link_secret) == (wallet.account(2).address, wallet.link_secret(2))
        assert stat.S_IMODE((medfed.folder / "me.card").stat().st_mode) == 0o600
        assert card.link_secret.hex() not in repr(card)

    def test_the_hospital_enlists_it_once_for_a_record(self, medfed, hospitals):
        medfed.ok("patient", "card", "2", "--keystore", "patients.json", "--out", "me.card")
        enlist = ("dataset", "enlist", "hospital-2/hospital.toml")
        assert medfed.data(*enlist, "r2-40", "me.card") == {"register": 41}
        again, unknown = medfed(*enlist, "r2-40", "me.card"), medfed(*enlist, "r9", "me.card")
        assert (again.code, "has a patient in the register already" in again.sentence) == (2, True)
        assert (unknown.code, "no such record_id" in unknown.sentence) == (2, True)


class TestByCall:
    def test_grant_narrow_revoke(self, medfed, hospitals):
        """Each says in plain words what holds from now on."""
        key = ("--keystore", "stranger.json")
        granted = medfed.ok("patient", "grant", "2", "--purposes", "GRU", "--days", "10", *key).out
        assert "Studies may now use your record in dataset 2 for: any research." in granted
        narrowed = medfed.ok("patient", "narrow", "2", "--purposes", "HMB", *key).out
        assert "health, medical or biomedical research" in narrowed
        assert medfed.data("patient", "status", "stranger.json", "2")["active"] is True
        revoked = medfed.ok("patient", "revoke", "2", *key).out.split()
        assert (
            "Rounds that open from now on will not use your record; the one now running does unless its training is still to come."
            in " ".join(revoked)
        )
        assert medfed.data("patient", "status", "stranger.json", "2")["active"] is False
        assert "revoked on" in medfed.ok("patient", "status", "stranger.json", "2").out

    def test_without_ether_the_way_by_signature_is_named(self, medfed, hospitals):
        medfed.ok("patient", "keygen", "poor.json", "--trial")
        key = ("--keystore", "poor.json")
        for what, *options in (("grant", "--purposes", "HMB"), ("revoke",)):
            refused = medfed("patient", what, hospitals[0], *options, *key)
            assert (refused.code, f"`medfed patient sign {what}`" in refused.sentence) == (75, True), refused

    def test_narrowing_keeps_what_is_not_named(self, medfed, hospitals):
        """A narrower purpose keeps its end; an earlier end keeps its purposes."""
        key = ("--keystore", "stranger.json")
        before = medfed.data("patient", "grant", "3", "--purposes", "GRU", "--days", "300", *key)
        narrowed = medfed.data("patient", "narrow", "3", "--purposes", "HMB", *key)
        assert (narrowed["until"], narrowed["purposes"]) == (before["until"], ["HMB"])
        sooner = medfed.data("patient", "narrow", "3", "--days", "5", *key)
        assert sooner["until"] < before["until"]
        assert sooner["purposes"] == ["HMB"]

    def test_revoke_all_reaches_every_dataset_of_the_wallet(self, medfed, hospitals):
        medfed.ok("patient", "keygen", "all.json", "--trial")
        wallet = load_wallet(medfed.folder / "all.json", PASSWORD)
        accounts = [wallet.account(number).address for number in hospitals]
        medfed.ok("dev", "fund", *accounts)
        for number in hospitals[:2]:
            medfed.ok("patient", "grant", number, "--purposes", "HMB", "--keystore", "all.json")
        assert medfed.data("patient", "revoke-all", "--keystore", "all.json")["revoked"] == accounts[:2]
        for number in hospitals:
            assert medfed.data("patient", "status", "all.json", number)["active"] is False
        assert medfed.data("patient", "revoke-all", "--keystore", "all.json")["revoked"] == []

    def test_the_dataset_s_owner_revokes_for_a_patient(self, medfed, hospitals):
        """And nobody else does."""
        number = next(_fresh)
        sign(medfed, "grant", number, "--purposes", "HMB")
        relay(medfed, "grant")
        patient = status(medfed, number)["patient"]
        stranger = medfed("dataset", "revoke-for", patient, "1", "--keystore", "admin-2.json")
        assert (stranger.code, "Only the owner of dataset 1" in stranger.sentence) == (7, True)
        medfed.ok("dataset", "revoke-for", patient, "1", "--keystore", "admin-1.json")
        assert status(medfed, number)["active"] is False


class TestBySignature:
    def test_all_four_kinds_without_ether(self, medfed, hospitals):
        """One after the other, each right after the one before: none overtakes the next."""
        number = next(_fresh)
        sign(medfed, "grant", number, "--purposes", "GRU")
        assert relay(medfed, "grant")["counted"] == 1
        sign(medfed, "narrow", number, "--purposes", "HMB")
        assert relay(medfed, "narrow")["counted"] == 1
        assert status(medfed, number)["purposes"] == ["HMB"]
        sign(medfed, "revoke", number)
        assert relay(medfed, "revoke")["counted"] == 1
        assert status(medfed, number)["active"] is False
        sign(medfed, "grant", number, "--purposes", "HMB")
        assert relay(medfed, "grant")["counted"] == 1
        sign(medfed, "revoke-all", number)
        assert relay(medfed, "revoke-all")["counted"] == 1
        assert status(medfed, number)["active"] is False

    def test_status_tells_when_it_was_signed_and_when_posted(self, medfed, hospitals):
        number = next(_fresh)
        assert sign(medfed, "grant", number, "--purposes", "HMB")["deadline"]
        issued = json.loads((medfed.folder / "grant.consent").read_text())["consents"][0]["data"]["message"]
        relay(medfed, "grant")
        found = status(medfed, number)
        assert (found["signed_at"], found["active"]) == (issued["issuedAt"], True)
        assert found["posted_at"] >= found["signed_at"]
        assert found["until"]

    def test_a_revocation_has_no_deadline(self, medfed, hospitals):
        """It only ends what was signed before it, whenever it comes."""
        number = next(_fresh)
        for what in ("revoke", "revoke-all"):
            assert sign(medfed, what, number)["deadline"] == ""
            [entry] = json.loads((medfed.folder / f"{what}.consent").read_text())["consents"]
            assert "deadline" not in entry["data"]["message"]

    def test_a_withheld_revoke_all_ends_no_consent_that_was_signed_after_it(self, medfed, hospitals):
        """It counts, and the consent stays."""
        number = next(_fresh)
        sign(medfed, "revoke-all", number)
        time.sleep(1.1)
        medfed.ok("patient", "revoke", "2", "--keystore", "stranger.json")  # a block of a later second
        sign(medfed, "grant", number, "--purposes", "HMB")
        for what in ("grant", "revoke-all"):
            assert relay(medfed, what)["counted"] == 1
        found = status(medfed, number)
        assert (found["active"], found["purposes"]) == (True, ["HMB"])
        assert found["all_revoked_at"] >= found["posted_at"]

    def test_a_mixed_pile_of_files_in_one_go(self, medfed, hospitals):
        """More than a batch, of several kinds; those that do not count are named and stop no other."""
        first = next(_fresh) + 10_000
        sign(medfed, "grant", f"{first}-{first + 69}", "--purposes", "HMB")
        gone = next(_fresh)
        sign(medfed, "revoke", gone)
        assert relay(medfed, "grant", "revoke") == {"counted": 71, "skipped": []}
        answer = medfed("patient", "relay", "grant.consent", "--keystore", "relayer.json", "--json")
        assert (answer.code, answer.data["counted"], len(answer.data["skipped"])) == (7, 0, 70)
        assert answer.data["skipped"][69]["where"] == "grant.consent, consent 70"

    def test_the_file_is_what_other_wallets_sign(self, medfed, hospitals):
        """eth-account, which shares no code with ours, signs the same data with the same signature."""
        from eth_account import Account

        number = next(_fresh)
        sign(medfed, "grant", number, "--purposes", "HMB")
        entry = json.loads((medfed.folder / "grant.consent").read_text())["consents"][0]
        wallet = load_wallet(medfed.folder / "patients.json", PASSWORD)
        signed = Account.sign_typed_data(wallet.account(number).secret(), full_message=entry["data"])
        assert "0x" + signed.signature.hex().removeprefix("0x") == entry["signature"]

    def test_a_signature_counts_on_a_chain_that_stands_still(self, medfed, hospitals):
        """No block for a while: what is signed now is not from the future for the node that tries it first."""
        number = next(_fresh)
        time.sleep(2.5)
        sign(medfed, "grant", number, "--purposes", "HMB")
        assert relay(medfed, "grant")["counted"] == 1
