"""CAR files carry a study between stores: the same bytes that Kubo writes, and nothing half imported."""

from __future__ import annotations

import contextlib
import hashlib
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfed.errors import (
    ContentMissing,
    InputError,
    IntegrityError,
    MedFedError,
    ProtocolError,
)
from medfed.protocol.cid import CHUNK_SIZE, MAX_LINKS, DagHasher, cid_from_digest, cid_of, file_blocks
from medfed.storage.car import CarStore, _header, _write_section, export_car, import_car
from medfed.storage.kubo import KuboStore
from medfed.storage.local import LocalStore
from tests.storage.behaviour import ABSENT, patterned
from tests.storage.test_local import file_size_limit, state

LIMIT = 1 << 40
FILES = {
    "empty": b"",
    "small": b"hello medfed\n",
    "one chunk": patterned(CHUNK_SIZE),
    "two chunks": patterned(CHUNK_SIZE + 1),
    "alike chunks": bytes(5 * CHUNK_SIZE + 3),
}
# Of eight chunks in turn: a file that repeats one alone so often is refused.
TWO_LEVELS = b"".join(bytes([turn % 8]) * CHUNK_SIZE for turn in range(MAX_LINKS)) + b"x"
SINGLY = [*FILES.values(), pytest.param(TWO_LEVELS, marks=pytest.mark.slow)]
NAMES = [*FILES, "two levels"]


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "store")


@pytest.fixture
def empty(tmp_path):
    return LocalStore(tmp_path / "empty")


def exported(store, car, *files):
    cids = [store.put(data) for data in files]
    export_car(store, cids, car, max_bytes=LIMIT)
    return cids


def section(data):
    length, prefix = len(data), bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(prefix) + bytes([length]) + data


def car_of(roots, blocks):
    """A CAR file, written here anew; `blocks` are (CID as bytes, block)."""
    items = b"".join(b"\xd8\x2a\x58\x25\x00\x01\x70\x12\x20" + digest for digest in roots)
    header = b"\xa2\x65roots" + bytes([0x80 | len(roots)]) + items + b"\x67version\x01"
    return section(header) + b"".join(section(cid + block) for cid, block in blocks)


def ours(*blocks):
    return [(b"\x01\x70\x12\x20" + hashlib.sha256(block).digest(), block) for block in blocks]


def bomb(path, *chunks):
    """A CAR file of files of zeros, so many chunks each: one leaf, and what links to it."""
    blocks: dict[bytes, bytes] = {}
    zeros, roots = bytes(CHUNK_SIZE), []
    for count in chunks:
        hasher = DagHasher(lambda digest, parts: blocks.setdefault(digest, b"".join(parts)))
        for _ in range(count):
            hasher.add(zeros)
        roots.append(hasher.finish())
    with path.open("wb") as car:
        _write_section(car, _header([cid_from_digest(root) for root in roots]))
        for digest, block in blocks.items():
            _write_section(car, b"\x01\x70\x12\x20" + digest + block)
    return path


@contextlib.contextmanager
def bounded(*, seconds, mebibytes):
    """What runs within takes no longer, and no more memory of Python's own."""
    tracemalloc.start()
    begun = time.monotonic()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < mebibytes << 20
        assert time.monotonic() - begun < seconds
    finally:
        tracemalloc.stop()


