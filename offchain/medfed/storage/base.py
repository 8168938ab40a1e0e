"""What every content store promises, checked in one place.

The public methods verify, the subclasses supply: no file leaves a store before it is known to be what its CID says
and no longer than the caller allows.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from medfed import durable
from medfed.errors import ContentMissing, InputError, IntegrityError
from medfed.protocol.cid import CHUNK_SIZE, DagHasher, check_cid, cid_from_digest, cid_of
from medfed.types import Cid

__all__ = ["ContentStore", "Piece", "missing"]

_POLL_SECONDS = 0.02

_Found = TypeVar("_Found")


class Piece(NamedTuple):
    """A part of a file, and how many bytes the whole file has."""

    size: int
    data: bytes


class ContentStore(ABC):
    """Files by CID. Pinned files stay, others may be collected. Safe to share between threads.

    `has_peers` says that a `get` with a `wait` asks other nodes, so that the wait may bring what is not here.
    """

    has_peers = False

    def put(self, data: bytes | Path, *, pin: bool = True) -> Cid:
        """Store a file given as bytes or as a path, and return its CID. Storing it again is harmless.

        With `pin`, no collecting comes in between. Raises `InputError` for a path that cannot be read.
        """
        try:
            cid = cid_of(data)
        except OSError as exc:
            raise InputError(f"{data!s} cannot be read: {exc.strerror}.") from exc
        stored = self._put(cid, data, pin)
        if stored != cid:
            raise IntegrityError(f"The store gave {stored} for bytes whose CID is {cid}.", cid=cid)
        return cid

    def get(self, cid: Cid, max_bytes: int, *, wait: float = 0.0) -> bytes:
        """The file's bytes, checked against `cid`.

        Raises `IntegrityError` when they are not what the CID says or longer than `max_bytes`, `ContentMissing`
        when nobody has them after `wait` seconds.
        """
        return b"".join(self._checked(check_cid(cid), max_bytes, wait))

    def stream(self, cid: Cid, max_bytes: int, *, wait: float = 0.0) -> Iterator[bytes]:
        """The file in pieces of `CHUNK_SIZE`, for whoever needs no copy of the whole. Raises as `get`.

        The last piece comes only after all of it is checked: what was made of the others before counts for nothing
        until the iterator has ended without an error.
        """
        return self._checked(check_cid(cid), max_bytes, wait)

    def piece(self, cid: Cid, index: int, max_bytes: int, *, wait: float = 0.0) -> Piece:
        """Bytes `CHUNK_SIZE` · `index` and on, at most `CHUNK_SIZE` of them, checked against `cid`; none where the file
        ends before. A store that keeps blocks reads no more than those above the piece. Raises as `get`.
        """
        check_cid(cid)
        return self._awaited(wait, lambda left: self._piece(cid, index, max_bytes, left))

    def get_to(self, cid: Cid, path: Path, max_bytes: int, *, wait: float = 0.0) -> None:
        """Write the file to `path`, which appears only when all of it is checked. Raises as `get`, and `InputError`
        when it cannot be written there."""
        chunks = self._checked(check_cid(cid), max_bytes, wait)
        try:
            with durable.writing(path) as file:
                file.writelines(chunks)
        except OSError as exc:
            raise InputError(f"{path} cannot be written: {exc.strerror}.") from exc

    def size(self, cid: Cid) -> int:
        """How many bytes the file has, as far as this store itself can tell. Raises `ContentMissing`."""
        return self._size(check_cid(cid))

    def has(self, cid: Cid) -> bool:
        """Whether this store itself holds the file, without asking others."""
        return self._has(check_cid(cid))

    def pin(self, cid: Cid) -> None:
        """Keep a file that this store holds. Raises `ContentMissing` when it does not: `get` it first."""
        self._pin(check_cid(cid))

    def unpin(self, cid: Cid) -> None:
        """Let the file go when space is needed; no error when it was not pinned."""
        self._unpin(check_cid(cid))

    @abstractmethod
    def pins(self) -> set[Cid]:
        """The CIDs that are pinned here."""

    def close(self) -> None:  # noqa: B027 - most stores hold nothing
        """Let go of connections."""

    def _checked(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        """The file in chunks; the last one comes only after the whole is checked."""
        hasher = DagHasher()
        size = 0
        held: bytes | None = None
        for chunk in _even(self._fetch(cid, max_bytes, wait)):
            size += len(chunk)
            if size > max_bytes:
                raise IntegrityError(
                    f"{cid} is longer than the {max_bytes} bytes that are allowed here.", cid=cid
                )
            hasher.add(chunk)
            if held is not None:
                yield held
            held = chunk
        if cid_from_digest(hasher.finish()) != cid:
            raise IntegrityError(
                f"The store served other bytes than {cid} stands for; put the file again, or fetch it elsewhere.",
                cid=cid,
            )
        if held is not None:
            yield held

    def _fetch(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        """Wait until `_read` finds the file, at most `wait` seconds."""
        return self._awaited(wait, lambda left: self._read(cid, max_bytes, left))

    @staticmethod
    def _awaited(wait: float, look: Callable[[float], _Found]) -> _Found:
        """What `look` finds, given the seconds that are left, when it no longer raises `ContentMissing`."""
        deadline = time.monotonic() + wait
        while True:
            try:
                return look(max(0.0, deadline - time.monotonic()))
            except ContentMissing:
                if time.monotonic() + _POLL_SECONDS > deadline:
                    raise
            time.sleep(_POLL_SECONDS)

    def _piece(self, cid: Cid, index: int, max_bytes: int, wait: float) -> Piece:
        """One piece of a file that is checked whole: for stores that have its bytes at hand."""
        size, data = 0, b""
        for number, chunk in enumerate(self._checked(cid, max_bytes, wait)):
            size += len(chunk)
            if number == index:
                data = chunk
        return Piece(size, data)

    @abstractmethod
    def _put(self, cid: Cid, data: bytes | Path, pin: bool) -> Cid:
        """Store the bytes, and pin them in the same step; returns the CID of what was stored."""

    @abstractmethod
    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        """The bytes as stored, in pieces of any size; may stop after `max_bytes` + 1. Raises `ContentMissing`."""

    @abstractmethod
    def _has(self, cid: Cid) -> bool: ...

    @abstractmethod
    def _size(self, cid: Cid) -> int: ...

    @abstractmethod
    def _pin(self, cid: Cid) -> None: ...

    @abstractmethod
    def _unpin(self, cid: Cid) -> None: ...


def missing(cid: Cid) -> ContentMissing:
    """The error for a file that cannot be had."""
    return ContentMissing(f"No reachable node has {cid} yet.", cid=cid)


def _even(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces of any size as chunks of `CHUNK_SIZE`, the last one shorter."""
    waiting = bytearray()
    for piece in pieces:
        if not waiting and len(piece) == CHUNK_SIZE:
            yield piece
            continue
        waiting += piece
        while len(waiting) >= CHUNK_SIZE:
            yield bytes(waiting[:CHUNK_SIZE])
            del waiting[:CHUNK_SIZE]
    if waiting:
        yield bytes(waiting)
