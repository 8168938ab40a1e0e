"""A directory as a content store: many processes at once, kills, damage, full and read-only disks."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from medfed.errors import ContentMissing, IntegrityError, StoreUnavailable
from medfed.protocol.cid import CHUNK_SIZE, cid_of
from medfed.storage.local import LocalStore
from tests.storage.behaviour import ABSENT, LiveBehaviour, StoreBehaviour, patterned


class Folder:
    """What is kept of a file is that file."""

    def __init__(self, root):
        self.root = root
        self.store = LocalStore(root)

    def file(self, cid):
        return next(self.root.glob(f"objects/*/{cid}"))

    def change(self, cid, how):
        self.file(cid).write_bytes(how(self.file(cid).read_bytes()))

    def lose(self, cid):
        self.file(cid).unlink()


@pytest.fixture
def folder(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("local") / "store")


class TestLocal(StoreBehaviour, LiveBehaviour):
    @pytest.fixture
    def subject(self, folder):
        return folder


def state(root: Path) -> dict[str, bytes]:
    """Every file below a directory; the lock is there from the first write on."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != "lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


class TestFiles:
    def test_put__again__mends_what_a_disk_has_damaged(self, folder):
        data = patterned(CHUNK_SIZE + 5)
        cid = folder.store.put(data)
        for how in (lambda kept: kept[:-1] + b"\x00", lambda kept: kept[:100], lambda kept: kept + b"more"):
            folder.change(cid, how)
            with pytest.raises(IntegrityError, match=cid):
                folder.store.get(cid, 1 << 30)
            folder.store.put(data)
            assert folder.store.get(cid, len(data)) == data

    def test_put__a_file_that_changes_meanwhile__is_refused(self, folder, tmp_path):
        """What is stored under a CID is what was read when it was copied, not when it was named."""

        class Changing(LocalStore):
            def _put(self, cid, data, pin):
                data.write_bytes(b"after")
                return super()._put(cid, data, pin)

        source = tmp_path / "source"
        source.write_bytes(b"before")
        with pytest.raises(IntegrityError, match=f"gave {cid_of(b'after')} .* CID is {cid_of(b'before')}"):
            Changing(folder.root).put(source)
        assert state(folder.root) == {}

    def test_other_users__can_read_what_is_kept(self, folder):
        """What is in a content store is public, and a shared directory has more than one reader."""
        cid = folder.store.put(b"file")
        assert folder.file(cid).stat().st_mode & 0o444 == 0o444

    def test_pins__are_only_what_names_a_file(self, folder):
        cid = folder.store.put(b"file")
        (folder.root / "pins" / ".DS_Store").touch()
        assert folder.store.pins() == {cid}


class TestCollect:
    def test_deletes_what_is_not_pinned__and_nothing_else(self, folder):
        kept, loose = folder.store.put(b"kept"), folder.store.put(b"loose", pin=False)
        let_go = folder.store.put(b"let go")
        folder.store.unpin(let_go)
        before = state(folder.root)
        assert folder.store.collect() == 2
        gone = {name for name in before if loose in name or let_go in name}
        assert state(folder.root) == {name: data for name, data in before.items() if name not in gone}
        assert folder.store.get(kept, 4) == b"kept"
        assert folder.store.collect() == 0

    def test_leaves_alone__what_is_not_the_stores(self, folder):
        folder.store.put(b"loose", pin=False)
        foreign = next((folder.root / "objects").iterdir()) / "README"
        foreign.write_text("a person wrote this")
        assert folder.store.collect() == 1
        assert foreign.exists()

    def test_deletes_partial_files__when_they_are_old(self, folder):
        """A writer may still be at work on a new one."""
        old, new = folder.root / "partial" / "old", folder.root / "partial" / "new"
        old.touch()
        new.touch()
        os.utime(old, (time.time() - 7200,) * 2)
        folder.store.collect()
        assert [path.name for path in (folder.root / "partial").iterdir()] == ["new"]

    def test_waits__for_what_is_being_made_to_stay(self, folder):
        """Between finding a file and pinning it nothing is deleted: the collector waits for the lock, then sees the pin."""
        import fcntl

        cid = folder.store.put(b"file", pin=False)
        collector = threading.Thread(target=folder.store.collect)
        with folder.store._locked(fcntl.LOCK_SH):
            collector.start()
            collector.join(0.3)
            assert collector.is_alive()
            assert folder.store.has(cid)
            folder.store._mark(cid, True)
        collector.join()
        assert folder.store.get(cid, 4) == b"file"

    def test_an_open_reader__reads_on(self, folder):
        data = patterned(3 * CHUNK_SIZE)
        cid = folder.store.put(data, pin=False)
        chunks = folder.store._checked(cid, len(data), 0.0)
        read = next(chunks)
        assert folder.store.collect() == 1
        assert read + b"".join(chunks) == data


