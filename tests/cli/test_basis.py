"""Datasets whose patients count without a consent: registered, permitted, objected to, and told wherever it matters."""

from __future__ import annotations

import pytest

from medfed.chain.wallet import load_wallet
from medfed.protocol.cid import cid_of
from tests.cli.conftest import PASSWORD
from tests.cli.course import Course
from tests.cli.test_study import listing, on_a_terminal

DECISION = cid_of(b"The board permits it.")
REGISTER = ("dataset", "register", "hospital-1/hospital.toml", "--uses", "GRU", "--basis")
LATER = "2099-03-01"


def words(answer):
    """What people are told, in one line."""
    return " ".join(answer.out.split())


@pytest.fixture(scope="module")
def issuer(medfed, hospitals):
    """The keystore of whom the permits come from."""
    medfed.ok("key", "new", "board.json", "--trial")
    medfed.ok("dev", "fund", "board.json")
    return "board.json"


@pytest.fixture
def opted(medfed, hospitals):
    """A dataset of hospital 1 whose patients count unless they object."""
    return medfed.data(*REGISTER, "opt-out")["dataset"]


@pytest.fixture
def by_permit(medfed, issuer):
    """A dataset of hospital 1 that its issuer permits study by study."""
    return medfed.data(*REGISTER, "permit", "--issuer", issuer)["dataset"]


@pytest.fixture
def person(medfed, hospitals, opted):
    """A wallet with ether on its account for the opt-out dataset."""
    name = f"person-{opted}.json"
    medfed.ok("patient", "keygen", name, "--trial")
    medfed.ok("dev", "fund", load_wallet(medfed.folder / name, PASSWORD).account(opted).address)
    return name


