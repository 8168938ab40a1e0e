"""The audit log: durable lines, chained by hashes, whoever is killed and whoever else writes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.errors import IntegrityError, StoreUnavailable
from medfed.nodes.journal import AuditLog, check_log

WRITER = """
import sys
from pathlib import Path
from medfed.nodes.journal import AuditLog
log = AuditLog(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    log.write("step", writer=sys.argv[3], number=number, filler="x" * (number % 700))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "audit.jsonl"


@pytest.fixture
def log(path):
    written = AuditLog(path)
    for number in range(4):
        written.write("step", number=number)
    return written


def test_lines_say_what_and_when_and_hang_together(path, log):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["number"] for line in lines] == [0, 1, 2, 3]
    assert [line["previous"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
    assert (check_log(path).lines, check_log(path).last) == (4, lines[-1]["hash"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_opening_writes_nothing(path):
    """A command that only looks leaves no trace, not even a folder."""
    AuditLog(path)
    assert not path.parent.exists()


def test_a_new_writer_goes_on_where_the_last_one_was(path, log):
    AuditLog(path).write("later")
    log.write("latest")
    assert check_log(path).lines == 6


@given(place=st.floats(0, 1), flip=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_one_changed_bit_shows(path, log, place, flip):
    """Wherever it is, but in the last line's end of line."""
    data = bytearray(path.read_bytes())
    spot = int(place * (len(data) - 2))
    data[spot] ^= 1 << flip
    changed = path.with_name("changed.jsonl")
    changed.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"Line [1-5] of"):
        check_log(changed)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_line_taken_out_shows(path, log, number):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
    with pytest.raises(IntegrityError, match=f"Line {number + 1} of .* was taken out"):
        check_log(path)


def test_lines_put_in_or_exchanged_show(path, log):
    lines = path.read_bytes().splitlines(keepends=True)
    for forged in (
        [*lines[:2], lines[1], *lines[2:]],
        [lines[0], lines[2], lines[1], lines[3]],
        [b"{}\n", *lines],
    ):
        path.write_bytes(b"".join(forged))
        with pytest.raises(IntegrityError):
            check_log(path)


def test_a_kill_at_any_byte_of_a_line_costs_that_line_only(path, log):
    """Cut anywhere in the last line, the next write goes on after the one before it."""
    whole = path.read_bytes()
    start = whole.rfind(b"\n", 0, -1) + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        AuditLog(path).write("after the kill")
        assert check_log(path).lines == 4
        assert path.read_bytes()[:start] == whole[:start]


def test_writers_in_many_processes_keep_one_chain(path):
    """The daemon and a person's commands: every line of each is there, in its own order."""
    path.parent.mkdir()
    running = [subprocess.Popen([sys.executable, "-c", WRITER, path, "40", str(each)]) for each in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert check_log(path).lines == 120
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for each in range(3):
        assert [line["number"] for line in lines if line["writer"] == str(each)] == list(range(40))


def test_sigkill_leaves_a_log_that_checks(path):
    """A writer killed in the middle of its work: what is whole is right, and writing goes on."""
    path.parent.mkdir()
    process = subprocess.Popen([sys.executable, "-c", WRITER, path, "100000", "victim"])
    end = time.monotonic() + 60
    while not path.exists() or path.stat().st_size < 5000:
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    AuditLog(path).write("after the kill")
    assert check_log(path).lines > 5


def test_a_disk_that_takes_nothing_is_tried_again_later(tmp_path):
    """It ends no daemon, but nothing goes on without the log either."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreUnavailable, match=r"audit log .* cannot be written"):
        AuditLog(blocked / "audit.jsonl").write("step")
