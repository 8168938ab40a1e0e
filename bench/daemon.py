"""Memory of a hospital's daemon that has done everything but train: a process of its own on Anvil, in a running study.

It has read its settings, key, records and register, the chain's events, the study's spec and everybody's consents, and
found the cohort smaller than its policy asks for, so it abstained.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.memory import resident
from medfed.chain.client import connect
from medfed.cli.demo.scenario import Stage, prepare
from tests.rig.anvil import start_anvil

LIMIT_MEGABYTES = 150
_PATIENCE_SECONDS = 60
_SMALLEST = "smallest_cohort = "


def measure() -> list[Figure]:
    """Megabytes at the peak, of one hospital among three; fails when torch is loaded."""
    with tempfile.TemporaryDirectory() as name, start_anvil(Path(name), ["--silent"]) as anvil:
        folder = Path(name)
        stage = _stage(anvil.url, folder)
        with _daemon(stage, folder) as process:
            _await_abstention(stage, process)
            now, peak = resident(process.pid)
            loaded = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    assert "torch" not in loaded, "the daemon has loaded torch before it trains"
    return [
        Figure("daemon before training, peak", peak / 1e6, "MB", LIMIT_MEGABYTES),
        Figure("daemon before training, now", now / 1e6, "MB", LIMIT_MEGABYTES),
    ]


def _stage(url: str, folder: Path) -> Stage:
    """The demo up to its first round, its settings and a policy under which the first hospital trains nothing."""
    store = f"local:{folder / 'store'}"
    stage = prepare(connect(url), store, folder, (3, 1, 7), lambda _: None)
    settings = f'rpc = "{url}"\nstore = "{store}"\nstate_dir = "."\nconfirmations = 0\n'
    (folder / "medfed.toml").write_text(settings, encoding="utf-8")
    file = stage.sites[0].folder / "hospital.toml"
    policy = file.read_text(encoding="utf-8")
    assert _SMALLEST in policy
    file.write_text(policy.replace(_SMALLEST, f"{_SMALLEST}100"), encoding="utf-8")
    return stage


@contextlib.contextmanager
def _daemon(stage: Stage, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    site = stage.sites[0].folder
    command = [sys.executable, "-m", "medfed", "--config", str(folder / "medfed.toml"), "hospital", "run"]
    options = ["--hospital", str(site / "hospital.toml"), "--home", str(site / "state")]
    with (folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _await_abstention(stage: Stage, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        stage.federation.sync()
        if list(stage.federation.index.events("Abstained", study=stage.study)):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("The daemon did not come to abstain.")
