"""The demo with liars in it: each lie is caught and paid for, the study ends as it should, an auditor finds it sound."""

from __future__ import annotations

import json
import re

import pytest

from medfed.cli.demo.attack import plan_of
from medfed.cli.demo.liars import LIES
from medfed.cli.demo.tables import print_result
from medfed.errors import InputError
from medfed.learning.attacks import ATTACKS
from tests.demo.test_demo import medfed
from tests.rig.anvil import anvil_program

BOND, STAKE, REWARD = 250 * 10**6, 500 * 10**6, 100 * 10**6
REFUSED = ("left out, openly", "wrong weight")
HONEST = ["hospital-1", "hospital-2"]


def attacked(folder, attack, rounds, *arguments) -> dict:
    file = folder / "result.json"
    command = ("demo", "--attack", attack, "--rounds", rounds, "--json", file)
    done = medfed(*command, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


def by_lie(result) -> dict:
    return {row["lie"]: row for row in result["attack"]["lies"]}


def gains(result) -> dict:
    return {row["name"]: row for row in result["attack"]["gains"]}


def slashed(result) -> dict:
    return {name: row["slashed"] for name, row in gains(result).items() if row["slashed"]}


@pytest.fixture(scope="module")
def aggregator(tmp_path_factory):
    """Five lies about the aggregate, two of them in the last of four rounds, and two that the contract does not take."""
    folder = tmp_path_factory.mktemp("aggregator")
    return attacked(folder, "aggregator", 4, "--report", folder / "report"), folder


@pytest.fixture(scope="module")
def quorum(tmp_path_factory):
    """Two thirds attest to a wrong word in round 2."""
    return attacked(tmp_path_factory.mktemp("quorum"), "quorum", 3)


@pytest.fixture(scope="module")
def struck(tmp_path_factory):
    """One hospital of four sends, in round 2, what no weight allows."""
    return attacked(tmp_path_factory.mktemp("struck"), "hospital:outofrange", 3)


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    """One hospital of four turns its updates round."""
    return attacked(tmp_path_factory.mktemp("poisoned"), "hospital:signflip", 2)


@pytest.fixture(params=["aggregator", "quorum", "struck", "poisoned"])
def each(request):
    """Every attack's result, one after the other."""
    found = request.getfixturevalue(request.param)
    return found[0] if isinstance(found, tuple) else found


class TestMoney:
    """Whatever the attack, nobody has lied for gain, and no token is lost from sight."""

    def test_what_some_gain_others_lose(self, each):
        """Burnt tokens and the study's pot among them."""
        assert sum(row["net"] for row in each["attack"]["gains"]) == 0
        assert sum(row["honest"] for row in each["attack"]["gains"]) == 0

    def test_who_is_slashed_has_less_than_by_honesty(self, each):
        for name in slashed(each):
            assert gains(each)[name]["net"] < min(0, gains(each)[name]["honest"])

    def test_slashed_tokens_are_the_challengers_or_nobodys(self, each):
        """At most half of them the challenger's; the sponsor has no more than its own back."""
        rows, taken = gains(each), sum(slashed(each).values())
        assert rows["watchtower"]["won"] + rows["burnt"]["net"] == taken
        assert rows["watchtower"]["won"] <= taken // 2
        assert rows["sponsor"]["net"] + rows["left in the study's pot"]["net"] <= 0

    def test_the_audit_finds_all_in_order(self, each):
        """Poison is no lie: the update is what its hospital committed to."""
        assert each["verified"] is True

    def test_tables_fit_eighty_columns(self, each, capsys, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        print_result(each)
        text = capsys.readouterr().out
        assert max(len(line) for line in text.splitlines() if line.startswith(("┃", "│", "┏"))) <= 80
        for name in gains(each):
            assert name in text


class TestAggregator:
    """Nobody's false claim becomes final, and the study ends as if nobody had lied."""

    def test_every_lie_is_told_and_caught(self, aggregator):
        assert by_lie(aggregator[0]).keys() == LIES.keys()
        assert all(row["caught"] and row["by"] for row in aggregator[0]["attack"]["lies"])

    @pytest.mark.parametrize("lie", ["wrong word", "left-out update"])
    def test_what_a_chunk_shows_is_proved_by_the_watchtower(self, aggregator, lie):
        row = by_lie(aggregator[0])[lie]
        assert (row["by"], row["caught"]) == ("watchtower", "proof, chunk 1")

    @pytest.mark.parametrize("lie", ["wrong length", "withheld bytes", "wrong model CID"])
    def test_what_no_chunk_shows_an_honest_hospital_objects_to(self, aggregator, lie):
        row = by_lie(aggregator[0])[lie]
        assert row["caught"] == "objection"
        assert row["by"] in ("hospital-1", "hospital-2")

    @pytest.mark.parametrize(
        ("lie", "error"), list(zip(REFUSED, ("SetIncomplete", "WrongTotalWeight"), strict=True))
    )
    def test_what_the_contract_sees_through_it_refuses(self, aggregator, lie, error):
        row = by_lie(aggregator[0])[lie]
        assert (row["by"], row["caught"], row["transaction"]) == ("contract", error, "")

    def test_each_lie_about_words_costs_its_bond(self, aggregator):
        """And nobody else loses anything; a model's CID is no word, so nobody can be slashed for it."""
        taken = {lie: row["slashed"] for lie, row in by_lie(aggregator[0]).items()}
        assert taken == {lie: 0 if lie in (*REFUSED, "wrong model CID") else BOND for lie in LIES}
        assert slashed(aggregator[0]) == {"hospital-3": BOND, "hospital-4": 3 * BOND}

    def test_half_of_what_was_proved_is_the_challengers(self, aggregator):
        """And the whole of what was only objected to is burnt."""
        assert gains(aggregator[0])["watchtower"]["won"] == 2 * BOND // 2
        assert gains(aggregator[0])["burnt"]["net"] == 3 * BOND

    def test_who_did_not_lie_is_paid_what_it_would_have_been(self, aggregator):
        """To the unit; liars, who attest to nothing, have nothing of the round in which they were proved wrong."""
        rows = gains(aggregator[0])
        assert all(row["paid"] == row["honest"] for name, row in rows.items() if name in HONEST)
        for liar in ("hospital-3", "hospital-4"):
            assert 0 < rows[liar]["paid"] < rows[liar]["honest"] * 3 / 4

    def test_the_final_model_is_that_of_the_study_without_liars(self, aggregator):
        result = aggregator[0]
        assert [entry["round"] for entry in result["rounds"]] == [1, 2, 3, 4]
        assert result["attack"]["completed_by"] == HONEST
        assert result["attack"]["same_model"] is True
        assert result["attack"]["model_cid_without"] == result["model_cid"]

    def test_the_report_has_every_lie_with_its_transaction_and_where_the_tokens_went(self, aggregator):
        page = (aggregator[1] / "report" / "index.html").read_text()
        for row in aggregator[0]["attack"]["lies"]:
            assert row["lie"] in page
            assert row["transaction"] in page
        assert "the rest is burnt" in page


class TestQuorum:
    """A final result is undone as long as its dispute window is open."""

    def test_all_who_attested_lose_their_whole_stake_and_nobody_else(self, quorum):
        assert slashed(quorum) == {f"hospital-{number}": STAKE for number in (2, 3, 4)}

    def test_the_watchtower_has_half_of_it_and_half_is_burnt(self, quorum):
        (row,) = quorum["attack"]["lies"]
        assert (row["round"], row["by"], row["slashed"]) == (2, "watchtower", 3 * STAKE)
        assert gains(quorum)["watchtower"]["won"] == gains(quorum)["burnt"]["net"] == 3 * STAKE // 2

    def test_the_study_aborts_and_the_sponsor_has_back_what_was_not_done(self, quorum):
        """The reward of round 3; nothing of what was slashed."""
        assert (quorum["attack"]["ended"], quorum["attack"]["undone_from"]) == ("aborted", 2)
        assert gains(quorum)["sponsor"]["paid"] == REWARD

    def test_who_did_not_lie_is_paid_as_if_the_result_were_right(self, quorum):
        """Of both rounds that were final, but for the attesters' part of the second; liars have round 1 only."""
        rows = gains(quorum)
        a_round = rows["hospital-1"]["honest"] / 3
        assert rows["hospital-1"]["paid"] == pytest.approx(2 * a_round - REWARD / 10 / 4, abs=2)
        for number in (2, 3, 4):
            assert rows[f"hospital-{number}"]["paid"] == pytest.approx(
                rows[f"hospital-{number}"]["honest"] / 3, abs=2
            )

    def test_only_the_round_before_stands(self, quorum):
        assert [entry["round"] for entry in quorum["rounds"]] == [1]
        assert quorum["model_cid"] == quorum["rounds"][0]["model_cid"]


class TestStruck:
    """An update that cannot be right leaves the round, which goes on without it."""

    def test_it_is_proved_and_costs_the_stake(self, struck):
        (row,) = struck["attack"]["lies"]
        assert (row["round"], row["liar"], row["by"]) == (2, "hospital-4", "watchtower")
        assert slashed(struck) == {"hospital-4": STAKE}

    def test_the_others_complete_the_study(self, struck):
        assert [entry["participants"] for entry in struck["rounds"]] == [4, 3, 3]
        assert struck["attack"]["ended"] == "completed"

    def test_its_author_is_paid_for_the_round_before(self, struck):
        row = gains(struck)["hospital-4"]
        assert row["paid"] == pytest.approx(row["honest"] / 3, abs=2)


class TestPoison:
    """A robust rule takes most of its effect from a poisoned update."""

    def test_the_rule_is_the_median_unless_another_is_named(self, poisoned):
        assert poisoned["attack"]["rule"] == "median"

    def test_the_model_is_nearer_to_that_without_attack_than_under_averaging(self, poisoned):
        last = poisoned["attack"]["auc"][-1]
        assert poisoned["federated_auc"] == last["attacked"]
        assert abs(last["honest"] - last["attacked"]) < abs(last["honest"] - last["averaged"])

    def test_nothing_is_slashed_as_nothing_can_be_proved(self, poisoned):
        assert slashed(poisoned) == {}


@pytest.mark.full
@pytest.mark.parametrize(("attack", "rule"), [("alie", "trimmed-mean"), ("ipm", "geometric-median")])
def test_who_knows_all_honest_updates_is_survived(tmp_path, attack, rule):
    """Also by a rule that no contract can check chunk by chunk."""
    result = attacked(tmp_path, f"hospital:{attack}", 2, "--rule", rule)
    assert result["verified"] is True
    last = result["attack"]["auc"][-1]
    assert last["attacked"] > max(0.95, last["averaged"])


@pytest.mark.full
def test_anvil_gives_the_same_slashes_and_model(aggregator, tmp_path):
    anvil_program()
    result = attacked(tmp_path, "aggregator", 4, "--chain", "anvil")
    assert result["model_cid"] == aggregator[0]["model_cid"]
    assert slashed(result) == slashed(aggregator[0])
    assert result["verified"] is True


@pytest.mark.parametrize("name", ["signflip", "scaled", "noise", "labelflip", "alie", "ipm", "sign-flip"])
def test_every_attack_has_its_name(name):
    plan = plan_of(f"hospital:{name}", "", 4, 1)
    assert plan.poison in ATTACKS
    assert plan.rule.kind == "median"


def test_an_update_out_of_range_is_an_attack_too():
    assert plan_of("hospital:outofrange", "", 4, 2).poison == "out of range"


@pytest.mark.parametrize(
    ("attack", "rule", "size", "says"),
    [
        ("moon", "", (4, 5), "--attack is aggregator, quorum or hospital:ATTACK"),
        ("hospital", "", (4, 5), "--attack is aggregator, quorum or hospital:ATTACK"),
        ("quorum:noise", "", (4, 5), "--attack is aggregator, quorum or hospital:ATTACK"),
        (
            "hospital:charm",
            "",
            (4, 5),
            "no attack 'charm'; choose from signflip, scaled, noise, labelflip, alie, ipm, outofrange",
        ),
        ("", "mode", (4, 5), "--rule is one of"),
        ("quorum", "", (3, 5), "--hospitals 4 or more"),
        ("aggregator", "", (4, 3), "--rounds 4 or more"),
        ("quorum", "", (4, 1), "--rounds 2 or more"),
        ("hospital:outofrange", "", (4, 1), "--rounds 2 or more"),
        ("quorum", "multi-krum", (4, 5), "needs --rule sum"),
    ],
)
def test_what_makes_no_attack_is_named(attack, rule, size, says):
    with pytest.raises(InputError, match=re.escape(says)):
        plan_of(attack, rule, *size)


def test_liars_are_no_processes(tmp_path):
    done = medfed("demo", "--attack", "quorum", "--chain", "anvil", "--processes", cwd=tmp_path)
    assert done.returncode == 2
    assert "without --processes" in done.stderr
