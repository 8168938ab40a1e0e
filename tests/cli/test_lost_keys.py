"""What is lost with a key and what is not: a patient's wallet, an operator's key. (The admin key: test_vault.)"""

from __future__ import annotations

import pytest

from medfed.chain.wallet import load_wallet
from medfed.data.patients import load_register
from tests.cli.conftest import PASSWORD

OLD, NEW = "old-wallet.json", "new-wallet.json"


def enlist(medfed, card, record, *options):
    return medfed("dataset", "enlist", "hospital-1/hospital.toml", record, card, *options)


@pytest.fixture
def lost(medfed, hospitals):
    """A patient of hospital 1 with two records, who consented with a wallet that nobody has any more; (account, records)."""
    home = medfed.folder / "hospital-1"
    records = [line.split(",")[0] for line in (home / "records.csv").read_text().splitlines()[-2:]]
    if not (medfed.folder / OLD).exists():
        medfed.ok("patient", "keygen", OLD, "--trial")
        medfed.ok("patient", "card", hospitals[0], "--keystore", OLD, "--out", "old.card")
        for record in records:
            assert enlist(medfed, "old.card", record).code == 0
    account = load_wallet(medfed.folder / OLD, PASSWORD).account(hospitals[0]).address
    medfed.ok("dev", "fund", account)
    medfed.ok("patient", "grant", hospitals[0], "--purposes", "HMB", "--keystore", OLD)
    return account, records


def test_a_patient_who_lost_the_wallet_goes_on_with_another(medfed, hospitals, lost):
    account, records = lost
    home, dataset = medfed.folder / "hospital-1", hospitals[0]
    medfed.ok("dataset", "revoke-for", account, dataset, "--keystore", "admin-1.json")
    medfed.ok("patient", "keygen", NEW, "--trial")
    medfed.ok("patient", "card", dataset, "--keystore", NEW, "--out", "new.card")
    taken = enlist(medfed, "new.card", records[0])
    assert (taken.code, "--replace" in taken.sentence) == (2, True)
    before = load_register(home / "patients.csv")
    told = medfed.data("dataset", "enlist", "hospital-1/hospital.toml", records[0], "new.card", "--replace")
    wallet = load_wallet(medfed.folder / NEW, PASSWORD)
    register = load_register(home / "patients.csv")
    assert told["replaced"] == 2
    assert {register.by_record[record] for record in records} == {wallet.account(dataset).address}
    assert account not in register.patients
    assert load_register(home / told["former"].rsplit("/", 1)[-1]).by_record == before.by_record
    again = enlist(medfed, "new.card", records[0], "--replace")
    assert (again.code, "entered with this account already" in again.sentence) == (2, True)
    another = enlist(medfed, "new.card", "r1-0", "--replace")
    assert (another.code, "which exists" in another.sentence) == (2, True), "what is kept is not overwritten"
    medfed.ok("dev", "fund", wallet.account(dataset).address)
    medfed.ok("patient", "grant", dataset, "--purposes", "HMB", "--keystore", NEW)
    assert medfed.data("patient", "status", NEW, dataset)["active"] is True
    assert medfed.data("patient", "status", account, dataset)["active"] is False
    missing = enlist(medfed, "new.card", "nobody", "--replace")
    assert (missing.code, "no record_id 'nobody'" in missing.sentence) == (2, True)


def test_what_is_disclosed_of_before_takes_the_register_of_before(medfed, hospitals, finished):
    """And the command says so: the new register does not explain what was committed to with the old one."""
    home, dataset = medfed.folder / "hospital-1", hospitals[0]
    text = (home / "hospital.toml").read_text()
    (home / "moved.csv").write_bytes((home / "patients.csv").read_bytes())
    (home / "moved.csv").chmod(0o600)
    (home / "moved.toml").write_text(text.replace('"patients.csv"', '"moved.csv"'))
    medfed.ok("patient", "keygen", "moved-on.json", "--trial")
    medfed.ok("patient", "card", dataset, "--keystore", "moved-on.json", "--out", "moved-on.card")
    replacing = ("dataset", "enlist", "hospital-1/moved.toml", "r1-5", "moved-on.card", "--replace")
    former = medfed.data(*replacing)["former"].rsplit("/", 1)[-1]
    disclose = ("hospital", "disclose", finished, "--out", "shown.json", "--hospital")
    answer = medfed.data(*disclose, "hospital-1/moved.toml")
    assert answer["left_out"] == [1, 2]
    told = " ".join(medfed.ok(*disclose, "hospital-1/moved.toml").out.split())
    assert "Left out: rounds 1, 2" in told
    assert former in told
    (home / "former.toml").write_text(text.replace('"patients.csv"', f'"{former}"'))
    assert medfed.data(*disclose, "hospital-1/former.toml")["left_out"] == []


