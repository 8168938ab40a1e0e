"""Bad input: each ends with its exit code and one sentence that names what is wrong and what to do."""

from __future__ import annotations

import itertools
import json
import socket
from dataclasses import replace

import numpy as np
import pytest

from medfed.chain.keys import load_keystore
from medfed.errors import MedFedError
from medfed.protocol.header import Header
from medfed.protocol.vector import check_vector, vector_bytes
from tests.cli.conftest import PASSWORD
from tests.cli.course import AGGREGATE, on_chain

pytestmark = pytest.mark.anvil

# -- settings, keys and files ------------------------------------------------------------------------------------------


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def refuses(answer, code, *parts):
    """The exit code, and one sentence with these parts."""
    assert (answer.code, answer.out) == (code, ""), answer
    for part in parts:
        assert part in answer.sentence, answer.sentence


SETTINGS = {
    "wrong chain id": ({"MEDFED_CHAIN_ID": "1"}, 5, ("is chain 31337", "the settings say 1")),
    "no contracts known": (
        {"MEDFED_STATE_DIR": "elsewhere"},
        5,
        ("Nothing is known of MedFed", "deploy them"),
    ),
    "unreachable rpc": ({"MEDFED_RPC": closed_port()}, 75, ("does not answer",)),
    "rpc of no kind": ({"MEDFED_RPC": "ftp://chain"}, 2, ("http://, https:// or embedded:",)),
    "a setting that is no number": ({"MEDFED_CHAIN_ID": "one"}, 2, ("chain_id", "integer")),
    "another store": ({"MEDFED_STORE": "s3:bucket"}, 2, ("local:DIRECTORY or kubo:URL",)),
    "a settings file that is missing": ({"MEDFED_CONFIG": "none.toml"}, 2, ("none.toml", "cannot be read")),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(medfed, case):
    environment, code, parts = SETTINGS[case]
    refuses(medfed("study", "list", **environment), code, *parts)


def test_no_contracts_at_the_address(medfed, tmp_path):
    """An address book whose addresses hold no code on this chain."""
    (book,) = (medfed.folder / "state" / "deployments").glob("*.json")
    found = json.loads(book.read_text())
    found["contracts"]["Consortium"]["address"] = "0x" + "11" * 20
    forged = tmp_path / "book.json"
    forged.write_text(json.dumps(found))
    refuses(
        medfed("study", "list", MEDFED_ADDRESSES=str(forged)),
        5,
        *("There is no contract Consortium at 0x1111", str(forged)),
    )


def test_an_address_book_of_another_chain(medfed, tmp_path):
    (book,) = (medfed.folder / "state" / "deployments").glob("*.json")
    forged = tmp_path / "book.json"
    forged.write_text(json.dumps({**json.loads(book.read_text()), "chain_id": 5}))
    refuses(medfed("study", "list", MEDFED_ADDRESSES=str(forged)), 5, "is for chain 5", "correct one of them")


def test_an_unreachable_store(medfed):
    answer = medfed("doctor", MEDFED_STORE=f"kubo:{closed_port()}")
    assert answer.code == 2
    (line,) = [line for line in answer.out.splitlines() if line.startswith("FAIL")]
    assert "store:" in line
    assert "cannot be reached; start it or correct the store setting" in line


def test_a_store_directory_that_cannot_be_used(medfed):
    refuses(medfed("study", "list", MEDFED_STORE="local:password.txt"), 75, "password.txt", "cannot be used")


KEYS = {
    "wrong password": (
        ("sponsor.json",),
        "wrong.txt",
        6,
        ("does not open the keystore", "check the password file"),
    ),
    "no keystore": (("nowhere.json",), "password.txt", 6, ("There is no keystore at nowhere.json",)),
    "no password file": (("sponsor.json",), "nowhere.txt", 2, ("nowhere.txt", "cannot be read")),
    "an empty password file": (("sponsor.json",), "empty.txt", 2, ("is empty", "first line")),
    "a file that is no keystore": (("medfed.toml",), "password.txt", 6, ("is not JSON",)),
    "an encryption key": (("hospital-1/encryption.json",), "password.txt", 6, ("no account's keystore",)),
}


@pytest.mark.parametrize("case", KEYS)
def test_keys(medfed, hospitals, case):
    arguments, password, code, parts = KEYS[case]
    (medfed.folder / "wrong.txt").write_text("not it\n")
    (medfed.folder / "empty.txt").write_text("")
    answer = medfed(
        *("vault", "deposit", "1", "--keystore", *arguments, "--password-file", password),
    )
    refuses(answer, code, *parts)


def test_a_wallet_is_no_account(medfed, hospitals):
    """What holds a seed never pays: its seed is not a key."""
    refuses(medfed("vault", "show", "patients.json"), 6, "patients.json is no account's keystore")


ACCOUNTS = {
    "neither": ("somebody", "neither an address"),
    "too short": ("0x1234", "is not an address"),
    "a wrong checksum": ("0x5FbDB2315678afecb367f032d93F642f64180aA3", "right checksum"),
}


@pytest.mark.parametrize("case", ACCOUNTS)
def test_accounts(medfed, case):
    text, part = ACCOUNTS[case]
    refuses(medfed("vault", "show", text), 2, part)


# -- records -----------------------------------------------------------------------------------------------------------

RECORDS = {
    "NaN": (("nan", "0"), "line 4: 'a' is not a finite number"),
    "a value that is missing": (("", "0"), "line 4: 'a' is missing"),
    "a label of 2": (("1.5", "2"), "must be 0 or 1"),
    "a constant label": (("1.5", "1"), "the same in every record"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_records(medfed, hospitals, case):
    """Each is refused before anything is sent, with line and column and without the value."""
    (value, label), part = RECORDS[case]
    constant = label == "1"
    rows = ["record_id,a,ill", f"r1,1.25,{1 if constant else 0}", "r2,2.5,1", f"r3,{value},{label}"]
    home = medfed.folder / "hospital-1"
    (home / "bad.csv").write_text("\n".join(rows) + "\n")
    text = (home / "hospital.toml").read_text().replace("records.csv", "bad.csv")
    (home / "bad.toml").write_text(text)
    refuses(medfed("dataset", "register", "hospital-1/bad.toml", "--uses", "GRU"), 2, part)


@pytest.mark.parametrize(
    ("uses", "part"),
    [
        ("XYZ", "is no purpose that MedFed knows"),
        ("NPU", "permit nothing"),
        ("DS", "with --disease"),
        ("", "No purpose is named"),
    ],
)
def test_uses_of_a_dataset(medfed, hospitals, uses, part):
    code = 7 if part == "permit nothing" else 2
    refuses(medfed("dataset", "register", "hospital-1/hospital.toml", "--uses", uses), code, part)


# -- studies -----------------------------------------------------------------------------------------------------------

STUDIES = {
    "a sum that could wrap": ("scale = 131072.0", "scale = 1e9", ("wrap",)),
    "nobody can join: too many hospitals": (
        "min_hospitals = 3",
        "min_hospitals = 11",
        ("asks for 11 hospitals",),
    ),
    "nobody can join: no time": (
        "enrol_seconds = 86400",
        "enrol_seconds = 0",
        ("give hospitals time to enrol",),
    ),
    "nobody can join: every cohort is too small": ("cohort_step = 16", "cohort_step = 1024", ("abstain",)),
    "a purpose that is not defined": ('purposes = "HMB"', "purposes = 2147483650", ("no code is given to",)),
    "a request for nothing": ('purposes = "HMB"', 'purposes = "NPU"', ("requests exactly one of",)),
    "a field that is unknown": ("epochs = 4", "epochs = 4\nepoch = 4", ("epoch", "not permitted")),
    "an offer that is unknown": ("max_voids = 2", "max_void = 2", ("'max_void'", "unknown")),
    "an offer that is missing": ('stake = "500"', "", ("lacks", "stake")),
    "an amount below the unit": ('stake = "500"', 'stake = "0.0000001"', ("more decimal places",)),
    "a negative time": ("training_seconds = 3600", "training_seconds = -1", ("training_seconds",)),
    "a rule that is unknown": (
        "[spec.server]",
        '[spec.rule]\nkind = "mode"\n\n[spec.server]',
        ("bad.toml: rule.kind has to be 'sum', 'median'",),
    ),
    "a bond above half of the stake": (
        'bond = "250"',
        'bond = "250.5"',
        ("A bond of 250.5 MFT is not possible with a stake of 500 MFT", "at most half of it, 250 MFT"),
    ),
    "no TOML": ("[offer]", "[offer", ("not valid TOML",)),
    "no offer": ("[offer]", "[offers]", ("no section [offer]",)),
}


@pytest.mark.parametrize("case", STUDIES)
def test_studies(medfed, study_text, case):
    """Refused before the sponsor's tokens move."""
    before, after, parts = STUDIES[case]
    assert before in study_text
    (medfed.folder / "bad.toml").write_text(study_text.replace(before, after))
    held = medfed.data("vault", "show", "sponsor.json")
    refuses(medfed("study", "create", "bad.toml", "--keystore", "sponsor.json"), 2, *parts)
    assert medfed.data("vault", "show", "sponsor.json") == held


def test_a_study_without_the_money(medfed, study_text):
    (medfed.folder / "bad.toml").write_text(study_text)
    answer = medfed("study", "create", "bad.toml", "--keystore", "stranger.json")
    refuses(answer, 2, "has 0 MFT and needs 500 MFT")


def test_a_study_that_does_not_exist(medfed, hospitals):
    refuses(medfed("study", "show", "999"), 2, "There is no study 999", "medfed study list")


# -- consent -----------------------------------------------------------------------------------------------------------


_fresh = itertools.count(1_000_000)
"""Numbers of accounts that have not consented yet."""


def sign(medfed, what, number, *arguments) -> dict:
    """A patient's signed change for dataset 1, as the JSON of its file."""
    (medfed.folder / "one.consent").unlink(missing_ok=True)
    medfed.ok(
        *("patient", "sign", what, "1", "--keystore", "patients.json", *arguments),
        *("--out", "one.consent", "--accounts", number),
    )
    return json.loads((medfed.folder / "one.consent").read_text())


@pytest.fixture
def signed(medfed, hospitals):
    """Makes a fresh patient's signed consent."""
    return lambda: sign(medfed, "grant", next(_fresh), "--purposes", "HMB")


def relayed(medfed, found):
    (medfed.folder / "bad.consent").write_text(json.dumps(found))
    return medfed("patient", "relay", "bad.consent", "--keystore", "relayer.json", "--spread", "0")


FORGERIES = {
    "another chain": (("data", "domain", "chainId"), 1, "on chain 1, this is"),
    "another contract": (
        ("data", "domain", "verifyingContract"),
        "0x" + "22" * 20,
        "is signed for contract 0x2222",
    ),
    "another patient": (("terms", "patient"), "0x" + "33" * 20, "is not this patient's"),
    "more purposes": (("terms", "purposes"), 1, "is not this patient's"),
    "other words": (("terms", "dataset"), "dataset 2", "is called otherwise"),
    "a past deadline": (("terms", "deadline"), 1_000_000_000, "deadline has passed"),
    "a later issue": (("terms", "issued_at"), (1 << 32) - 2, "later than now"),
}


def shown_anew(entry):
    """Puts the words of changed terms in the place of the old ones: a file whose words differ is damaged."""
    from medfed.protocol.typed import Domain, GrantMessage, typed_data

    terms = entry["terms"] | {"form": bytes.fromhex(entry["terms"]["form"][2:])}
    domain = Domain("MedFed ConsentRegistry", 1, "0x" + "11" * 20)
    entry["data"]["message"] = typed_data(domain, GrantMessage(**terms))["message"] | {
        "form": entry["terms"]["form"]
    }


@pytest.mark.parametrize("case", FORGERIES)
def test_signed_consents(medfed, signed, case):
    """A consent that does not count is named with its reason, and the exit code says that there was one."""
    path, value, reason = FORGERIES[case]
    found = signed()
    place = found["consents"][0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    if case == "a later issue":  # else its deadline would come first
        place["deadline"] = (1 << 32) - 1
    shown_anew(found["consents"][0])
    answer = relayed(medfed, found)
    assert (answer.code, "0 of 1 signed decisions count now." in answer.out) == (7, True), answer
    assert reason in answer.out


def test_a_replayed_consent(medfed, signed):
    """The same signature counts once: a second time it changes nothing, and after a later decision it is refused."""
    number = next(_fresh)
    found = sign(medfed, "grant", number, "--purposes", "HMB")
    assert relayed(medfed, found).code == 0
    status = ("patient", "status", "patients.json", "1", "--account", number)
    before = medfed.data(*status)
    assert "1 of 1 signed decisions count now." in relayed(medfed, found).out
    assert medfed.data(*status) == before
    assert relayed(medfed, sign(medfed, "revoke", number)).code == 0
    answer = relayed(medfed, found)
    assert (answer.code, "used already" in answer.out) == (7, True)
    assert medfed.data(*status)["active"] is False


def test_an_overtaken_consent(medfed, hospitals):
    """A consent that was signed before a revocation, and comes after it, does not undo it."""
    number = next(_fresh)
    old = sign(medfed, "grant", number, "--purposes", "HMB")
    assert relayed(medfed, sign(medfed, "revoke", number)).code == 0
    answer = relayed(medfed, old)
    assert (answer.code, "a later decision of the patient counts" in answer.out) == (7, True)


def test_one_bad_consent_sinks_no_other(medfed, signed):
    good, bad = signed(), signed()
    bad["consents"][0]["signature"] = "0x" + "01" * 65
    answer = relayed(medfed, {**good, "consents": bad["consents"] + good["consents"]})
    assert "1 of 2 signed decisions count now." in answer.out
    assert "bad.consent, consent 1" in answer.out


def test_a_signature_of_any_length_sinks_no_other(medfed, signed):
    """What no transaction could hold is not brought; what one transaction cannot hold together is brought in halves."""
    good, endless = signed(), signed()
    endless["consents"][0]["signature"] = "0x" + "01" * 60_000
    long = [signed()["consents"][0] | {"signature": "0x" + "01" * 4_096} for _ in range(40)]
    answer = relayed(medfed, {**good, "consents": [*endless["consents"], *long, *good["consents"]]})
    assert "1 of 42 signed decisions count now." in answer.out
    assert "bad.consent, consent 1" in answer.out
    assert "60,000 bytes" in answer.out


def test_numbers_that_nobody_could_sign_are_told_with_their_place(medfed, signed):
    found = signed()
    found["consents"][0]["terms"]["deadline"] = 1 << 32
    refuses(relayed(medfed, found), 2, "bad.consent, consent 1", "does not fit")


@pytest.mark.parametrize("text", ["{}", "no json", '{"format": "medfed/consents/2", "consents": [{}]}'])
def test_files_that_hold_no_consents(medfed, text):
    (medfed.folder / "bad.consent").write_text(text)
    answer = medfed("patient", "relay", "bad.consent", "--keystore", "relayer.json", "--spread", "0")
    refuses(answer, 2, "bad.consent", "sign")


CONSENTS = {
    "an undefined purpose": (("grant", "1", "--purposes", "ABC"), 2, "choose from"),
    "no permission": (("grant", "1", "--purposes", "NPU"), 2, "permit nothing"),
    "a dataset that does not exist": (("grant", "99", "--purposes", "HMB"), 2, "There is no dataset 99"),
    "narrowing nothing": (("narrow", "1", "--purposes", "HMB"), 2, "no consent for dataset 1"),
    "narrowing to the same": (("narrow", "1"), 2, "Name what to keep"),
}


@pytest.mark.parametrize("case", CONSENTS)
def test_consents_by_call(medfed, hospitals, case):
    arguments, code, part = CONSENTS[case]
    refuses(medfed("patient", *arguments, "--keystore", "stranger.json"), code, part)


def test_conditions_alone_in_a_signed_consent(medfed, hospitals):
    """They permit nothing: the contract skips the item and says so."""
    from medfed.chain.consent_file import write_signed
    from medfed.cli import actions
    from medfed.protocol.typed import consent_domain
    from medfed.rounds.federation import OnChain

    place = on_chain(medfed)
    account = load_keystore(medfed.folder / "stranger.json", PASSWORD)
    now = actions.signing_moment(OnChain(place.client, place), account.address, 1)
    item = actions.sign_grant(OnChain(place.client, place), account, 1, 1 << 13, now // 86400 + 9, now=now)
    domain = consent_domain(place.client.chain_id, place.consents.address)
    write_signed(medfed.folder / "bad.consent", domain, [item])
    answer = medfed("patient", "relay", "bad.consent", "--keystore", "relayer.json", "--spread", "0")
    assert (answer.code, "permit nothing" in answer.out) == (7, True), answer


# -- rounds ------------------------------------------------------------------------------------------------------------


def all_submit(course):
    for seat in (0, 1, 2):
        course.submit(seat)


def all_final(course):
    all_submit(course)
    for seat in (0, 1, 2):
        course.attest(seat)


ROUNDS = {
    "submit twice": (
        (lambda c: c.submit(0)),
        (lambda c: c.submit(0)),
        "has submitted or abstained in round 1",
    ),
    "submit late": ((lambda c: c.travel(3601)), (lambda c: c.submit(0)), "is not in the phase for this"),
    "submit as a stranger": (None, (lambda c: c.submit(0, by="stranger")), "is not the operator of seat 0"),
    "a weight above the pinned count": (
        None,
        (lambda c: c.submit(0, weight=48)),
        "a multiple of 16, at most 42",
    ),
    "a weight between the steps": (None, (lambda c: c.submit(0, weight=17)), "a multiple of 16, at most 42"),
    "attest as a stranger": (
        all_submit,
        (lambda c: c.attest(0, by="stranger")),
        "is not the operator of seat 0",
    ),
    "attest twice": (
        (lambda c: [all_submit(c), c.attest(0)]),
        (lambda c: c.attest(0)),
        "has attested in round 1",
    ),
    "an aggregate with another weight": (
        all_submit,
        (lambda c: c.attest(0, replace(AGGREGATE, weight=32))),
        "its updates have 48",
    ),
    "an aggregate of those who did not submit": (
        all_submit,
        (lambda c: c.attest(0, replace(AGGREGATE, included=0b1111))),
        "includes seats that did not submit",
    ),
    "claim before there is a result": (all_submit, (lambda c: c.claim(0)), "is not the result of round 1"),
    "claim for another result": (
        all_final,
        (lambda c: c.claim(0, replace(AGGREGATE, root=b"\x09" * 32))),
        "is not the result of round 1",
    ),
    "claim too early": (all_final, (lambda c: c.claim(0)), "unlock after 20"),
    "claim twice": (
        (lambda c: [all_final(c), c.travel(601), c.claim(0)]),
        (lambda c: c.claim(0)),
        "was paid for round 1",
    ),
}


@pytest.mark.parametrize("case", ROUNDS)
def test_rounds(course, case):
    """What a contract refuses has exit code 7 and one sentence with the values that break the rule."""
    before, act, part = ROUNDS[case]
    if before is not None:
        before(course)
    with pytest.raises(MedFedError) as refused:
        act(course)
    assert refused.value.exit_code == 7
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)


# -- bytes -------------------------------------------------------------------------------------------------------------

HERE = Header(31337, "0x" + "11" * 20, 1, 2, "0x" + "22" * 20)
SIZE = 300


def vector(header=HERE, size=SIZE) -> bytes:
    return vector_bytes(header, np.arange(size, dtype=np.uint32))


BYTES = {
    "too short": (vector()[:-512], "bytes"),
    "too long": (vector() + bytes(512), "bytes"),
    "of another size": (vector(size=SIZE + 128), "bytes"),
    "another hospital's": (vector(replace(HERE, hospital="0x" + "33" * 20)), "header"),
    "of another round": (vector(replace(HERE, round=3)), "header"),
    "padding that is not zero": (vector()[:-4] + b"\x00\x00\x00\x01", "padding"),
}


@pytest.mark.parametrize("case", BYTES)
def test_vectors(case):
    """An update that is not what its place asks for breaks the protocol: exit code 3."""
    data, part = BYTES[case]
    with pytest.raises(MedFedError, match=part) as refused:
        check_vector([data], HERE, SIZE)
    assert refused.value.exit_code == 3
