"""`medfed study`: written, followed live, recomputed by hand, settled by anyone; and what a patient finds of it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import tomllib

import pytest

from medfed.chain.wallet import load_wallet
from medfed.cli.actions import Offer
from medfed.cli.lie_price import lie_price
from medfed.protocol.cid import cid_from_digest, digest_of
from medfed.protocol.documents import StudyDraft
from medfed.protocol.leaves import Use, cohort_leaf, use_salt
from medfed.protocol.manifest import CohortManifest
from medfed.storage import open_store
from tests.cli.conftest import PASSWORD
from tests.cli.course import on_chain

WATCH = [sys.executable, "-m", "medfed", "study", "watch"]


def watching(medfed, study, *options):
    command = [*WATCH, str(study), "--seconds", "0.1", *options]
    return subprocess.Popen(command, cwd=medfed.folder, stdout=subprocess.PIPE, text=True)


def on_a_terminal(medfed, *command) -> str:
    """What a pseudo-terminal of 80 columns shows of a command that has to succeed."""
    main, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "medfed", *map(str, command)],
        cwd=medfed.folder,
        stdout=terminal,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
    )
    os.close(terminal)
    shown = _all_of(main)
    assert done.returncode == 0, shown
    return shown


class TestTemplate:
    def test_it_is_a_study_that_can_be_posted(self, medfed, tmp_path):
        """Every field is there, and the demonstration data fit it."""
        file = tmp_path / "study.toml"
        medfed.ok("study", "template", file)
        spec = tomllib.loads(file.read_text())["spec"]
        draft = StudyDraft.from_fields(spec | {"purposes": 2})
        assert len(draft.columns.features) == 30
        assert (
            spec["training"].keys() | {"precision"}
            >= StudyDraft.model_fields["training"].annotation.model_fields.keys()
        )

    def test_it_takes_columns_and_no_value_of_a_hospital_s_file(self, medfed, study_text):
        features = tomllib.loads(study_text)["spec"]["schema"]["features"]
        assert [feature["name"] for feature in features] == ["a", "b", "c"]
        assert {feature["center"] for feature in features} == {0.0}

    def test_it_leaves_the_column_of_dates_out(self, medfed, tmp_path):
        """It is no feature; a name that the file lacks, or that is the label's, is refused."""
        records, file = tmp_path / "records.csv", tmp_path / "study.toml"
        records.write_text("seen,record_id,a,ill\n2021-05-30,one,1,0\n,two,2,1\n")
        common = ("study", "template", file, "--records", records, "--label", "ill")
        for name, why in (
            ("born", "lacks column 'born'"),
            ("ill", "'ill' cannot be"),
            ("record_id", "cannot be"),
        ):
            refused = medfed(*common, "--date-column", name)
            assert refused.code == 2
            assert why in refused.sentence
        assert not file.exists()
        answer = medfed.data(*common, "--date-column", "seen")
        assert answer["features"] == 1
        schema = tomllib.loads(file.read_text())["spec"]["schema"]
        assert [feature["name"] for feature in schema["features"]] == ["a"]
        assert "2021" not in file.read_text()

    def test_it_overwrites_nothing(self, medfed, tmp_path):
        file = tmp_path / "study.toml"
        medfed.ok("study", "template", file)
        assert medfed("study", "template", file).code == 2


