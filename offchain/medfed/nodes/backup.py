"""One file with all that a hospital cannot get again, and the way back from it.

Kept: the hospital's file, its operator's keystore, its encryption key, its secret, its register of patients; from its home
the send journals, approvals and holds, the audit log and the work folder. Not kept: the records and the keystore's password,
which have keepers of their own, and the event index, which is read anew from the chain.

The daemon may run meanwhile. Send journals are read first and work after them, since work is stored before it is signed:
so each commitment in the archive has its bytes in it. The last member of the archive is a list of the others with their
digests; without it an archive is not complete.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any, BinaryIO

from medfed import __version__, durable
from medfed.config import HospitalConfig, load_hospital
from medfed.errors import ConfigError, InputError, IntegrityError
from medfed.nodes.holds import HOLDS
from medfed.nodes.site import APPROVALS, AUDIT, SENT, WORK
from medfed.nodes.state import PARTIAL
from medfed.protocol.canonical import parse_json

__all__ = ["Restored", "back_up", "restore"]

_LIST, _STATE, _OUTSIDE, _CONFIG = "list.json", "state", "outside", "hospital.toml"
_KEPT = ("keystore", "encryption_key", "secret", "patients")
_LEFT = ("records", "review_records", "password_file")
_BLOCK = 1 << 20
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and what a person has to put right."""

    files: int
    made_at: str
    settings: dict[str, str]
    """Settings that named a place outside the hospital's folder, and where their file is now."""
    needed: dict[str, str]
    """Settings whose file is in no backup, and what they name."""


@dataclass
class _Archive:
    tar: tarfile.TarFile
    files: dict[str, dict[str, object]] = field(default_factory=dict)

    def add(self, name: str, source: BinaryIO, size: int) -> None:
        """One member; `source` is read once, and its digest goes into the list."""
        reading = _Hashing(source)
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(time.time())
        self.tar.addfile(info, reading)
        self.files[name] = {"sha256": reading.digest.hexdigest(), "size": size}

    def add_file(self, name: str, path: Path) -> None:
        """A file by its name in the archive; a second setting that names the same file adds nothing."""
        if name in self.files:
            return
        with path.open("rb") as file:
            self.add(name, file, os.fstat(file.fileno()).st_size)

    def add_bytes(self, name: str, data: bytes) -> None:
        """What was copied into memory to be of one moment."""
        self.add(name, io.BytesIO(data), len(data))


