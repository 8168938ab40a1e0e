"""Daemons and subjects of the behaviour suite."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from medfed.storage.kubo import KuboStore
from medfed.types import Cid
from tests.rig.kubo import KuboProcess, start_kubo


@dataclass
class DaemonSubject:
    """A real daemon: what it keeps of a small file is one block in a file of its repository."""

    daemon: KuboProcess
    store: KuboStore

    def change(self, cid: Cid, how: Callable[[bytes], bytes]) -> None:
        file = self.daemon.block_file(cid)
        kept = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(how(kept))

    def lose(self, cid: Cid) -> None:
        self.daemon.rpc("pin/rm", cid)
        self.daemon.rpc("block/rm", cid)


@pytest.fixture(scope="session")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboProcess]:
    """One daemon for all tests of this process that need no second one."""
    with start_kubo(tmp_path_factory.mktemp("kubo")) as running:
        yield running


@pytest.fixture(scope="session")
def other_kubo(tmp_path_factory: pytest.TempPathFactory, kubo: KuboProcess) -> Iterator[KuboProcess]:
    """A second daemon, a neighbour of the first."""
    with start_kubo(tmp_path_factory.mktemp("kubo")) as running:
        running.connect(kubo)
        yield running


@pytest.fixture
def empty_kubo(kubo: KuboProcess) -> KuboProcess:
    """The daemon as it was when it was new."""
    return emptied(kubo)


def emptied(daemon: KuboProcess) -> KuboProcess:
    for cid in json.loads(daemon.rpc("pin/ls", type="recursive")).get("Keys", {}):
        daemon.rpc("pin/rm", cid)
    daemon.rpc("repo/gc")
    return daemon
