"""One daemon for each home."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from medfed.errors import ConfigError
from medfed.nodes.lock import sole

HOLDER = """
import sys, time
from pathlib import Path
from medfed.nodes.lock import sole
with sole(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that is the daemon of `tmp_path`."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_daemon_is_refused_and_told_who_is_first(tmp_path, holder):
    with pytest.raises(ConfigError, match=rf"Another daemon \(process {holder.pid}\)"), sole(tmp_path):
        pass


def test_another_home_is_free(tmp_path, holder):
    (tmp_path / "other").mkdir()
    with sole(tmp_path / "other"):
        pass


def test_a_killed_daemon_lets_go(tmp_path, holder):
    """Nothing has to be deleted by hand after SIGKILL."""
    holder.kill()
    holder.wait()
    with sole(tmp_path):
        assert (tmp_path / "daemon.lock").read_text() == f"{os.getpid()}\n"


def test_it_is_free_after_the_block(tmp_path):
    for _ in range(2):
        with sole(tmp_path):
            pass
    started = time.monotonic()
    with sole(tmp_path):
        assert time.monotonic() - started < 1