class TestPriceOfALie:
    """What a wrong result costs its makers is told before anybody joins."""

    @pytest.mark.parametrize(
        ("hospitals", "stake", "bps", "at_stake", "lost"),
        [
            (3, 500, 5000, 1000, 500),
            (4, 500, 5000, 1500, 750),
            (64, 7, 5000, 301, 151),
            (3, 500, 0, 1000, 1000),
        ],
    )
    def test_a_quorum_of_the_smallest_round_pays_it(self, hospitals, stake, bps, at_stake, lost):
        """Two thirds, rounded up; a challenger's share comes back to who proves its own lie, rounded down."""
        offer = Offer(reward_per_round=10, stake=stake, enrol_seconds=1, min_hospitals=hospitals)
        price = lie_price(offer, 7, bps)
        assert (price.at_stake, price.lost, price.paid) == (at_stake, lost, 70)

    def test_it_is_low_when_more_is_paid_before_a_lie_has_to_be_proved(self):
        offer = Offer(reward_per_round=100, stake=500, enrol_seconds=1, min_hospitals=3)
        assert not lie_price(offer, 5, 5000).is_low
        assert lie_price(offer, 6, 5000).is_low

    @pytest.fixture
    def post(self, medfed, study_text):
        """Posts a study, which nobody can join afterwards."""

        def post(stake, *options):
            (medfed.folder / "priced.toml").write_text(
                study_text.replace('stake = "500"', f'stake = "{stake}"').replace('"250"', '"100"')
            )
            answer = medfed.ok("study", "create", "priced.toml", "--keystore", "sponsor.json", *options)
            newest = medfed.data("study", "list")[-1]["study"]
            medfed.ok("study", "cancel", newest, "--keystore", "sponsor.json")
            return answer

        return post

    def test_the_template_s_price_is_told_without_a_warning(self, post):
        answer = post(500)
        said = " ".join(answer.out.split())
        assert "2 of 3 hospitals make a result final and have 1,000 MFT at stake" in said
        assert "they lose 500 MFT at least" in said
        assert "5 rounds may pay 500 MFT" in said
        assert answer.err == ""

    def test_a_sponsor_is_warned_of_cheap_lies_and_may_go_on(self, post):
        answer = post(499, "--json")
        assert "Warning: a lie costs 499 MFT here, less than the 500 MFT" in answer.err
        assert answer.data["price_of_a_lie"]["lost"] == 499_000_000


class TestWatch:
    def test_one_json_line_for_each_change(self, medfed, course):
        """Who has submitted and attested, phase by phase; after the last line it ends by itself."""
        process = watching(medfed, course.study, "--json")
        assert process.stdout is not None
        with process:
            seen = [json.loads(process.stdout.readline())]
            for act in (course.submit, course.attest):
                for seat in (0, 1, 2)[: 3 if act == course.submit else 2]:
                    act(seat)
                    seen.append(json.loads(process.stdout.readline()))
            rest = process.stdout.read()
        rounds = [entry["rounds"][0] for entry in seen]
        assert [len(entry["submitted"]) for entry in rounds] == [0, 1, 2, 3, 3, 3]
        assert [len(entry["attested"]) for entry in rounds] == [0, 0, 0, 0, 1, 2]
        assert [entry["phase"] for entry in rounds] == ["training"] * 3 + ["aggregating"] * 2 + ["final"]
        assert rounds[1]["submitted"] == ["Hospital 1"]
        assert rest == ""
        assert (process.returncode, seen[-1]["state"]) == (0, "completed")

    def test_in_a_pipe_it_says_what_comes_next(self, medfed, course):
        process = watching(medfed, course.study)
        assert process.stdout is not None
        with process:
            assert "0 of 3 hospitals have acted; it ends in" in process.stdout.readline()
            for seat in (0, 1, 2):
                course.submit(seat)
                line = process.stdout.readline()
            assert "0 of 2 attestations it needs" in line
            process.terminate()

    def test_on_a_terminal_a_table_redraws(self, medfed, finished):
        """A real pseudo-terminal: cursor movements, and a table no wider than it."""
        shown = on_a_terminal(medfed, "study", "watch", finished)
        assert "\x1b[" in shown
        assert "Completed: 2 of 2 rounds are final" in shown

    def test_it_can_stop_earlier(self, medfed, course):
        assert medfed("study", "watch", course.study, "--until", "later").code == 2
        assert medfed.ok("study", "watch", course.study, "--until", "running").out.startswith(
            "Round 1, training"
        )


def _all_of(terminal: int) -> str:
    """What was printed on a terminal that is closed at the other end."""
    found = b""
    with contextlib.suppress(OSError):  # the end
        while part := os.read(terminal, 1 << 12):
            found += part
    os.close(terminal)
    return found.decode()


def test_show_and_list_stay_as_narrow_as_the_terminal(medfed, finished):
    """Piped, no line is folded, so that a program reads whole addresses."""
    shown = on_a_terminal(medfed, "study", "show", finished)
    listed = on_a_terminal(medfed, "study", "list")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in (shown + listed).splitlines()]
    assert max(map(len, plain)) <= 80
    assert "Model bafybei" in medfed.ok("study", "show", finished).out
    facts = medfed.data("study", "show", finished)
    assert [entry["phase"] for entry in facts["rounds"]] == ["final", "final"]
    assert [entry["name"] for entry in facts["hospitals"]] == sorted(
        f"Hospital {n}" for n in (1, 2, 3)
    ) or len(facts["hospitals"]) == 3


