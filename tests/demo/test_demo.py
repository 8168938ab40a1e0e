"""The demo from end to end: on every chain, in one process or many, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.anvil import anvil_program

KEYS = {
    "study",
    "model_cid",
    "federated_auc",
    "pooled_auc",
    "site_auc",
    "rounds",
    "payouts",
    "verified",
    "seconds",
}
ROUND = {
    "round",
    "participants",
    "records",
    "auc",
    "accuracy",
    "gas",
    "seconds",
    "aggregate_cid",
    "model_cid",
}


def medfed(*arguments, **options):
    command = [sys.executable, "-m", "medfed", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, **options)


def demo(folder: Path, *arguments) -> dict:
    file = folder / "result.json"
    done = medfed("demo", "--rounds", 3, "--json", file, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """The demo in one process on the embedded chain."""
    return demo(tmp_path_factory.mktemp("embedded"))


def test_json_has_all_that_is_promised(embedded):
    assert embedded.keys() >= KEYS
    assert all(entry.keys() >= ROUND for entry in embedded["rounds"])
    assert embedded["verified"] is True


def test_federating_is_as_good_as_pooling(embedded):
    assert abs(embedded["federated_auc"] - embedded["pooled_auc"]) < 0.01


def test_a_revoked_record_is_absent_from_later_rounds(embedded):
    """One patient revokes during round 2: rounds 1 and 2 have the record, round 3 does not."""
    first, second, third = (entry["records"] for entry in embedded["rounds"])
    assert (second - first, third - first) == (0, -1)


def test_money_is_conserved(embedded):
    """What hospitals earned and the sponsor got back is what was put in, but for roundings."""
    assert 0 <= 3_000 * 10**6 - sum(embedded["payouts"].values()) < 100


@pytest.mark.slow
def test_another_seed_gives_another_model(embedded, tmp_path):
    assert demo(tmp_path, "--seed", 8)["model_cid"] != embedded["model_cid"]


@pytest.mark.slow
def test_processes_on_anvil_give_the_same_model(embedded, tmp_path):
    """Same seed, same bits: other chain, other processes. What is kept can be audited by a fresh directory."""
    anvil_program()
    kept = tmp_path / "kept"
    found = demo(tmp_path, "--chain", "anvil", "--processes", "--keep", kept, "--report", tmp_path / "report")
    assert found["model_cid"] == embedded["model_cid"]
    assert (tmp_path / "report" / "index.html").read_text().count("<figure>") >= 3
    assert (kept / "chain.json").stat().st_size > 0


def test_the_embedded_chain_has_no_processes(tmp_path):
    done = medfed("demo", "--processes", cwd=tmp_path)
    assert done.returncode == 2
    assert "need --chain anvil" in done.stderr
