"""A chain of the demo's own, Anvil or geth: on loopback, on a free port, ended with the demo."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medfed.chain.rpc import HttpChain
from medfed.errors import ChainUnavailable, ConfigError

__all__ = ["find_anvil", "find_geth", "running_anvil", "running_geth"]

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


def find_geth() -> str:
    """The program, on PATH. Raises `ConfigError`."""
    found = shutil.which("geth")
    if found:
        return found
    raise ConfigError("geth is not on PATH: install go-ethereum; the embedded chain needs nothing.")


@contextmanager
def running_anvil(state: Path) -> Iterator[str]:
    """Start Anvil, its state kept in a file, and yield its RPC address. Every block is a second later than the one before,
    as on a real chain."""
    port = _free_port()
    listens = ["--host", "127.0.0.1", "--port", str(port), "--silent"]
    # Past states go to a place that ends with it; left to itself it writes them into the user's home, where they stay.
    with tempfile.TemporaryDirectory(prefix="medfed-anvil-", ignore_cleanup_errors=True) as past:
        command = [find_anvil(), *listens, "--state", str(state), "--cache-path", past]
        with _running(
            command, port, lambda client: client.request("anvil_setBlockTimestampInterval", 1)
        ) as rpc:
            yield rpc


@contextmanager
def running_geth(folder: Path) -> Iterator[str]:
    """Start geth's development chain, its data in `folder`, and yield its RPC address."""
    port = _free_port()
    listens = ["--http", "--http.port", str(port), "--authrpc.port", str(_free_port()), "--port", "0"]
    alone = [
        "--dev.gaslimit",
        "60000000",
        "--nodiscover",
        "--maxpeers",
        "0",
        "--ipcdisable",
        "--verbosity",
        "1",
    ]
    command = [find_geth(), "--dev", "--datadir", str(folder), *listens, *alone]
    with _running(command, port, lambda client: client.request("eth_accounts")) as rpc:
        yield rpc


@contextmanager
def _running(command: Sequence[str], port: int, greet: Callable[[HttpChain], object]) -> Iterator[str]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        rpc = f"http://127.0.0.1:{port}"
        _await(rpc, process, greet)
        yield rpc
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _await(rpc: str, process: subprocess.Popen[bytes], greet: Callable[[HttpChain], object]) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            greet(HttpChain(rpc, attempts=1))
        except ChainUnavailable:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