class TestTerms:
    """Before joining a hospital sees what it is offered and asked for, in whole tokens, hours and percent."""

    LINES = (
        "reward     100 MFT a round: 10 % attesters, 0 % patients, the rest by weight",
        "stake      500 MFT of each hospital",
        "bond       250 MFT",
        "rule       sum",
        "windows    training 1 h, aggregating 1 h, claims 1 h, disputes 10 min",
        "hospitals  at least 3, at most 10",
        "voids      void round 3 aborts the study",
    )

    def test_they_are_shown(self, medfed, new_study):
        study = new_study()
        out, facts = medfed.ok("study", "show", study).out, medfed.data("study", "show", study)
        for line in self.LINES:
            assert line in out
        assert (facts["rule"], facts["bond"], facts["score_mode"]) == ("sum", 250_000_000, "weight")
        medfed.ok("study", "cancel", study, "--keystore", "sponsor.json")

    def test_a_preview_has_them_too(self, medfed, new_study):
        study = new_study(
            replace={
                "[spec.server]": '[spec.rule]\nkind = "trimmed-mean"\ntrim = 1\n\n[spec.server]',
                "max_attempts = 4": "max_attempts = 0",
            }
        )
        preview = ("hospital", "preview", study, "--hospital", "hospital-1/hospital.toml")
        out = medfed.ok(*preview).out
        assert "rule       trimmed-mean, trim 1" in out
        assert "bond       none: only a quorum ends a round" in out
        assert "claims no claims" not in out
        assert medfed.data(*preview)["offer"]["stake"] == 500_000_000
        medfed.ok("study", "cancel", study, "--keystore", "sponsor.json")

    def test_a_preview_is_in_plain_words(self, medfed, new_study):
        """With the figures of its JSON, what the study is for, and what a hospital that confirms it has to write."""
        study = new_study(replace={'purposes = "HMB"': 'purposes = "HMB,NPU,IS"'})
        preview = ("hospital", "preview", study, "--hospital", "hospital-1/hospital.toml")
        out, found = medfed.ok(*preview).out, medfed.data(*preview)
        for line in (
            f"Study {study} is for: health, medical or biomedical research; the sponsor promises: use by not-for-profit",
            f"patients   {found['patients']} count now, with {found['records']} records (basis: consent)",
            f"model      {found['update_words']} numbers that it learned from these records, a file of {found['update_bytes']:,}",
            f"number     {found['weight']}: how many patients",
            f"list       {found['leaves']} marks: one for each patient",
            f'`[[policy.confirms]]`, and below it `study = {study}`, `codes = "IS"`',
        ):
            assert line in out
        for word in ("leaves:", "weight:", "words"):
            assert word not in out
        medfed.ok("study", "cancel", study, "--keystore", "sponsor.json")

    def test_a_cancelled_study_says_what_goes_back(self, medfed, new_study):
        """And once it has gone back, no longer that it will."""
        study = new_study()
        medfed.ok("study", "cancel", study, "--keystore", "sponsor.json")
        refund = f"`medfed study refund {study}` gives the sponsor back the rewards of 5 rounds"
        assert refund in " ".join(medfed.ok("study", "show", study).out.split())
        medfed.ok("study", "refund", study, "--keystore", "relayer.json")
        shown = " ".join(medfed.ok("study", "show", study).out.split())
        assert refund not in shown
        assert "the sponsor has back the rewards of 5 rounds" in shown
        assert "The sponsor's refund: 500 MFT." in shown

    def test_a_suspended_hospital_is_marked(self, medfed, course):
        key = ("--keystore", "consortium.json")
        medfed.ok("consortium", "suspend", "admin-2.json", *key)
        try:
            assert "Hospital 2, suspended" in medfed.ok("study", "show", course.study, COLUMNS="120").out
            assert [each["suspended"] for each in course.facts()["hospitals"]] == [False, True, False]
        finally:
            medfed.ok("consortium", "reinstate", "admin-2.json", *key)


