"""What a command costs before it does anything."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "web3", "sklearn", "matplotlib", "eth", "eth_tester", "solcx", "scipy"}
PROBE = """
import sys
from pathlib import Path
from medfed.cli import main
sys.argv = ["medfed", *{arguments!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("LOADED", sorted({heavy!r} & set(sys.modules)))
"""


def loaded(*arguments):
    probe = PROBE.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_help_loads_nothing_heavy():
    """Neither torch nor web3 nor anything else that takes a second is imported to print the help."""
    assert loaded("--help") == "LOADED []"


def test_help_of_groups_loads_nothing_heavy():
    """The same for the commands below."""
    for group in (
        "study",
        "patient",
        "hospital",
        "consortium",
        "dataset",
        "verify",
        "demo",
        "deploy",
        "doctor",
        "key",
        "dev",
        "store",
    ):
        assert loaded(group, "--help") == "LOADED []", group


def test_help_answers_at_once():
    """`medfed --help` takes less than four times the processor time of four modules of the standard library: 0.3 s where these take
    0.07 s. Machines are shared, so both are measured in turn, and the best of five counts."""
    help_ = [str(Path(sys.executable).with_name("medfed")), "--help"]
    modules = [sys.executable, "-c", "import asyncio, email, http.client, sqlite3"]
    best = [
        min(times)
        for times in zip(*(map(processor_seconds, (help_, modules)) for _ in range(5)), strict=True)
    ]
    assert best[0] < 4 * best[1]


def processor_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
