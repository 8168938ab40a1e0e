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

BOND, STAKE, REWARD = 250 * 10**6, 500 * 10**6, 1_000 * 10**6


def attacked(folder, attack, rounds, *arguments) -> dict:
    file = folder / "result.json"
    command = ("demo", "--attack", attack, "--rounds", rounds, "--json", file)
    done = medfed(*command, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


def by_lie(result) -> dict:
    return {row["lie"]: row for row in result["attack"]["lies"]}


@pytest.fixture(scope="module")
def aggregator(tmp_path_factory):
    """Five lies about the aggregate, in as many rounds, and one that the contract does not take."""
    folder = tmp_path_factory.mktemp("aggregator")
    return attacked(folder, "aggregator", 5, "--report", folder / "report"), folder


@pytest.fixture(scope="module")
def quorum(tmp_path_factory):
    """Two thirds attest to a wrong word in round 2."""
    return attacked(tmp_path_factory.mktemp("quorum"), "quorum", 3)


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    """One hospital of four turns its updates round."""
    return attacked(tmp_path_factory.mktemp("poisoned"), "hospital:signflip", 2)


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

    def test_each_lie_costs_its_bond_and_nobody_else_loses_anything(self, aggregator):
        rows = by_lie(aggregator[0])
        taken = {lie: row["slashed"] for lie, row in rows.items()}
        assert taken == {lie: 0 if lie == "left out, openly" else BOND for lie in LIES}
        assert aggregator[0]["attack"]["lost"] == {"hospital-3": BOND, "hospital-4": 4 * BOND}

    def test_half_of_what_was_proved_is_the_challengers(self, aggregator):
        assert aggregator[0]["attack"]["challenger"]["paid"] == 2 * BOND // 2

    def test_the_rest_is_paid_to_hospitals_or_goes_back(self, aggregator):
        """The sponsor's money and the bonds, without the challenger's part."""
        assert 0 <= 5 * REWARD + 4 * BOND - sum(aggregator[0]["payouts"].values()) < 100

    def test_the_final_model_is_that_of_the_study_without_liars(self, aggregator):
        result = aggregator[0]
        assert [entry["round"] for entry in result["rounds"]] == [1, 2, 3, 4, 5]
        assert result["attack"]["completed_by"] == ["hospital-1", "hospital-2"]
        assert result["attack"]["same_model"] is True
        assert result["attack"]["model_cid_without"] == result["model_cid"]

    def test_the_audit_finds_all_in_order(self, aggregator):
        assert aggregator[0]["verified"] is True

    def test_tables_fit_eighty_columns(self, aggregator, capsys, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        print_result(aggregator[0])
        text = capsys.readouterr().out
        assert max(len(line) for line in text.splitlines() if line.startswith(("┃", "│", "┏"))) <= 80
        for lie in LIES:
            assert lie in text

    def test_the_report_has_every_lie_with_its_transaction(self, aggregator):
        page = (aggregator[1] / "report" / "index.html").read_text()
        for row in aggregator[0]["attack"]["lies"]:
            assert row["lie"] in page
            assert row["transaction"] in page


class TestQuorum:
    """A final result is undone as long as its dispute window is open."""

    def test_all_who_attested_lose_their_whole_stake_and_nobody_else(self, quorum):
        assert quorum["attack"]["lost"] == {f"hospital-{number}": STAKE for number in (2, 3, 4)}

    def test_the_watchtower_has_half_of_it(self, quorum):
        (row,) = quorum["attack"]["lies"]
        assert (row["round"], row["by"], row["slashed"]) == (2, "watchtower", 3 * STAKE)
        assert quorum["attack"]["challenger"]["paid"] == 3 * STAKE // 2

    def test_the_study_aborts_and_the_sponsor_has_the_rest_back(self, quorum):
        """Round 1 was right and stays paid; the rewards of rounds 2 and 3 and half of the stakes are the sponsor's."""
        assert (quorum["attack"]["ended"], quorum["attack"]["void_from"]) == ("aborted", 2)
        assert quorum["attack"]["refunded"] == 2 * REWARD + 3 * STAKE // 2

    def test_only_the_round_before_stands(self, quorum):
        assert [entry["round"] for entry in quorum["rounds"]] == [1]
        assert quorum["model_cid"] == quorum["rounds"][0]["model_cid"]

    def test_the_audit_finds_all_in_order(self, quorum):
        assert quorum["verified"] is True


class TestHospital:
    """A robust rule takes most of its effect from a poisoned update."""

    def test_the_rule_is_the_median_unless_another_is_named(self, poisoned):
        assert poisoned["attack"]["rule"] == "median"

    def test_the_model_is_nearer_to_that_without_attack_than_under_averaging(self, poisoned):
        last = poisoned["attack"]["auc"][-1]
        assert poisoned["federated_auc"] == last["attacked"]
        assert abs(last["honest"] - last["attacked"]) < abs(last["honest"] - last["averaged"])

    def test_the_audit_finds_all_in_order(self, poisoned):
        """Poison is no lie: the update is what its hospital committed to."""
        assert poisoned["verified"] is True


@pytest.mark.slow
@pytest.mark.parametrize(("attack", "rule"), [("alie", "trimmed-mean"), ("ipm", "geometric-median")])
def test_who_knows_all_honest_updates_is_survived(tmp_path, attack, rule):
    """Also by a rule that no contract can check chunk by chunk."""
    result = attacked(tmp_path, f"hospital:{attack}", 2, "--rule", rule)
    assert result["verified"] is True
    last = result["attack"]["auc"][-1]
    assert last["attacked"] > max(0.95, last["averaged"])


@pytest.mark.slow
def test_anvil_gives_the_same_slashes_and_model(aggregator, tmp_path):
    anvil_program()
    result = attacked(tmp_path, "aggregator", 5, "--chain", "anvil")
    assert result["model_cid"] == aggregator[0]["model_cid"]
    assert result["attack"]["lost"] == aggregator[0]["attack"]["lost"]
    assert result["verified"] is True


@pytest.mark.parametrize("name", ["signflip", "scaled", "noise", "labelflip", "alie", "ipm", "sign-flip"])
def test_every_attack_has_its_name(name):
    plan = plan_of(f"hospital:{name}", "", 4, 1)
    assert plan.poison in ATTACKS
    assert plan.rule.kind == "median"


@pytest.mark.parametrize(
    ("attack", "rule", "size", "says"),
    [
        ("moon", "", (4, 5), "--attack is aggregator, quorum or hospital:ATTACK"),
        ("hospital", "", (4, 5), "--attack is aggregator, quorum or hospital:ATTACK"),
        ("quorum:noise", "", (4, 5), "--attack is aggregator, quorum or hospital:ATTACK"),
        ("hospital:charm", "", (4, 5), "There is no attack 'charm'"),
        ("", "mode", (4, 5), "--rule is one of"),
        ("quorum", "", (3, 5), "--hospitals 4 or more"),
        ("aggregator", "", (4, 4), "--rounds 5 or more"),
        ("quorum", "", (4, 1), "--rounds 2 or more"),
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