class TestByHand:
    def test_attestations_are_recomputed_signed_and_brought(self, medfed, finished):
        """By hand the same result comes out as the daemons attested to, and the contract knows the signature."""
        medfed.ok(
            *("study", "attest", finished, "2", "--keystore", "operator-1.json", "--sign", "one.attestation"),
        )
        said = json.loads((medfed.folder / "one.attestation").read_text())
        final = medfed.data("study", "show", finished)["rounds"][1]
        assert cid_from_digest(bytes.fromhex(said["aggregate"]["model"][2:])) == final["model"]
        again = medfed("study", "bring-attestations", "one.attestation", "--keystore", "relayer.json")
        assert (again.code, "None of the signatures counts" in again.sentence) == (7, True)
        (medfed.folder / "bad.attestation").write_text("{}")
        bad = medfed("study", "bring-attestations", "bad.attestation", "--keystore", "relayer.json")
        assert (bad.code, "holds no attestation" in bad.sentence) == (2, True)

    def test_anyone_moves_on_a_round_that_cannot_end(self, medfed, course):
        early = medfed("study", "advance", course.study, "--keystore", "stranger.json")
        assert (early.code, "has nothing to do before" in early.sentence) == (7, True)
        course.travel(3601)
        medfed.ok("study", "advance", course.study, "--keystore", "stranger.json")
        facts = medfed.data("study", "show", course.study)
        assert facts["rounds"][0]["phase"] == "void"

    def test_only_what_enrols_can_be_opened_or_cancelled(self, medfed, new_study):
        """The answer says what the study is instead."""
        study, key = new_study(), ("--keystore", "sponsor.json")
        medfed.ok("study", "cancel", study, *key)
        for what in ("open", "cancel"):
            refused = medfed("study", what, study, *key)
            assert refused.code == 2
            assert f"Study {study} is aborted; only one that is enrolling can be" in refused.sentence

    def test_nobody_attests_to_a_void_round(self, medfed, course):
        course.submit(0)
        course.submit(1)
        course.travel(3601)
        medfed.ok("study", "advance", course.study, "--keystore", "stranger.json")
        refused = medfed("study", "attest", course.study, "1", "--keystore", "operator-1.json")
        assert (refused.code, "is void" in refused.sentence) == (2, True)

    def test_updates_that_cannot_be_had_are_named(self, medfed, course):
        course.submit(0)
        refused = medfed("study", "attest", course.study, "1", "--keystore", "operator-1.json")
        assert (
            refused.code,
            "None of the 1 updates of round 1 can be added up: seat 0:" in refused.sentence,
        ) == (3, True)

    def test_absences_are_recorded(self, medfed, course):
        course.submit(0)
        course.travel(3601)
        found = medfed.data("study", "absences", course.study, "1", "--keystore", "stranger.json")
        assert (found["warned"], found["slashed"]) == ([], {"1": 0, "2": 0}), (
            "without a stake nothing is lost"
        )
        again = medfed("study", "absences", course.study, "1", "--keystore", "stranger.json")
        assert (again.code, "left to record" in again.sentence) == (7, True)

    def test_a_hospital_abstains(self, medfed, course):
        medfed.ok("study", "abstain", course.study, "1", "--keystore", "operator-2.json")
        assert medfed.data("study", "show", course.study)["rounds"][0]["abstained"] == ["Hospital 2"]

    def test_who_has_no_seat_is_told(self, medfed, course):
        answer = medfed("study", "claim", course.study, "stranger.json", "--keystore", "relayer.json")
        assert (answer.code, "has no seat in study" in answer.sentence) == (2, True)


def test_uses_are_found_by_the_patient_alone(medfed, hospitals, finished):
    """A patient with consent finds both rounds; one without finds none, and neither does a stranger's secret."""
    own = ("patient", "uses", hospitals[0], "--keystore", "patients.json", "--account")
    used = medfed.data(*own, 100)
    assert [entry["used"] for entry in used if entry["study"] == finished] == [True, True]
    assert all(entry["consented"] for entry in used if entry["used"])
    silent = medfed.data(*own, 139)
    assert not any(entry["used"] for entry in silent)


def listing(medfed, course, dataset, wallet, number, seat=0):
    """A hospital, the first, submits with a manifest that lists this account of the wallet under `dataset`."""
    use = Use(31337, on_chain(medfed).rounds.address, course.study, 1, dataset)
    leaf = cohort_leaf(use, wallet.account(number).address, use_salt(wallet.link_secret(number), use))
    leaves = b"".join(sorted([leaf, *(bytes([value]) * 32 for value in range(1, 16))]))
    store = open_store(f"local:{medfed.folder / 'store'}")
    course.submit(seat, cohort=digest_of(store.put(CohortManifest.of(use, leaves).to_bytes())))


def test_a_wrongful_use_is_shown(medfed, hospitals, course):
    """A hospital lists a patient who never consented: the patient sees it, and the exit code says so."""
    wallet = load_wallet(medfed.folder / "patients.json", PASSWORD)
    number = 7_000_000
    listing(medfed, course, hospitals[0], wallet, number)
    answer = medfed("patient", "uses", hospitals[0], "--keystore", "patients.json", "--account", number)
    assert answer.code == 1
    assert "without your consent" in " ".join(answer.out.split())


