"""`medfed vault` and `consortium`: tokens in and out, who may do what, pauses that stop only what is new."""

from __future__ import annotations

import pytest

from medfed.chain.coin import Coin
from medfed.cli.output import when
from medfed.errors import InputError
from tests.cli.conftest import DEPOSIT
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


@pytest.mark.parametrize("text", ["0", "0.0", "-0"])
def test_nothing_is_an_amount_where_it_makes_sense(text):
    assert COIN.units(text, zero=True) == 0
    with pytest.raises(InputError):
        COIN.units("-1", zero=True)


def held(medfed, account):
    found = medfed.data("vault", "show", account)
    return found["free"], found["locked"]


def allowed(medfed, account):
    found = medfed.data("vault", "show", account)
    return found["allowance"], found["used"], found["left"]


def test_a_deposit_by_permit_takes_one_transaction(medfed, hospitals):
    """The permission is signed, not sent: the depositor's nonce grows by one."""
    medfed.ok("dev", "mint", "7", "stranger.json")
    client = on_chain(medfed).client
    address = medfed.data("key", "address", "stranger.json")["stranger.json"]
    before, free = client.nonce(address), held(medfed, "relayer.json")[0]
    medfed.ok("vault", "deposit", "7", "--permit", "--keystore", "stranger.json", "--to", "relayer.json")
    assert client.nonce(address) == before + 1
    assert held(medfed, "relayer.json")[0] == free + 7_000_000


class TestWithdrawing:
    def test_what_is_free_leaves_at_once(self, medfed, hospitals):
        key, (free, locked) = ("--keystore", "admin-3.json"), held(medfed, "admin-3.json")
        token = on_chain(medfed).development_token
        stranger = medfed.data("key", "address", "stranger.json")["stranger.json"]
        before = token.balance(stranger)
        done = medfed.data("vault", "withdraw", "10", *key, "--to", "stranger.json")
        assert (done["withdrawn"], done["free"]) == (10_000_000, free - 10_000_000)
        assert token.balance(stranger) == before + 10_000_000
        assert held(medfed, "admin-3.json") == (free - 10_000_000, locked)
        too_much = medfed("vault", "withdraw", "1000000", *key)
        admin = medfed.data("key", "address", "admin-3.json")["admin-3.json"]
        assert too_much.code == 2
        assert f"{admin} has {COIN.text(free - 10_000_000)} free" in too_much.sentence
        assert "and not 1,000,000 MFT" in too_much.sentence

    def test_what_is_locked_is_said(self, medfed, hospitals, new_study):
        """In whole tokens, as the reason why no more can be taken out."""
        study = new_study()
        medfed.ok("hospital", "enrol", study, "--hospital", "hospital-3/hospital.toml")
        try:
            refused = medfed("vault", "withdraw", "1000000", "--keystore", "admin-3.json")
            locked = COIN.text(held(medfed, "admin-3.json")[1])
            assert f"{locked} are locked until their studies are over" in refused.sentence
        finally:
            medfed.ok("study", "cancel", study, "--keystore", "sponsor.json")
            medfed.ok("study", "release", study, "admin-3.json", "--keystore", "relayer.json")

    def test_a_daemon_s_key_takes_nothing_out(self, medfed, hospitals):
        """It names its hospital, and is refused."""
        key = ("--keystore", "operator-3.json", "--account", "admin-3.json")
        refused = medfed("vault", "withdraw", "1", *key)
        assert (refused.code, "the hospital's admin account" in refused.sentence) == (7, True)

    def test_what_would_be_lost_stays(self, medfed, hospitals):
        vault = on_chain(medfed).vault.address
        refused = medfed("vault", "withdraw", "1", "--keystore", "admin-3.json", "--to", vault)
        assert (refused.code, "would be lost" in refused.sentence) == (7, True)


