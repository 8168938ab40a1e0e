"""CAR files (version 1): every block of a set of files in one stream, to carry a study between stores.

Format: IPLD CAR v1 specification. The header is the one CBOR map {"roots": [CID…], "version": 1}; then come
length-prefixed blocks.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from medfed import durable
from medfed.errors import ContentMissing, InputError, IntegrityError, MedFedError, ProtocolError
from medfed.protocol.cid import (
    CHUNK_SIZE,
    MAX_BLOCK,
    MAX_LINKS,
    DagHasher,
    cid_from_digest,
    cid_of,
    digest_of,
    file_blocks,
    parse_block,
)
from medfed.storage.base import ContentStore, Piece
from medfed.storage.blocks import read_file, read_piece
from medfed.types import Cid

__all__ = ["CarStore", "export_car", "import_car", "refuse_to_replace"]

_PREFIX = b"\x01\x70\x12\x20"
_MOST_ROOTS = _MOST_BLOCKS = 1 << 20
_NO_LIMIT = 1 << 63
_MOST_TIMES, _ALWAYS = 16, 64 << 20
"""The files in a CAR file have together at most so many times its own bytes, and so many bytes always: equal blocks are in it
once, and a megabyte of them could stand for terabytes."""
_LARGEST_NODE = MAX_LINKS * 64 + 4096
_NO_CAR = "This is no bundle or export of a study (no CAR file of version 1 with dag-pb roots)."

_Places = dict[bytes, tuple[int, int]]
"""Digest -> (offset, length) of every block in a CAR file."""


def export_car(
    store: ContentStore,
    cids: Iterable[Cid],
    path: Path,
    *,
    max_bytes: int,
    wait: float = 0.0,
    documents: Iterable[bytes] = (),
) -> int:
    """Write `documents`, which need no store, and the files `cids` into `path`; returns how many blocks it holds. All
    together are at most `max_bytes`.

    The bytes are those that Kubo's `dag export` writes for one root: parents before children, each block once. Raises
    as `ContentStore.get_to`; `path` appears only when all is in it. An older CAR file there is replaced, any other file is
    refused with `InputError`.
    """
    refuse_to_replace(path)
    given = {cid_of(data): data for data in documents}
    roots = list(dict.fromkeys([*given, *cids]))

    def fetch(cid: Cid, copy: Path, most: int) -> None:
        if cid in given:
            copy.write_bytes(given[cid])
        else:
            store.get_to(cid, copy, most, wait=wait)

    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder, durable.writing(path) as car:
            count = _write_all(car, fetch, roots, Path(folder) / "file", max_bytes)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.") from exc
    return count


def refuse_to_replace(path: Path) -> None:
    """Raise `InputError` for a file that is no CAR file: nobody means to lose a key or a register to an export."""
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with path.open("rb") as file:
            _roots(_read_section(file, 64 + 48 * _MOST_ROOTS) or b"")
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.") from exc
    except ProtocolError as exc:
        raise InputError(
            f"{path} exists already and holds something else than a study; choose another name or move it away."
        ) from exc


def _write_all(
    car: BinaryIO, fetch: Callable[[Cid, Path, int], None], roots: list[Cid], copy: Path, most: int
) -> int:
    seen: set[bytes] = set()
    size = 0
    _write_section(car, _header(roots))
    for root in roots:
        fetch(root, copy, most)
        most -= copy.stat().st_size
        size += copy.stat().st_size
        for digest, block in _from_the_top(copy, digest_of(root)):
            if digest not in seen:
                seen.add(digest)
                _write_section(car, _PREFIX + digest + block)
    if size > _most_bytes(car.tell()):  # what nobody would read is not written
        raise InputError(
            f"These files repeat so much that nobody would read them: {size} bytes in {car.tell()}."
        )
    return len(seen)


def import_car(store: ContentStore, path: Path, *, max_bytes: int) -> list[Cid]:
    """Store and pin every root of a CAR file (together at most `max_bytes`); returns their CIDs.

    1. Every file in it is put together from its blocks and compared with its CID, before anything is stored. Together they have at
    most 16 times the CAR file's bytes and 64 MiB.
    2. Then they are stored. What was pinned so far is let go when the store fails.
    Raises `IntegrityError` for bytes that are not what their CID says, `ProtocolError` for a file that is no CAR or is
    cut short.
    """
    try:
        with path.open("rb") as car, tempfile.TemporaryDirectory() as folder:
            with _named(path):
                roots = _roots(_read_section(car, 64 + 48 * _MOST_ROOTS) or b"")
                places = _places(car)
                _check_all(roots, places, lambda digest: _block(car, places, digest), path, max_bytes)
            _store_all(store, roots, lambda root: _copy(car, places, root, Path(folder) / "file"))
    except OSError as exc:
        raise InputError(f"{path} cannot be imported: {exc.strerror}.") from exc
    return roots


class CarStore(ContentStore):
    """A CAR file as a store to read from; every block in it is checked when it is opened.

    Raises `ProtocolError` for a file that is no CAR, is cut short or holds more than its `roots` need, `IntegrityError`
    for bytes that are not what their CID says, or more than `max_bytes` together.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        try:
            self._car = path.open("rb")
        except OSError as exc:
            raise InputError(f"{path} cannot be read: {exc.strerror}.") from exc
        try:
            self._lock = threading.Lock()
            with _named(path):
                self.roots = _roots(_read_section(self._car, 64 + 48 * _MOST_ROOTS) or b"")
                self._places = _places(self._car)
                _check_all(self.roots, self._places, self._block, path, max_bytes)
        except BaseException:
            self._car.close()
            raise

    def _block(self, digest: bytes) -> bytes:
        with self._lock:
            return _block(self._car, self._places, digest)

    @staticmethod
    def _missing(cid: Cid) -> ContentMissing:
        return ContentMissing(f"The file does not hold {cid}.", cid=cid)

    def pins(self) -> set[Cid]:
        return set(self.roots)

    def close(self) -> None:
        self._car.close()

    def _put(self, cid: Cid, data: bytes | Path, pin: bool) -> Cid:  # noqa: ARG002
        raise self._fixed()

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        del wait
        if not self._has(cid):
            raise self._missing(cid)
        return read_file(cid, self._block, max_bytes)

    def _piece(self, cid: Cid, index: int, max_bytes: int, wait: float) -> Piece:
        del wait
        if not self._has(cid):
            raise self._missing(cid)
        return read_piece(cid, self._block, index, max_bytes)

    def _has(self, cid: Cid) -> bool:
        return digest_of(cid) in self._places

    def _size(self, cid: Cid) -> int:
        if not self._has(cid):
            raise self._missing(cid)
        return parse_block(digest_of(cid), self._block(digest_of(cid))).size

    def _pin(self, cid: Cid) -> None:  # noqa: ARG002
        raise self._fixed()

    def _unpin(self, cid: Cid) -> None:  # noqa: ARG002
        raise self._fixed()

    @staticmethod
    def _fixed() -> InputError:
        return InputError("A CAR file is read, not written: import it into a store.")


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with a CAR file is told with its name: who checks several has to know which one to fetch again."""
    try:
        yield
    except IntegrityError as exc:
        raise IntegrityError(f"{path}: {exc}", cid=exc.cid) from exc
    except ProtocolError as exc:
        raise ProtocolError(f"{path}: {exc}") from exc


def _from_the_top(file: Path, root: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(digest, block) of a file's blocks, each before those it links to."""
    nodes: dict[bytes, bytes] = {}

    def keep(digest: bytes, parts: Sequence[bytes | memoryview]) -> None:
        nodes[digest] = b"".join(parts)

    hasher = DagHasher(keep)
    with file.open("rb") as chunks:
        while chunk := chunks.read(CHUNK_SIZE):
            hasher.add(chunk)
            nodes.clear()  # a leaf is made again when its turn comes
        hasher.finish()
        chunks.seek(0)
        waiting = [root]
        while waiting:
            digest = waiting.pop()
            block = nodes[digest] if digest in nodes else _leaf(chunks.read(CHUNK_SIZE))
            yield digest, block
            waiting += [link.digest for link in reversed(parse_block(digest, block).links)]


