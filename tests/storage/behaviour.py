"""What every content store has to do: one suite, run on each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import pytest

from medfed.errors import ContentMissing, InputError, IntegrityError, ProtocolError
from medfed.protocol.cid import CHUNK_SIZE, cid_from_digest, cid_of
from medfed.storage import ContentStore
from medfed.types import Cid

ABSENT = cid_from_digest(bytes(31) + b"\x01")
"""A file that nobody has."""

MALFORMED = [
    "",
    "notacid",
    ABSENT.upper(),
    ABSENT[:-1],
    ABSENT + "a",
    "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",  # version 0
    "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",  # raw, no dag-pb
    f"../../{ABSENT}",
    f"{ABSENT}/../x",
]


def patterned(size: int, shift: int = 0) -> bytes:
    """Bytes that repeat only after a prime number of them, so that no two chunks are alike."""
    period = bytes((number * number + shift) % 251 for number in range(251))
    return (period * (size // 251 + 1))[:size]


class Subject(Protocol):
    """A store that holds nothing yet, and the means to spoil what lies below it."""

    store: ContentStore

    def change(self, cid: Cid, how: Callable[[bytes], bytes]) -> None:
        """Make other bytes of what is kept of a small file."""

    def lose(self, cid: Cid) -> None:
        """Delete what is kept of a small file."""


class StoreBehaviour:
    """Subclasses supply the fixture `subject`."""

    @pytest.fixture
    def store(self, subject: Subject) -> ContentStore:
        return subject.store

    # -- put and get

    @pytest.mark.parametrize("size", [0, 1, 1000, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE + 5])
    def test_get__what_was_put__comes_back(self, store, size):
        data = patterned(size)
        cid = store.put(data)
        assert cid == cid_of(data)
        assert store.get(cid, size) == data
        assert store.size(cid) == size

    def test_put__a_path__is_the_same_file_as_its_bytes(self, store, tmp_path):
        file = tmp_path / "file"
        file.write_bytes(patterned(CHUNK_SIZE + 7))
        assert store.put(file) == cid_of(file)
        assert store.get(cid_of(file), CHUNK_SIZE + 7) == file.read_bytes()

    def test_put__twice__is_harmless(self, store):
        assert store.put(b"twice") == store.put(b"twice")
        assert store.get(cid_of(b"twice"), 5) == b"twice"
        assert store.pins() == {cid_of(b"twice")}

    def test_put__a_path_that_is_not_there__is_told(self, store, tmp_path):
        with pytest.raises(InputError, match="nothing-here cannot be read: No such file"):
            store.put(tmp_path / "nothing-here")

    def test_get_to__writes_the_file(self, store, tmp_path):
        cid = store.put(patterned(CHUNK_SIZE + 1))
        store.get_to(cid, tmp_path / "copy", CHUNK_SIZE + 1)
        assert (tmp_path / "copy").read_bytes() == patterned(CHUNK_SIZE + 1)
        assert [path.name for path in tmp_path.iterdir()] == ["copy"]

    def test_get_to__a_folder_that_is_not_there__is_told(self, store, tmp_path):
        cid = store.put(b"file")
        with pytest.raises(InputError, match="copy cannot be written: No such file"):
            store.get_to(cid, tmp_path / "nowhere" / "copy", 4)

    # -- bad files

    @pytest.mark.parametrize(
        "how",
        [
            pytest.param(lambda kept: kept[:-300], id="truncated"),
            pytest.param(lambda kept: b"", id="emptied"),
            pytest.param(lambda kept: kept[:500] + b"\x00" + kept[501:], id="one byte changed"),
            pytest.param(lambda kept: kept + b"\x00", id="lengthened"),
            pytest.param(lambda kept: bytes(5 << 20), id="replaced by something large"),
        ],
    )
    def test_get__other_bytes__are_refused_by_name(self, subject, tmp_path, how):
        """Neither `get` nor `get_to` hands out or leaves a byte of it."""
        cid = subject.store.put(patterned(1000))
        subject.change(cid, how)
        with pytest.raises(IntegrityError, match=cid) as caught:
            subject.store.get(cid, 1 << 20)
        assert caught.value.cid == cid
        with pytest.raises(IntegrityError, match=cid):
            subject.store.get_to(cid, tmp_path / "copy", 1 << 20)
        assert list(tmp_path.iterdir()) == []

    def test_get__longer_than_allowed__is_refused_by_name(self, store):
        """The limit is the last length that is allowed; nothing is cut to fit."""
        cid = store.put(patterned(2000))
        assert len(store.get(cid, 2000)) == 2000
        for limit in (1999, 1, 0):
            with pytest.raises(IntegrityError, match=cid) as caught:
                store.get(cid, limit)
            assert caught.value.cid == cid

    def test_get__a_long_file_under_a_short_limit__is_refused_early(self, store):
        cid = store.put(patterned(2 * CHUNK_SIZE + 5))
        with pytest.raises(IntegrityError, match=cid):
            store.get(cid, CHUNK_SIZE)

    # -- pieces

    @pytest.mark.parametrize("index", [0, 1, 2, 3])
    def test_piece__of_a_file__is_that_part_of_it(self, store, index):
        """The last one is shorter, and beyond it there is nothing."""
        data = patterned(2 * CHUNK_SIZE + 5)
        cid = store.put(data)
        part = data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        assert store.piece(cid, index, len(data)) == (len(data), part)

    def test_piece__longer_than_allowed__is_refused_by_name(self, store):
        """The limit is on the whole file."""
        cid = store.put(patterned(2 * CHUNK_SIZE + 5))
        with pytest.raises(IntegrityError, match=cid):
            store.piece(cid, 1, 2 * CHUNK_SIZE + 4)

    def test_piece__other_bytes__are_refused_by_name(self, subject):
        cid = subject.store.put(patterned(1000))
        subject.change(cid, lambda kept: kept[:500] + b"\x00" + kept[501:])
        with pytest.raises(IntegrityError, match=cid):
            subject.store.piece(cid, 0, 1 << 20)

    def test_piece__of_a_missing_file__is_told(self, store):
        with pytest.raises(ContentMissing, match=ABSENT):
            store.piece(ABSENT, 0, 100)

    # -- missing files

    @pytest.mark.parametrize("wait", [0.0, 0.3])
    def test_get__a_missing_file__is_awaited_as_long_as_asked(self, store, wait):
        store.has(ABSENT)  # so that connecting is not measured
        started = time.monotonic()
        with pytest.raises(ContentMissing, match=ABSENT) as caught:
            store.get(ABSENT, 100, wait=wait)
        assert caught.value.cid == ABSENT
        assert wait - 0.1 < time.monotonic() - started < wait + 3

    def test_a_missing_file__is_told_by_every_method(self, store):
        assert not store.has(ABSENT)
        for method in (store.pin, store.size):
            with pytest.raises(ContentMissing, match=ABSENT) as caught:
                method(ABSENT)
            assert caught.value.cid == ABSENT
        assert store.pins() == set()
        store.unpin(ABSENT)

    def test_a_lost_file__is_missing(self, subject):
        cid = subject.store.put(b"lost")
        subject.lose(cid)
        assert not subject.store.has(cid)
        with pytest.raises(ContentMissing, match=cid):
            subject.store.get(cid, 4)

    # -- pins

    def test_put__pins__unless_told_not_to(self, store):
        kept = store.put(b"kept")
        loose = store.put(b"loose", pin=False)
        assert store.pins() == {kept}
        assert store.has(loose)

    def test_pin_and_unpin__change_pins_and_nothing_else(self, store):
        cid = store.put(b"file", pin=False)
        for _ in range(2):
            store.pin(cid)
            assert store.pins() == {cid}
        for _ in range(2):
            store.unpin(cid)
            assert store.pins() == set()
        assert store.get(cid, 4) == b"file"

    # -- bad names

    @pytest.mark.parametrize("cid", MALFORMED)
    def test_a_malformed_cid__is_refused_by_every_method(self, store, tmp_path, cid):
        calls = [
            lambda: store.get(cid, 10),
            lambda: store.get_to(cid, tmp_path / "copy", 10),
            lambda: store.piece(cid, 0, 10),
            lambda: store.has(cid),
            lambda: store.size(cid),
            lambda: store.pin(cid),
            lambda: store.unpin(cid),
        ]
        for call in calls:
            with pytest.raises(ProtocolError, match="is no CIDv1 in base32 with codec dag-pb and sha2-256"):
                call()
        assert list(tmp_path.iterdir()) == []


class LiveBehaviour:
    """What takes two at the same moment. Subclasses supply the fixture `subject`."""

    @pytest.fixture
    def store(self, subject: Subject) -> ContentStore:
        return subject.store

    def test_get__a_file_that_comes_while_waiting__finds_it(self, store):
        data = patterned(CHUNK_SIZE + 1)
        late = threading.Timer(0.2, store.put, [data])
        late.start()
        assert store.get(cid_of(data), len(data), wait=20) == data
        late.join()

    def test_threads__may_share_a_store(self, store):
        """Each of four puts, reads, pins and unpins files of its own, and one that is everybody's."""
        problems = []

        def work(number: int) -> None:
            try:
                for step in range(5):
                    own = store.put(patterned(1000 + step, number))
                    shared = store.put(b"everybody's")
                    assert store.get(own, 2000) == patterned(1000 + step, number)
                    assert store.get(shared, 100) == b"everybody's"
                    store.unpin(own)
            except Exception as exc:  # noqa: BLE001 - told by the main thread
                problems.append(exc)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert store.pins() == {cid_of(b"everybody's")}
