"""A real Kubo daemon for tests: a repository of its own, loopback only, no bootstrap, nobody asked for anything."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from medfed.protocol.cid import digest_of

__all__ = ["KuboProcess", "start_kubo"]

_LOOPBACK = "/ip4/127.0.0.1/tcp/0"
_SETTINGS = {
    "Addresses": {"API": _LOOPBACK, "Gateway": _LOOPBACK, "Swarm": [_LOOPBACK]},
    "AutoConf": {"Enabled": False},
    "AutoTLS": {"Enabled": False},
    "Bootstrap": [],
    "DNS": {"Resolvers": {}},
    "Ipns": {"DelegatedPublishers": []},
    "Plugins": {"Plugins": {"telemetry": {"Disabled": True}}},
    "Routing": {"Type": "none", "DelegatedRouters": []},
}


@dataclass(frozen=True)
class KuboProcess:
    """A running daemon: where its RPC answers and where its files are."""

    url: str
    process: subprocess.Popen[bytes]
    repository: Path

    def rpc(self, path: str, *arguments: str, **options: str) -> bytes:
        """One request; raises `urllib.error.HTTPError` when the daemon refuses."""
        query = urlencode([*(("arg", each) for each in arguments), *options.items()])
        request = urllib.request.Request(f"{self.url}/api/v0/{path}?{query}", method="POST")
        with _direct().open(request, timeout=60) as response:
            answer: bytes = response.read()
        return answer

    def connect(self, other: KuboProcess) -> None:
        """Make this daemon a neighbour of `other`."""
        address = json.loads(other.rpc("id"))["Addresses"][0]
        self.rpc("swarm/connect", address)

    def block_file(self, cid: str) -> Path:
        """The file in which the repository keeps a block."""
        import base64

        key = base64.b32encode(b"\x12\x20" + digest_of(cid)).decode().rstrip("=")
        return self.repository / "blocks" / key[-3:-1] / f"{key}.data"

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """The program `ipfs` against this daemon."""
        return subprocess.run(
            ["ipfs", *command], env=_environment(self.repository), capture_output=True, timeout=120
        )

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def start_kubo(folder: Path) -> Iterator[KuboProcess]:
    """Run a daemon with a new repository below `folder` until the block is left."""
    running = _start(_new_repository(folder / "ipfs"))
    try:
        yield running
    finally:
        running.stop()


def _new_repository(repository: Path) -> Path:
    command = ["ipfs", "init", "--profile=test"]
    subprocess.run(command, env=_environment(repository), check=True, capture_output=True)
    file = repository / "config"
    config: dict[str, Any] = json.loads(file.read_text())
    for section, values in _SETTINGS.items():
        config[section] = {**config.get(section, {}), **values} if isinstance(values, dict) else values
    file.write_text(json.dumps(config))
    return repository


def _start(repository: Path) -> KuboProcess:
    log = repository / "daemon.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            ["ipfs", "daemon"],
            env=_environment(repository),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if "Daemon is ready" in log.read_text():
            port = (repository / "api").read_text().strip().split("/")[4]
            return KuboProcess(f"http://127.0.0.1:{port}", process, repository)
        time.sleep(0.02)
    process.kill()
    raise RuntimeError(f"The Kubo daemon did not start; it wrote: {log.read_text()[-2000:]}")


def _environment(repository: Path) -> dict[str, str]:
    return {**os.environ, "IPFS_PATH": str(repository), "IPFS_TELEMETRY": "off", "DO_NOT_TRACK": "1"}


def _direct() -> urllib.request.OpenerDirector:
    """No proxy of the environment stands between a test and its daemon."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