class TestAllowing:
    def test_a_daemon_locks_no_more_than_its_hospital_allows(self, medfed, hospitals, new_study):
        """One unit less than a stake is too little, and the stake counts while it is locked."""
        study, key = new_study(), ("--keystore", "admin-1.json")
        used = allowed(medfed, "admin-1.json")[1]
        enrol = ("hospital", "enrol", study, "--hospital", "hospital-1/hospital.toml")
        try:
            medfed.ok("vault", "allow", f"{used / 10**6 + 499.999999:.6f}", *key)
            refused = medfed(*enrol)
            assert refused.code != 0
            assert "medfed vault allow" in refused.sentence
            told = medfed.ok("vault", "allow", f"{used / 10**6 + 500:.6f}", *key).out
            assert "500 MFT are left" in " ".join(told.split())
            medfed.ok(*enrol)
            assert allowed(medfed, "admin-1.json")[1:] == (used + 500_000_000, 0)
            shown = " ".join(medfed.ok("vault", "show", "admin-1.json").out.split())
            assert "0 MFT are left" in shown
        finally:
            medfed.ok("vault", "allow", DEPOSIT, *key)
            medfed.ok("study", "cancel", study, "--keystore", "sponsor.json")
            medfed.ok("study", "release", study, "admin-1.json", "--keystore", "relayer.json")
        assert allowed(medfed, "admin-1.json")[1] == used

    def test_nothing_can_be_allowed_and_only_by_its_owner(self, medfed, hospitals):
        medfed.ok("vault", "allow", "0", "--keystore", "relayer.json")
        assert allowed(medfed, "relayer.json") == (0, 0, 0)
        thief = medfed("vault", "allow", "5", "--keystore", "operator-1.json", "--account", "admin-1.json")
        assert (thief.code, "the hospital's admin account" in thief.sentence) == (7, True)


class TestOperators:
    """A daemon's account has none of its hospital's tokens: nobody is left to believe that it has."""

    @pytest.fixture
    def addresses(self, medfed, hospitals):
        names = ("admin-1.json", "operator-1.json")
        return [medfed.data("key", "address", name)[name] for name in names]

    def test_allowing_with_its_key_is_refused_and_names_the_admin_account(self, medfed, addresses):
        """The emergency brake has to brake: no answer that looks like success."""
        before, key = allowed(medfed, "admin-1.json"), ("--keystore", "operator-1.json")
        refused = medfed("vault", "allow", "0", *key)
        assert (refused.code, refused.out) == (2, "")
        assert f"its admin account, {addresses[0]}" in refused.sentence
        assert allowed(medfed, "operator-1.json") == (0, 0, 0)
        assert allowed(medfed, "admin-1.json") == before

    def test_it_takes_out_what_is_its_own_alone(self, medfed, addresses):
        """What it proved it is paid for itself; what is its hospital's it is sent to the admin account for."""
        key = ("--keystore", "operator-1.json")
        free = held(medfed, "operator-1.json")[0]
        refused = medfed("vault", "withdraw", f"{free / 10**6 + 1}", *key)
        assert (refused.code, f"its admin account, {addresses[0]}" in refused.sentence) == (2, True)
        medfed.ok("dev", "mint", "3", "operator-1.json")
        deposited = medfed.ok("vault", "deposit", "3", *key).out
        assert "use the keystore of its admin account" in " ".join(deposited.split())
        medfed.ok("vault", "withdraw", "3", *key)
        assert held(medfed, "operator-1.json")[0] == free

    def test_showing_it_says_where_the_tokens_are(self, medfed, addresses):
        admin, operator = addresses
        shown = " ".join(medfed.ok("vault", "show", operator).out.split())
        assert f"account {operator}" in shown
        assert f"{operator} is the operator of hospital {admin}" in shown
        assert medfed.data("vault", "show", operator)["operator_of"] == admin


def test_every_answer_names_the_account(medfed, hospitals):
    """And speaks of a daemon only where there is one."""
    names = ("admin-2.json", "sponsor.json")
    admin, sponsor = (medfed.data("key", "address", name)[name] for name in names)
    allow = ("vault", "allow", DEPOSIT, "--keystore", "admin-2.json")
    assert f"Of the tokens of {admin} its daemon may lock" in " ".join(medfed.ok(*allow).out.split())
    shown = " ".join(medfed.ok("vault", "show", "sponsor.json").out.split())
    assert f"account {sponsor}" in shown
    assert "daemon" not in shown


def test_tokens_are_taken_by_the_consortium_s_word(medfed, hospitals):
    key = ("--keystore", "consortium.json")
    token = medfed.data("vault", "show", "admin-1.json")["token"]
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


