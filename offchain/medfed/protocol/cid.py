"""Content addresses: CIDv1, dag-pb, sha2-256, of UnixFS files in chunks of 1 MiB, balanced, 174 links a node, no
raw leaves.

The same as Kubo's `add` with `cid-version=1&raw-leaves=false&chunker=size-1048576`. One digest on chain names a
file, since the
root is always dag-pb. Formats: multiformats CID specification; IPLD dag-pb specification; UnixFS specification.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from medfed.errors import IntegrityError, ProtocolError
from medfed.types import Cid

__all__ = [
    "CHUNK_SIZE",
    "MAX_BLOCK",
    "MAX_LINKS",
    "DagHasher",
    "Link",
    "Node",
    "check_cid",
    "cid_from_digest",
    "cid_of",
    "digest_of",
    "file_blocks",
    "parse_block",
]

CHUNK_SIZE = 1 << 20
MAX_LINKS = 174
MAX_BLOCK = CHUNK_SIZE + 64
"""Largest block of such a file: a whole chunk and its envelope (a node of 174 links is far smaller)."""

_PREFIX = b"\x01\x70\x12\x20"  # CIDv1, dag-pb, sha2-256, 32 bytes
_TEXT_LENGTH = 59


class Link(NamedTuple):
    """A child: its digest, the bytes of the file below it, the bytes of all its blocks together."""

    digest: bytes
    size: int
    total: int


class Node(NamedTuple):
    """A parsed block: a leaf's data, or a node's children; `size` is the file's bytes below it."""

    data: bytes
    links: tuple[Link, ...]
    size: int


def cid_from_digest(digest: bytes) -> Cid:
    """The CID whose sha2-256 digest stands on chain."""
    if len(digest) != 32:
        raise ProtocolError(f"A CID's digest has 32 bytes, not {len(digest)}.")
    return Cid("b" + base64.b32encode(_PREFIX + digest).decode().rstrip("=").lower())


def digest_of(cid: str) -> bytes:
    """The 32-byte digest inside `cid`. Raises `ProtocolError` for any other kind or spelling of CID."""
    text = str(cid)
    try:
        raw = base64.b32decode(text[1:].upper() + "=" * (-(len(text) - 1) % 8))
    except ValueError:
        raw = b""
    if len(text) != _TEXT_LENGTH or not raw.startswith(_PREFIX) or cid_from_digest(raw[4:36]) != text:
        raise ProtocolError(f"{text[:80]!r} is no CIDv1 in base32 with codec dag-pb and sha2-256.")
    return raw[4:]


def check_cid(cid: str) -> Cid:
    """`cid` itself, once it is known to be of the one kind that is used here. Raises `ProtocolError`."""
    digest_of(cid)
    return Cid(cid)


def cid_of(data: bytes | Path) -> Cid:
    """The CID of a file given as bytes or as a path; a path is read in chunks, so any size will do."""
    hasher = DagHasher()
    for chunk in _chunks(data):
        hasher.add(chunk)
    return cid_from_digest(hasher.finish())


class DagHasher:
    """The CID of a file whose chunks are handed in one by one; keeps 32 bytes and two sizes for each.

    `emit(digest, block parts)` is called for every block, leaves first, if given.
    """

    def __init__(self, emit: Callable[[bytes, Sequence[bytes | memoryview]], None] | None = None) -> None:
        self._emit = emit
        self._leaves: list[Link] = []

    def add(self, chunk: bytes | memoryview) -> None:
        """The next chunk: `CHUNK_SIZE` bytes, only the last one may be shorter."""
        size = len(chunk)
        self._leaves.append(self._link(_leaf_parts(chunk), size, ()))

    def finish(self) -> bytes:
        """The root's digest."""
        if not self._leaves:
            self.add(b"")
        level = self._leaves
        while len(level) > 1:
            groups = [level[start : start + MAX_LINKS] for start in range(0, len(level), MAX_LINKS)]
            level = [
                self._link([_node_block(group)], sum(link.size for link in group), group) for group in groups
            ]
        return level[0].digest

    def _link(self, parts: Sequence[bytes | memoryview], size: int, children: Sequence[Link]) -> Link:
        hasher = hashlib.sha256()
        for part in parts:
            hasher.update(part)
        digest = hasher.digest()
        if self._emit is not None:
            self._emit(digest, parts)
        total = sum(map(len, parts)) + sum(child.total for child in children)
        return Link(digest, size, total)


