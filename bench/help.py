"""How long `medfed --help` takes, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.figure import Figure, best_seconds

LIMIT_SECONDS = 0.3
_RUNS = 20


def measure() -> list[Figure]:
    """Wall time from the start of the program to its end."""
    program = str(Path(sys.executable).with_name("medfed"))
    seconds, bare = (
        best_seconds(lambda command=command: _run(command), _RUNS)
        for command in ([program, "--help"], [sys.executable, "-c", "pass"])
    )
    against = {"bare python": seconds / bare}
    return [Figure("medfed --help", seconds, "s", LIMIT_SECONDS, against=against)]


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
