"""CIDs against a real Kubo's, against the layout written down naively, and blocks that are not what they should be."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import IntegrityError, ProtocolError
from medfed.protocol.cid import (
    CHUNK_SIZE,
    MAX_BLOCK,
    MAX_LINKS,
    DagHasher,
    check_cid,
    cid_from_digest,
    cid_of,
    digest_of,
    file_blocks,
    parse_block,
)

GOOD = "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y"  # of the empty file
MIB = CHUNK_SIZE
SMALL = (0, 1, 1023, 1024, 262144, 262145, MIB, MIB + 1, 2 * MIB + 1, 10 * MIB + 7)
LARGE = (174 * MIB, 174 * MIB + 1, 365953029)


@pytest.fixture(scope="module")
def measured(shared_data):
    """What a real Kubo answered, by length."""
    entries = json.loads((shared_data / "kubo" / "cids.json").read_text(encoding="utf-8"))
    return {entry["bytes"]: entry for entry in entries}


def pieces(size):
    """The bytes that were measured: the first MiB of SHAKE-256("medfed"), again and again."""
    block = hashlib.shake_256(b"medfed").digest(MIB)
    for _ in range(size // MIB):
        yield block
    yield block[: size % MIB]


def write(path, size):
    with path.open("wb") as file:
        file.writelines(pieces(size))
    return path


def test_every_measured_length_is_tried(measured):
    """A new length in the file needs a place above."""
    assert set(measured) == {*SMALL, *LARGE}


@pytest.mark.parametrize("size", SMALL)
def test_cids_are_kubos(measured, tmp_path, size):
    """From bytes and from a file; the blocks have the lengths that Kubo's have."""
    data = b"".join(pieces(size))
    assert hashlib.sha256(data).hexdigest() == measured[size]["sha256"]
    assert cid_of(data) == measured[size]["cid"]
    assert cid_of(write(tmp_path / "file", size)) == measured[size]["cid"]
    blocks = list(file_blocks(data))
    assert len(blocks[-1][1]) == measured[size]["root_block_bytes"]
    assert sum(len(block) for _, block in blocks) == measured[size]["dag_bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("size", LARGE)
def test_cids_of_large_files_are_kubos_in_little_memory(measured, tmp_path, size):
    """Hundreds of MiB go through a few MiB; 174 MiB have one level of links, a byte more has two."""
    path = write(tmp_path / "file", size)
    tracemalloc.start()
    try:
        assert cid_of(path) == measured[size]["cid"]
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
        tracemalloc.reset_peak()
        lengths = [len(block) for _, block in file_blocks(path)]
        assert tracemalloc.get_traced_memory()[1] < 6 * MIB
    finally:
        tracemalloc.stop()
    assert lengths[-1] == measured[size]["root_block_bytes"]
    assert sum(lengths) == measured[size]["dag_bytes"]
    assert max(lengths) <= MAX_BLOCK


def varint(number):
    """Unsigned LEB128."""
    groups = [number >> shift & 127 for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def field(number, value):
    """One protobuf field: a byte string or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def naive_root(chunks):
    """The layout by its definition: (digest, file bytes, DAG bytes) of each node, a level at a time."""
    level = []
    for chunk in chunks or [b""]:
        content = field(1, 2) + (field(2, chunk) if chunk else b"") + field(3, len(chunk))
        block = field(1, content)
        level.append((hashlib.sha256(block).digest(), len(chunk), len(block)))
    while len(level) > 1:
        groups = [level[start : start + MAX_LINKS] for start in range(0, len(level), MAX_LINKS)]
        level = [naive_node(group) for group in groups]
    return level[0][0]


def naive_node(group):
    links = b""
    for digest, _, total in group:
        link = field(1, b"\x01\x70\x12\x20" + digest) + field(2, b"") + field(3, total)
        links += field(2, link)
    size = sum(size for _, size, _ in group)
    content = field(1, 2) + field(3, size) + b"".join(field(4, size) for _, size, _ in group)
    block = links + field(1, content)
    total = len(block) + sum(total for *_, total in group)
    return hashlib.sha256(block).digest(), size, total


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=4), st.integers(0, 400))
def test_the_layout_is_the_naive_one(starts, more):
    """Any number of leaves up to three levels; lengths of one and of two varint bytes."""
    chunks = starts + [bytes([number % 251]) * (number % 200 + 1) for number in range(more)]
    hasher = DagHasher()
    for chunk in chunks:
        hasher.add(chunk)
    assert hasher.finish() == naive_root(chunks)


@pytest.mark.parametrize("leaves", [173, 174, 175, 174 * 2, 174 * 174, 174 * 174 + 1])
def test_levels_of_links_begin_where_they_should(leaves):
    """A node links at most 174 children, and another level begins with the next one."""
    emitted = []
    hasher = DagHasher(lambda digest, parts: emitted.append((digest, b"".join(parts))))
    for _ in range(leaves):
        hasher.add(b"x")
    root = hasher.finish()
    assert root == naive_root([b"x"] * leaves) == emitted[-1][0]
    depth = 1 if leaves <= 174 else 2 if leaves <= 174 * 174 else 3
    assert levels(root, dict(emitted)) == depth


def levels(digest, blocks):
    node = parse_block(digest, blocks[digest])
    return 1 + levels(node.links[0].digest, blocks) if node.links else 0


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 3 * MIB])
def test_blocks_give_the_file_back(size):
    """Walked from the root, the blocks are the file; every size and total on the way is right."""
    data = b"".join(pieces(size))
    blocks = dict(file_blocks(data))
    assert walk(digest_of(cid_of(data)), blocks) == (data, sum(map(len, blocks.values())) + repeated(size))


def repeated(size):
    """Whole chunks of the measured bytes are equal, so a dictionary holds one block for all of them."""
    whole = max(0, size // MIB - 1)
    return whole * len(next(iter(file_blocks(bytes(MIB))))[1])


def walk(digest, blocks):
    node = parse_block(digest, blocks[digest])
    if not node.links:
        assert node.size == len(node.data)
        return node.data, len(blocks[digest])
    data, total = b"", len(blocks[digest])
    for link in node.links:
        below, weight = walk(link.digest, blocks)
        assert (link.size, link.total) == (len(below), weight)
        data, total = data + below, total + weight
    assert node.size == len(data)
    return data, total


def test_a_changed_block_is_refused_by_its_cid():
    """The error names what to fetch again."""
    digest, block = next(file_blocks(b"some bytes"))
    with pytest.raises(IntegrityError, match="other bytes") as caught:
        parse_block(digest, block[:-1] + b"\x0b")
    assert caught.value.cid == cid_from_digest(digest)


LEAF = field(1, 2) + field(2, b"abc") + field(3, 3)
LINK = field(1, b"\x01\x70\x12\x20" + bytes(32)) + field(2, b"") + field(3, 10)
BAD = {
    "empty": b"",
    "not protobuf": b"\xff" * 12,
    "cut short": field(1, LEAF)[:-1],
    "a fixed-width field": b"\x0d\x00\x00\x00\x00",
    "an unknown field of the node": field(1, LEAF) + field(3, b""),
    "an unknown field of the file": field(1, LEAF + field(5, 1)),
    "a directory": field(1, field(1, 1)),
    "a wrong size": field(1, field(1, 2) + field(2, b"abc") + field(3, 4)),
    "links without sizes": field(2, LINK) + field(1, field(1, 2) + field(3, 3)),
    "sizes without links": field(1, field(1, 2) + field(3, 3) + field(4, 3)),
    "data and links": field(2, LINK) + field(1, field(1, 2) + field(2, b"abc") + field(3, 6) + field(4, 3)),
    "a raw leaf": field(2, field(1, b"\x01\x55\x12\x20" + bytes(32)) + field(3, 10))
    + field(1, field(1, 2) + field(3, 3) + field(4, 3)),
    "a short digest": field(2, field(1, b"\x01\x70\x12\x20" + bytes(31)) + field(3, 10))
    + field(1, field(1, 2) + field(3, 3) + field(4, 3)),
    "a link without total": field(2, field(1, b"\x01\x70\x12\x20" + bytes(32)))
    + field(1, field(1, 2) + field(3, 3) + field(4, 3)),
    "a number without end": field(1, LEAF[:2] + b"\x18" + b"\x80" * 11 + b"\x01"),
}


@pytest.mark.parametrize("block", BAD.values(), ids=BAD)
def test_blocks_of_another_make_are_refused(block):
    """Their digest is right, but no file of ours has such a block."""
    with pytest.raises(IntegrityError, match="no part of a UnixFS file"):
        parse_block(hashlib.sha256(block).digest(), block)


@given(st.binary(max_size=200), st.integers(0, 10**6), st.integers(0, 255))
def test_no_block_breaks_the_parser(data, place, value):
    """A node of any bytes, or a good one with one byte changed, is parsed or refused, nothing else."""
    good = bytearray(field(2, LINK) + field(1, field(1, 2) + field(3, 3) + field(4, 3)))
    good[place % len(good)] = value
    for block in (data, bytes(good), field(1, data), field(2, data)):
        try:
            node = parse_block(hashlib.sha256(block).digest(), block)
        except IntegrityError:
            continue
        assert node.size == len(node.data) + sum(link.size for link in node.links)


@given(st.binary(min_size=32, max_size=32))
def test_a_cid_holds_its_digest(digest):
    """59 characters, lower case, and back again."""
    cid = cid_from_digest(digest)
    assert len(cid) == 59
    assert cid == "b" + base64.b32encode(b"\x01\x70\x12\x20" + digest).decode().lower().rstrip("=")
    assert digest_of(cid) == digest
    assert check_cid(cid) == cid


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_digest_has_32_bytes(size):
    with pytest.raises(ProtocolError, match="32 bytes"):
        cid_from_digest(bytes(size))


MALFORMED = {
    "nothing": "",
    "a letter": "b",
    "upper case": GOOD.upper(),
    "one capital": GOOD[:-1] + GOOD[-1].upper(),
    "cut": GOOD[:-1],
    "longer": GOOD + "a",
    "a space": GOOD + " ",
    "a line end": GOOD + "\n",
    "another alphabet": GOOD[:-1] + "1",
    "another base": "z" + GOOD[1:],
    "loose last bits": GOOD[:-1] + "z",
    "padding": GOOD[:-1] + "=",
    "not ASCII": GOOD[:-1] + "é",
    "long when raised": GOOD[:-2] + "ßy",
    "version 0": "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
    "raw codec": "b" + base64.b32encode(b"\x01\x55\x12\x20" + bytes(32)).decode().lower().rstrip("="),
    "another hash": "b" + base64.b32encode(b"\x01\x70\x1b\x20" + bytes(32)).decode().lower().rstrip("="),
    "a path": f"/ipfs/{GOOD}",
    "dots": "../" * 19 + "ab",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_other_cids_are_refused(text):
    """Any other kind, and any other spelling of ours: a CID is a file name in a store, so it is exact."""
    with pytest.raises(ProtocolError, match="no CIDv1 in base32"):
        check_cid(text)


@given(st.text(max_size=80))
def test_any_text_is_a_cid_or_refused(text):
    """Nothing but a `ProtocolError`, and not a long one."""
    with pytest.raises(ProtocolError) as caught:
        digest_of(text)
    assert len(str(caught.value)) < 1000