def test_a_hospital_changes_its_own_keys_and_description(medfed, hospitals):
    """With the cold admin key; the old operator counts no more."""
    before = standing(medfed, 3)
    key = ("--keystore", "admin-3.json")
    medfed.ok("key", "new", "spare.json", "--trial")
    medfed.ok("key", "encryption", "spare-encryption.json", "--trial")
    medfed.ok("consortium", "rotate-operator", "admin-3.json", "spare.json", *key)
    medfed.ok("consortium", "rotate-encryption-key", "admin-3.json", "spare-encryption.json", *key)
    described = medfed.data("consortium", "describe", "admin-3.json", "--about", "Saint [red]Anna", *key)
    found = standing(medfed, 3)
    assert found["operator"] == medfed.data("key", "address", "spare.json")["spare.json"]
    assert found["encryption_key"] != before["encryption_key"]
    assert (found["name"], found["description"]) == (before["name"], described["description"])
    shown = medfed.data("consortium", "show", "admin-3.json")
    assert shown | {"about": "", "datasets": []} == found | {"about": "", "datasets": []}
    assert shown["about"] == "Saint [red]Anna"
    assert hospitals[2] in shown["datasets"]
    assert "Saint [red]Anna" in medfed.ok("consortium", "show", "admin-3.json").out
    stranger = medfed("consortium", "show", "stranger.json")
    assert (stranger.code, "was never admitted" in stranger.sentence) == (2, True)
    itself = medfed("consortium", "rotate-operator", "admin-3.json", "admin-3.json", *key)
    assert (itself.code, "its daemon needs another one" in itself.sentence) == (7, True)
    other = medfed("consortium", "rotate-operator", "admin-2.json", "stranger.json", *key)
    assert (other.code, "is not the admin account of hospital" in other.sentence) == (7, True)
    serve = ("hospital", "pledge", "admin-3.json", "word.json", "--keystore", "operator-3.json")
    said = medfed.data(*serve)
    assert (said["hospital"], said["operator"]) == (before["hospital"], before["operator"])
    assert medfed(*serve).code == 2, "a word that was written is not overwritten"
    wrong = medfed("consortium", "rotate-operator", "admin-2.json", "word.json", "--keystore", "admin-2.json")
    assert (wrong.code, "is a word for hospital" in wrong.sentence) == (2, True)
    medfed.ok("consortium", "rotate-operator", "admin-3.json", "word.json", *key)
    assert standing(medfed, 3)["operator"] == before["operator"]
    medfed.ok("consortium", "describe", "admin-3.json", "--about", "Hospital 3", *key)


class TestRecovery:
    """A hospital that has lost its admin key gets another one from the consortium, if it does not object for 30 days."""

    NOTICE = 30 * 86_400
    CONSORTIUM = ("--keystore", "consortium.json")

    @pytest.fixture
    def lost(self, medfed):
        """A hospital of its own, so that the others keep their keys; returns the address of its lost account."""
        names = [f"{name}-lost.json" for name in ("admin", "operator", "new")]
        if not (medfed.folder / names[0]).exists():
            medfed.ok("key", "new", *names, "--trial")
            medfed.ok("dev", "fund", *names)
            medfed.ok("dev", "mint", "50", "admin-lost.json")
            medfed.ok("vault", "deposit", "50", "--keystore", "admin-lost.json")
            medfed.ok("vault", "allow", "0", "--keystore", "admin-lost.json")
            medfed.ok("key", "encryption", "lost-encryption.json", "--trial")
            medfed.ok(
                *("consortium", "admit", "admin-lost.json", "operator-lost.json", "--name", "Lost"),
                *("--encryption-key", "lost-encryption.json", *self.CONSORTIUM),
            )
        return medfed.data("key", "address", "admin-lost.json")["admin-lost.json"]

    def propose(self, medfed):
        return medfed.data(
            "consortium", "propose-admin", "admin-lost.json", "new-lost.json", *self.CONSORTIUM
        )

    def lost_one(self, medfed):
        (found,) = [each for each in medfed.data("consortium", "list") if each["name"] == "Lost"]
        return found

    def test_the_hospital_objects_with_its_daemon_s_key(self, medfed, lost):
        proposed = self.propose(medfed)
        assert self.lost_one(medfed)["proposed_admin"] == proposed["admin"]
        assert f"{proposed['admin']} is proposed" in medfed.ok("consortium", "list").out
        stranger = medfed("consortium", "veto-admin", lost, "--keystore", "stranger.json")
        assert (stranger.code, "may not veto" in stranger.sentence) == (7, True)
        medfed.ok("consortium", "veto-admin", lost, "--keystore", "operator-lost.json")
        assert self.lost_one(medfed)["proposed_admin"] is None
        gone = medfed("consortium", "accept-admin", lost, "--keystore", "new-lost.json")
        assert (gone.code, "No other admin account is proposed" in gone.sentence) == (7, True)

    def test_the_consortium_takes_it_back(self, medfed, lost):
        self.propose(medfed)
        medfed.ok("consortium", "withdraw-admin", lost, *self.CONSORTIUM)
        assert self.lost_one(medfed)["proposed_admin"] is None

    def test_the_new_key_takes_over_after_the_notice(self, medfed, lost):
        """Runs last: from then on it alone takes tokens out, under the hospital's old name."""
        effective = self.propose(medfed)["effective_at"]
        accept = ("consortium", "accept-admin", lost, "--keystore", "new-lost.json")
        early = medfed(*accept)
        assert (early.code, f"runs until {when(effective)} UTC" in early.sentence) == (7, True)
        medfed.ok("dev", "travel", self.NOTICE)
        assert medfed.data(*accept)["hospital"] == lost
        new = medfed.data("key", "address", "new-lost.json")["new-lost.json"]
        assert self.lost_one(medfed)["admin"] == new
        withdraw = ("vault", "withdraw", "50", "--account", lost, "--keystore")
        assert medfed(*withdraw, "admin-lost.json").code == 7
        assert medfed.data(*withdraw, "new-lost.json")["to"] == new
        assert held(medfed, lost) == (0, 0)
        shown = " ".join(medfed.ok("vault", "show", lost).out.split())
        assert f"{new} is the admin account of {lost} now" in shown


