"""Hospital daemons and a chain as real processes that are killed: every step a daemon takes is seen from its files."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from medfed.chain.rpc import HttpChain
from medfed.errors import ChainUnavailable
from tests.nodes.federation import Member
from tests.rig.anvil import anvil_program, free_port

__all__ = ["Chain", "Daemon", "Killer", "steps"]


class Chain:
    """An Anvil that is killed and goes on from its state file. Blocks come by themselves only when `ticking`."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "chain.json"
        self.genesis = int(time.time())  # told, as Anvil would make another first block at each start
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = HttpChain(self.url, attempts=1)
        self._held = threading.Lock()
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--timestamp", str(self.genesis)]
        past = ["--cache-path", str(self.state.with_suffix(".past"))]
        state = ["--state", str(self.state), "--state-interval", "1", *past]
        command = [anvil_program(), *place, *state, "--silent"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        for _ in range(400):
            with contextlib.suppress(ChainUnavailable):
                self.client.request("anvil_setBlockTimestampInterval", 1)
                return
            time.sleep(0.05)
        raise RuntimeError("Anvil did not start")

    def tick(self, seconds: float) -> None:
        """From now on a block comes every so often when something waits: what was sent stays pending for a while."""
        self.client.request("evm_setAutomine", False)
        self._ticker = threading.Thread(target=self._tick, args=(seconds,), daemon=True)
        self._ticker.start()

    def _tick(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            with self._held:
                if int(self.client.request("txpool_status")["pending"], 16):
                    self.client.request("evm_mine")

    def kill_and_restart(self) -> None:
        """SIGKILL as soon as the newest block is in the state file, then start from it."""
        with self._held:
            since = time.time()
            while not self.state.exists() or self.state.stat().st_mtime < since + 0.2:
                time.sleep(0.02)
            head = self.client.head()
            self.process.kill()
            self.process.wait()
            time.sleep(0.3)  # daemons meet a chain that does not answer
            self.start()
            self.client.request("evm_setAutomine", False)
            self.client.request("evm_setNextBlockTimestamp", head.timestamp + 1)
            assert self.client.head() == head

    def stop(self) -> None:
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join()
        self.process.kill()
        self.process.wait()


@dataclass
class Daemon:
    """`medfed hospital run` of one member, started again whenever it ended."""

    member: Member
    settings: Path
    process: subprocess.Popen | None = None
    starts: int = 0

    def start(self) -> None:
        program = [sys.executable, "-m", "medfed", "--config", str(self.settings), "hospital", "run"]
        command = [*program, "--hospital", str(self.member.file), "--home", str(self.member.home)]
        with (self.member.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.starts += 1

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def steps(member: Member) -> list[str]:
    """Every change of state that the member's files show so far, each under a name of its own."""
    return [*_journal(member.home), *_work(member.home), *_audit(member.home)]


def _journal(home: Path) -> list[str]:
    found, counted = [], Counter()
    for path in (home / "sent").glob("*.sqlite"):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db:
            for label, state, collected in db.execute(
                "SELECT label, state, collected FROM entries ORDER BY id"
            ):
                counted[label] += 1
                what = f"{label} {counted[label]}"
                found.append(f"signed {what}")
                found += [f"mined {what}"] * (state == "mined") + [f"collected {what}"] * bool(collected)
    return found


def _work(home: Path) -> list[str]:
    root = next((home / "work").glob("*"), None)
    if root is None:
        return []
    with contextlib.suppress(FileNotFoundError):
        partial = ["half written 1"] * any(entry.name.startswith(".partial-") for entry in root.iterdir())
        stored = [f"stored work {each.name}" for study in root.glob("[0-9]*") for each in study.iterdir()]
        return partial + stored
    return []


def _audit(home: Path) -> list[str]:
    """By round where there is one: a restart publishes again, which is no new step."""
    path = home / "audit.jsonl"
    found, counted = [], Counter()
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        entry = json.loads(line)
        counted[entry["event"]] += 1
        found.append(f"noted {entry['event']} {entry.get('round', counted[entry['event']])}")
    return found


def _look(home: Path) -> list[tuple[str, int, int]]:
    """What changes when a step is taken; cheap enough to be asked all the time."""
    found = []
    for folder in (home, home / "sent", *(home / "work").glob("*"), *(home / "work").glob("*/[0-9]*")):
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(folder.iterdir()):
                if "index" not in path.name and not path.name.endswith("-shm"):
                    told = path.stat()
                    found.append((str(path), told.st_size, told.st_mtime_ns))
    return found


@dataclass
class Killer:
    """Kills a daemon at steps of its own choice: `chosen` says which, each once; the offsets after it go round."""

    daemon: Daemon
    chosen: object
    offsets: itertools.cycle = field(default_factory=lambda: itertools.cycle([0.0, 0.002, 0.01, 0.03]))
    seen: set[str] = field(default_factory=set)
    killed: list[str] = field(default_factory=list)
    last: object = None

    def look(self) -> None:
        """Start the daemon if it is down; kill it if it has just taken a chosen step."""
        if not self.daemon.running:
            self.daemon.start()
            return
        now = _look(self.daemon.member.home)
        if now == self.last:
            return
        self.last = now
        fresh = [step for step in steps(self.daemon.member) if step not in self.seen]
        self.seen |= set(fresh)
        due = [step for step in fresh if self.chosen(step)]
        if due:
            time.sleep(next(self.offsets))
            self.daemon.kill()
            self.killed += due