def file_blocks(data: bytes | Path) -> Iterator[tuple[bytes, bytes]]:
    """(digest, block) of every block of a file, leaves first; one chunk in memory at a time."""
    waiting: list[tuple[bytes, bytes]] = []
    hasher = DagHasher(lambda digest, parts: waiting.append((digest, b"".join(parts))))
    for chunk in _chunks(data):
        hasher.add(chunk)
        yield from waiting
        waiting.clear()
    hasher.finish()
    yield from waiting


def parse_block(digest: bytes, block: bytes) -> Node:
    """Check a block against its digest and take it apart. Raises `IntegrityError` naming the CID."""
    if hashlib.sha256(block).digest() != digest:
        cid = cid_from_digest(digest)
        raise IntegrityError(
            f"The block of {cid} has other bytes than its CID says; fetch it again.", cid=cid
        )
    try:
        return _parse(block)
    except (IndexError, ValueError) as exc:
        cid = cid_from_digest(digest)
        raise IntegrityError(
            f"The block of {cid} is no part of a UnixFS file as MedFed writes it.", cid=cid
        ) from exc


def _chunks(data: bytes | Path) -> Iterable[bytes | memoryview]:
    if isinstance(data, Path):
        with data.open("rb") as file:
            while chunk := file.read(CHUNK_SIZE):
                yield chunk
        return
    view = memoryview(data)
    for start in range(0, len(view), CHUNK_SIZE):
        yield view[start : start + CHUNK_SIZE]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _leaf_parts(chunk: bytes | memoryview) -> list[bytes | memoryview]:
    """dag-pb { Data: UnixFS { Type: File, Data: chunk, filesize } } without copying the chunk."""
    size = _varint(len(chunk))
    head = b"\x08\x02" + (b"\x12" + size if len(chunk) else b"")
    tail = b"\x18" + size
    return [b"\x0a" + _varint(len(head) + len(chunk) + len(tail)) + head, chunk, tail]


def _node_block(links: Sequence[Link]) -> bytes:
    """dag-pb { Links, Data: UnixFS { Type: File, filesize, blocksizes } }; links come first in the bytes."""
    parts = []
    for link in links:
        body = b"\x0a\x24" + _PREFIX + link.digest + b"\x12\x00\x18" + _varint(link.total)
        parts.append(b"\x12" + _varint(len(body)) + body)
    sizes = b"".join(b"\x20" + _varint(link.size) for link in links)
    data = b"\x08\x02\x18" + _varint(sum(link.size for link in links)) + sizes
    return b"".join(parts) + b"\x0a" + _varint(len(data)) + data


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of a protobuf message with varints and byte strings only."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, position = _read_varint(data, position)
        if tag & 7 == 0:
            yield tag >> 3, number
        elif tag & 7 == 2:
            if position + number > len(data):
                raise ValueError("cut short")
            yield tag >> 3, data[position : position + number]
            position += number
        else:
            raise ValueError("unknown wire type")


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise ValueError("number too long")


def _parse(block: bytes) -> Node:
    raw_links: list[memoryview] = []
    content = memoryview(b"")
    for number, value in _fields(memoryview(block)):
        if number == 2 and isinstance(value, memoryview):
            raw_links.append(value)
        elif number == 1 and isinstance(value, memoryview):
            content = value
        else:
            raise ValueError("unknown field")
    data, size, sizes = _parse_file(content)
    if len(sizes) != len(raw_links):
        raise ValueError("links and sizes differ")
    links = tuple(_parse_link(raw, below) for raw, below in zip(raw_links, sizes, strict=True))
    if size != len(data) + sum(sizes) or (links and data):
        raise ValueError("wrong size")
    return Node(data, links, size)


def _parse_link(raw: memoryview, size: int) -> Link:
    found = dict(_fields(raw))
    cid, total = found.get(1), found.get(3)
    if (
        not isinstance(cid, memoryview)
        or not isinstance(total, int)
        or bytes(cid[:4]) != _PREFIX
        or len(cid) != 36
    ):
        raise ValueError("no dag-pb link")
    return Link(bytes(cid[4:]), size, total)


def _parse_file(content: memoryview) -> tuple[bytes, int, list[int]]:
    data, size, kind = b"", 0, 0
    sizes: list[int] = []
    for number, value in _fields(content):
        if number == 2 and isinstance(value, memoryview):
            data = bytes(value)
        elif number == 1 and isinstance(value, int):
            kind = value
        elif number == 3 and isinstance(value, int):
            size = value
        elif number == 4 and isinstance(value, int):
            sizes.append(value)
        else:
            raise ValueError("unknown field")
    if kind != 2:
        raise ValueError("not a file")
    return data, size, sizes
