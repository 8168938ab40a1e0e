"""A real Anvil for integration tests: a process of its own on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["MNEMONIC", "AnvilProcess", "anvil_program", "free_port", "start_anvil"]

ROOT = Path(__file__).resolve().parents[2]
MNEMONIC = "test test test test test test test test test test test junk"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class AnvilProcess:
    """A running Anvil: where it listens and what it wrote."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call; raises `RuntimeError` with the node's own words."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def stop(self) -> None:
        """End the process and wait for it, so that a state file is complete."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def anvil_program() -> str:
    """Path of the program itself: npm's launcher would be a second process to end."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    name = f"anvil-{platform.system().lower()}-{machine}"
    found = ROOT / "node_modules" / "@foundry-rs" / name / "bin" / "anvil"
    program = str(found) if found.exists() else shutil.which("anvil")
    if program is None:
        raise FileNotFoundError("Anvil is not installed; run `make test` or `scripts/setup-node`.")
    return program


def free_port() -> int:
    """A port that was free a moment ago; whoever binds it must be ready to try another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def start_anvil(directory: Path, options: Sequence[str] = ()) -> Iterator[AnvilProcess]:
    """Run Anvil with the rules of today's Ethereum (its default) until the block is left."""
    # Past states end with it; left to itself it writes them into the user's home, gigabytes in a day, where they stay.
    with tempfile.TemporaryDirectory(dir=directory, ignore_cleanup_errors=True) as past:
        running = _start(directory, ["--cache-path", past, *options])
        try:
            yield running
        finally:
            running.stop()


def _start(directory: Path, options: Sequence[str]) -> AnvilProcess:
    for _attempt in range(5):
        port = free_port()
        log = directory / f"anvil-{port}.log"
        command = [
            anvil_program(),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--enable-tx-gas-limit",
            *options,
        ]
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
            )
        running = AnvilProcess(f"http://127.0.0.1:{port}", process, log)
        if _answers(running):
            return running
    raise RuntimeError(f"Anvil did not start in five attempts; the last wrote: {log.read_text()[-2000:]}")


def _answers(running: AnvilProcess) -> bool:
    """True once it speaks; False when it ended, which is what a port taken in between looks like."""
    deadline = time.monotonic() + 30
    while running.process.poll() is None:
        try:
            running.rpc("eth_chainId")
            return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                running.stop()
                return False
            time.sleep(0.02)
    return False
