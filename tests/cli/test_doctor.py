"""`medfed doctor`: every check passes where all is well, and each fault has its one sentence."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import DEPOSIT

CHECKS = [
    "chain",
    "contracts",
    "events",
    "store",
    "data",
    "key",
    "policy",
    "admission",
    "dataset",
    "stake",
    "losses",
]


def examined(medfed, file, **environment):
    answer = medfed("doctor", "--hospital", file, "--json", **environment)
    found = {entry["check"]: entry for entry in answer.data}
    assert list(found) == CHECKS
    assert answer.code == (0 if all(entry["ok"] for entry in found.values()) else 2)
    return found


def variant(medfed, *changes) -> str:
    """Hospital 1's file with text replaced."""
    home = medfed.folder / "hospital-1"
    text = (home / "hospital.toml").read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (home / "variant.toml").write_text(text)
    return "hospital-1/variant.toml"


def test_all_is_well(medfed, hospitals):
    assert all(entry["ok"] for entry in examined(medfed, "hospital-1/hospital.toml").values())


def test_each_line_fits_and_says_ok(medfed, hospitals):
    lines = medfed.ok("doctor", "--hospital", "hospital-1/hospital.toml").out.splitlines()
    marks = [line[:4] for line in lines if not line.startswith(" ")]
    # Studies of other tests may have taken something.
    assert marks.count("ok  ") + (marks[-1] == "WARN") == len(CHECKS)


FAULTS = {
    "another's key": (("operator-1.json", "stranger.json"), "admission", "is the operator of no hospital"),
    "other records": (
        ('records = "records.csv"', 'records = "other.csv"'),
        "dataset",
        "The records are not those",
    ),
    "no records": (('records = "records.csv"', 'records = "none.csv"'), "data", "Cannot read the records"),
    "no sponsor": (('sponsors = ["*"]', "sponsors = []"), "policy", "names no sponsors"),
    "a sponsor that is none": (('sponsors = ["*"]', 'sponsors = ["0x12"]'), "policy", "is not an address"),
    "a purpose that is none": (
        ('purposes = "GRU"', 'purposes = "ALL"'),
        "policy",
        "no purpose that MedFed knows",
    ),
    "another's dataset": (("dataset = 1", "dataset = 2"), "dataset", "belongs to another hospital"),
    "no dataset": (("dataset = 1\n", ""), "dataset", "names no dataset"),
    "too little ether": (
        ("[policy]", "[daemon]\nlow_ether = 1000.0\n\n[policy]"),
        "key",
        "less than 1000; send it some",
    ),
    "a wrong password": (('"../password.txt"', '"wrong.txt"'), "key", "check the password file"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_one_fault_one_sentence(medfed, hospitals, case):
    change, check, part = FAULTS[case]
    home = medfed.folder / "hospital-1"
    (home / "wrong.txt").write_text("not it\n")
    rows = (home / "records.csv").read_text().splitlines()
    (home / "other.csv").write_text("\n".join(rows[:-1]) + "\n")
    found = examined(medfed, variant(medfed, change))
    assert found[check]["ok"] is False
    assert part in found[check]["found"]
    assert found["chain"]["ok"]
    assert found["contracts"]["ok"]


def test_a_stake_that_is_not_there(medfed, hospitals, new_study):
    """Only for studies that the policy would take and that still enrol."""
    number = new_study(replace={'stake = "500"': 'stake = "999999"'})
    assert examined(medfed, "hospital-1/hospital.toml")["stake"]["ok"]
    rich = variant(medfed, ("largest_stake = 1000000000", "largest_stake = 999999000000"))
    found = examined(medfed, rich)["stake"]
    assert found["ok"] is False
    assert f"Study {number} asks for a stake" in found["found"]
    medfed.ok("study", "cancel", number, "--keystore", "sponsor.json")


def test_a_stake_that_the_daemon_may_not_lock(medfed, hospitals, new_study):
    """The tokens are there, and the admin account has not allowed enough of them."""
    for entry in medfed.data("study", "list"):  # the first that asks for too much would be told
        if entry["state"] == "enrolling":
            medfed("study", "cancel", entry["study"], "--keystore", "sponsor.json")
    number = new_study(replace={'stake = "500"': 'stake = "50"', 'bond = "250"': 'bond = "25"'})
    used = medfed.data("vault", "show", "admin-1.json")["used"]
    allow = ("vault", "allow", "--keystore", "admin-1.json")
    try:
        medfed.ok(*allow, f"{used / 10**6 + 49}")
        found = examined(medfed, "hospital-1/hospital.toml")["stake"]
        assert found["ok"] is False
        assert (
            f"Study {number} asks for a stake of 50 MFT and the daemon may lock 49 MFT more" in found["found"]
        )
        assert "`medfed vault allow`" in found["found"]
        medfed.ok(*allow, f"{used / 10**6 + 50}")
        assert examined(medfed, "hospital-1/hospital.toml")["stake"]["ok"]
    finally:
        medfed.ok(*allow, DEPOSIT)
        medfed.ok("study", "cancel", number, "--keystore", "sponsor.json")


def test_contracts_that_are_not_of_this_version(medfed, hospitals, tmp_path):
    """Code is compared with what this version's contracts come to, not only looked for."""
    (book,) = (medfed.folder / "state" / "deployments").glob("*.json")
    found = json.loads(book.read_text())
    found["contracts"]["SumRule"]["address"] = found["contracts"]["Consortium"]["address"]
    forged = tmp_path / "book.json"
    forged.write_text(json.dumps(found))
    answer = medfed("doctor", "--json", MEDFED_ADDRESSES=str(forged))
    (line,) = [entry for entry in answer.data if entry["check"] == "contracts"]
    assert (answer.code, line["ok"]) == (2, False)
    assert "The contract SumRule at" in line["found"]


def test_what_the_consortium_has_changed(medfed, hospitals):
    """A warning, as it may be meant; deploying again does not undo it."""
    said = medfed.data("deploy", "--keystore", "consortium.json")
    key = "--keystore", "consortium.json"
    allow = ("consortium", "allow-token", said["DevelopmentToken"], *key)
    try:
        medfed.ok(*allow, "--disallow")
        again = medfed.data("deploy", *key)
        assert again["left_alone"] == ["the development token is not allowed, as it was disallowed since"]
        assert again["transactions"] == 0
        found = examined(medfed, "hospital-1/hospital.toml")["contracts"]
        assert (found["ok"], found["warning"]) == (True, True)
        assert f"token {said['DevelopmentToken']} is allowed (now False)" in found["found"]
    finally:
        medfed.ok(*allow)


def test_nothing_that_answers(medfed):
    """Each check fails for itself; the store still answers."""
    answer = medfed("doctor", "--json", MEDFED_RPC="http://127.0.0.1:1")
    assert answer.code == 2
    assert [entry["ok"] for entry in answer.data] == [False, False, False, True]
