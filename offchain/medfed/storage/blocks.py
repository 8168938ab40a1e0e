"""A file from its blocks, wherever they come from: each one checked when it comes, in order, and never more of them
than a file of that size has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from medfed.errors import IntegrityError
from medfed.protocol.cid import CHUNK_SIZE, MAX_LINKS, Node, digest_of, parse_block
from medfed.storage.base import Piece
from medfed.types import Cid

__all__ = ["read_file", "read_piece"]


def read_file(cid: Cid, block_of: Callable[[bytes], bytes], max_bytes: int) -> Iterator[bytes]:
    """The bytes of `cid` in pieces; `block_of` gives the block with a digest, or raises.

    Raises `IntegrityError` for a block that is not what its digest says, for a file longer than `max_bytes`, and
    for a tree that has more nodes than its bytes need: few blocks can link to each other so often that walking them
    would never end.
    """
    waiting = [digest_of(cid)]
    nodes = size = 0
    while waiting:
        node = _node(cid, waiting.pop(), block_of)
        if not nodes:
            size, nodes = node.size, _most_nodes(node.size)
            _expect(size <= max_bytes, cid, f"it has {size} bytes, and {max_bytes} are allowed here")
        nodes -= 1
        _expect(
            nodes > 0 and len(node.links) <= MAX_LINKS, cid, "its blocks are not laid out as MedFed does it"
        )
        waiting += [link.digest for link in reversed(node.links)]
        size -= len(node.data)
        _expect(size >= 0, cid, "it is longer than its first block says")
        if node.data:
            yield node.data


def read_piece(cid: Cid, block_of: Callable[[bytes], bytes], index: int, max_bytes: int) -> Piece:
    """Bytes `CHUNK_SIZE` · `index` and on of `cid`, by the blocks on the way to them and no others. Raises as `read_file`."""
    node = _node(cid, digest_of(cid), block_of)
    size, start = node.size, index * CHUNK_SIZE
    _expect(size <= max_bytes, cid, f"it has {size} bytes, and {max_bytes} are allowed here")
    if start >= size:
        return Piece(size, b"")
    length = min(CHUNK_SIZE, size - start)
    for _ in _levels(size)[1:]:
        for link in node.links:
            if start < link.size:
                break
            start -= link.size
        else:
            break
        node = _node(cid, link.digest, block_of)
    _expect(not start and len(node.data) == length, cid, "its blocks are not laid out as MedFed does it")
    return Piece(size, node.data)


def _node(cid: Cid, digest: bytes, block_of: Callable[[bytes], bytes]) -> Node:
    try:
        return parse_block(digest, block_of(digest))
    except IntegrityError as exc:
        raise IntegrityError(f"{cid} is refused: {exc}", cid=cid) from exc


def _most_nodes(size: int) -> int:
    """One more than the nodes of a file of `size` bytes: its chunks, and for each level above a 174th, rounded up."""
    return sum(_levels(size)) + 1


def _levels(size: int) -> list[int]:
    """How many nodes a file of `size` bytes has on each level: its chunks, and above them up to the root."""
    levels = [max(1, -(-size // CHUNK_SIZE))]
    while levels[-1] > 1:
        levels.append(-(-levels[-1] // MAX_LINKS))
    return levels


def _expect(right: bool, cid: Cid, otherwise: str) -> None:
    if not right:
        raise IntegrityError(f"{cid} is refused: {otherwise}.", cid=cid)