class TestRegistering:
    def test_basis_and_issuer_are_shown(self, medfed, issuer, opted, by_permit):
        board = medfed.data("key", "address", issuer)[issuer]
        found = {number: medfed.data("dataset", "show", number) for number in (opted, by_permit)}
        assert [(each["basis"], each["issuer"]) for each in found.values()] == [
            ("opt-out", None),
            ("permit", board),
        ]
        assert f"basis: permit, issued by {board}" in words(medfed.ok("dataset", "show", by_permit))
        listed = {entry["dataset"]: entry["basis"] for entry in medfed.data("dataset", "list")}
        assert (listed[opted], listed[by_permit]) == ("opt-out", "permit")

    def test_the_list_shows_the_basis_on_a_terminal(self, medfed, hospitals):
        """80 columns hold the table: a long title folds, and basis and figures do not."""
        title = "Breast cytology of the university hospital since 2015"
        register = ("dataset", "register", "hospital-1/hospital.toml", "--title", title)
        medfed.ok(*register, "--uses", "HMB,NPU,IRB,PUB", "--basis", "opt-out")
        rows = [
            line.split("│") for line in on_a_terminal(medfed, "dataset", "list").splitlines() if "│" in line
        ]
        shown = {row[-2].strip() for row in rows}
        assert {"consent", "opt-out"} <= shown <= {"consent", "opt-out", "permit", ""}
        assert "42" in {row[4].strip() for row in rows}

    @pytest.mark.parametrize(
        ("options", "part"),
        [
            (("permit",), "Give --issuer with --basis permit"),
            (("opt-out", "--issuer", "sponsor.json"), "another names none"),
            (("trust",), "choose one of consent, opt-out, permit"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, medfed, hospitals, options, part):
        refused = medfed(*REGISTER, *options)
        assert (refused.code, part in refused.sentence) == (2, True), refused


def test_a_file_that_names_a_dataset_is_not_given_another_by_mistake(medfed, hospitals):
    """The same command once more would leave all patients of the first behind."""
    text = (medfed.folder / "hospital-1" / "hospital.toml").read_text()
    (medfed.folder / "hospital-1" / "again.toml").write_text(text)
    refused = medfed("dataset", "register", "hospital-1/again.toml", "--uses", "GRU", "--save")
    assert (refused.code, f"names dataset {hospitals[0]} already" in refused.sentence) == (2, True)
    assert (medfed.folder / "hospital-1" / "again.toml").read_text() == text


class TestPermits:
    @pytest.fixture
    def study(self, new_study):
        return new_study()

    def test_a_permit_has_a_last_day_and_is_withdrawn(self, medfed, issuer, by_permit, study):
        permit = ("dataset", "permit", by_permit, study, DECISION, "--until", LATER, "--keystore")
        assert medfed.data(*permit, issuer)["until"] == LATER
        assert f"may be used in study {study} until {LATER} begins" in words(medfed.ok(*permit, issuer))
        refused = medfed(*permit, "admin-1.json")
        assert refused.code == 7, "nobody but the issuer, the hospital neither"
        withdraw = ("dataset", "withdraw-permit", by_permit, study, "--keystore")
        assert medfed(*withdraw, "admin-1.json").code == 7
        medfed.ok(*withdraw, issuer)
        again = medfed(*withdraw, issuer)
        assert (again.code, "has no permit for dataset" in again.sentence) == (7, True)

    def test_the_decision_is_named_by_its_file(self, medfed, issuer, by_permit, study):
        """Of which only the CID is sent; what is neither a file nor a CID is refused in plain words."""
        (medfed.folder / "decision.pdf").write_bytes(b"The board permits it.")
        permit = ("dataset", "permit", by_permit, study, "--until", LATER, "--keystore", issuer)
        assert medfed.data(*permit, "decision.pdf")["decision"] == DECISION
        (medfed.folder / "nothing.pdf").write_bytes(b"")
        empty = medfed(*permit, "nothing.pdf")
        assert (empty.code, "The document nothing.pdf is empty" in empty.sentence) == (2, True)
        refused = medfed(*permit, "nowhere.pdf")
        assert (refused.code, "nowhere.pdf is neither a file nor a CID" in refused.sentence) == (2, True)

    @pytest.mark.parametrize(
        ("until", "part"),
        [
            ("47118", "is no date"),
            ("2027-02-30", "is no date"),
            ("1970-01-01", "is no day from"),
            ("2149-06-06", "is no day from"),
            ("2020-01-01", "2020-01-01"),
        ],
    )
    def test_days_that_are_none(self, medfed, issuer, by_permit, study, until, part):
        permit = ("dataset", "permit", by_permit, study, DECISION, "--keystore", issuer, "--until", until)
        refused = medfed(*permit)
        assert (refused.code, part in refused.sentence) == (7 if part == until else 2, True), refused

    def test_none_for_a_study_that_somebody_else_could_become(self, medfed, issuer, by_permit, study):
        """Numbers go to whoever posts next: a permit in advance would be that one's."""
        permit = ("dataset", "permit", by_permit, study + 1, DECISION, "--until", LATER, "--keystore", issuer)
        refused = medfed(*permit)
        assert (refused.code, f"no study {study + 1} yet" in refused.sentence) == (2, True)


class TestWhoIsNotAsked:
    def test_is_used_until_an_objection(self, medfed, opted, person):
        status = ("patient", "status", person, opted)
        before = medfed.data(*status)
        assert (before["basis"], before["active"], before["objected"]) == ("opt-out", False, False)
        assert "used without a consent, unless the patient objects" in words(medfed.ok(*status))
        medfed.ok("patient", "revoke", opted, "--keystore", person)
        assert medfed.data(*status)["objected"] is True
        assert "not used by new rounds: you objected" in words(medfed.ok(*status))
        again = medfed("patient", "revoke", opted, "--keystore", person)
        assert (again.code, "you objected already" in again.sentence) == (2, True)

    def test_reads_of_an_objection_and_of_no_consent(self, medfed, opted, person):
        """Before it is signed, and when it is done."""
        key = ("--keystore", person)
        signed = medfed.data("patient", "sign", "revoke", opted, *key, "--out", f"no-{opted}.consent")
        assert signed["means"][0].startswith(f"You object to every use of your record in dataset {opted}")
        granting = ("patient", "sign", "grant", opted, "--purposes", "HMB", *key)
        granted = medfed.data(*granting, "--out", f"yes-{opted}.consent")
        assert "To all other use you object" in granted["means"][-1]
        asked = medfed.data("patient", "sign", "revoke", "1", *key, "--out", f"asked-{opted}.consent")
        assert asked["means"][0].startswith("You take back the consent for dataset 1")
        narrow = medfed("patient", "narrow", opted, "--purposes", "HMB", *key)
        assert (narrow.code, "objects to all other use" in narrow.sentence) == (2, True)
        assert "You have objected." in medfed.ok("patient", "revoke", opted, *key).out

    def test_is_told_by_revoke_all_where_to_object(self, medfed, opted, person):
        """Where no word of the patient stands a revoke-all of other accounts ends nothing."""
        key = ("--keystore", person)
        assert opted in medfed.data("patient", "revoke-all", *key)["unasked"]
        told = words(medfed.ok("patient", "revoke-all", *key))
        assert "object there too: `medfed patient revoke DATASET`" in told
        refused = medfed("patient", "sign", "revoke-all", *key, "--out", f"none-{opted}")
        assert (refused.code, "object there too" in refused.sentence) == (2, True)
        medfed.ok("patient", "revoke", opted, *key)
        assert opted not in medfed.data("patient", "revoke-all", *key)["unasked"]

    def test_permits_some_and_objects_to_all_other_use(self, medfed, opted, person):
        medfed.ok("patient", "grant", opted, "--purposes", "HMB", "--keystore", person)
        told = words(medfed.ok("patient", "status", person, opted))
        assert f"What you said about dataset {opted} permits: health, medical or biomedical research" in told
        assert "To all other use you have objected." in told

    def test_has_objected_to_what_comes_after_too(self, medfed, opted, person):
        """And says yes again there."""
        account = load_wallet(medfed.folder / person, PASSWORD).account(opted).address
        medfed.ok("patient", "revoke", opted, "--keystore", person)
        later = medfed.data(*REGISTER, "opt-out", "--after", opted)["dataset"]
        assert medfed.data("patient", "status", account, later)["objected"] is True
        key = ("--keystore", person, "--account", opted)
        refused = medfed("patient", "revoke", later, *key)
        assert (refused.code, "you objected already" in refused.sentence) == (2, True)
        medfed.ok("dev", "travel", 2)  # a consent answers what was signed in an earlier second
        medfed.ok("patient", "grant", later, "--purposes", "HMB", *key)
        found = medfed.data("patient", "status", account, later)
        assert (found["objected"], found["active"]) == (False, True)

    def test_is_told_which_account_objected(self, medfed, opted, person):
        """The hospital has the card of the dataset before: an objection of the next one's account is nobody's."""
        later = medfed.data(*REGISTER, "opt-out", "--after", opted)["dataset"]
        medfed.ok("dev", "fund", load_wallet(medfed.folder / person, PASSWORD).account(later).address)
        told = words(medfed.ok("patient", "revoke", later, "--keystore", person))
        assert f"objection of your account for dataset {later}. It comes after dataset {opted}" in told

    def test_is_told_whose_permit_it_takes(self, medfed, issuer, by_permit):
        board = medfed.data("key", "address", issuer)[issuer]
        told = words(medfed.ok("patient", "status", "patients.json", by_permit))
        assert f"in studies that {board} permits" in told


class TestStudies:
    """Hospital 1 takes part with a dataset that is used by permit."""

    @pytest.fixture
    def file(self, medfed, by_permit):
        home = medfed.folder / "hospital-1"
        text = (home / "hospital.toml").read_text().replace("dataset = 1\n", f"dataset = {by_permit}\n")
        (home / "by-permit.toml").write_text(text)
        return "hospital-1/by-permit.toml"

    @pytest.fixture
    def course(self, medfed, new_study, file, issuer, by_permit):
        number = new_study(
            replace={
                "rounds = 5": "rounds = 1",
                'stake = "500"': "stake = 0",
                "max_attempts = 4": "max_attempts = 0",
            }
        )
        enrol = ("hospital", "enrol", number, "--hospital")
        refused = medfed(*enrol, file)
        assert (refused.code, "does not permit study" in refused.sentence) == (4, True)
        permit = ("dataset", "permit", by_permit, number, DECISION, "--until", LATER)
        medfed.ok(*permit, "--keystore", issuer)
        for each in (file, "hospital-2/hospital.toml", "hospital-3/hospital.toml"):
            medfed.ok(*enrol, each)
        return Course(medfed, number)

    def test_the_basis_stands_with_each_seat(self, medfed, issuer, by_permit, file, course):
        """In the study, in the preview, and in what an auditor is told."""
        seats = course.facts()["hospitals"]
        assert [(each["basis"], each["permitted_until"]) for each in seats] == [
            ("permit", LATER),
            ("consent", ""),
            ("consent", ""),
        ]
        show = ("study", "show", course.study)
        assert f"permit until {LATER}" in medfed.ok(*show, COLUMNS="200").out
        preview = ("hospital", "preview", course.study, "--hospital")
        assert medfed.data(*preview, file)["basis"] == "permit"
        assert "basis: permit" in medfed.ok(*preview, file).out
        assert medfed.data(*preview, "hospital-2/hospital.toml")["basis"] == "consent"
        report = ("verify", "--study", course.study)
        assert medfed.data(*report)["bases"] == {"0": "permit", "1": "consent", "2": "consent"}
        told = medfed.ok(*report).out
        assert "permit: seat 0" in told
        assert "consent: seats 1, 2" in told
        medfed.ok("dataset", "withdraw-permit", by_permit, course.study, "--keystore", issuer)
        assert course.facts()["hospitals"][0]["permitted_until"] == ""
        assert "permit, none stands" in medfed.ok(*show, COLUMNS="200").out

    @pytest.mark.parametrize(
        ("case", "stand", "wrong"),
        [
            ("permitted", "no objection", ""),
            ("objected", "objected", "against your objection"),
            ("withdrawn", "no permit", "without a permit"),
        ],
    )
    def test_a_patient_is_told_on_what_ground(self, medfed, issuer, by_permit, course, case, stand, wrong):
        name = f"used-{course.study}.json"
        medfed.ok("patient", "keygen", name, "--trial")
        wallet = load_wallet(medfed.folder / name, PASSWORD)
        if case == "objected":
            medfed.ok("dev", "fund", wallet.account(by_permit).address)
            medfed.ok("patient", "revoke", by_permit, "--keystore", name)
        if case == "withdrawn":
            medfed.ok("dataset", "withdraw-permit", by_permit, course.study, "--keystore", issuer)
        course.travel(2)  # a round is judged by the second before it
        medfed.ok("study", "open", course.study, "--keystore", "sponsor.json")
        listing(medfed, course, by_permit, wallet, by_permit)
        uses = ("patient", "uses", by_permit, "--keystore", name)
        answer = medfed(*uses, "--json")
        (found,) = answer.data
        assert (found["used"], found["basis"], found["consent"]) == (True, "permit", stand)
        assert (answer.code, found["consented"]) == ((1, False) if wrong else (0, True))
        assert wrong in words(medfed(*uses))
