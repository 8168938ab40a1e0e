"""`medfed hospital` where a person types it: backup, restore, log; none of them needs the chain."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from medfed.cli import app
from medfed.errors import IntegrityError
from medfed.nodes.journal import AuditLog


@pytest.fixture
def hospital(world, three):
    """The files of a hospital that has done something."""
    world.opened(*three, rounds=1)
    world.run(*three)
    return world.members[0]


def medfed(*arguments):
    done = CliRunner().invoke(app, ["hospital", *map(str, arguments)], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_backup_into_a_directory_and_back(hospital, tmp_path):
    """The archive has the time in its name; the way back names what a person has to bring."""
    (tmp_path / "backups").mkdir()
    made = json.loads(medfed("backup", tmp_path / "backups", "--hospital", hospital.file, "--json"))
    assert [str(path) for path in (tmp_path / "backups").iterdir()] == [made["file"]]
    text = medfed("restore", made["file"], tmp_path / "new")
    assert "Put records in its place" in text
    assert (tmp_path / "new" / "state" / "audit.jsonl").exists()


def test_the_log_is_checked(hospital):
    found = json.loads(medfed("log", "--hospital", hospital.file, "--json"))
    lines = (hospital.home / "audit.jsonl").read_text().splitlines()
    assert (found["lines"], found["last"]) == (len(lines), json.loads(lines[-1])["hash"])
    assert "none changed or missing" in medfed("log", "--hospital", hospital.file)
    (hospital.home / "audit.jsonl").write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(IntegrityError, match="Line 1 of"):
        medfed("log", "--hospital", hospital.file)


def test_holding_is_written_down(hospital):
    """What a person does beside the daemon is in the same log, in the same chain of hashes."""
    AuditLog(hospital.home / "audit.jsonl").write("by the daemon")
    medfed("hold", 1, "--hospital", hospital.file)
    medfed("resume", 1, "--hospital", hospital.file)
    found = json.loads(medfed("log", "--hospital", hospital.file, "--json"))
    events = [json.loads(line)["event"] for line in (hospital.home / "audit.jsonl").read_text().splitlines()]
    assert events[-3:] == ["by the daemon", "held", "resumed"]
    assert found["lines"] == len(events)
