"""`medfed patient`: consent by call and by signature, accounts that cannot be linked, and one's own uses."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import time

import pytest

from medfed.chain.keys import load_keystore
from medfed.chain.wallet import Wallet, create_wallet, load_wallet
from medfed.cli.cards import read_card
from medfed.errors import KeystoreError
from medfed.protocol.consent import form_digest
from tests.cli.conftest import PASSWORD
from tests.cli.course import on_chain

_fresh = itertools.count(2_000_000)


def sign(medfed, what, number, *arguments):
    """Into `what`.consent; of a revoke-all, the one file of its folder is put there."""
    dataset, folder = ("1",), f"folder-{next(_fresh)}"
    (medfed.folder / f"{what}.consent").unlink(missing_ok=True)
    if what == "revoke-all":
        dataset = ()
    data = medfed.data(
        *("patient", "sign", what, *dataset, "--keystore", "patients.json", *arguments),
        *("--out", folder if what == "revoke-all" else f"{what}.consent", "--accounts", number),
    )
    if what == "revoke-all":
        (file,) = data["files"]
        shutil.copy(medfed.folder / file, medfed.folder / "revoke-all.consent")
    return data


def relay(medfed, *names):
    files = [f"{name}.consent" for name in names]
    return medfed.data("patient", "relay", *files, "--keystore", "relayer.json", "--spread", "0")


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


class TestAddress:
    """`medfed key address`, of whatever people have."""

    def test_of_a_wallet_it_is_that_of_a_dataset_s_account(self, medfed, hospitals):
        wallet = load_wallet(medfed.folder / "patients.json", PASSWORD)
        shown = medfed.data("key", "address", "patients.json", "--account", "2")
        assert shown == {"patients.json": wallet.account(2).address}
        which = medfed("key", "address", "patients.json")
        assert (which.code, "as --account" in which.sentence) == (2, True)

    def test_of_a_card_it_is_the_patient_s(self, medfed, hospitals):
        medfed.ok("patient", "card", "2", "--keystore", "patients.json", "--out", "whose.card")
        account = read_card(medfed.folder / "whose.card").patient
        assert medfed.data("key", "address", "whose.card") == {"whose.card": account}

    def test_of_another_file_there_is_none(self, medfed, hospitals):
        refused = medfed("key", "address", "hospital-1/encryption.json")
        assert (refused.code, "no account's keystore" in refused.sentence) == (6, True)


class TestCard:
    def test_it_holds_account_and_secret_for_one_hospital_and_is_private(self, medfed, hospitals):
        medfed.ok("patient", "card", "2", "--keystore", "patients.json", "--out", "me.card")
        card = read_card(medfed.folder / "me.card")
        wallet = load_wallet(medfed.folder / "patients.json", PASSWORD)
        assert (card.patient, card.link_secret) == (wallet.account(2).address, wallet.link_secret(2))
        assert card.dataset == 2
        assert stat.S_IMODE((medfed.folder / "me.card").stat().st_mode) == 0o600
        assert card.link_secret.hex() not in repr(card)

    def test_there_is_none_for_a_dataset_that_does_not_exist(self, medfed, hospitals):
        refused = medfed("patient", "card", "999", "--keystore", "patients.json", "--out", "no.card")
        assert (refused.code, "There is no dataset 999" in refused.sentence) == (2, True)
        assert not (medfed.folder / "no.card").exists()

    def test_the_hospital_of_another_dataset_does_not_enlist_it(self, medfed, hospitals):
        medfed.ok("patient", "card", "1", "--keystore", "patients.json", "--out", "other.card")
        refused = medfed("dataset", "enlist", "hospital-2/hospital.toml", "r2-41", "other.card")
        assert (refused.code, "is for dataset 1" in refused.sentence) == (2, True)

    def test_the_hospital_enlists_it_once_for_a_record(self, medfed, hospitals):
        medfed.ok("patient", "card", "2", "--keystore", "patients.json", "--out", "me.card")
        enlist = ("dataset", "enlist", "hospital-2/hospital.toml")
        assert medfed.data(*enlist, "r2-40", "me.card") == {"register": 41}
        again, unknown = medfed(*enlist, "r2-40", "me.card"), medfed(*enlist, "r9", "me.card")
        assert (again.code, "entered with this account already" in again.sentence) == (2, True)
        medfed.ok("patient", "keygen", "eve.json", "--trial")
        medfed.ok("patient", "card", "2", "--keystore", "eve.json", "--out", "eve.card")
        mistyped = medfed(*enlist, "r2-40", "eve.card")
        assert (mistyped.code, "look whether the record's id is right" in mistyped.sentence) == (2, True)
        assert (unknown.code, "no record_id 'r9'" in unknown.sentence) == (2, True)

    def test_the_status_of_its_account_is_shown(self, medfed, hospitals):
        """With nothing but the card, as after a lost wallet."""
        medfed.ok("patient", "card", "2", "--keystore", "patients.json", "--out", "shown.card")
        account = read_card(medfed.folder / "shown.card").patient
        assert medfed.data("patient", "status", "shown.card", "2")["patient"] == account
        assert "another account" not in medfed.ok("patient", "status", "shown.card", "2").out
        other = " ".join(medfed.ok("patient", "status", "shown.card", "1").out.split())
        assert "The card is for dataset 2; its patient has another account for dataset 1." in other


def test_uses_of_a_dataset_that_does_not_exist(medfed, hospitals):
    refused = medfed("patient", "uses", "999", "--keystore", "patients.json")
    assert (refused.code, "There is no dataset 999" in refused.sentence) == (2, True)


@pytest.mark.parametrize("how", [(), ("sign",)])
def test_help_says_what_the_form_is(medfed, how):
    for command, words in (("grant", "File of the blank consent form"), ("narrow", "File of the blank form")):
        shown = " ".join(medfed.ok("patient", *how, command, "--help", COLUMNS="400").out.split())
        assert words in shown


class TestByCall:
    def test_grant_narrow_revoke(self, medfed, hospitals):
        """Each says in plain words what holds from now on."""
        key = ("--keystore", "stranger.json")
        granted = medfed.ok("patient", "grant", "2", "--purposes", "GRU", "--days", "10", *key).out
        assert 'Studies may now use your record in dataset 2, of "Hospital 2" for: any research.' in granted
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
        signing = ("patient", "sign", "grant", hospitals[0], "--purposes", "HMB", *key)
        medfed.ok(*signing, "--out", "poor.consent")
        relay(medfed, "poor")
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

    def test_window_and_form_are_kept_and_told(self, medfed, hospitals):
        """A narrowing keeps them, and shrinks the window; it neither widens it nor names another form."""
        key = ("--keystore", "stranger.json")
        for name in ("form.pdf", "other.pdf"):
            (medfed.folder / name).write_text(name)
        said = ("--data-from", "2015", "--data-until", "2024", "--form", "form.pdf")
        granted = medfed.data("patient", "grant", "1", "--purposes", "GRU", *said, *key)
        form = "0x" + form_digest(b"form.pdf").hex()
        assert (granted["data_from"], granted["data_until"], granted["form"]) == (2015, 2024, form)
        other = "0x" + form_digest(b"other.pdf").hex()
        for wider, why in (
            (
                ("--data-until", "2025"),
                "data from 2015 to 2025, and the present one about data from 2015 to 2024",
            ),
            (
                ("--form", "other.pdf"),
                f"a form with the hash {other}, and the present one names one with the hash {form}",
            ),
        ):
            refused = medfed("patient", "narrow", "1", *wider, *key)
            assert (refused.code, why in refused.sentence) == (2, True), refused
            assert "grant anew instead of narrowing" in refused.sentence
        same = medfed("patient", "narrow", "1", "--form", "form.pdf", *key)
        assert (same.code, "Name what to keep" in same.sentence) == (2, True), "a form alone narrows nothing"
        narrowed = medfed.data("patient", "narrow", "1", "--data-from", "2020", *key)
        assert (narrowed["data_from"], narrowed["data_until"], narrowed["form"]) == (2020, 2024, form)
        assert narrowed["purposes"] == ["GRU"]
        told = " ".join(medfed.ok("patient", "status", "stranger.json", "1").out.split())
        assert "Only data from 2020 until 2024 are used" in told
        assert form in told

    def test_status_tells_whether_a_form_is_the_one_that_was_read(self, medfed, hospitals):
        for name in ("form.pdf", "other.pdf"):
            (medfed.folder / name).write_text(name)
        medfed.ok(
            "patient", "grant", "1", "--purposes", "HMB", "--form", "form.pdf", "--keystore", "stranger.json"
        )
        assert medfed.data("patient", "status", "stranger.json", "1", "--form", "form.pdf")["is_form"] is True
        other = medfed("patient", "status", "stranger.json", "1", "--form", "other.pdf")
        assert (other.code, "other.pdf is not the form that was read" in other.out) == (1, True)
        absent = medfed("patient", "status", "stranger.json", "1", "--form", "absent.pdf")
        assert (absent.code, "cannot be read" in absent.sentence) == (2, True)

    def test_an_empty_file_is_no_form(self, medfed, hospitals):
        (medfed.folder / "empty.pdf").write_bytes(b"")
        said = ("--purposes", "HMB", "--form", "empty.pdf", "--keystore", "stranger.json")
        refused = medfed("patient", "grant", "1", *said)
        assert (refused.code, "The form empty.pdf is empty" in refused.sentence) == (2, True)

    @pytest.mark.parametrize("how", [("grant",), ("sign", "grant")])
    def test_data_of_years_after_the_consent_are_refused(self, medfed, hospitals, how):
        """A mistyped year would make a consent that permits nothing and looks like one."""
        out = ("--out", "late-data.consent") if "sign" in how else ()
        said = ("--purposes", "HMB", "--data-from", "2510", "--keystore", "stranger.json", *out)
        refused = medfed("patient", *how, "1", *said)
        assert (refused.code, "there are no data from 2510 before" in refused.sentence) == (2, True)

    def test_what_is_taken_back_is_told_without_data_and_form(self, medfed, hospitals):
        """The chain keeps both of a consent that a revoke-all ended; of the record nothing is used."""
        said = ("--data-from", "2015", "--purposes", "HMB", "--keystore", "stranger.json")
        medfed.ok("patient", "grant", "1", *said)
        medfed.ok("dev", "travel", 2)
        medfed.ok("patient", "revoke-all", "--keystore", "stranger.json")
        told = medfed.ok("patient", "status", "stranger.json", "1").out
        assert ("was revoked on" in " ".join(told.split()), "Only data" in told) == (True, False)
        medfed.ok("dev", "travel", 2)

    def test_is_told_what_the_dataset_is_not_registered_for(self, medfed, hospitals):
        """Who permits care in a dataset for research alone hears that nothing comes of it, wherever the consent is told."""
        told = "it has no effect: clinical care (CC)"
        key = ("--keystore", "stranger.json")
        signed = medfed.ok(
            *("patient", "sign", "grant", "1", "--purposes", "HMB,CC", *key, "--out", "care.consent")
        )
        granted = medfed.ok("patient", "grant", "1", "--purposes", "HMB,CC", *key)
        shown = medfed.ok("patient", "status", "stranger.json", "1")
        assert all(told in " ".join(each.out.split()) for each in (signed, granted, shown))
        medfed.ok("patient", "grant", "1", "--purposes", "HMB", *key)
        assert "no effect" not in medfed.ok("patient", "status", "stranger.json", "1").out

    def test_window_that_ends_before_it_begins_is_refused(self, medfed, hospitals):
        said = ("--purposes", "HMB", "--data-from", "2020", "--data-until", "2019")
        refused = medfed("patient", "grant", "1", *said, "--keystore", "stranger.json")
        assert (refused.code, "name the earlier year first" in refused.sentence) == (2, True)

    def test_what_is_not_there_is_not_revoked_and_costs_nothing(self, medfed, hospitals):
        """Unless the patient says so: it ends what is signed before, and brought later."""
        medfed.ok("patient", "keygen", "silent.json", "--trial")
        key = ("--keystore", "silent.json")
        never = medfed("patient", "revoke", "1", *key)
        assert (never.code, "there never was a consent" in never.sentence) == (2, True)
        account = load_wallet(medfed.folder / "silent.json", PASSWORD).account(1).address
        medfed.ok("dev", "fund", account)
        medfed.ok("patient", "grant", "1", "--purposes", "HMB", *key)
        medfed.ok("patient", "revoke", "1", *key)
        before = medfed.data("patient", "status", "silent.json", "1")["signed_at"]
        again = medfed("patient", "revoke", "1", *key)
        assert (again.code, "was revoked on" in again.sentence) == (2, True)
        assert medfed.data("patient", "status", "silent.json", "1")["signed_at"] == before
        medfed.ok("dev", "travel", 2)
        medfed.ok("patient", "revoke", "1", "--anyway", *key)
        assert medfed.data("patient", "status", "silent.json", "1")["signed_at"] > before

    @pytest.mark.parametrize("how", [("grant",), ("sign", "grant", "--out", "ds.consent")])
    def test_a_disease_that_the_dataset_has_not_is_no_consent(self, medfed, hospitals, how):
        command = ("patient", *how, "1", "--keystore", "stranger.json")
        refused = medfed(*command, "--purposes", "DS,NPU")
        assert (refused.code, "DS permits nothing there" in refused.sentence) == (2, True)
        assert not (medfed.folder / "ds.consent").exists()
        ill = medfed.data(
            *("dataset", "register", "hospital-1/hospital.toml", "--uses", "DS", "--disease", "7")
        )["dataset"]
        medfed.ok("patient", "grant", ill, "--purposes", "DS", "--keystore", "stranger.json")

    def test_revoke_all_reaches_every_dataset_of_the_wallet(self, medfed, hospitals):
        medfed.ok("patient", "keygen", "all.json", "--trial")
        wallet = load_wallet(medfed.folder / "all.json", PASSWORD)
        accounts = [wallet.account(number).address for number in hospitals]
        medfed.ok("dev", "fund", *accounts)
        for number in hospitals[:2]:
            medfed.ok("patient", "grant", number, "--purposes", "HMB", "--keystore", "all.json")
        answer = medfed.ok("patient", "revoke-all", "--keystore", "all.json", "--json")
        assert sorted(answer.data["revoked"]) == sorted(accounts[:2])
        assert "may take them for one person's" in answer.err
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

    def test_the_patient_is_named_by_the_card_as_well(self, medfed, hospitals):
        """But not by that of another dataset, which shows another account."""
        patient = load_wallet(medfed.folder / "patients.json", PASSWORD).account(2).address
        medfed.ok("patient", "card", "2", "--keystore", "patients.json", "--out", "lost.card")
        revoke = ("dataset", "revoke-for", "lost.card")
        assert medfed.data(*revoke, "2", "--keystore", "admin-2.json")["patient"] == patient
        refused = medfed(*revoke, "1", "--keystore", "admin-1.json")
        assert (refused.code, "The card lost.card is for dataset 2" in refused.sentence) == (2, True)
        key = medfed("dev", "fund", "lost.card")
        assert (key.code, "lost.card is no keystore, but a card" in key.sentence) == (6, True)
        medfed.ok("dev", "travel", 2)

    def test_twice_in_a_row_has_gas_enough(self, medfed, hospitals):
        """What was estimated in the block of the first writes nothing new, and does in the next."""
        medfed.ok("patient", "keygen", "twice.json", "--trial")
        key = ("--keystore", "twice.json")
        medfed.ok("dev", "fund", load_wallet(medfed.folder / "twice.json", PASSWORD).account(1).address)
        medfed.ok("patient", "grant", "1", "--purposes", "HMB", *key)
        medfed.ok("patient", "revoke", "1", *key)
        time.sleep(1.1)  # so that the next block is another second's
        medfed.ok("patient", "revoke", "1", "--anyway", *key)


class TestRevokeAllSpread:
    """Each account at a moment of its own, so that nothing shows that they are one person's."""

    @pytest.fixture
    def wallet(self, medfed, hospitals):
        """Two accounts with a consent and ether."""
        name = f"spread-{next(_fresh)}.json"
        medfed.ok("patient", "keygen", name, "--trial")
        wallet = load_wallet(medfed.folder / name, PASSWORD)
        medfed.ok("dev", "fund", *(wallet.account(number).address for number in hospitals[:2]))
        for number in hospitals[:2]:
            medfed.ok("patient", "grant", number, "--purposes", "HMB", "--keystore", name)
        return name

    def plan(self, medfed):
        (path,) = (medfed.folder / "state").glob("revoke-all-*.json")
        return path

    def kill_in_the_middle(self, medfed, wallet):
        """A spread over an hour, killed while it waits."""
        command = [sys.executable, "-m", "medfed", "patient", "revoke-all", "--keystore", wallet]
        process = subprocess.Popen(
            [*command, "--spread", "1h"],
            cwd=medfed.folder,
            env=os.environ | {"MEDFED_PASSWORD_FILE": "password.txt"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not list((medfed.folder / "state").glob("revoke-all-*.json")):
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.wait()

    def test_after_a_kill_it_goes_on_as_planned(self, medfed, hospitals, wallet):
        self.kill_in_the_middle(medfed, wallet)
        path = self.plan(medfed)
        moments = json.loads(path.read_text())
        assert len(moments) == 2
        assert all(time.time() - 60 < moment < time.time() + 3601 for moment in moments.values())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        first, last = sorted(moments)
        path.write_text(json.dumps({first: int(time.time()) - 1, last: int(time.time()) + 3}))
        answer = medfed.ok("patient", "revoke-all", "--keystore", wallet, "--json")
        assert (answer.data["revoked"], answer.data["failed"]) == ([first, last], [])
        assert "until its moment a consent stands" in answer.err
        assert not path.exists()

    def test_what_is_left_can_be_revoked_at_once(self, medfed, hospitals, wallet):
        self.kill_in_the_middle(medfed, wallet)
        path = self.plan(medfed)
        started = time.time()
        assert len(medfed.data("patient", "revoke-all", "--keystore", wallet, "--now")["revoked"]) == 2
        assert time.time() < started + 60
        assert not path.exists()
        for number in hospitals[:2]:
            assert medfed.data("patient", "status", wallet, number)["active"] is False

    def test_an_account_that_cannot_pay_stops_no_other(self, medfed, hospitals, wallet):
        account = load_wallet(medfed.folder / wallet, PASSWORD).account(hospitals[2])
        signing = ("patient", "sign", "grant", hospitals[2], "--purposes", "HMB", "--keystore", wallet)
        medfed.ok(*signing, "--out", "third.consent")
        relay(medfed, "third")
        answer = medfed("patient", "revoke-all", "--keystore", wallet, "--json")
        assert (answer.code, len(answer.data["revoked"])) == (75, 2)
        assert [entry["patient"] for entry in answer.data["failed"]] == [account.address]
        assert "gas money" in answer.data["failed"][0]["reason"]

    def test_signed_ones_are_in_files_of_their_own_with_moments_of_their_own(self, medfed, wallet):
        out = f"apart-{next(_fresh)}"
        signing = ("patient", "sign", "revoke-all", "--keystore", wallet, "--out", out)
        data = medfed.data(*signing, "--spread", "2d")
        entries = [json.loads((medfed.folder / name).read_text())["consents"] for name in data["files"]]
        assert [len(each) for each in entries] == [1, 1]
        first, last = sorted(each[0]["data"]["message"]["issuedAt"] for each in entries)
        assert 0 < last - first < 2 * 86_400
        assert data["from"] == last
        again = medfed(*signing)
        assert (again.code, "name another one" in again.sentence) == (2, True)

    @pytest.mark.parametrize("text", ["2 weeks", "-1h", "91d", "h"])
    def test_what_is_no_length_of_time(self, medfed, hospitals, text):
        answer = medfed("patient", "revoke-all", "--keystore", "patients.json", "--spread", text)
        assert (answer.code, "no length of time" in answer.sentence) == (2, True)


class TestBySignature:
    def test_window_and_form_are_signed(self, medfed, hospitals):
        number = next(_fresh)
        (medfed.folder / "form.pdf").write_text("form.pdf")
        sign(medfed, "grant", number, "--purposes", "GRU", "--data-from", "2015", "--form", "form.pdf")
        assert relay(medfed, "grant")["counted"] == 1
        sign(medfed, "narrow", number, "--data-until", "2020")
        assert relay(medfed, "narrow")["counted"] == 1
        found = status(medfed, number)
        assert (found["data_from"], found["data_until"]) == (2015, 2020)
        assert found["form"] == "0x" + form_digest(b"form.pdf").hex()

    def test_what_is_signed_is_said_in_words(self, medfed, hospitals):
        """Which data of which hospital, for what, until when; and the same to a program."""
        (medfed.folder / "blank.pdf").write_text("blank")
        number, key = next(_fresh), ("--keystore", "patients.json", "--out", "words.consent", "--accounts")
        terms = ("--purposes", "HMB", "--days", "9", "--data-from", "2015", "--form", "blank.pdf")
        told = " ".join(medfed.ok("patient", "sign", "grant", "1", *terms, *key, number).out.split())
        assert (
            'Studies may use your record in dataset 1, of "Hospital 1" for: health, medical or biomedical research; until 20'
            in told
        )
        assert "Only data from 2015 are used" in told
        assert "The form that was read has the hash 0x" in told
        sign(medfed, "grant", number, "--purposes", "GRU")
        relay(medfed, "grant")
        narrowed = sign(medfed, "narrow", number, "--purposes", "HMB")
        assert 'only use your record in dataset 1, of "Hospital 1"' in narrowed["means"][0]
        revoked = sign(medfed, "revoke", number)
        assert 'take back the consent for dataset 1, of "Hospital 1"' in revoked["means"][0]

    def test_the_account_that_signs_is_named(self, medfed, hospitals):
        """Another wallet's consent looks like one's own and is nobody's: the account is the difference."""
        account = medfed.data("key", "address", "stranger.json")["stranger.json"]
        said = ("grant", "1", "--purposes", "HMB", "--keystore", "stranger.json")
        signed = medfed.ok("patient", "sign", *said, "--out", "whose.consent")
        assert all(account in each.out for each in (signed, medfed.ok("patient", *said)))

    def test_a_folder_is_brought_file_by_file(self, medfed, hospitals):
        """What a revoke-all writes is one: it names the file to bring, and who names the folder is told."""
        medfed.ok("patient", "grant", "1", "--purposes", "HMB", "--keystore", "stranger.json")
        signed = medfed.ok(
            "patient", "sign", "revoke-all", "--keystore", "stranger.json", "--out", "all-of-it"
        )
        (file,) = (medfed.folder / "all-of-it").iterdir()
        assert f"`medfed patient relay all-of-it/{file.name} " in " ".join(signed.out.split())
        refused = medfed("patient", "relay", "all-of-it", "--keystore", "relayer.json", "--spread", "0")
        assert (refused.code, "all-of-it is a folder; name the files in it" in refused.sentence) == (2, True)

    def test_a_file_that_is_there_is_not_overwritten(self, medfed, hospitals):
        """It may hold what nobody has brought yet."""
        sign(medfed, "grant", next(_fresh), "--purposes", "HMB")
        before = (medfed.folder / "grant.consent").read_text()
        signing = ("patient", "sign", "grant", "1", "--purposes", "HMB", "--keystore", "patients.json")
        again = medfed(*signing, "--out", "grant.consent")
        assert (again.code, "name another one" in again.sentence) == (2, True)
        assert (medfed.folder / "grant.consent").read_text() == before

    @pytest.mark.parametrize(
        ("wider", "why"),
        [
            (
                ("--purposes", "GRU,NPU"),
                "any research (GRU), research into population origins or ancestry (POA)",
            ),
            (("--purposes", "HMB,CC,NPU"), "it permits clinical care (CC), which the present one does not"),
            (
                ("--purposes", "HMB"),
                "a condition of the present one: use by not-for-profit organisations alone (NPU)",
            ),
            (("--days", "20"), "begins (UTC), and the present one until 20"),
        ],
    )
    def test_a_narrowing_to_more_is_not_signed(self, medfed, hospitals, wider, why):
        """And which of it is more is said."""
        number = next(_fresh)
        sign(medfed, "grant", number, "--purposes", "HMB,NPU", "--days", "9")
        relay(medfed, "grant")
        signing = ("patient", "sign", "narrow", "1", *wider, "--keystore", "patients.json")
        refused = medfed(*signing, "--out", "wider.consent", "--accounts", number)
        assert (refused.code, why in refused.sentence) == (2, True), refused
        assert "This is no narrowing of the consent of 0x" in refused.sentence

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
            assert not sign(medfed, what, number).get("deadline")
            [entry] = json.loads((medfed.folder / f"{what}.consent").read_text())["consents"]
            assert "deadline" not in entry["data"]["message"]

    def test_a_withheld_revoke_all_ends_no_consent_that_was_signed_after_it(self, medfed, hospitals):
        """It counts, and the consent stays."""
        number = next(_fresh)
        sign(medfed, "revoke-all", number)
        time.sleep(1.1)
        medfed.ok(
            "patient", "revoke", "2", "--anyway", "--keystore", "stranger.json"
        )  # a block of a later second
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
        found = relay(medfed, "grant", "revoke")
        assert (found["counted"], found["waiting"], found["skipped"]) == (71, 0, [])
        assert {entry["state"] for entry in found["decisions"]} == {"counted"}

    def test_what_is_on_the_chain_is_not_sent_again(self, medfed, hospitals):
        """By the queue that brought it, nor by one that knows nothing of it."""
        number = next(_fresh) + 20_000
        sign(medfed, "grant", f"{number}-{number + 2}", "--purposes", "HMB")
        relay(medfed, "grant")
        client, payer = on_chain(medfed).client, load_keystore(medfed.folder / "relayer.json", PASSWORD)
        sent = client.nonce(payer.address)
        again = ("patient", "relay", "grant.consent", "--keystore", "relayer.json", "--spread", "0")
        for queue in ((), ("--queue", f"queue-{number}")):
            assert medfed.data(*again, *queue)["counted"] == 3
        assert client.nonce(payer.address) == sent

    def test_what_does_not_count_is_named_with_its_place(self, medfed, hospitals):
        """A narrowing without a consent, and a file that is none of this kind, beside one that counts."""
        number = next(_fresh)
        sign(medfed, "grant", number, "--purposes", "GRU")
        relay(medfed, "grant")
        sign(medfed, "narrow", number, "--purposes", "HMB")
        sign(medfed, "revoke", number)
        relay(medfed, "revoke")
        sign(medfed, "grant", next(_fresh), "--purposes", "HMB")
        (medfed.folder / "none.consent").write_text("{}")
        files = [f"{name}.consent" for name in ("none", "narrow", "grant")]
        answer = medfed(
            *("patient", "relay", *files, "--keystore", "relayer.json", "--spread", "0", "--json"),
        )
        assert (answer.code, answer.data["counted"]) == (7, 1)
        places = {entry["where"]: entry["reason"] for entry in answer.data["skipped"]}
        assert "later decision of the patient counts" in places["narrow.consent, consent 1"]
        assert "holds no signed consents" in places["none.consent"]

    def test_a_queue_is_worked_off_without_files(self, medfed, hospitals):
        """What a relay that was stopped has left; here one that is signed for a later moment."""
        number = next(_fresh)
        sign(medfed, "grant", number, "--purposes", "HMB")
        relay(medfed, "grant")
        out = f"later-{number}"
        signing = ("patient", "sign", "revoke-all", "--keystore", "patients.json", "--accounts", number)
        data = medfed.data(*signing, "--out", out, "--spread", "90d")
        relaying = ("--keystore", "relayer.json", "--spread", "0", "--queue", f"queue-{number}")
        found = medfed.data("patient", "relay", *data["files"], *relaying)
        assert (found["counted"], found["waiting"]) == (0, 1)
        assert "1 wait for a later moment" in medfed.ok("patient", "relay", *relaying).out
        (decision,) = medfed.data("patient", "relay", *relaying)["decisions"]
        assert (decision["where"], decision["state"]) == ("the queue", "queued")

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
