"""The one way files are written: whole or not at all, and on the disk when a call returns.

A file is filled beside its place, flushed, renamed into it, and the folder is flushed, since a rename lasts through a
power cut only then. All functions raise `OSError`; what that means for a person is the caller's to say.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["PRIVATE", "flush", "move", "sync_folder", "write", "writing"]

PRIVATE = 0o600
"""The mode of a file that its owner alone may read."""

_PUBLIC = 0o666  # less what the person's umask takes away
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@contextmanager
def writing(path: Path, *, mode: int | None = None, new: bool = False) -> Iterator[BinaryIO]:
    """A file that stands at `path` once the block has ended well; until then, and after an error, what was there before.

    Without `mode` an older file's rights are kept. `new` raises `FileExistsError` where there is a file. What a link
    leads to is replaced, not the link; into a device or a pipe the bytes go as they come.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as file:
            yield file
        return
    place = path.resolve() if path.is_symlink() else path
    if new and place.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode or _PUBLIC), "w+b") as file:
            if mode is None and place.exists():
                part.chmod(place.stat().st_mode & 0o777)
            yield file
            flush(file)
        _appear(part, place, new=new)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(place.parent)


def write(path: Path, data: bytes | str, *, mode: int | None = None, new: bool = False) -> None:
    """Write all of a file, text as UTF-8. As `writing`."""
    with writing(path, mode=mode, new=new) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def move(source: Path, target: Path) -> None:
    """Rename a file or a folder, which must be on the disk already, so that it lasts."""
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def flush(file: BinaryIO) -> None:
    """Bring what was written to an open file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make new, renamed and deleted names in `folder` last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _appear(part: Path, place: Path, *, new: bool) -> None:
    if new:
        try:
            place.hardlink_to(part)  # fails where somebody was faster; a rename would take his place
            return
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
    part.replace(place)
