"""Kubo as a content store: on a real daemon, and in every run on what one answered."""

from __future__ import annotations

import filecmp
import hashlib
import json
import random
import subprocess
import sys
import time

import pytest

from medfed.errors import ContentMissing, IntegrityError
from medfed.protocol.cid import CHUNK_SIZE, cid_from_digest, cid_of
from medfed.storage.kubo import KuboStore
from tests.storage.behaviour import ABSENT, LiveBehaviour, StoreBehaviour, patterned
from tests.storage.conftest import DaemonSubject, emptied
from tests.storage.record import RECORDED
from tests.storage.replay import Recording, Replay, exchange, load, serving


@pytest.mark.kubo
class TestDaemon(StoreBehaviour):
    """The suite on a daemon; `tests.storage.record` keeps what it answers."""

    @pytest.fixture
    def subject(self, request, empty_kubo):
        recorded = request.config.stash.get(RECORDED, None)
        if recorded is None:
            yield DaemonSubject(empty_kubo, KuboStore(empty_kubo.url))
            return
        recording = Recording(empty_kubo.url)
        with serving(recording) as url:
            yield DaemonSubject(empty_kubo, KuboStore(url))
        recorded[request.node.name] = recording.exchanges


@pytest.mark.kubo
class TestLiveDaemon(LiveBehaviour):
    @pytest.fixture
    def subject(self, empty_kubo):
        return DaemonSubject(empty_kubo, KuboStore(empty_kubo.url))


class Recorded:
    """A store whose daemon has already answered; what was spoiled then is spoiled in the answers."""

    def __init__(self, store):
        self.store = store

    def change(self, cid, how):
        pass

    def lose(self, cid):
        pass


class TestReplayed(StoreBehaviour):
    """The suite on recorded answers: it needs no daemon, and fails when the store asks for anything else."""

    @pytest.fixture
    def subject(self, request):
        replay = Replay(load(request.node.name))
        with serving(replay) as url:
            store = KuboStore(url)
            yield Recorded(store)
            store.close()
        assert replay.finished(), f"asked only for {replay.asked}"


class TestBehindTheCid:
    """What a daemon keeps that is no whole file of ours."""

    @pytest.mark.kubo
    def test_a_file_with_a_hole__is_missing_and_not_wrong(self, empty_kubo):
        """Kubo ends the answer without an error when a block in the middle is missing; blocks are asked for singly."""
        store = KuboStore(empty_kubo.url)
        data = patterned(3 * CHUNK_SIZE)
        cid = store.put(data, pin=False)
        middle = json.loads(empty_kubo.rpc("refs", cid).splitlines()[1])["Ref"]
        empty_kubo.rpc("block/rm", middle)
        assert not store.has(cid)
        assert store.size(cid) == len(data)  # as the first block says
        for method in (lambda: store.get(cid, len(data)), lambda: store.pin(cid)):
            with pytest.raises(ContentMissing, match=cid):
                method()
        store.put(data)
        assert store.get(cid, len(data)) == data

    @pytest.mark.kubo
    def test_a_block_that_is_no_file__is_refused_and_not_held(self, empty_kubo):
        """Anyone may commit to the digest of anything; no node may stumble over it."""
        garbage = b"this is no dag-pb block"
        cid = cid_from_digest(hashlib.sha256(garbage).digest())
        file = empty_kubo.block_file(cid)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(garbage)
        store = KuboStore(empty_kubo.url)
        assert not store.has(cid)
        with pytest.raises(IntegrityError, match=f"{cid} is refused: .* no part of a UnixFS file"):
            store.get(cid, 1000)
        file.unlink()

    @pytest.mark.kubo
    def test_a_directory__is_refused_by_name(self, empty_kubo):
        store = KuboStore(empty_kubo.url)
        empty = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"  # UnixFS's empty directory
        empty_kubo.rpc("ls", empty)  # every daemon has it
        with pytest.raises(IntegrityError, match=empty):
            store.get(empty, 1000)

    @pytest.mark.kubo
    def test_pins__of_other_kinds__are_not_ours(self, empty_kubo):
        """A daemon that serves others too keeps their raw blocks and CIDs of version 0."""
        store = KuboStore(empty_kubo.url)
        ours = store.put(b"ours")
        empty_kubo.run(
            "add", "--quieter", "--raw-leaves", "--cid-version=1", str(empty_kubo.repository / "version")
        )
        empty_kubo.run("add", "--quieter", str(empty_kubo.repository / "version"))
        assert len(json.loads(empty_kubo.rpc("pin/ls", type="recursive"))["Keys"]) == 3
        assert store.pins() == {ours}

    def test_put__a_daemon_that_names_another_cid__is_refused_and_unpinned(self):
        wrong, asked = cid_of(b"other"), []
        answers = {"version": {"Version": "0.40.0"}, "add": {"Hash": wrong}, "pin/rm": {"Pins": [wrong]}}

        def answer(path, upload):
            asked.append(path)
            command = path.removeprefix("/api/v0/").split("?")[0]
            return exchange(path, json.dumps(answers[command]).encode())

        with (
            serving(answer) as url,
            pytest.raises(IntegrityError, match=f"gave {wrong} .* CID is {cid_of(b'mine')}"),
        ):
            KuboStore(url).put(b"mine")
        assert asked[-1].startswith("/api/v0/pin/rm?")
        assert wrong in asked[-1]


