"""Outbound connections only, through the hospital's proxy and by its own authority: real processes, real TLS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.chain.test_rpc import certificate
from tests.nodes.federation import deploy
from tests.nodes.network import Proxy, listening, secured
from tests.rig.anvil import free_port

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux to see who listens"),
]
NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
)


@pytest.fixture(scope="module")
def place(anvil, tmp_path_factory):
    """A federation on Anvil whose RPC is reached by TLS at localhost, and one hospital's files."""
    folder = tmp_path_factory.mktemp("network")
    world = deploy(folder, anvil.url).world(folder, 1, 16)
    with secured(anvil.url, certificate(folder)) as port:
        settings = folder / "medfed.toml"
        settings.write_text(
            f'rpc = "https://localhost:{port}"\nstore = "local:store"\nstate_dir = "."\nconfirmations = 0\n'
        )
        yield world, settings, folder / "ca.pem", f"localhost:{port}"


def environment(**wanted):
    """This process's environment without anything about networks, then what is wanted."""
    dropped = {*NETWORK, *(name.lower() for name in NETWORK)}
    return {name: value for name, value in os.environ.items() if name not in dropped} | wanted


def medfed(settings, *arguments):
    return [sys.executable, "-m", "medfed", "--config", str(settings), *map(str, arguments)]


def doctor(place, **wanted):
    world, settings, _, _ = place
    command = medfed(settings, "doctor", "--hospital", world.members[0].file)
    return subprocess.run(command, env=environment(**wanted), capture_output=True, text=True, timeout=120)


def test_by_proxy_and_own_authority(place):
    """Every connection to the chain goes through the proxy, and the private certificate is accepted."""
    _, _, authority, node = place
    proxy = Proxy()
    with proxy.running() as url:
        done = doctor(place, HTTPS_PROXY=url, REQUESTS_CA_BUNDLE=str(authority))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert set(proxy.asked) == {node}


def test_without_the_authority_one_sentence_says_so(place):
    done = doctor(place)
    assert done.returncode == 2
    assert "certificate is not trusted" in done.stdout


@pytest.mark.parametrize("metrics", [False, True])
def test_a_daemon_waits_for_nobody(place, metrics):
    """It opens no port, but for the metrics that a person asked for, and that one on loopback."""
    world, settings, authority, _ = place
    member, port = world.members[0], free_port()
    text = member.file.read_text().split("\n[daemon]")[0]
    member.file.write_text(text + (f'\n[daemon]\nmetrics = "127.0.0.1:{port}"\n' if metrics else ""))
    command = medfed(settings, "hospital", "run", "--hospital", member.file, "--home", member.home)
    with subprocess.Popen(command, env=environment(REQUESTS_CA_BUNDLE=str(authority))) as process:
        try:
            wait_until_it_works(member, process, port if metrics else None)
            assert listening(process.pid) == ([f"0100007F:{port:04X}"] if metrics else [])
        finally:
            process.terminate()
    assert process.returncode == 0


def wait_until_it_works(member, process, port):
    """It has read the chain; with metrics, it says that it is well."""
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        if (member.home / "index.sqlite-wal").exists() and listed(port):
            return
        time.sleep(0.1)
    raise AssertionError("the daemon did not come up")


def listed(port):
    if port is None:
        return True
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return b"medfed_cycle_seconds_count 0.0" not in answer.read()
    except OSError:
        return False
