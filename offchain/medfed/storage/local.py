"""A directory as a content store: for one machine, a shared file system, tests and the embedded demo.

Files appear by renaming, so a reader in another process sees all of a file or nothing, and a kill leaves at most a
temporary file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from medfed.errors import StoreUnavailable
from medfed.protocol.cid import CHUNK_SIZE
from medfed.storage.base import ContentStore, missing
from medfed.types import Cid

__all__ = ["LocalStore"]

_STALE_SECONDS = 3600


class LocalStore(ContentStore):
    """Files under `root`/objects, pins as empty files under `root`/pins. Safe for many processes."""

    def __init__(self, root: Path) -> None:
        self._objects, self._pins, self._partial = root / "objects", root / "pins", root / "partial"
        try:
            for folder in (self._objects, self._pins, self._partial):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreUnavailable(f"The store directory {root} cannot be used: {exc.strerror}.") from exc

    def pins(self) -> set[Cid]:
        return {Cid(path.name) for path in self._pins.iterdir()}

    def collect(self) -> int:
        """Delete files that are not pinned and what kills left behind; returns how many files went."""
        old = time.time() - _STALE_SECONDS
        for path in self._partial.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < old:
                    path.unlink()
        pinned = self.pins()
        loose = [path for path in self._objects.glob("*/*") if path.name not in pinned]
        for path in loose:
            path.unlink(missing_ok=True)
        return len(loose)

    def _place(self, cid: Cid) -> Path:
        return self._objects / cid[-3:-1] / cid

    def _put(self, cid: Cid, data: bytes | Path) -> Cid:
        place = self._place(cid)
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        if place.exists() and place.stat().st_size == size:
            return cid
        place.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._partial)
        try:
            with os.fdopen(handle, "wb") as file:
                self._copy(data, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(place)
        except OSError as exc:
            raise StoreUnavailable(f"The store cannot write {cid}: {exc.strerror}.") from exc
        finally:
            Path(name).unlink(missing_ok=True)
        return cid

    @staticmethod
    def _copy(data: bytes | Path, file: BinaryIO) -> None:
        if isinstance(data, Path):
            with data.open("rb") as source:
                shutil.copyfileobj(source, file, CHUNK_SIZE)
        else:
            file.write(data)

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        del max_bytes, wait  # the base counts bytes, and waits by asking again
        try:
            file = self._place(cid).open("rb")
        except FileNotFoundError:
            raise missing(cid) from None
        except OSError as exc:
            raise StoreUnavailable(f"The store cannot read {cid}: {exc.strerror}.") from exc
        return self._chunks(file)

    @staticmethod
    def _chunks(file: BinaryIO) -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK_SIZE):
                yield chunk

    def _has(self, cid: Cid) -> bool:
        return self._place(cid).exists()

    def _pin(self, cid: Cid) -> None:
        if not self._has(cid):
            raise missing(cid)
        (self._pins / cid).touch()

    def _unpin(self, cid: Cid) -> None:
        (self._pins / cid).unlink(missing_ok=True)