_WORKER = """
import random, sys
from pathlib import Path
from medfed.errors import ContentMissing
from medfed.storage.local import LocalStore

store, number, steps = LocalStore(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(number)
for step in range(steps):
    shared = bytes([step % 7]) * 70_000             # put by everybody, again and again
    cid = store.put(shared)
    assert store.get(cid, 70_000) == shared         # pinned by its put: no collector may have it
    own = store.put(draw.randbytes(20_000))
    loose = store.put(draw.randbytes(1_000), pin=False)
    try:
        store.pin(loose)
        assert len(store.get(loose, 1_000)) == 1_000
        store.unpin(loose)
    except ContentMissing:                          # collected before it was pinned, and said so
        pass
    if step % 3 == number % 3:
        store.collect()
    assert len(store.get(own, 20_000)) == 20_000
    print(own)
"""


_KILLED = """
import os, signal, sys
from pathlib import Path
from medfed.protocol.cid import cid_of
from medfed.storage.local import LocalStore

store, data = LocalStore(Path(sys.argv[1])), bytes(range(256)) * (1 << 14)
cid = cid_of(data)
for moment in range(1, 1000):
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 0.001 * moment)
        store.put(data)
        os._exit(0)
    killed = os.waitpid(child, 0)[1] == signal.SIGALRM
    kept = "pinned" if store.pins() else "file" if store.has(cid) else "nothing"
    assert kept == "nothing" or store.get(cid, len(data)) == data
    print("killed" if killed else "finished", kept)
    if not killed:
        break
"""

_KILLED_HOLDER = """
import fcntl, os, signal, sys
from pathlib import Path
from medfed.storage.local import LocalStore

with LocalStore(Path(sys.argv[1]))._locked(fcntl.LOCK_EX):
    os.kill(os.getpid(), signal.SIGKILL)
"""


class TestProcesses:
    def test_many_at_once__lose_nothing_that_is_pinned(self, folder):
        """Four processes put the same and different files, pin, unpin, read and collect, all at the same time."""
        command = [sys.executable, "-c", _WORKER, str(folder.root)]
        running = [
            subprocess.Popen(
                [*command, str(number), "40"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for number in range(4)
        ]
        outputs = [process.communicate(timeout=120) for process in running]
        assert [errors for _, errors in outputs] == [""] * 4
        own = {cid for lines, _ in outputs for cid in lines.split()}
        assert len(own) == 160
        shared = {cid_of(bytes([value]) * 70_000) for value in range(7)}
        assert folder.store.pins() == own | shared
        folder.store.collect()
        assert {path.name for path in folder.root.glob("objects/*/*")} == own | shared
        for cid in own | shared:
            folder.store.get(cid, 70_000)

    def test_a_killed_writer__leaves_nothing_visible(self, folder):
        """Killed at a moment that comes ever later, until it gets through: all of a file or nothing, never a part."""
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(folder.root)], capture_output=True, text=True, timeout=120
        )
        assert done.stderr == ""
        outcomes = [line.split() for line in done.stdout.splitlines()]
        assert outcomes[0] == ["killed", "nothing"]
        assert outcomes[-1] == ["finished", "pinned"]
        assert {kept for _, kept in outcomes} <= {"nothing", "file", "pinned"}

    def test_a_killed_holder_of_the_lock__blocks_nobody(self, folder):
        command = [sys.executable, "-c", _KILLED_HOLDER, str(folder.root)]
        assert subprocess.run(command).returncode == -signal.SIGKILL
        assert folder.store.put(b"file") == cid_of(b"file")