def test_datasets_have_versions_and_an_end(medfed, hospitals):
    """Publishing with the operator's key, retiring with the admin account's; what runs keeps what it pinned."""
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
    hot = medfed("dataset", "retire", extra, "--keystore", "operator-2.json")
    assert (hot.code, "is not the admin account" in hot.sentence) == (7, True)
    medfed.ok("dataset", "retire", extra, "--keystore", "admin-2.json")
    assert medfed.data("dataset", "show", extra)["retired"] is True
    again = medfed("dataset", "retire", extra, "--keystore", "admin-2.json")
    assert (again.code, "is retired" in again.sentence) == (7, True)
    assert [
        entry["version"] for entry in medfed.data("dataset", "list") if entry["dataset"] == hospitals[1]
    ] == [
        1,
        2,
    ]


def test_datasets_are_listed_by_title_and_hospital(medfed, hospitals):
    home = medfed.folder / "hospital-2"
    number = medfed.data("dataset", "register", "hospital-2/hospital.toml", "--uses", "HMB")["dataset"]
    text = (
        (home / "hospital.toml").read_text().replace(f"dataset = {hospitals[1]}\n", f"dataset = {number}\n")
    )
    (home / "titled.toml").write_text(text)
    medfed.ok("dataset", "title", "hospital-2/titled.toml", "Cytology")
    listed = {entry["dataset"]: entry for entry in medfed.data("dataset", "list")}
    owner = standing(medfed, 2)["hospital"]
    shown = [(listed[each]["title"], listed[each]["hospital"]) for each in (hospitals[0], number)]
    assert shown == [("", "Hospital 1"), ("Cytology", "Hospital 2")]
    assert listed[number]["owner"] == owner
    out = medfed.ok("dataset", "list", COLUMNS="200").out
    assert "Cytology" in out
    assert "Hospital 2" in out
    told = " ".join(medfed.ok("dataset", "show", number).out.split())
    assert f"Dataset {number}, Cytology, of Hospital 2, {owner}" in told
    assert "held by 0 running studies" in told


def test_a_dataset_is_registered_anew_and_handed_over(medfed, hospitals):
    """Each time under a new number that names the one before it; the receiver's own file has the records."""
    register = ("dataset", "register", "hospital-1/hospital.toml", "--uses")
    first = medfed.data(*register, "GRU")["dataset"]
    second = medfed.data(*register, "HMB", "--after", first)["dataset"]
    offer = ("dataset", "offer", second, "admin-2.json", "--keystore", "admin-1.json")
    accept = ("dataset", "accept", second, "hospital-2/hospital.toml", "--uses", "GRU", "--keystore")
    early = medfed(*accept, "admin-2.json")
    assert (early.code, "is offered to no hospital" in early.sentence) == (7, True)
    medfed.ok(*offer)
    medfed.ok("dataset", "withdraw", second, "--keystore", "admin-1.json")
    receiver = medfed.data(*offer)["hospital"]
    assert medfed.data("dataset", "show", second)["offered_to"] == receiver
    assert medfed(*accept, "admin-1.json").code == 7
    third = medfed.data(*accept, "admin-2.json")["dataset"]
    found = {number: medfed.data("dataset", "show", number) for number in (first, second, third)}
    assert [found[number]["predecessor"] for number in found] == [None, first, second]
    assert [found[number]["retired"] for number in found] == [False, True, False]
    assert found[third]["owner"] == receiver
    assert f"comes after dataset {second}" in medfed.ok("dataset", "show", third).out