class TestBetweenStores:
    def test_a_study__comes_out_as_it_went_in(self, store, empty, tmp_path):
        car = tmp_path / "study.car"
        cids = exported(store, car, *FILES.values())
        assert import_car(empty, car, max_bytes=LIMIT) == cids
        assert empty.pins() == set(cids)
        for data in FILES.values():
            assert empty.get(cid_of(data), len(data)) == data

    @given(st.lists(st.binary(max_size=100), max_size=30))
    @settings(max_examples=20)
    def test_any_files__come_out_as_they_went_in(self, tmp_path_factory, files):
        folder = tmp_path_factory.mktemp("car")
        one, other, car = LocalStore(folder / "one"), LocalStore(folder / "other"), folder / "study.car"
        cids = exported(one, car, *files)
        assert import_car(other, car, max_bytes=LIMIT) == list(dict.fromkeys(cids))
        assert other.pins() == one.pins()

    @pytest.mark.parametrize("count", [23, 24, 256])
    def test_the_number_of_files__may_be_any(self, store, empty, tmp_path, count):
        """CBOR writes numbers in more bytes from 24 and 256 on."""
        car = tmp_path / "study.car"
        cids = exported(store, car, *(str(number).encode() for number in range(count)))
        assert import_car(empty, car, max_bytes=LIMIT) == cids

    def test_equal_blocks__are_written_once(self, store, tmp_path):
        exported(store, tmp_path / "car", FILES["alike chunks"], FILES["alike chunks"][:-3])
        assert (tmp_path / "car").stat().st_size < 2 * CHUNK_SIZE

    def test_twice__is_the_same_file(self, store, tmp_path):
        for name in ("one", "two"):
            exported(store, tmp_path / name, *FILES.values())
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    def test_import__twice__is_harmless(self, store, empty, tmp_path):
        cids = exported(store, tmp_path / "car", b"one", b"two")
        for _ in range(2):
            assert import_car(empty, tmp_path / "car", max_bytes=LIMIT) == cids


class TestExport:
    """Fails as a whole: no file at the place, nothing beside it."""

    def leaves_nothing(self, tmp_path):
        return [path.name for path in tmp_path.iterdir()] == ["store"]

    def test_a_missing_file__is_named(self, store, tmp_path):
        with pytest.raises(ContentMissing, match=ABSENT):
            export_car(store, [store.put(b"here"), ABSENT], tmp_path / "car", max_bytes=LIMIT)
        assert self.leaves_nothing(tmp_path)

    def test_a_damaged_file__is_named(self, store, tmp_path):
        cids = [store.put(b"one"), store.put(b"two")]
        next(tmp_path.glob(f"store/objects/*/{cids[1]}")).write_bytes(b"tow")
        with pytest.raises(IntegrityError, match=cids[1]):
            export_car(store, cids, tmp_path / "car", max_bytes=LIMIT)
        assert self.leaves_nothing(tmp_path)

    def test_the_limit__counts_all_files_together(self, store, tmp_path):
        cids = [store.put(b"x" * 60), store.put(b"y" * 60)]
        export_car(store, cids, tmp_path / "car", max_bytes=120)
        (tmp_path / "car").unlink()
        with pytest.raises(IntegrityError, match=cids[1]):
            export_car(store, cids, tmp_path / "car", max_bytes=119)
        assert self.leaves_nothing(tmp_path)

    def test_a_full_disk(self, store, tmp_path):
        cid = store.put(patterned(3 * CHUNK_SIZE))
        with (
            file_size_limit(CHUNK_SIZE),
            pytest.raises(InputError, match="cannot be written: File too large"),
        ):
            export_car(store, [cid], tmp_path / "car", max_bytes=LIMIT)
        assert self.leaves_nothing(tmp_path)

    @pytest.mark.parametrize("place", ["nowhere/car", "file/car"])
    def test_a_place_that_is_none(self, store, tmp_path, place):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="car cannot be written: "):
            export_car(store, [store.put(b"file")], tmp_path / place, max_bytes=LIMIT)

    def test_an_older_file__stays_until_the_new_one_is_whole(self, store, tmp_path):
        exported(store, tmp_path / "car", b"older")
        older = (tmp_path / "car").read_bytes()
        with pytest.raises(ContentMissing):
            export_car(store, [ABSENT], tmp_path / "car", max_bytes=LIMIT)
        assert (tmp_path / "car").read_bytes() == older
        exported(store, tmp_path / "car", b"newer")
        assert (tmp_path / "car").read_bytes() != older

    @pytest.mark.parametrize("kept", [b"\n", b'{"version": 3}', b"a,b\n1,2\n" * 1000])
    def test_a_file_that_is_none__is_not_replaced(self, store, tmp_path, kept):
        """A key, a register: nobody means to lose it to an export."""
        (tmp_path / "key.json").write_bytes(kept)
        with pytest.raises(InputError, match=r"key\.json exists already and holds something else"):
            export_car(store, [store.put(b"file")], tmp_path / "key.json", max_bytes=LIMIT)
        assert (tmp_path / "key.json").read_bytes() == kept