@contextlib.contextmanager
def file_size_limit(size):
    """No file may grow beyond `size`, as on a disk that is full. (Python ignores the signal that comes with it.)"""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def powerless():
    """Root may write everywhere; for this test it is somebody else."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def read_only():
    """A store with one file in a directory that nobody may write to."""
    root = Path(tempfile.mkdtemp(prefix="medfed-test-"))
    LocalStore(root / "store").put(b"file")
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    (root / "store" / "lock").chmod(0o444)
    yield root / "store"
    for path in folders:
        path.chmod(0o755)
    shutil.rmtree(root)


class TestDisk:
    """A disk that does not do as it should is one sentence, and a `Transient`: a person can mend it."""

    @pytest.mark.parametrize("as_path", [False, True])
    def test_a_full_disk(self, folder, tmp_path, as_path):
        data = patterned(3 * CHUNK_SIZE)
        source = tmp_path / "source"
        source.write_bytes(data)
        cid = cid_of(data)
        with (
            file_size_limit(CHUNK_SIZE),
            pytest.raises(StoreUnavailable, match=f"cannot write {cid}: File too large"),
        ):
            folder.store.put(source if as_path else data)
        assert state(folder.root) == {}
        assert folder.store.put(data) == cid

    def test_a_directory_that_is_read_only__can_be_read(self, read_only):
        with powerless():
            store = LocalStore(read_only)
            assert store.get(cid_of(b"file"), 4) == b"file"
            assert store.pins() == {cid_of(b"file")}

    def test_a_directory_that_is_read_only__is_told_when_written_to(self, read_only):
        with powerless():
            store = LocalStore(read_only)
            calls = {
                f"write {cid_of(b'more')}": lambda: store.put(b"more"),
                f"pin {cid_of(b'file')}": lambda: store.pin(cid_of(b"file")),
                f"unpin {cid_of(b'file')}": lambda: store.unpin(cid_of(b"file")),
                "collect": store.collect,
            }
            for what, call in calls.items():
                with pytest.raises(StoreUnavailable, match=f"cannot {what}: Permission denied"):
                    call()
            with pytest.raises(StoreUnavailable, match="new cannot be used: Permission denied"):
                LocalStore(read_only / "new")

    def test_a_file_where_the_store_should_be(self, tmp_path):
        (tmp_path / "store").write_text("")
        with pytest.raises(StoreUnavailable, match="store cannot be used: "):
            LocalStore(tmp_path / "store")

    def test_a_store_that_was_deleted(self, folder):
        cid = folder.store.put(b"file")
        shutil.rmtree(folder.root)
        with pytest.raises(ContentMissing, match=cid):
            folder.store.get(cid, 4)
        assert not folder.store.has(ABSENT)
        for call in (folder.store.pins, folder.store.collect, lambda: folder.store.put(b"file")):
            with pytest.raises(StoreUnavailable, match=r"The store cannot .*: No such file or directory"):
                call()

    def test_a_directory_where_a_file_should_be(self, folder):
        cid = folder.store.put(b"file")
        place = folder.file(cid)
        place.unlink()
        place.mkdir()
        with pytest.raises(StoreUnavailable, match=f"cannot read {cid}: Is a directory"):
            folder.store.get(cid, 4)