def test_who_replaces_an_account_is_told_that_its_objection_stays_behind(medfed, hospitals, lost):
    """Where nobody is asked for consent, the new account counts until it objects: the old one's word is not its own."""
    account, records = lost
    home, dataset = medfed.folder / "hospital-1", hospitals[0]
    register = (home / "patients.csv").read_text()
    present = load_register(home / "patients.csv").by_record[records[0]]
    (home / "objected.csv").write_text(register.replace(present, account))
    (home / "objected.csv").chmod(0o600)
    text = (home / "hospital.toml").read_text()
    (home / "objected.toml").write_text(text.replace('"patients.csv"', '"objected.csv"'))
    medfed.ok("patient", "keygen", "objected.json", "--trial")
    medfed.ok("patient", "card", dataset, "--keystore", "objected.json", "--out", "objected.card")
    told = medfed.ok(
        "dataset", "enlist", "hospital-1/objected.toml", records[0], "objected.card", "--replace"
    )
    new = load_wallet(medfed.folder / "objected.json", PASSWORD).account(dataset).address
    assert f"`medfed dataset revoke-for {new} {dataset}`" in " ".join(told.out.split())


def test_a_hospital_consents_for_nobody(medfed, hospitals, lost):
    """With all keys of the hospital: neither the operator's nor the admin account's gives a consent in a patient's name."""
    for key in ("operator-1.json", "admin-1.json"):
        account = medfed.data("key", "address", key)[key]
        medfed.ok("patient", "grant", hospitals[0], "--purposes", "HMB", "--keystore", key)
        assert medfed.data("patient", "status", account, hospitals[0])["active"] is True, (
            "its own, which trains nothing"
        )
        assert account not in load_register(medfed.folder / "hospital-1" / "patients.csv").patients


def test_a_revocation_for_an_account_without_a_consent_says_so(medfed, hospitals, lost):
    """The address may be mistyped, and the consent that was meant stands."""
    account, _ = lost
    revoke = ("dataset", "revoke-for", account, hospitals[0], "--keystore", "admin-1.json")
    assert "nothing to take back" not in medfed.ok(*revoke).out
    medfed.ok("dev", "travel", 2)
    told = " ".join(medfed.ok(*revoke).out.split())
    assert "There was nothing to take back: the consent was revoked on" in told
    assert "Look whether account and dataset are right." in told
    medfed.ok("dev", "travel", 2)  # whoever consents next is not overtaken by this revocation


def test_only_the_owners_accounts_revoke_for_a_patient(medfed, hospitals, lost):
    account, _ = lost
    for key in ("operator-2.json", "consortium.json", "admin-2.json", "stranger.json"):
        refused = medfed("dataset", "revoke-for", account, hospitals[0], "--keystore", key)
        assert (refused.code, "Only the owner" in refused.sentence) == (7, True)
    assert medfed.data("patient", "status", account, hospitals[0])["active"] is True


def test_without_the_operators_key_the_admin_account_names_another(medfed, hospitals):
    """And neither the daemon's old key nor a stranger does; what the old key has locked stays."""
    shown = {each["name"]: each for each in medfed.data("consortium", "list")}["Hospital 2"]
    medfed.ok("key", "new", "operator-2b.json", "--trial")
    medfed.ok("hospital", "pledge", "admin-2.json", "word-2b.json", "--keystore", "operator-2b.json")
    rotate = ("consortium", "rotate-operator", "admin-2.json", "word-2b.json", "--keystore")
    for key in ("operator-2.json", "stranger.json", "consortium.json"):
        refused = medfed(*rotate, key)
        assert (refused.code, "is not the admin account" in refused.sentence) == (7, True)
    medfed.ok(*rotate, "admin-2.json")
    after = {each["name"]: each for each in medfed.data("consortium", "list")}["Hospital 2"]
    assert after["operator"] != shown["operator"]
    assert after["hospital"] == shown["hospital"]
    old = medfed("dataset", "publish", "hospital-2/hospital.toml")
    assert (old.code, "does not operate" in old.sentence) == (7, True), (
        "a lost key that is found signs nothing"
    )
    medfed.ok("hospital", "pledge", "admin-2.json", "word-2.json", "--keystore", "operator-2.json")
    medfed.ok("consortium", "rotate-operator", "admin-2.json", "word-2.json", "--keystore", "admin-2.json")
