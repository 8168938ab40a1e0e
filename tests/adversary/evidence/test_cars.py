"""CAR files that a stranger made to be read otherwise than they are written, and collecting beside who writes."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest

from medfed.errors import InputError, IntegrityError, MedFedError, ProtocolError
from medfed.protocol.cid import CHUNK_SIZE, cid_from_digest, cid_of, file_blocks
from medfed.storage.car import CarStore, import_car
from medfed.storage.local import LocalStore
from tests.storage.test_car import car_of, ours, section

LIMIT = 1 << 40
ROOT, BLOCK = next(file_blocks(b"a file"))
OTHER, STRAY = next(file_blocks(b"another"))
SOUND = car_of([ROOT], ours(BLOCK))
HEADER = SOUND[: len(SOUND) - len(section(b"\x01\x70\x12\x20" + ROOT + BLOCK))]
WHOLE = b"\x01\x70\x12\x20" + ROOT + BLOCK


def long_varint(data, more):
    """A section whose length is written in more bytes than it takes."""
    assert len(data) < 0x80
    return bytes([len(data) | 0x80]) + b"\x80" * (more - 1) + b"\x00" + data


HOSTILE = {
    "section overlapping the next": HEADER + bytes([len(WHOLE) + 3]) + WHOLE + section(WHOLE),
    "section shorter than its block": HEADER + bytes([len(WHOLE) - 1]) + WHOLE,
    "overlong length of a block": HEADER + long_varint(WHOLE, 1),
    "length of a block with four zeros": HEADER + long_varint(WHOLE, 4),
    "overlong length of the header": long_varint(HEADER[1:], 2) + section(WHOLE),
    "length without end": HEADER + b"\x80" * 64 + section(WHOLE),
    "length of 2^42": HEADER + b"\xff" * 5 + b"\x7f" + WHOLE,
    "empty section": SOUND + b"\x00",
    "trailing bytes": SOUND + bytes(3),
    "half a length behind": SOUND + b"\x80",
    "root that is not there": car_of([ROOT, OTHER], ours(BLOCK)),
    "no block at all": car_of([ROOT], []),
    "block twice": car_of([ROOT], ours(BLOCK, BLOCK)),
    "root twice": car_of([ROOT, ROOT], ours(BLOCK)),
    "block that no root needs": car_of([ROOT], ours(BLOCK, STRAY)),
    "block under another's digest": car_of([ROOT], [(WHOLE[:36], STRAY)]),
    "identity CID": car_of([ROOT], [*ours(BLOCK), (b"\x01\x55\x00\x04", b"word")]),
    "identity CID of a dag-pb": car_of(
        [ROOT], [*ours(BLOCK), (b"\x01\x70\x00" + bytes([len(STRAY)]), STRAY)]
    ),
    "sha2-512": car_of([ROOT], [(b"\x01\x70\x13\x40" + hashlib.sha512(BLOCK).digest(), BLOCK)]),
    "sha2-256 cut to 20 bytes": car_of([ROOT], [(b"\x01\x70\x12\x14" + ROOT[:20], BLOCK)]),
    "CID of version 0": car_of([ROOT], [(b"\x12\x20" + ROOT, BLOCK)]),
    "CID with an overlong version": car_of([ROOT], [(b"\x81\x00\x70\x12\x20" + ROOT, BLOCK)]),
    "raw root": SOUND.replace(b"\x00\x01\x70\x12\x20", b"\x00\x01\x55\x12\x20", 1),
    "a key more in the header": section(HEADER[1:].replace(b"\xa2", b"\xa3", 1) + b"\x61x\x01")
    + section(WHOLE),
    "roots counted as 2^32": section(b"\xa2\x65roots\x9a\xff\xff\xff\xff\x67version\x01") + section(WHOLE),
    "second header behind": SOUND + HEADER,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_is_refused_and_leaves_nothing(tmp_path, data):
    """In one sentence, by who imports it and by who reads it as a bundle, in little memory."""
    (tmp_path / "car").write_bytes(data)
    store = LocalStore(tmp_path / "store")
    tracemalloc.start()
    try:
        with pytest.raises((ProtocolError, IntegrityError)):
            import_car(store, tmp_path / "car", max_bytes=LIMIT)
        with pytest.raises((ProtocolError, IntegrityError)):
            CarStore(tmp_path / "car", max_bytes=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert store.pins() == set()
    assert store.collect() == 0


def test_the_sound_one_is_read(tmp_path):
    """What all others differ from."""
    (tmp_path / "car").write_bytes(SOUND)
    cids = import_car(LocalStore(tmp_path / "store"), tmp_path / "car", max_bytes=LIMIT)
    assert cids == [cid_from_digest(ROOT)] == [cid_of(b"a file")]
    CarStore(tmp_path / "car", max_bytes=LIMIT).close()


def test_a_sparse_file_of_a_tebibyte_costs_nothing(tmp_path):
    """Its size would allow as much: what stands in it decides."""
    with (tmp_path / "car").open("wb") as car:
        car.write(SOUND)
        car.truncate(1 << 40)
    with pytest.raises(ProtocolError):
        import_car(LocalStore(tmp_path / "store"), tmp_path / "car", max_bytes=LIMIT)
    with pytest.raises(ProtocolError):
        CarStore(tmp_path / "car", max_bytes=LIMIT)


class TestBesideADaemon:
    """A daemon uses the same store."""

    def test_an_import_that_fails_lets_go_of_nothing_that_others_pinned_meanwhile(self, tmp_path):
        third = b"a third"
        blocks = [next(file_blocks(data)) for data in (b"a file", b"another", third)]
        (tmp_path / "car").write_bytes(
            car_of([digest for digest, _ in blocks], ours(*(block for _, block in blocks)))
        )

        class Failing(LocalStore):
            """The disk is full for the second file when a daemon has just pinned the third."""

            def _put(self, cid, data, pin):
                if cid == cid_of(b"a file"):
                    return super()._put(cid, data, pin)
                LocalStore(tmp_path / "store").put(third)
                raise InputError("full")

        store = Failing(tmp_path / "store")
        with pytest.raises(InputError, match="full"):
            import_car(store, tmp_path / "car", max_bytes=LIMIT)
        assert store.pins() == {cid_of(third)}

    def test_only_what_was_looked_at_is_collected(self, tmp_path):
        """What was let go since has not been asked about; what was pinned since stays."""
        store = LocalStore(tmp_path / "store")
        stray, needed, later = (store.put(data, pin=False) for data in (b"stray", b"needed", b"later"))
        looked = store.loose() - {later}
        store.pin(needed)
        assert store.collect(looked) == 1
        assert (store.has(stray), store.has(needed), store.has(later)) == (False, True, True)

    def test_a_file_that_is_being_read_is_read_to_its_end(self, tmp_path):
        """Collected with --force in the middle: the reader has all of it or an error, never a part."""
        data = bytes(3 * CHUNK_SIZE)
        store = LocalStore(tmp_path / "store")
        cid = store.put(data, pin=False)
        pieces = store.stream(cid, LIMIT)
        read = next(pieces)
        assert store.collect() == 1
        assert b"".join([read, *pieces]) == data
        with pytest.raises(MedFedError):
            store.get(cid, LIMIT)
