"""Files from blocks: whatever blocks somebody offers, reading them ends, and gives the file or its name in an error."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import ContentMissing, IntegrityError
from medfed.protocol.cid import (
    CHUNK_SIZE,
    MAX_LINKS,
    DagHasher,
    Link,
    cid_from_digest,
    cid_of,
    digest_of,
    file_blocks,
)
from medfed.storage.base import missing
from medfed.storage.blocks import read_file, read_piece
from tests.storage.behaviour import patterned


class Blocks(dict):
    """Blocks by digest, and how often one was asked for."""

    asked = 0

    def of(self, digest):
        self.asked += 1
        if digest not in self:
            raise missing(cid_from_digest(digest))
        return self[digest]

    def add(self, block):
        digest = hashlib.sha256(block).digest()
        self[digest] = block
        return digest

    def node(self, links, *, size=None):
        """A node above `links`; `size` is what it claims when it lies."""
        return self.add(node_block(links, size))


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def node_block(links, size):
    """dag-pb of a UnixFS file, written here anew: links, then type, size and the links' sizes."""
    parts = b""
    for link in links:
        body = b"\x0a\x24\x01\x70\x12\x20" + link.digest + b"\x12\x00\x18" + varint(link.total)
        parts += b"\x12" + varint(len(body)) + body
    total = sum(link.size for link in links) if size is None else size
    data = b"\x08\x02\x18" + varint(total) + b"".join(b"\x20" + varint(link.size) for link in links)
    return parts + b"\x0a" + varint(len(data)) + data


def read(blocks, digest, limit=1 << 40):
    return b"".join(read_file(cid_from_digest(digest), blocks.of, limit))


@given(
    st.sampled_from([0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE]), st.integers(0, 50)
)
def test_read_file__the_blocks_of_a_file__gives_the_file(size, more):
    data = patterned(size + more)
    blocks = Blocks(file_blocks(data))
    assert b"".join(read_file(cid_of(data), blocks.of, len(data))) == data
    assert blocks.asked <= len(blocks)


def test_read_file__two_levels_of_links__gives_the_file():
    """175 chunks, all alike: six blocks make the whole file."""
    blocks = Blocks()
    hasher = DagHasher(lambda digest, parts: blocks.__setitem__(digest, b"".join(parts)))
    for _ in range(MAX_LINKS + 1):
        hasher.add(bytes(CHUNK_SIZE))
    root = hasher.finish()
    size = (MAX_LINKS + 1) * CHUNK_SIZE
    assert sum(map(len, read_file(cid_from_digest(root), blocks.of, size))) == size
    assert len(blocks) == 4
    with pytest.raises(IntegrityError, match=f"it has {size} bytes, and {size - 1} are allowed"):
        read(blocks, root, size - 1)


def test_read_file__a_missing_block__is_missing():
    data = patterned(3 * CHUNK_SIZE)
    blocks = Blocks(file_blocks(data))
    blocks.pop(next(iter(file_blocks(data)))[0])
    with pytest.raises(ContentMissing):
        list(read_file(cid_of(data), blocks.of, len(data)))


def test_read_file__a_changed_block__names_the_file():
    data = patterned(2 * CHUNK_SIZE)
    blocks = Blocks(file_blocks(data))
    leaf = next(iter(blocks))
    blocks[leaf] = blocks[leaf][:-1] + b"\xff"
    with pytest.raises(
        IntegrityError, match=f"{cid_of(data)} is refused: .*{cid_from_digest(leaf)}"
    ) as caught:
        list(read_file(cid_of(data), blocks.of, len(data)))
    assert caught.value.cid == cid_of(data)


def test_read_file__few_blocks_that_link_without_end__are_left_soon():
    """Six blocks whose walk would visit 174^5 nodes without a byte among them."""
    blocks = Blocks()
    link = Link(blocks.node([]), 0, 6)
    for _ in range(5):
        link = Link(blocks.node([link] * MAX_LINKS), 0, 6)
    with pytest.raises(IntegrityError, match="not laid out as MedFed does it"):
        read(blocks, link.digest)
    assert blocks.asked < 5


def test_read_file__a_chain_of_single_links__is_left_soon():
    """A thousand nodes above one byte."""
    blocks = Blocks()
    leaf, block = next(file_blocks(b"x"))
    blocks[leaf] = block
    link = Link(leaf, 1, len(block))
    for _ in range(1000):
        link = Link(blocks.node([link]), 1, len(block))
    with pytest.raises(IntegrityError, match="not laid out as MedFed does it"):
        read(blocks, link.digest)
    assert blocks.asked < 5