@pytest.mark.kubo
class TestTwoDaemons:
    """What one has, the other gets over loopback."""

    @pytest.fixture
    def stores(self, kubo, other_kubo):
        emptied(kubo), emptied(other_kubo)
        return KuboStore(kubo.url), KuboStore(other_kubo.url)

    def test_fifty_mebibytes__put_on_one__are_got_through_the_other(self, stores):
        here, there = stores
        data = random.Random(50).randbytes(50 << 20)
        cid = here.put(data)
        assert not there.has(cid)
        assert there.get(cid, len(data), wait=60) == data
        assert there.has(cid)
        there.pin(cid)
        assert there.pins() == {cid}

    def test_get__that_does_not_wait__sets_the_search_off(self, stores):
        """It comes back soon; a file that appears on a neighbour afterwards is found without being asked for again."""
        here, there = stores
        data = patterned(2 * CHUNK_SIZE, 99)
        started = time.monotonic()
        with pytest.raises(ContentMissing):
            there.get(cid_of(data), len(data))
        assert time.monotonic() - started < 5
        here.put(data)
        deadline = time.monotonic() + 30
        while not there.has(cid_of(data)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert there.get(cid_of(data), len(data)) == data

    def test_get__of_what_nobody_has__ends_in_time(self, stores):
        started = time.monotonic()
        with pytest.raises(ContentMissing, match=ABSENT):
            stores[1].get(ABSENT, 100, wait=2)
        assert 1.9 < time.monotonic() - started < 10

    def test_get__longer_than_allowed__is_not_carried_over(self, stores):
        """The limit holds for what the daemon fetches too."""
        here, there = stores
        data = patterned(40 << 20, 7)
        cid = here.put(data)
        with pytest.raises(IntegrityError, match=cid):
            there.get(cid, 1 << 20, wait=10)
        time.sleep(1)
        assert not there.has(cid)


@pytest.mark.kubo
@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [0, 1, 262_145, 1 << 20, (1 << 20) + 1, 174 << 20, (174 << 20) + 1, 200_000_003]
)
def test_cid__equals_kubos_own(empty_kubo, tmp_path, size):
    """What Kubo's `add` says about a file, through its RPC and from its command line, for one and two levels of links."""
    file = tmp_path / "file"
    block = hashlib.shake_256(b"kubo").digest(1 << 20)
    with file.open("wb") as out:
        for start in range(0, size, 1 << 20):
            out.write((start.to_bytes(8, "big") + block)[: min(1 << 20, size - start)])
    options = ["--only-hash", "--quieter", "--cid-version=1", "--raw-leaves=false", "--chunker=size-1048576"]
    assert empty_kubo.run("add", *options, str(file)).stdout.decode().strip() == cid_of(file)
    assert KuboStore(empty_kubo.url).put(file) == cid_of(file)


_COPY = """
import resource, sys
from pathlib import Path
from medfed.storage.kubo import KuboStore
store, size = KuboStore(sys.argv[1]), int(sys.argv[3])
store.get_to(store.put(b"warm"), Path(sys.argv[2]).with_name("warm"), 100)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
cid = store.put(Path(sys.argv[2]))
store.get_to(cid, Path(sys.argv[2]).with_name("copy"), size)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.kubo
@pytest.mark.slow
def test_memory__of_a_large_file__is_that_of_a_few_chunks(empty_kubo, tmp_path):
    """200 MiB go up and come down through files within 32 MiB."""
    file = tmp_path / "file"
    file.write_bytes(random.Random(200).randbytes(200 << 20))
    command = [sys.executable, "-c", _COPY, empty_kubo.url, str(file), str(200 << 20)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert filecmp.cmp(file, tmp_path / "copy", shallow=False)
    assert int(done.stdout) < 32
