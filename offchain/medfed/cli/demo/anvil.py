"""An Anvil of the demo's own: on loopback, on a free port, ended with the demo, its state kept in a file."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medfed.chain.rpc import HttpChain
from medfed.errors import ChainUnavailable, ConfigError

__all__ = ["find_anvil", "running_anvil"]

_START_SECONDS = 20.0


def find_anvil() -> str:
    """The program: on PATH, or among the Node packages of this directory or of the checkout. Raises `ConfigError`."""
    found = shutil.which("anvil")
    if found:
        return found
    for base in (Path.cwd(), Path(sys.prefix).parent):
        # The binary, not its Node front: a signal to the front ends it before Anvil has written its state.
        for program in sorted((base / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil")):
            return str(program)
    raise ConfigError(
        "Anvil is not here: `npm install @foundry-rs/anvil`, or put it on PATH; the embedded chain needs neither."
    )


@contextmanager
def running_anvil(state: Path) -> Iterator[str]:
    """Start Anvil and yield its RPC address. Every block is a second later than the one before, as on a real chain."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [find_anvil(), "--host", "127.0.0.1", "--port", str(port), "--state", str(state), "--silent"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        rpc = f"http://127.0.0.1:{port}"
        _await(rpc, process)
        yield rpc
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await(rpc: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            client = HttpChain(rpc, attempts=1)
            client.request("anvil_setBlockTimestampInterval", 1)
        except ChainUnavailable:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
