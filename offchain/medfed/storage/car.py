"""CAR files (version 1): every block of a set of files in one stream, to carry a study between stores.

Format: IPLD CAR v1 specification. The header is the one CBOR map {"roots": [CID…], "version": 1}; then come
length-prefixed blocks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from medfed.errors import IntegrityError, ProtocolError
from medfed.protocol.cid import (
    MAX_BLOCK,
    MAX_LINKS,
    Node,
    cid_from_digest,
    digest_of,
    file_blocks,
    parse_block,
)
from medfed.storage.base import ContentStore
from medfed.types import Cid

__all__ = ["export_car", "import_car"]

_PREFIX = b"\x01\x70\x12\x20"
_MOST_ROOTS = 1 << 16
_LARGEST_NODE = MAX_LINKS * 64 + 4096


def export_car(store: ContentStore, cids: Iterable[Cid], path: Path, *, max_bytes: int) -> int:
    """Write the files `cids` (each at most `max_bytes`) into `path`; returns how many blocks it holds."""
    roots = sorted(set(cids))
    partial = path.with_name(path.name + ".partial")
    seen: set[bytes] = set()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, partial.open("wb") as car:
        _write_section(car, _header(roots))
        for root in roots:
            copy = Path(folder) / root
            store.get_to(root, copy, max_bytes)
            for digest, block in file_blocks(copy):
                if digest not in seen:
                    seen.add(digest)
                    _write_section(car, _PREFIX + digest + block)
            copy.unlink()
    partial.replace(path)
    return len(seen)


def import_car(store: ContentStore, path: Path, *, max_bytes: int) -> list[Cid]:
    """Store and pin every root of a CAR file; returns their CIDs. Each block is checked before it is used.

    Raises `IntegrityError` for a block that is not what its CID says, `ProtocolError` for a file that is no CAR or
    is cut short.
    """
    with path.open("rb") as car:
        roots = _roots(_read_section(car, 64 + 48 * _MOST_ROOTS) or b"")
        places = _places(car)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            for root in roots:
                copy = Path(folder) / root
                with copy.open("wb") as out:
                    _assemble(car, places, digest_of(root), out, max_bytes)
                if store.put(copy) != root:
                    raise IntegrityError(f"The CAR file's blocks do not add up to {root}.", cid=root)
                copy.unlink()
    return roots


def _places(car: BinaryIO) -> dict[bytes, tuple[int, int]]:
    """Digest -> (offset, length) of every block."""
    found = {}
    while (section := _read_section(car, MAX_BLOCK + _LARGEST_NODE)) is not None:
        if not section.startswith(_PREFIX):
            raise ProtocolError("The CAR file holds a block that is not dag-pb with sha2-256.")
        length = len(section) - 36
        found[section[4:36]] = (car.tell() - length, length)
    return found


def _assemble(
    car: BinaryIO, places: dict[bytes, tuple[int, int]], root: bytes, out: BinaryIO, max_bytes: int
) -> None:
    """Write the file below `root`, left to right."""
    waiting = [root]
    written = 0
    while waiting:
        node = _node(car, places, waiting.pop())
        waiting += [link.digest for link in reversed(node.links)]
        written += len(node.data)
        if written > max_bytes or len(waiting) > 1 << 20:
            raise IntegrityError(
                f"{cid_from_digest(root)} is longer than the {max_bytes} bytes allowed.",
                cid=cid_from_digest(root),
            )
        out.write(node.data)


def _node(car: BinaryIO, places: dict[bytes, tuple[int, int]], digest: bytes) -> Node:
    if digest not in places:
        raise ProtocolError(f"The CAR file lacks the block {cid_from_digest(digest)}.")
    offset, length = places[digest]
    car.seek(offset)
    return parse_block(digest, car.read(length))


def _write_section(car: BinaryIO, data: bytes) -> None:
    length, prefix = len(data), bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    car.write(bytes(prefix) + data)


def _read_section(car: BinaryIO, most: int) -> bytes | None:
    """The next section, or None at the end of the file."""
    length = shift = 0
    while True:
        byte = car.read(1)
        if not byte:
            if shift:
                raise ProtocolError("The CAR file is cut short.")
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
        if shift > 35:
            raise ProtocolError("This is no CAR file.")
    if length > most:
        raise ProtocolError(f"The CAR file has a section of {length} bytes, more than {most}.")
    data = car.read(length)
    if len(data) != length:
        raise ProtocolError("The CAR file is cut short.")
    return data


def _header(roots: list[Cid]) -> bytes:
    """DAG-CBOR of {"roots": [...], "version": 1}; a CID is tag 42 around 0x00 and its bytes."""
    items = b"".join(b"\xd8\x2a\x58\x25\x00" + _PREFIX + digest_of(root) for root in roots)
    return b"\xa2\x65roots" + _array_head(len(roots)) + items + b"\x67version\x01"


def _array_head(count: int) -> bytes:
    if count < 24:
        return bytes([0x80 | count])
    return b"\x98" + bytes([count]) if count < 256 else b"\x99" + count.to_bytes(2, "big")


def _roots(header: bytes) -> list[Cid]:
    """The roots of a header that is written as `_header` does."""
    found = list(_root_items(header))
    if _header(found) != header:
        raise ProtocolError("This is no CAR file of version 1 with dag-pb roots.")
    return found


def _root_items(header: bytes) -> Iterator[Cid]:
    mark = b"\xd8\x2a\x58\x25\x00" + _PREFIX
    place = header.find(mark)
    while place >= 0 and place + len(mark) + 32 <= len(header):
        yield cid_from_digest(header[place + len(mark) : place + len(mark) + 32])
        place = (
            header.find(mark, place + len(mark) + 32)
            if header[place + len(mark) + 32 :].startswith(mark)
            else -1
        )