def refused(store, car, error, words, max_bytes=LIMIT):
    """Importing fails, and the store is as it was."""
    with pytest.raises(error, match=words) as caught:
        import_car(store, car, max_bytes=max_bytes)
    assert store.pins() == set()
    assert store.collect() == 0
    return caught.value


class TestBadFiles:
    """Whatever is wrong with a CAR file, the store holds what it held before."""

    @pytest.fixture
    def car(self, store, tmp_path):
        """Two files, of one block and of three."""
        exported(store, tmp_path / "study.car", b"first", patterned(CHUNK_SIZE + 9))
        return tmp_path / "study.car"

    def test_cut_short_anywhere(self, car, empty):
        """At each of many places, those between two blocks included."""
        whole = car.read_bytes()
        places = {*range(0, 300, 7), *range(len(whole) - 1, 300, -70_001), len(whole) - 1}
        for length in sorted(places):
            car.write_bytes(whole[:length])
            refused(empty, car, ProtocolError, r"study\.car: .*(no CAR file|cut short|lacks the block)")

    def test_a_changed_byte_anywhere(self, car, empty):
        """No byte of it is without a meaning."""
        whole = car.read_bytes()
        for place in {*range(0, 400, 3), *range(400, len(whole), 100_003), len(whole) - 1}:
            car.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises((IntegrityError, ProtocolError)):
                import_car(empty, car, max_bytes=LIMIT)
            assert empty.pins() == set()
            assert empty.collect() == 0

    def test_a_changed_block__is_named(self, car, empty):
        whole = car.read_bytes()
        car.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert refused(empty, car, IntegrityError, cid_of(patterned(CHUNK_SIZE + 9))).cid is not None

    def test_too_long__is_named(self, car, empty):
        """The limit counts all files together, and holds before anything is stored."""
        size = 5 + CHUNK_SIZE + 9
        refused(empty, car, IntegrityError, cid_of(patterned(CHUNK_SIZE + 9)), max_bytes=size - 1)
        assert len(import_car(empty, car, max_bytes=size)) == 2

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00",
            b"not a CAR file at all, but a letter",
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            b"\xff" * 100,
            bytes.fromhex("0aa16776657273696f6e02") + bytes(100),  # CAR of version 2
            section(b"\xa1\x67version\x01"),
        ],
    )
    def test_no_car_file(self, tmp_path, empty, data):
        (tmp_path / "car").write_bytes(data)
        refused(empty, tmp_path / "car", ProtocolError, r"CAR file")

    def test_foreign_blocks(self, tmp_path, empty):
        """Raw leaves are valid IPLD, and no file as MedFed writes it."""
        leaf = b"raw leaf"
        raw = (b"\x01\x55\x12\x20" + hashlib.sha256(leaf).digest(), leaf)
        root = next(file_blocks(b"first"))
        (tmp_path / "car").write_bytes(car_of([root[0]], [*ours(root[1]), raw]))
        refused(empty, tmp_path / "car", ProtocolError, "block that is not dag-pb with sha2-256")

    def test_a_tree_of_another_layout(self, tmp_path, empty):
        """Two leaves of half a chunk: the bytes are a file's, the CID is not that of the file."""
        from tests.storage.test_blocks import Link, node_block

        halves = [next(file_blocks(patterned(CHUNK_SIZE // 2, shift))) for shift in (1, 2)]
        root = node_block([Link(digest, CHUNK_SIZE // 2, len(block)) for digest, block in halves], None)
        digest = hashlib.sha256(root).digest()
        (tmp_path / "car").write_bytes(car_of([digest], ours(root, *(block for _, block in halves))))
        refused(empty, tmp_path / "car", IntegrityError, cid_from_digest(digest))

    def test_a_directory(self, tmp_path, empty):
        block = b"\x0a\x02\x08\x01"
        (tmp_path / "car").write_bytes(car_of([hashlib.sha256(block).digest()], ours(block)))
        refused(empty, tmp_path / "car", IntegrityError, "no part of a UnixFS file")

    def test_a_block_under_anothers_name(self, tmp_path, empty):
        root = next(file_blocks(b"first"))
        (tmp_path / "car").write_bytes(car_of([root[0]], [(b"\x01\x70\x12\x20" + root[0], b"other")]))
        refused(empty, tmp_path / "car", IntegrityError, cid_of(b"first"))

    def test_a_section_that_claims_gibibytes(self, car, empty):
        whole = car.read_bytes()
        car.write_bytes(whole + b"\xff\xff\xff\xff\x07" + bytes(100))
        refused(empty, car, ProtocolError, "section of 2147483647 bytes, more than")

    def test_few_blocks_that_link_without_end(self, tmp_path, empty):
        from tests.storage.test_blocks import Link, node_block

        blocks = [node_block([], None)]
        for _ in range(5):
            blocks.append(node_block([Link(hashlib.sha256(blocks[-1]).digest(), 0, 6)] * MAX_LINKS, None))
        (tmp_path / "car").write_bytes(car_of([hashlib.sha256(blocks[-1]).digest()], ours(*blocks)))
        refused(empty, tmp_path / "car", IntegrityError, "not laid out as MedFed does it")

    def test_a_small_file_that_stands_for_much(self, tmp_path, empty):
        """A file of one chunk, again and again: refused by what its first block says, before anything is put together."""
        path = bomb(tmp_path / "car", 2_000)
        assert path.stat().st_size < 2 << 20
        with bounded(seconds=2, mebibytes=16):
            refused(
                empty, path, IntegrityError, "more than .* which is all that a CAR file of its size may hold"
            )
            with pytest.raises(IntegrityError, match="all that a CAR file of its size may hold"):
                CarStore(path, max_bytes=LIMIT)

    def test_many_files_that_stand_for_much(self, tmp_path, empty):
        """Each of them is small enough, all together are not."""
        path = bomb(tmp_path / "car", *range(100, 104))
        with bounded(seconds=4, mebibytes=16):
            refused(empty, path, IntegrityError, "all that a CAR file of its size may hold")

    def test_a_first_block_that_lies_about_it(self, tmp_path, empty):
        """It says little and links to much: refused where it is longer than it says."""
        from tests.storage.test_blocks import Link, node_block

        leaf = next(file_blocks(bytes(CHUNK_SIZE)))[1]
        root = node_block([Link(hashlib.sha256(leaf).digest(), 1, 1)] * MAX_LINKS, None)
        (tmp_path / "car").write_bytes(car_of([hashlib.sha256(root).digest()], ours(root, leaf)))
        with bounded(seconds=2, mebibytes=16):
            refused(empty, tmp_path / "car", IntegrityError, "not laid out as MedFed does it")

    def test_a_block_or_a_file_named_twice(self, tmp_path, empty):
        block = next(file_blocks(b"one"))[1]
        root = hashlib.sha256(block).digest()
        (tmp_path / "car").write_bytes(car_of([root], ours(block, block)))
        refused(empty, tmp_path / "car", ProtocolError, "twice")
        (tmp_path / "car").write_bytes(car_of([root] * 20, ours(block)))
        refused(empty, tmp_path / "car", ProtocolError, "names a file twice")

    def test_not_there(self, tmp_path, empty):
        refused(empty, tmp_path / "car", InputError, "car cannot be imported: No such file")

    def test_a_store_that_fails_midway__keeps_no_pin(self, car, empty):
        """The first file was stored when the disk was full for the second: its pin goes again, older ones stay."""
        older = empty.put(b"older")
        with file_size_limit(CHUNK_SIZE), pytest.raises(MedFedError, match="File too large"):
            import_car(empty, car, max_bytes=LIMIT)
        assert empty.pins() == {older}
        empty.collect()
        assert set(state(empty._objects.parent)) == {f"objects/{older[-3:-1]}/{older}", f"pins/{older}"}


@pytest.mark.kubo
class TestKubo:
    """Kubo reads what is written here, and the other way round."""

    @pytest.mark.parametrize("data", SINGLY, ids=NAMES)
    def test_export__is_byte_for_byte_kubos(self, store, empty_kubo, tmp_path, data):
        cid = KuboStore(empty_kubo.url).put(data)
        export_car(store, [store.put(data)], tmp_path / "car", max_bytes=LIMIT)
        assert empty_kubo.run("dag", "export", cid).stdout == (tmp_path / "car").read_bytes()

    @pytest.mark.parametrize("data", SINGLY, ids=NAMES)
    def test_kubos_export__is_imported(self, empty, empty_kubo, tmp_path, data):
        cid = KuboStore(empty_kubo.url).put(data)
        (tmp_path / "car").write_bytes(empty_kubo.run("dag", "export", cid).stdout)
        assert import_car(empty, tmp_path / "car", max_bytes=LIMIT) == [cid]
        assert empty.get(cid, len(data)) == data

    def test_ours__is_imported_by_kubo(self, store, empty_kubo, tmp_path):
        """A whole study at once, by Kubo's own command: the roots are pinned. Old versions want to be told of full chunks."""
        cids = exported(store, tmp_path / "car", *FILES.values())
        done = empty_kubo.run("dag", "import", "--allow-big-block", str(tmp_path / "car"))
        assert done.returncode == 0, done.stderr
        kubo = KuboStore(empty_kubo.url)
        assert kubo.pins() == set(cids)
        for data in FILES.values():
            assert kubo.get(cid_of(data), len(data)) == data

    def test_a_study__goes_from_daemon_to_directory_and_back(self, empty, empty_kubo, tmp_path):
        kubo = KuboStore(empty_kubo.url)
        cids = exported(kubo, tmp_path / "car", *FILES.values())
        assert import_car(empty, tmp_path / "car", max_bytes=LIMIT) == cids
        for cid in cids:
            kubo.unpin(cid)
        empty_kubo.rpc("repo/gc")
        assert not any(map(kubo.has, cids))
        export_car(empty, cids, tmp_path / "back", max_bytes=LIMIT)
        assert (tmp_path / "back").read_bytes() == (tmp_path / "car").read_bytes()
        assert import_car(kubo, tmp_path / "back", max_bytes=LIMIT) == cids
        assert kubo.pins() == set(cids)

    def test_bad_files__leave_no_pin_in_a_daemon(self, store, empty_kubo, tmp_path):
        exported(store, tmp_path / "car", b"first", patterned(CHUNK_SIZE + 9))
        whole = (tmp_path / "car").read_bytes()
        (tmp_path / "car").write_bytes(whole[:-1])
        kubo = KuboStore(empty_kubo.url)
        with pytest.raises(ProtocolError, match="cut short"):
            import_car(kubo, tmp_path / "car", max_bytes=LIMIT)
        assert kubo.pins() == set()
        assert not kubo.has(cid_of(b"first"))


@pytest.fixture(scope="module")
def car_bytes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("car")
    exported(LocalStore(folder / "store"), folder / "one.car", b"hello medfed", bytes(3000))
    return (folder / "one.car").read_bytes()


class TestReading:
    """A CAR file as a store."""

    @pytest.fixture
    def car(self, store, tmp_path):
        self.cids = exported(store, tmp_path / "study.car", *FILES.values())
        return tmp_path / "study.car"

    @pytest.fixture
    def reading(self, car):
        with contextlib.closing(CarStore(car, max_bytes=LIMIT)) as opened:
            yield opened

    def test_gives_every_file_it_holds(self, reading):
        assert [reading.get(cid, LIMIT) for cid in self.cids] == list(FILES.values())
        assert [reading.size(cid) for cid in self.cids] == [len(data) for data in FILES.values()]
        assert reading.pins() == set(self.cids) == set(reading.roots)
        for cid, data in zip(self.cids, FILES.values(), strict=True):
            assert reading.piece(cid, 1, LIMIT) == (len(data), data[CHUNK_SIZE : 2 * CHUNK_SIZE])
        assert not reading.has(ABSENT)
        for ask in (
            reading.size,
            lambda cid: reading.get(cid, LIMIT),
            lambda cid: reading.piece(cid, 0, LIMIT),
        ):
            with pytest.raises(ContentMissing):
                ask(ABSENT)

    def test_is_not_written_to(self, reading):
        for change in (lambda: reading.put(b"x"), lambda: reading.pin(ABSENT), lambda: reading.unpin(ABSENT)):
            with pytest.raises(InputError, match="is read, not written"):
                change()

    @settings(max_examples=60, deadline=None)
    @given(place=st.integers(0, 1 << 30), bit=st.integers(0, 7))
    def test_one_flipped_bit_anywhere_is_found_on_opening(self, car_bytes, tmp_path_factory, place, bit):
        changed = bytearray(car_bytes)
        changed[place % len(changed)] ^= 1 << bit
        file = tmp_path_factory.getbasetemp() / "flipped.car"
        file.write_bytes(changed)
        with pytest.raises(MedFedError):
            CarStore(file, max_bytes=LIMIT)

    @settings(max_examples=60, deadline=None)
    @given(length=st.integers(0, 1 << 30))
    def test_a_file_cut_short_is_refused(self, car_bytes, tmp_path_factory, length):
        file = tmp_path_factory.getbasetemp() / "short.car"
        file.write_bytes(car_bytes[: length % len(car_bytes)])
        with pytest.raises(ProtocolError):
            CarStore(file, max_bytes=LIMIT)

    def test_what_belongs_to_no_file_is_refused(self, car_bytes, tmp_path):
        """A block that no root leads to, or one given twice: nobody looks at it, so that it could be anything."""
        file = tmp_path / "more.car"
        digest, block = next(iter(file_blocks(b"more")))
        stray = section(b"\x01\x70\x12\x20" + digest + block)
        for more in (stray, stray + stray, section(b"\x01\x70\x12\x20" + bytes(32))):
            file.write_bytes(car_bytes + more)
            with pytest.raises(ProtocolError, match=r"more than the blocks of its files|twice"):
                CarStore(file, max_bytes=LIMIT)

    def test_more_bytes_than_are_allowed_are_refused(self, car):
        with pytest.raises(IntegrityError, match="are allowed here"):
            CarStore(car, max_bytes=CHUNK_SIZE)

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"absent.car cannot be read"):
            CarStore(tmp_path / "absent.car", max_bytes=LIMIT)

    def test_documents_need_no_store(self, empty, tmp_path):
        """They come first among the roots, and a store that lacks them is not asked."""
        documents = [b"one", b"two"]
        export_car(empty, [], tmp_path / "documents.car", max_bytes=LIMIT, documents=documents)
        with contextlib.closing(CarStore(tmp_path / "documents.car", max_bytes=LIMIT)) as reading:
            assert [reading.get(cid, LIMIT) for cid in reading.roots] == documents
