"""A directory as a content store: for one machine, a shared file system, tests and the embedded demo.

Files appear by renaming, so a reader in another process sees all of a file or nothing, and a kill leaves at most a
temporary file. Whoever makes a file stay (a rename and its pin, or a pin) holds the store's lock shared, `collect`
holds it alone, so nothing is deleted between being found and being pinned. The lock is `flock`: it ends with its
process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from medfed import durable
from medfed.errors import ProtocolError, StoreUnavailable
from medfed.protocol.cid import CHUNK_SIZE, DagHasher, check_cid, cid_from_digest, cid_of
from medfed.storage.base import ContentStore, missing
from medfed.types import Cid

__all__ = ["LocalStore"]

_STALE_SECONDS = 3600


class LocalStore(ContentStore):
    """Files under `root`/objects, pins as empty files under `root`/pins. Safe for many processes.

    A file that a disk has damaged is refused by `get`, and mended by putting it again.
    """

    def __init__(self, root: Path) -> None:
        self._objects, self._pins, self._partial = root / "objects", root / "pins", root / "partial"
        self._lock = root / "lock"
        try:
            for folder in (self._objects, self._pins, self._partial):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreUnavailable(f"The store directory {root} cannot be used: {exc.strerror}.") from exc

    def pins(self) -> set[Cid]:
        with _told("list its pins"):
            return set(_named(self._pins.iterdir()))

    def loose(self) -> set[Cid]:
        """The files that are not pinned."""
        with _told("list"):
            return {*_named(self._objects.glob("*/*"))} - self.pins()

    def collect(self, among: Collection[Cid] | None = None) -> int:
        """Delete files that are not pinned (only those `among` them) and what kills left behind; returns how many files went."""
        with _told("collect"), self._locked(fcntl.LOCK_EX):
            self._sweep()
            loose = self.loose() if among is None else self.loose().intersection(among)
            for cid in loose:
                self._place(cid).unlink(missing_ok=True)
        return len(loose)

    def _sweep(self) -> None:
        old = time.time() - _STALE_SECONDS
        for path in self._partial.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < old:
                    path.unlink()

    def _place(self, cid: Cid) -> Path:
        return self._objects / cid[-3:-1] / cid

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        handle = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, kind)
            yield
        finally:
            os.close(handle)

    def _put(self, cid: Cid, data: bytes | Path, pin: bool) -> Cid:
        with _told(f"write {cid}"):
            with self._locked(fcntl.LOCK_SH):
                if self._is_whole(cid):
                    self._mark(cid, pin)
                    return cid
            partial, found = self._write(cid, data)
            try:
                if found == cid:
                    self._appear(cid, partial, pin)
            finally:
                partial.unlink(missing_ok=True)
        return found

    def _is_whole(self, cid: Cid) -> bool:
        """Whether the file is here and still what it was: one that a disk has damaged is written anew."""
        place = self._place(cid)
        return place.is_file() and cid_of(place) == cid

    def _write(self, cid: Cid, data: bytes | Path) -> tuple[Path, Cid]:
        """The bytes as a temporary file, and the CID of what was really written: a file may change while it is read."""
        handle, name = tempfile.mkstemp(dir=self._partial)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o644)  # what is in a content store is public
                found = _copy(data, file) if isinstance(data, Path) else cid
                if isinstance(data, bytes):
                    file.write(data)
                durable.flush(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name), found

    def _appear(self, cid: Cid, partial: Path, pin: bool) -> None:
        place = self._place(cid)
        place.parent.mkdir(exist_ok=True)
        with self._locked(fcntl.LOCK_SH):
            durable.move(partial, place)
            self._mark(cid, pin)

    def _mark(self, cid: Cid, pin: bool) -> None:
        mark = self._pins / cid
        if pin and not mark.exists():
            mark.touch()
            durable.sync_folder(self._pins)

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        del max_bytes, wait  # the base counts bytes, and waits by asking again
        with _told(f"read {cid}"):
            try:
                file = self._place(cid).open("rb")
            except FileNotFoundError:
                raise missing(cid) from None
        return self._chunks(cid, file)

    @staticmethod
    def _chunks(cid: Cid, file: BinaryIO) -> Iterator[bytes]:
        with _told(f"read {cid}"), file:
            while chunk := file.read(CHUNK_SIZE):
                yield chunk

    def _has(self, cid: Cid) -> bool:
        with _told(f"look for {cid}"):
            return self._place(cid).exists()

    def _size(self, cid: Cid) -> int:
        with _told(f"look for {cid}"):
            try:
                return self._place(cid).stat().st_size
            except FileNotFoundError:
                raise missing(cid) from None

    def _pin(self, cid: Cid) -> None:
        with _told(f"pin {cid}"), self._locked(fcntl.LOCK_SH):
            if not self._has(cid):
                raise missing(cid)
            self._mark(cid, True)

    def _unpin(self, cid: Cid) -> None:
        with _told(f"unpin {cid}"):
            (self._pins / cid).unlink(missing_ok=True)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """A failure of the file system as one sentence."""
    try:
        yield
    except OSError as exc:
        raise StoreUnavailable(f"The store cannot {what}: {exc.strerror or exc}.") from exc


def _named(paths: Iterable[Path]) -> Iterator[Cid]:
    """The CIDs among file names; what a file system adds for itself is passed over."""
    for path in paths:
        with contextlib.suppress(ProtocolError):
            yield check_cid(path.name)


def _copy(source: Path, file: BinaryIO) -> Cid:
    hasher = DagHasher()
    with source.open("rb") as reading:
        while chunk := reading.read(CHUNK_SIZE):
            hasher.add(chunk)
            file.write(chunk)
    return cid_from_digest(hasher.finish())