def test_read_file__more_links_than_a_node_has__is_refused():
    blocks = Blocks()
    leaf, block = next(file_blocks(bytes(CHUNK_SIZE)))
    blocks[leaf] = block
    wide = blocks.node([Link(leaf, CHUNK_SIZE, len(block))] * (MAX_LINKS + 1))
    with pytest.raises(IntegrityError, match="not laid out as MedFed does it"):
        read(blocks, wide)


def test_read_file__a_child_longer_than_it_was_said_to_be__is_refused():
    """The limit holds although the first block claims to be within it."""
    blocks = Blocks()
    first, last = (next(file_blocks(patterned(size))) for size in (CHUNK_SIZE, 1000))
    blocks.update([first, last])
    lying = blocks.node([Link(first[0], CHUNK_SIZE, len(first[1])), Link(last[0], 10, len(last[1]))])
    with pytest.raises(IntegrityError, match="longer than its first block says"):
        read(blocks, lying, CHUNK_SIZE + 100)


@pytest.mark.parametrize(
    "block", [b"", b"\x00", b"\x0a\x04\x08\x02\x18\x05", b"\x0a\x02\x08\x01", bytes(100)]
)
def test_read_file__what_is_no_file__is_refused(block):
    """Nothing, junk, a wrong size, a directory."""
    blocks = Blocks()
    digest = blocks.add(block)
    with pytest.raises(IntegrityError, match=cid_from_digest(digest)):
        read(blocks, digest)


def piece(blocks, digest, index, limit=1 << 40):
    return read_piece(cid_from_digest(digest), blocks.of, index, limit)


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE])
def test_read_piece__of_a_file__asks_for_the_blocks_above_it_only(size):
    data = patterned(size)
    for index in range(5):
        blocks = Blocks(file_blocks(data))
        part = data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        assert piece(blocks, digest_of(cid_of(data)), index) == (size, part)
        assert blocks.asked <= 2


def test_read_piece__two_levels_of_links__is_found_by_three_blocks():
    blocks = Blocks()
    hasher = DagHasher(lambda digest, parts: blocks.__setitem__(digest, b"".join(parts)))
    for number in range(MAX_LINKS + 1):
        hasher.add(bytes([number]) * CHUNK_SIZE)
    root, size = hasher.finish(), (MAX_LINKS + 1) * CHUNK_SIZE
    for index in (0, 1, MAX_LINKS - 1, MAX_LINKS):
        blocks.asked = 0
        assert piece(blocks, root, index) == (size, bytes([index]) * CHUNK_SIZE)
        assert blocks.asked == 3
    with pytest.raises(IntegrityError, match=f"it has {size} bytes, and {size - 1} are allowed"):
        piece(blocks, root, 0, size - 1)


def test_read_piece__a_changed_block__names_the_file():
    data = patterned(2 * CHUNK_SIZE)
    blocks = Blocks(file_blocks(data))
    leaf = next(iter(blocks))
    blocks[leaf] = blocks[leaf][:-1] + b"\xff"
    with pytest.raises(IntegrityError, match=f"{cid_of(data)} is refused: .*{cid_from_digest(leaf)}"):
        piece(blocks, digest_of(cid_of(data)), 0)
    assert piece(blocks, digest_of(cid_of(data)), 1).data == data[CHUNK_SIZE:]


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((1000, CHUNK_SIZE), id="a short chunk first"),
        pytest.param((CHUNK_SIZE - 1, CHUNK_SIZE + 1), id="pieces of other lengths"),
    ],
)
def test_read_piece__another_layout__is_refused(sizes):
    """Where a piece would begin or end inside of a block."""
    blocks = Blocks()
    made = [next(file_blocks(patterned(min(size, CHUNK_SIZE)))) for size in sizes]
    blocks.update(made)
    links = [Link(leaf, size, len(block)) for (leaf, block), size in zip(made, sizes, strict=True)]
    with pytest.raises(IntegrityError, match="not laid out as MedFed does it"):
        piece(blocks, blocks.node(links), 1)


def test_read_piece__a_chain_of_single_links__is_left_soon():
    """A thousand nodes above one byte, or above two chunks."""
    for size in (1, 2 * CHUNK_SIZE):
        blocks = Blocks(file_blocks(patterned(size)))
        link = Link(digest_of(cid_of(patterned(size))), size, size)
        for _ in range(1000):
            link = Link(blocks.node([link]), size, size)
        with pytest.raises(IntegrityError, match="not laid out as MedFed does it"):
            piece(blocks, link.digest, 0)
        assert blocks.asked < 5