class _Hashing(io.RawIOBase):
    """A reader that remembers the digest of what was read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def back_up(config_file: Path, home: Path, target: Path) -> Path:
    """Write an archive readable by its owner alone; returns its path. `target` is a new file, or a directory for one.

    Raises `InputError` when the file is there already, `ConfigError` when something cannot be read or written.
    """
    config = load_hospital(config_file)
    if target.is_dir():
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target /= f"medfed-backup-{stamp}.tar"
    if target.exists():
        raise InputError(f"The file {target} exists already; a backup never overwrites one.")
    try:
        with (
            durable.writing(target, mode=durable.PRIVATE, new=True) as file,
            tarfile.open(fileobj=file, mode="w") as tar,
        ):
            _fill(_Archive(tar), config, config_file, home)
    except OSError as exc:
        raise ConfigError(
            f"The backup {target} was not made: {exc.filename or target}: {exc.strerror}."
        ) from exc
    return target


def restore(archive: Path, folder: Path) -> Restored:
    """Lay out an archive in `folder`, all of it or nothing. Every digest is compared before anything appears.

    Raises `InputError` when the folder is there and not empty, `IntegrityError` for an archive that is damaged,
    `ConfigError` when something cannot be read or written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already and is not empty; restore into a new directory.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(dir=folder.parent, prefix=".restore-"))
        try:
            listed = _unpack(archive, partial)
            (partial / _LIST).unlink()
            durable.move(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as exc:
        raise ConfigError(f"The backup was not restored: {exc.filename or folder}: {exc.strerror}.") from exc
    moved = {name: str(folder / path) for name, path in listed["moved"].items()}
    return Restored(len(listed["files"]), listed["at"], moved, listed["left"])


def _fill(archive: _Archive, config: HospitalConfig, config_file: Path, home: Path) -> None:
    for journal in sorted((home / SENT).glob("*.sqlite")):
        archive.add_bytes(f"{_STATE}/{SENT}/{journal.name}", _database(journal))
    _add_home(archive, home)
    archive.add_file(_CONFIG, config_file)
    moved: dict[str, str] = {}
    for setting in _KEPT:
        path = getattr(config, setting)
        if path is not None:
            name = _name(setting, path, config_file.resolve().parent)
            archive.add_file(name, path)
            moved |= {setting: name} if name.startswith(_OUTSIDE) else {}
    listed = {
        "format": _FORMAT,
        "medfed": __version__,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "moved": moved,
        "left": {setting: str(path) for setting in _LEFT if (path := getattr(config, setting)) is not None},
        "files": dict(archive.files),
    }
    archive.add_bytes(_LIST, json.dumps(listed, indent=1).encode())


def _add_home(archive: _Archive, home: Path) -> None:
    for name in (APPROVALS, HOLDS):
        if (home / name).exists():
            archive.add_file(f"{_STATE}/{name}", home / name)
    if (home / AUDIT).exists():
        log = (home / AUDIT).read_bytes()
        archive.add_bytes(f"{_STATE}/{AUDIT}", log[: log.rfind(b"\n") + 1])
    for path in sorted((home / WORK).rglob("*")):
        inside = path.relative_to(home)
        if path.is_file() and not any(part.startswith(PARTIAL) for part in inside.parts):
            # A study that is settled right now takes its work away: nobody will ask for it any more.
            with suppress(FileNotFoundError):
                archive.add_file(f"{_STATE}/{inside.as_posix()}", path)


def _database(path: Path) -> bytes:
    """A database as of one moment, whoever writes to it meanwhile."""
    with closing(sqlite3.connect(path, timeout=60)) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)
        return copy.serialize()


def _name(setting: str, path: Path, base: Path) -> str:
    """A file's name in the archive: as it lies in the hospital's folder, or by its setting when it lies elsewhere."""
    resolved = path.resolve()
    if resolved.is_relative_to(base):
        return resolved.relative_to(base).as_posix()
    return f"{_OUTSIDE}/{setting}-{path.name}"


def _unpack(archive: Path, folder: Path) -> dict[str, Any]:
    found: dict[str, dict[str, object]] = {}
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for member in tar:
                found[member.name] = _extract(tar, member, folder)
        listed = parse_json((folder / _LIST).read_bytes())
        files, kind = listed["files"], listed["format"]
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, FileNotFoundError) as exc:
        if isinstance(exc, FileNotFoundError) and not archive.exists():
            raise
        raise IntegrityError(f"{archive} is no complete backup of a hospital; take another one.") from exc
    if kind != _FORMAT:
        raise IntegrityError(f"{archive} has format {kind}, this version of MedFed reads {_FORMAT}.")
    del found[_LIST]
    wrong = sorted(name for name in files.keys() | found.keys() if files.get(name) != found.get(name))
    if wrong:
        raise IntegrityError(f"The backup {archive} is damaged at {wrong[0]}; take another one.")
    return dict(listed)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> dict[str, object]:
    """Write one member privately; returns its size and digest."""
    name = PurePosixPath(member.name)
    source = tar.extractfile(member) if member.isfile() else None
    if source is None or name.is_absolute() or ".." in name.parts or (folder / name).exists():
        raise tarfile.TarError(f"{member.name} has no place in a backup")
    place = folder / name
    for parent in reversed(place.relative_to(folder).parents):
        (folder / parent).mkdir(mode=0o700, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with durable.writing(place, mode=durable.PRIVATE, new=True) as file:
        while data := source.read(_BLOCK):
            digest.update(data)
            size += file.write(data)
    return {"sha256": digest.hexdigest(), "size": size}