def test_a_consent_to_another_use_is_not_called_none(medfed, hospitals, new_course):
    """A study of health research used the record of somebody who permits research into ancestry alone."""
    wallet, number = load_wallet(medfed.folder / "patients.json", PASSWORD), 7_000_001
    signing = ("patient", "sign", "grant", hospitals[0], "--purposes", "POA", "--keystore", "patients.json")
    medfed.ok(*signing, "--out", "ancestry.consent", "--accounts", number)
    medfed.ok("patient", "relay", "ancestry.consent", "--keystore", "relayer.json", "--spread", "0")
    medfed.ok("dev", "travel", 2)  # a round is judged by the second before it
    course = new_course(replace={'stake = "500"': "stake = 0", "max_attempts = 4": "max_attempts = 0"})
    listing(medfed, course, hospitals[0], wallet, number)
    uses = ("patient", "uses", hospitals[0], "--keystore", "patients.json", "--account", number)
    answer = medfed(*uses, "--json")
    (found,) = [entry for entry in answer.data if entry["study"] == course.study]
    assert (answer.code, found["used"], found["consent"]) == (1, True, "not to this")
    earlier = {entry["consent"] for entry in answer.data if entry["study"] != course.study}
    assert earlier <= {"none"}, "rounds before the consent"


def test_an_old_card_shows_what_a_new_wallet_does_not(medfed, hospitals, course):
    """And a new wallet says that it looks for its own accounts only."""
    for name in ("gone", "next"):
        medfed.ok("patient", "keygen", f"{name}.json", "--trial")
    medfed.ok("patient", "card", hospitals[0], "--keystore", "gone.json", "--out", "gone.card")
    wallet = load_wallet(medfed.folder / "gone.json", PASSWORD)
    listing(medfed, course, hospitals[0], wallet, hospitals[0])
    account, of_next = wallet.account(hospitals[0]).address, ("--keystore", "next.json")
    alone = medfed.ok("patient", "uses", hospitals[0], *of_next)
    assert "give the card: --card OLD.card" in " ".join(alone.out.split())
    for chosen in ((hospitals[0], *of_next, "--card", "gone.card"), ("--card", "gone.card")):
        answer = medfed("patient", "uses", *chosen, "--json")
        (found,) = [entry for entry in answer.data if entry["used"]]
        assert (found["study"], found["patient"], found["consent"]) == (course.study, account, "none")
        assert answer.code == 1
        assert "--card OLD.card" not in medfed("patient", "uses", *chosen).out
    nothing = medfed("patient", "uses", hospitals[0])
    assert (nothing.code, "--keystore, or a card" in nothing.sentence) == (2, True)


def test_a_use_under_another_number_of_the_hospital_s_is_found(medfed, hospitals, course):
    """The account was made for a later registration of the same hospital's, and nobody has to name any dataset."""
    medfed.ok("patient", "keygen", "moved.json", "--trial")
    other = medfed.data("dataset", "register", "hospital-1/hospital.toml", "--uses", "GRU")["dataset"]
    wallet = load_wallet(medfed.folder / "moved.json", PASSWORD)
    assert not any(entry["used"] for entry in medfed.data("patient", "uses", "--keystore", "moved.json"))
    listing(medfed, course, hospitals[0], wallet, other)
    assert medfed.data("patient", "uses", other, "--keystore", "moved.json") == []
    answer = medfed("patient", "uses", "--keystore", "moved.json", "--json")
    (found,) = [entry for entry in answer.data if entry["study"] == course.study]
    assert answer.code == 1
    assert (found["dataset"], found["patient"]) == (hospitals[0], wallet.account(other).address)
    assert (found["used"], found["consented"]) == (True, False)


def test_a_use_by_the_hospital_that_handed_the_data_over_is_found(medfed, hospitals, course):
    """The account was made for the successor, which another hospital has; its predecessor's owner lists it elsewhere."""
    medfed.ok("patient", "keygen", "handed.json", "--trial")
    wallet = load_wallet(medfed.folder / "handed.json", PASSWORD)
    uses = ("--uses", "GRU")
    before = medfed.data("dataset", "register", "hospital-2/hospital.toml", *uses)["dataset"]
    medfed.ok("dataset", "offer", before, "admin-3.json", "--keystore", "admin-2.json")
    accept = ("dataset", "accept", before, "hospital-3/hospital.toml", *uses, "--keystore", "admin-3.json")
    after = medfed.data(*accept)["dataset"]
    listing(medfed, course, hospitals[1], wallet, after, seat=1)
    answer = medfed("patient", "uses", "--keystore", "handed.json", "--json")
    found = [(entry["study"], entry["dataset"]) for entry in answer.data if entry["used"]]
    assert (answer.code, found) == (1, [(course.study, hospitals[1])])


