"""The demo from end to end: on every chain, in one process or many, from the command line."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medfed.cli.demo.tables import print_result
from tests.rig.anvil import anvil_program
from tests.rig.kubo import start_kubo

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
    """What hospitals earned and the sponsor got back is what was put in; roundings are left in the study's pot."""
    assert sum(embedded["payouts"].values()) + embedded["left"] == embedded["reward"] == 300 * 10**6
    assert 0 <= embedded["left"] < 100
    assert embedded["burnt"] == 0


def test_a_table_fits_eighty_columns(embedded, capsys, monkeypatch):
    """No number is broken in two, and every round, model and payee has its row."""
    monkeypatch.setenv("COLUMNS", "80")
    print_result(embedded)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if line.startswith(("┃", "│", "┏"))) <= 80
    text = "\n".join(lines)
    for entry in embedded["rounds"]:
        assert f"{entry['auc']:.4f}" in text
    for account, amount in embedded["payouts"].items():
        assert account in text
        assert f"{amount / 10**6:,.2f}" in text


@pytest.mark.full
def test_another_seed_gives_another_model(embedded, tmp_path):
    assert demo(tmp_path, "--seed", 8)["model_cid"] != embedded["model_cid"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A demo with processes on Anvil during which hospitals are killed again and again: its result and folder."""
    anvil_program()
    folder = tmp_path_factory.mktemp("apart")
    arguments = ("--chain", "anvil", "--processes", "--keep", folder / "kept", "--report", folder / "report")
    result, kills = killed_demo(folder, *arguments)
    assert kills >= 4
    return result, folder


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestProcesses:
    """Same seed, same bits: another chain, four processes, and a killer among them."""

    @pytest.mark.full
    def test_kills_change_nothing(self, embedded, kept):
        assert kept[0]["model_cid"] == embedded["model_cid"]
        assert kept[0]["payouts"] == embedded["payouts"]
        assert kept[0]["verified"] is True

    def test_each_round_has_the_same_cohorts(self, embedded, kept):
        for one, other in zip(embedded["rounds"], kept[0]["rounds"], strict=True):
            assert (one["records"], one["model_cid"]) == (other["records"], other["model_cid"])

    def test_the_report_needs_nothing_but_itself(self, kept):
        """Every picture is inside, with words for those who do not see it."""
        page = (kept[1] / "report" / "index.html").read_text()
        assert page.count("<figure>") == page.count("data:image/png;base64,") == 6
        assert page.count("alt='") == 6
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert "<link" not in page
        assert "<script" not in page

    def test_what_is_kept_can_be_gone_on_with(self, kept):
        """Its chain starts again; an auditor with nothing but RPC, store and addresses, then a patient who revokes."""
        folder = kept[1] / "kept"
        port = int((folder / "medfed.toml").read_text().split('rpc = "http://127.0.0.1:')[1].split('"')[0])
        command = [anvil_program(), "--state", "chain.json", "--port", str(port), "--silent"]
        anvil = subprocess.Popen(command, cwd=folder)
        try:
            wait_for(port)
            audit = medfed("verify", "--study", 1, "--json", cwd=folder)
            assert (audit.returncode, json.loads(audit.stdout)["ok"]) == (0, True), audit.stderr
            told = (folder / "README.txt").read_text()
            assert f"anvil --state {folder / 'chain.json'} --port" in told
            status = re.search(r"^ +medfed (patient status .*)$", told, re.MULTILINE)
            assert status is not None
            assert medfed(*status[1].split(), cwd=folder).stdout.startswith("The record in dataset")
            disclose = (
                "hospital",
                "disclose",
                1,
                "--hospital",
                "hospital-1/hospital.toml",
                "--out",
                "shown.json",
            )
            assert medfed(*disclose, cwd=folder).returncode == 0
            audit = medfed("verify", "--study", 1, "--disclosure", "shown.json", "--json", cwd=folder)
            assert json.loads(audit.stdout)["ok"] is True
            revoke = (
                "patient",
                "revoke",
                "--keystore",
                "keys/patient.json",
                "--password-file",
                "keys/password.txt",
                1,
            )
            done = medfed(*revoke, cwd=folder)
            assert done.stdout.startswith("Revoked."), done.stderr
        finally:
            anvil.terminate()
            anvil.wait(20)


@pytest.mark.full
@pytest.mark.skipif(shutil.which("geth") is None, reason="the program `geth` is not on PATH")
def test_geth_gives_the_same_model(embedded, tmp_path):
    found = demo(tmp_path, "--chain", "geth")
    assert found["model_cid"] == embedded["model_cid"]
    assert found["verified"] is True


@pytest.mark.full
@pytest.mark.kubo
def test_a_kubo_store_gives_the_same_model(embedded, tmp_path):
    """A real daemon on loopback, hospitals as processes: the bits of the directory store."""
    anvil_program()
    with start_kubo(tmp_path) as kubo:
        found = demo(tmp_path, "--chain", "anvil", "--processes", "--store", "kubo", "--kubo", kubo.url)
    assert found["model_cid"] == embedded["model_cid"]
    assert found["verified"] is True


def killed_demo(folder: Path, *arguments) -> tuple[dict, int]:
    """The demo, while a hospital's process, drawn at random, is killed every few tenths of a second."""
    draw, kills, file = random.Random(5), 0, folder / "result.json"
    command = [
        sys.executable,
        "-m",
        "medfed",
        "demo",
        "--rounds",
        "3",
        "--json",
        str(file),
        *map(str, arguments),
    ]
    with (folder / "output.txt").open("wb") as sink:
        process = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=sink)
    end = time.monotonic() + 500
    next_kill = 0.0
    while process.poll() is None and time.monotonic() < end:
        alive = hospitals_of(process.pid)
        # Between kills there is time to get somewhere: loading torch takes seconds on a busy machine.
        if len(alive) == 4 and time.monotonic() > next_kill and kills < 6:
            with contextlib.suppress(ProcessLookupError):
                os.kill(draw.choice(alive), signal.SIGKILL)
            kills += 1
            next_kill = time.monotonic() + draw.uniform(0.2, 6.0)
        time.sleep(0.02)
    process.kill()
    assert process.wait() == 0, (folder / "output.txt").read_text()
    return json.loads(file.read_text()), kills


def hospitals_of(parent: int) -> list[int]:
    """Process ids of the hospitals that a demo runs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            ours = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(parent)
            if ours and b"hospital\0run" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return sorted(found)


def wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--chain", "ganache"), "--chain is embedded, anvil or geth"),
        (("--store", "s3"), "--store is local or kubo"),
        (("--keep", "kept"), "--keep needs --chain anvil"),
        (("--chain", "geth", "--keep", "kept"), "--keep needs --chain anvil"),
        (("--hospitals", "11"), "less than or equal to 10"),
    ],
)
def test_wrong_options_are_named(tmp_path, arguments, says):
    done = medfed("demo", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr


def test_the_embedded_chain_has_no_processes(tmp_path):
    done = medfed("demo", "--processes", cwd=tmp_path)
    assert done.returncode == 2
    assert "needs --chain anvil or geth" in done.stderr