def _leaf(chunk: bytes) -> bytes:
    return next(file_blocks(chunk))[1]


def _check_all(
    roots: Sequence[Cid], places: _Places, block_of: Callable[[bytes], bytes], path: Path, max_bytes: int
) -> None:
    """Whether all files are right, and nothing else is in the CAR file: what nobody looks at could be anything."""
    needed: set[bytes] = set()

    def noted(digest: bytes) -> bytes:
        needed.add(digest)
        return block_of(digest)

    _check_files(roots, noted, path, max_bytes)
    if needed != places.keys():
        raise ProtocolError("The CAR file holds more than the blocks of its files, each once.")


def _check_files(
    roots: Sequence[Cid], block_of: Callable[[bytes], bytes], path: Path, max_bytes: int
) -> None:
    """Whether all files are there, right, and no longer than allowed; their first blocks say how long they are."""
    most = _most_bytes(path.stat().st_size)
    size = sum(parse_block(digest_of(root), block_of(digest_of(root))).size for root in roots)
    if size > most:
        raise IntegrityError(
            f"The files in {path.name} have {size} bytes, more than {most}, which is all that a CAR file of its size may hold; "
            "ask for another copy."
        )
    for root in roots:
        max_bytes -= _check(root, block_of, max_bytes)


def _most_bytes(size: int) -> int:
    """Of the files in a CAR file of `size` bytes, together."""
    return _MOST_TIMES * size + _ALWAYS