def test_an_account_is_not_looked_for_where_it_never_was(medfed, hospitals, course):
    """That of another hospital's dataset, about which it never decided; once it has, it is."""
    medfed.ok("patient", "keygen", "elsewhere.json", "--trial")
    wallet = load_wallet(medfed.folder / "elsewhere.json", PASSWORD)
    listing(medfed, course, hospitals[0], wallet, hospitals[1])
    uses = ("patient", "uses", "--keystore", "elsewhere.json", "--json")
    assert all(entry["used"] is None for entry in medfed.ok(*uses).data)
    signing = ("patient", "sign", "grant", hospitals[0], "--purposes", "HMB", "--keystore", "elsewhere.json")
    medfed.ok(*signing, "--accounts", hospitals[1], "--out", "elsewhere.consent")
    medfed.ok("patient", "relay", "elsewhere.consent", "--keystore", "relayer.json", "--spread", "0")
    assert [entry["study"] for entry in medfed(*uses).data if entry["used"]] == [course.study]


def test_all_datasets_of_a_wallet_in_one_table(medfed, hospitals, finished):
    """One row for each round of a dataset that an account decided about, with the dataset's number."""
    found = medfed.data("patient", "uses", "--keystore", "patients.json", "--account", 100)
    rows = [(entry["study"], entry["round"], entry["dataset"], entry["used"]) for entry in found]
    assert [row for row in rows if row[0] == finished and row[2] == hospitals[0]] == [
        (finished, number, hospitals[0], True) for number in (1, 2)
    ]
    assert "Dataset" in medfed.ok("patient", "uses", "--keystore", "patients.json", "--account", 100).out


def test_a_manifest_that_cannot_be_had_is_said(medfed, hospitals, course):
    """Neither used nor unused: nobody knows until the bytes are there."""
    course.submit(0)
    found = medfed.data("patient", "uses", hospitals[0], "--keystore", "patients.json", "--account", 100)
    (entry,) = [entry for entry in found if entry["study"] == course.study]
    assert entry["used"] is None
    assert entry["why"]


@pytest.mark.parametrize("as_json", [True, False])
def test_an_auditor_verifies_from_a_fresh_directory(medfed, finished, tmp_path, as_json):
    """With an RPC, a store and the address book, and no key."""
    (book,) = (medfed.folder / "state" / "deployments").glob("*.json")
    text = (
        (medfed.folder / "medfed.toml").read_text().replace("local:store", f"local:{medfed.folder / 'store'}")
    )
    (tmp_path / "medfed.toml").write_text(text + f'addresses = "{book}"\n')
    auditor = type(medfed)(tmp_path)
    answer = auditor.ok("verify", "--study", finished, *(["--json"] if as_json else []))
    if as_json:
        assert answer.data["ok"] is True
        assert answer.data["versions"]
    else:
        assert answer.out.startswith("Everything that can be checked is right.\n")
        assert "Not checked:" in answer.out
        assert max(map(len, answer.out.splitlines())) <= 220


def test_pay_is_claimed_and_stakes_are_freed_by_anyone(medfed, course):
    """Once the dispute window is over; before, the command says when."""
    for act in (course.submit, course.attest):
        for seat in (0, 1, 2):
            act(seat)
    key = ("--keystore", "relayer.json")
    early = medfed.ok("study", "claim", course.study, "admin-1.json", *key).out
    assert "unlocks at" in early
    locked = medfed("study", "release", course.study, "admin-1.json", *key)
    assert (locked.code, "are over: 2" in locked.sentence) == (7, True)
    course.travel(601)
    before = medfed.data("vault", "show", "admin-1.json")["free"]
    assert medfed.data("study", "claim", course.study, "operator-1.json", *key)["paid"] == {"1": 33_333_333}
    assert medfed.data("vault", "show", "admin-1.json")["free"] == before + 33_333_333
    assert (
        "all that was earned is paid" in medfed.ok("study", "claim", course.study, "admin-1.json", *key).out
    )
    medfed.ok("study", "release", course.study, "admin-1.json", *key)
    medfed.ok("study", "refund", course.study, *key)
