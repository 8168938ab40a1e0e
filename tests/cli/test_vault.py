"""`medfed vault` and `consortium`: tokens in and out, who may do what, pauses that stop only what is new."""

from __future__ import annotations

import pytest

from medfed.cli.amounts import Coin
from medfed.errors import InputError
from tests.cli.course import on_chain

COIN = Coin("0x" + "11" * 20, "MFT", 6)


@pytest.mark.parametrize(("text", "units"), [("500", 500_000_000), ("12.5", 12_500_000), ("0.000001", 1)])
def test_amounts_are_whole_tokens(text, units):
    assert COIN.units(text) == units


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e99999", "0.0000001", "1,5", ""])
def test_amounts_that_are_none(text):
    with pytest.raises(InputError):
        COIN.units(text)


@pytest.mark.parametrize(
    ("units", "text"),
    [(500_000_000, "500 MFT"), (1_234_500_000, "1,234.5 MFT"), (0, "0 MFT"), (1, "0.000001 MFT")],
)
def test_amounts_are_shown_in_full(units, text):
    assert COIN.text(units) == text


def balance(medfed, account):
    found = medfed.data("vault", "balance", account)
    return found["free"], found["locked"], found["leaving"]


def test_a_deposit_by_permit_takes_one_transaction(medfed, hospitals):
    """The permission is signed, not sent: the depositor's nonce grows by one."""
    medfed.ok("dev", "mint", "7", "stranger.json")
    client = on_chain(medfed).client
    address = medfed.data("key", "address", "stranger.json")["stranger.json"]
    before = client.nonce(address)
    medfed.ok("vault", "deposit", "7", "--permit", "--keystore", "stranger.json", "--to", "relayer.json")
    assert client.nonce(address) == before + 1
    assert balance(medfed, "relayer.json")[0] == 7_000_000


def test_an_exit_waits_and_can_be_taken_back(medfed, hospitals):
    key = ("--keystore", "admin-3.json")
    free, locked, _ = balance(medfed, "admin-3.json")
    medfed.ok("vault", "exit", "10", *key)
    assert balance(medfed, "admin-3.json") == (free - 10_000_000, locked, 10_000_000)
    early = medfed("vault", "withdraw", *key)
    assert (early.code, "can be withdrawn from second" in early.sentence) == (7, True)
    medfed.ok("vault", "cancel-exit", *key)
    assert balance(medfed, "admin-3.json") == (free, locked, 0)
    medfed.ok("vault", "exit", "10", *key)
    medfed.ok("dev", "travel", "3600")
    assert medfed.data("vault", "withdraw", *key, "--to", "stranger.json")["withdrawn"] == 10_000_000
    too_much = medfed("vault", "exit", "1000000", *key)
    assert (too_much.code, "deposit more" in too_much.sentence) == (7, True)


def test_tokens_are_taken_by_the_consortium_s_word(medfed, hospitals):
    key = ("--keystore", "consortium.json")
    token = medfed.data("vault", "balance", "admin-1.json")["token"]
    medfed.ok("consortium", "allow-token", token, "--disallow", *key)
    medfed.ok("dev", "mint", "1", "stranger.json")
    refused = medfed("vault", "deposit", "1", "--keystore", "stranger.json")
    assert (refused.code, "does not take token" in refused.sentence) == (7, True)
    medfed.ok("consortium", "allow-token", token, *key)
    medfed.ok("vault", "deposit", "1", "--keystore", "stranger.json")
    stranger = medfed("consortium", "allow-token", token, "--keystore", "stranger.json")
    assert (stranger.code, "does not hold the role" in stranger.sentence) == (7, True)


def test_a_pause_stops_what_is_new_and_can_be_said_twice(medfed, hospitals, study_text):
    key = ("--keystore", "consortium.json")
    (medfed.folder / "paused.toml").write_text(study_text)
    medfed.ok("consortium", "pause", *key)
    try:
        medfed.ok("consortium", "pause", *key)
        refused = medfed("study", "create", "paused.toml", "--keystore", "sponsor.json")
        assert (refused.code, "has paused this" in refused.sentence) == (7, True)
        medfed.ok("patient", "grant", "1", "--purposes", "HMB", "--keystore", "stranger.json")
        medfed.ok("patient", "revoke", "1", "--keystore", "stranger.json")
    finally:
        medfed.ok("consortium", "unpause", *key)
    medfed.ok("study", "create", "paused.toml", "--keystore", "sponsor.json")


def standing(medfed, number):
    return medfed.data("consortium", "list")[number - 1]


def test_a_hospital_is_suspended_and_reinstated(medfed, hospitals):
    key = ("--keystore", "consortium.json")
    medfed.ok("consortium", "suspend", "admin-3.json", *key)
    assert standing(medfed, 3)["active"] is False
    assert "Hospital 3, suspended" in medfed.ok("consortium", "list").out
    medfed.ok("consortium", "reinstate", "admin-3.json", *key)
    assert standing(medfed, 3)["active"] is True


def test_a_hospital_changes_its_own_keys_and_name(medfed, hospitals):
    """With the cold admin key; the old operator counts no more."""
    before = standing(medfed, 3)
    key = ("--keystore", "admin-3.json")
    medfed.ok("key", "new", "spare.json", "--trial")
    medfed.ok("key", "encryption", "spare-encryption.json", "--trial")
    medfed.ok("consortium", "rotate-operator", "spare.json", *key)
    medfed.ok("consortium", "rotate-encryption-key", "spare-encryption.json", *key)
    medfed.ok("consortium", "describe", "--name", "\x1b[31mSaint [red]Anna", *key)
    found = standing(medfed, 3)
    assert found["operator"] == medfed.data("key", "address", "spare.json")["spare.json"]
    assert found["encryption_key"] != before["encryption_key"]
    told = medfed.ok("consortium", "list").out
    assert "Saint [red]Anna" in told
    assert "\x1b" not in told, "a hospital's name moves nobody's cursor"
    medfed.ok("consortium", "rotate-operator", before["operator"], *key)
    medfed.ok("consortium", "describe", "--name", "Hospital 3", *key)


def test_datasets_have_versions_and_an_end(medfed, hospitals):
    """Publishing and retiring with the operator's key; what runs keeps what it pinned."""
    home = medfed.folder / "hospital-2"
    text = (home / "records.csv").read_text()
    (home / "records.csv").write_text(text + "r2-new,0.5,0.25,0.125,1\n")
    assert medfed.data("dataset", "publish", "hospital-2/hospital.toml") == {
        "dataset": hospitals[1],
        "version": 2,
    }
    found = medfed.data("dataset", "show", hospitals[1])
    assert (found["version"], found["records"], found["uses"]) == (2, 43, ["GRU"])
    extra = medfed.data("dataset", "register", "hospital-2/hospital.toml", "--uses", "HMB")["dataset"]
    medfed.ok("dataset", "retire", extra, "--keystore", "operator-2.json")
    assert medfed.data("dataset", "show", extra)["retired"] is True
    again = medfed("dataset", "retire", extra, "--keystore", "operator-2.json")
    assert (again.code, "is retired" in again.sentence) == (7, True)
    assert [
        entry["version"] for entry in medfed.data("dataset", "list") if entry["dataset"] == hospitals[1]
    ] == [
        1,
        2,
    ]