def _check(root: Cid, block_of: Callable[[bytes], bytes], max_bytes: int) -> int:
    """The size of the file below `root`, once all of it is there and right."""
    hasher, size = DagHasher(), 0
    for piece in read_file(root, block_of, max_bytes):
        hasher.add(piece)
        size += len(piece)
    if cid_from_digest(hasher.finish()) != root:
        raise IntegrityError(f"The CAR file's blocks do not add up to {root}.", cid=root)
    return size


def _copy(car: BinaryIO, places: _Places, root: Cid, path: Path) -> Path:
    """The file below `root`, checked before, as a file."""
    with path.open("wb") as file:
        file.writelines(read_file(root, lambda digest: _block(car, places, digest), _NO_LIMIT))
    return path


def _store_all(store: ContentStore, roots: list[Cid], file_of: Callable[[Cid], Path]) -> None:
    before, begun = store.pins(), list[Cid]()
    try:
        for root in roots:
            begun.append(root)
            if store.put(file_of(root)) != root:
                raise IntegrityError(f"The CAR file changed while {root} was read.", cid=root)
    except BaseException:
        for root in begun:  # others may have pinned the rest meanwhile
            if root not in before:
                with contextlib.suppress(MedFedError):
                    store.unpin(root)
        raise


def _places(car: BinaryIO) -> _Places:
    found: _Places = {}
    while (section := _read_section(car, MAX_BLOCK + _LARGEST_NODE)) is not None:
        if not section.startswith(_PREFIX):
            raise ProtocolError("The CAR file holds a block that is not dag-pb with sha2-256.")
        if len(found) == _MOST_BLOCKS:
            raise ProtocolError(
                f"The CAR file holds more than {_MOST_BLOCKS} blocks; carry the study in parts."
            )
        length = len(section) - 36
        if section[4:36] in found:
            raise ProtocolError(f"The CAR file holds the block {cid_from_digest(section[4:36])} twice.")
        found[section[4:36]] = (car.tell() - length, length)
    return found


def _block(car: BinaryIO, places: _Places, digest: bytes) -> bytes:
    if digest not in places:
        raise ProtocolError(f"The CAR file lacks the block {cid_from_digest(digest)}.")
    offset, length = places[digest]
    car.seek(offset)
    return car.read(length)


def _write_section(car: BinaryIO, data: bytes) -> None:
    car.write(_varint(len(data)) + data)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _read_section(car: BinaryIO, most: int) -> bytes | None:
    """The next section, or None at the end of the file."""
    length = shift = 0
    while True:
        byte = car.read(1)
        if not byte:
            if shift:
                raise ProtocolError("The CAR file is cut short; fetch it again.")
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            if not byte[0] and shift > 7:
                raise ProtocolError("The CAR file writes a length in more bytes than it takes.")
            break
        if shift > 35:
            raise ProtocolError(_NO_CAR)
    if length > most:
        raise ProtocolError(f"The CAR file has a section of {length} bytes, more than {most}.")
    data = car.read(length)
    if len(data) != length:
        raise ProtocolError("The CAR file is cut short; fetch it again.")
    return data


def _header(roots: list[Cid]) -> bytes:
    """DAG-CBOR of {"roots": [...], "version": 1}; a CID is tag 42 around 0x00 and its bytes."""
    items = b"".join(b"\xd8\x2a\x58\x25\x00" + _PREFIX + digest_of(root) for root in roots)
    return b"\xa2\x65roots" + _array_head(len(roots)) + items + b"\x67version\x01"


def _array_head(count: int) -> bytes:
    if count < 24:
        return bytes([0x80 | count])
    if count < 1 << 8:
        return b"\x98" + bytes([count])
    return b"\x99" + count.to_bytes(2, "big") if count < 1 << 16 else b"\x9a" + count.to_bytes(4, "big")


def _roots(header: bytes) -> list[Cid]:
    """The roots of a header that is written as `_header` does."""
    found = list(_root_items(header))
    if _header(found) != header:
        raise ProtocolError(_NO_CAR)
    if len(set(found)) != len(found):
        raise ProtocolError("The CAR file names a file twice.")
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
