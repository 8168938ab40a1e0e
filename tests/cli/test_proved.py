"""What proofs, left-out updates and missing bytes do to a study and its money, as people are told it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cli.course import AGGREGATE, broken, update

pytestmark = pytest.mark.anvil

UNIT = 10**6
STAKE = {'stake = "500"': 'stake = "100"', 'bond = "250"': 'bond = "50"'}
KEY = ("--keystore", "relayer.json")


def claimed(course, number):
    """What `medfed study claim` pays a hospital, by round."""
    return course.medfed.data("study", "claim", course.study, f"admin-{number}.json", *KEY)["paid"]


class TestStruckUpdate:
    @pytest.fixture
    def short(self, new_course):
        """The update of one of three is proved wrong after everybody's was due, so that too few remain."""
        course = new_course(replace=STAKE)
        course.submit(0)
        course.submit(1)
        course.strike(2)
        course.medfed.ok("study", "advance", course.study, *KEY)
        return course

    def test_half_of_its_stake_is_for_those_that_remain(self, short):
        facts = short.facts()
        first = facts["rounds"][0]
        assert (first["phase"], first["struck"]) == ("void", ["Hospital 3"])
        assert (first["compensation"], first["compensated"]) == (50 * UNIT, ["Hospital 1", "Hospital 2"])
        assert [each["stake"] for each in facts["hospitals"]] == ["locked", "locked", "lost"]
        assert [each["barred_from"] for each in facts["hospitals"]] == [0, 0, 1]
        taken = {"slashed": 100 * UNIT, "challengers": 0, "compensations": 50 * UNIT, "burnt": 50 * UNIT}
        assert facts["money"] == taken
        told = short.shown()
        assert "Round 1: proved wrong was the update of Hospital 3." in told
        assert "Round 1: 50 MFT of a lost stake are for Hospital 1, Hospital 2." in told

    def test_the_hospital_learns_what_it_lost_and_why(self, short):
        (lost,) = short.facts()["taken"]
        assert (lost["seat"], lost["round"], lost["amount"], lost["cause"]) == (2, 1, 100 * UNIT, "update")
        assert "Round 1: Hospital 3 lost 100 MFT: an update of it was proved wrong." in short.shown()
        doctor = ("doctor", "--hospital", "hospital-3/hospital.toml")
        (losses,) = [each for each in short.medfed.data(*doctor) if each["check"] == "losses"]
        assert (losses["ok"], losses["warning"]) == (True, True)
        assert f"study {short.study} took 100 MFT in round 1: an update of it was" in losses["found"]
        assert "WARN losses" in short.medfed.ok(*doctor).out

    def test_they_claim_it_and_scores_say_by_what(self, short):
        (told,) = short.medfed.data("study", "scores", short.study)
        assert [told["seats"][seat]["share"] for seat in "01"] == [0.5, 0.5]
        assert "of a lost stake" in " ".join(short.medfed.ok("study", "scores", short.study).out.split())
        early = short.medfed.ok("study", "claim", short.study, "admin-1.json", *KEY).out
        assert "the pay of round 1 unlocks at" in " ".join(early.split())
        short.travel(601)
        assert claimed(short, 1) == {"1": 25 * UNIT}
        assert claimed(short, 3) == {}


class TestRefutedResult:
    @pytest.fixture
    def refuted(self, new_course):
        """Two of three attest to what cannot be right."""
        course = new_course(replace=STAKE)
        for seat in (0, 1, 2):
            course.submit(seat)
        wrong = replace(AGGREGATE, root=broken()[0])
        for seat in (0, 1):
            course.attest(seat, wrong)
        course.refute(wrong)
        return course

    def test_the_study_says_what_was_undone_and_who_answers_for_it(self, refuted):
        facts = refuted.facts()
        assert (facts["state"], facts["undone_from"]) == ("aborted", 1)
        assert facts["rounds"][0]["phase"] == "refuted"
        assert facts["rounds"][0]["answerable"] == ["Hospital 1", "Hospital 2"]
        assert [each["stake"] for each in facts["hospitals"]] == ["lost", "lost", "locked"]
        assert [(each["seat"], each["amount"], each["cause"]) for each in facts["taken"]] == [
            (seat, 100 * UNIT, "result") for seat in (0, 1)
        ]
        taken = {"slashed": 200 * UNIT, "challengers": 100 * UNIT, "compensations": 0, "burnt": 100 * UNIT}
        assert facts["money"] == taken
        told = refuted.shown()
        assert (
            "Aborted: 1 of 1 rounds were final, 1 proved wrong later; the result of round 1 was undone;"
            in told
        )
        assert "refund" not in told, "a round that was final is not refunded"
        assert "are paid nothing from this round on: Hospital 1, Hospital 2." in told
        assert "200 MFT, 100 MFT went to who proved it. Burnt, so nobody's: 100 MFT." in told
        each = "Round 1: Hospital 1, Hospital 2 lost 100 MFT each: it attested to a result that was proved wrong."
        assert each in told
        assert "Model bafy" not in told
        lines = refuted.medfed.ok("study", "show", refuted.study).out.splitlines()
        assert max(len(line) for line in lines if line.startswith(("┃", "│", "┏"))) <= 80

    def test_who_did_not_lie_is_paid_and_the_sponsor_has_nothing_of_the_stakes(self, refuted):
        refuted.travel(601)
        assert claimed(refuted, 3) == {"1": 30 * UNIT}, "its third of the updates' part"
        assert claimed(refuted, 1) == {}
        refund = refuted.medfed.data("study", "refund", refuted.study, *KEY)
        assert refund["amount"] == 0
        lost = refuted.medfed.data("study", "release", refuted.study, "admin-1.json", *KEY)
        kept = refuted.medfed.data("study", "release", refuted.study, "admin-3.json", *KEY)
        assert (lost["amount"], kept["amount"]) == (0, 100 * UNIT)


