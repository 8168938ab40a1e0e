"""`medfed watchtower`: looking without a key, and a process that proves a lie and stops when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

from medfed.protocol.cid import digest_of
from medfed.storage.local import LocalStore
from tests.cli.course import FILE, broken, update


def lied(course):
    """Seat 2 commits to bytes that are there and cannot be right; nobody has those of the others."""
    cid = LocalStore(course.medfed.folder / "store").put(FILE)
    wrong = replace(update(2), cid=digest_of(cid), update_root=broken()[0])
    for seat in (0, 1):
        course.submit(seat)
    course.sender("operator-3").send(course.at.rounds.submit_update(course.study, 1, 2, wrong))


def struck(course):
    return bool(course.at.rounds.absence(course.study, 1).struck >> 2 & 1)


class TestCheck:
    def test_bytes_that_nobody_has_are_named(self, medfed, course):
        for seat in range(3):
            course.submit(seat)
        answer = medfed("watchtower", "check", course.study, "--json")
        assert (answer.code, answer.data["findings"]) == (75, [])
        assert len(answer.data["missing"]) == 3

    def test_what_would_be_challenged_is_shown_and_not_sent(self, medfed, course):
        lied(course)
        answer = medfed("watchtower", "check", course.study, "--json")
        (found,) = [each for each in answer.data["findings"] if each["kind"] == "proved"]
        assert (answer.code, found["what"], found["round"]) == (1, "the update of seat 2", 1)
        assert found["chunk"] == 0
        assert "another header" in " ".join(medfed("watchtower", "check", course.study).out.split())
        assert not struck(course)

    def test_a_study_that_is_not_there(self, medfed, course):
        assert medfed("watchtower", "check", 4711).code == 2


class TestRun:
    def test_a_process_proves_the_lie_and_stops_when_told(self, medfed, course):
        lied(course)
        command = [sys.executable, "-m", "medfed", "watchtower", "run", "--keystore", "relayer.json"]
        environment = os.environ | {"MEDFED_PASSWORD_FILE": "password.txt"}
        process = subprocess.Popen(command, cwd=medfed.folder, env=environment, stderr=subprocess.PIPE)
        try:
            end = time.monotonic() + 60
            while not struck(course):
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 0
        assert b"the update of seat 2" in said

    def test_a_webhook_that_is_none_is_refused(self, medfed, course):
        answer = medfed("watchtower", "run", "--keystore", "relayer.json", "--webhook", "nowhere")
        assert (answer.code, "http" in answer.sentence) == (2, True)