def test_a_claim_that_was_proved_wrong_bars_its_author(new_course):
    """The study says so, and its round pays the others."""
    course = new_course(replace=STAKE)
    for seat in (0, 1, 2):
        course.submit(seat)
    course.travel(1801)
    wrong = replace(AGGREGATE, root=broken()[0])
    claim = course.at.claims.submit_aggregate(course.study, 1, 0, wrong)
    course.sender("operator-1").send(claim)
    course.refute(wrong)
    for seat in (0, 1):
        course.attest(seat)
    facts = course.facts()
    assert facts["rounds"][0]["refuted_claims"] == ["Hospital 1"]
    assert [each["barred_from"] for each in facts["hospitals"]] == [1, 0, 0]
    told = "Round 1: proved wrong was a claim of Hospital 1, paid nothing from this round on."
    assert told in course.shown()
    course.medfed.ok("study", "settle", course.study, 1, *KEY)
    (lost,) = course.facts()["taken"]
    assert (lost["seat"], lost["round"], lost["amount"], lost["cause"]) == (0, 1, 50 * UNIT, "claim")
    course.travel(601)
    assert claimed(course, 1) == {}
    assert claimed(course, 2).keys() == {"1"}


def test_what_a_left_out_update_would_have_had_is_nobodys(new_course):
    """And costs its hospital no stake; two thirds of those that submitted suffice, though three had to."""
    course = new_course(replace=STAKE)
    for seat in (0, 1, 2):
        course.submit(seat)
    without = replace(AGGREGATE, included=0b011, weight=32)
    for seat in (0, 1):
        course.attest(seat, without, left_out=[update(2)])
    facts = course.facts()
    assert facts["rounds"][0]["left_out"] == ["Hospital 3"]
    assert set(facts["money"].values()) == {0}
    assert facts["state"] == "completed"
    told = "left out was the update of Hospital 3; what that would have had is nobody's."
    assert told in course.shown()


def test_an_absence_is_told(new_course):
    """With its round, what it cost, and that it was one."""
    course = new_course(replace=STAKE)
    for seat in (0, 1):
        course.submit(seat)
    course.travel(3601)
    course.medfed.ok("study", "absences", course.study, 1, *KEY)
    (lost,) = course.facts()["taken"]
    assert (lost["seat"], lost["round"], lost["amount"], lost["cause"]) == (2, 1, 10 * UNIT, "absence")
    assert "Round 1: Hospital 3 lost 10 MFT: it was absent." in course.shown()


class TestLacking:
    def test_whose_bytes_are_lacking_is_said_for_all_to_see(self, course):
        for seat in (0, 1, 2):
            course.submit(seat)
        lack = ("study", "lack", course.study, 1, "--keystore", "operator-1.json", "--missing")
        said = course.medfed.data(*lack, 1, "--missing", 2)
        assert (said["seat"], said["missing"]) == (0, [1, 2])
        assert course.facts()["rounds"][0]["lacking"] == {"Hospital 1": ["Hospital 2", "Hospital 3"]}
        assert "Hospital 1 cannot get the bytes of Hospital 2, Hospital 3." in course.shown()
        again = course.medfed(*lack, 1)
        assert (again.code, "has said already" in again.sentence) == (7, True)

    def test_a_seat_that_did_not_submit_lacks_nothing(self, course):
        for seat in (0, 1, 2):
            course.submit(seat)
        lack = ("study", "lack", course.study, 1, "--keystore", "operator-1.json", "--missing")
        nobody = course.medfed(*lack, 5)
        assert (nobody.code, "Name seats that submitted" in nobody.sentence) == (7, True)


def test_bonds_of_a_void_round_are_given_back_by_anyone(new_course):
    """A claim that a submitter objected to for free: nobody proved anything, nobody loses anything."""
    course = new_course(replace=STAKE)
    for seat in (0, 1, 2):
        course.submit(seat)
    course.travel(1801)
    claims = course.at.claims
    course.sender("operator-1").send(claims.submit_aggregate(course.study, 1, 0, AGGREGATE))
    course.sender("operator-2").send(claims.object(course.study, 1, 0))
    settle = ("study", "settle", course.study, 1, *KEY)
    early = course.medfed(*settle)
    assert (early.code, "is open" in early.sentence) == (2, True)
    course.travel(3601)
    course.medfed.ok("study", "advance", course.study, *KEY)
    locked = course.medfed.data("vault", "show", "admin-1.json")["locked"]
    (settled,) = course.medfed.data(*settle)
    assert (settled["attempt"], settled["from_author"], settled["from_objector"]) == (0, 0, 0)
    assert course.medfed.data("vault", "show", "admin-1.json")["locked"] == locked - 50 * UNIT
    assert "No claim of round 1" in course.medfed.ok(*settle).out
