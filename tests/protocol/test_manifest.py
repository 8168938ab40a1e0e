"""Cohort manifests: one form, and a leaf found in one chunk of the store."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import ProtocolError
from medfed.protocol.cid import CHUNK_SIZE
from medfed.protocol.leaf_tree import MAX_LEAVES, is_leaf_at
from medfed.protocol.leaves import ROOT_TAG
from medfed.protocol.manifest import CohortManifest, is_listed, leaf_counts, manifest_size
from tests.rig.studies import use

IN_CHUNK = CHUNK_SIZE // 32
"""Leaves of a chunk."""


def spread(count):
    """As many leaves as wanted, in order: hashes, as those of patients are."""
    return b"".join(sorted(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(count)))


def manifest(count=32):
    return CohortManifest.of(use(), spread(count))


def each(leaves):
    return [leaves[start : start + 32] for start in range(0, len(leaves), 32)]


def header(data, **changes):
    """The last 32 bytes: name, version, study, round, dataset, count."""
    parts = {"name": data[-32:-19], "version": data[-19:-18], "study": data[-18:-10]}
    parts |= {"round": data[-10:-8], "dataset": data[-8:-4], "count": data[-4:]}
    return data[:-32] + b"".join((parts | changes).values())


class TestForm:
    def test_bytes_and_back(self):
        made = manifest()
        data = made.to_bytes()
        assert len(data) == manifest_size(32) == 33 * 32
        assert CohortManifest.from_bytes(data) == made
        assert (made.study, made.round, made.dataset, made.count) == (1, 2, 3, 32)

    def test_a_leaf_stands_at_32_times_its_index(self):
        """The header is behind the leaves, each number at its place."""
        data = manifest(3).to_bytes()
        assert data[:96] == spread(3)
        numbers = (1).to_bytes(8, "big") + (2).to_bytes(2, "big") + (3).to_bytes(4, "big") * 2
        assert data[96:] == b"medfed/cohort\x02" + numbers

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda leaves: leaves[::-1], id="backwards"),
            pytest.param(lambda leaves: [leaves[0], *leaves], id="twice"),
            pytest.param(lambda leaves: [*leaves, bytes(32)], id="a zero at the end"),
            pytest.param(lambda leaves: [*leaves[:-2], leaves[-1], leaves[-2]], id="last two"),
        ],
    )
    def test_refuses_leaves_that_do_not_increase(self, change):
        leaves = change(each(spread(16)))
        place = manifest().to_bytes()[-32:-4] + len(leaves).to_bytes(4, "big")
        with pytest.raises(ProtocolError, match="strictly increasing"):
            CohortManifest.from_bytes(b"".join(leaves) + place)

    @given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=8))
    def test_the_order_is_that_of_big_endian_numbers(self, leaves):
        """For zeros and high bits at either end too."""
        rising = all(
            int.from_bytes(low, "big") < int.from_bytes(high, "big") for low, high in pairwise(leaves)
        )
        try:
            CohortManifest.of(use(), b"".join(leaves))
        except ProtocolError:
            assert not rising
        else:
            assert rising

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda data: b"", "0 bytes are no cohort manifest"),
            (lambda data: data[-32:], "32 bytes are no cohort manifest"),
            (lambda data: data[:-1], "1055 bytes are no cohort manifest"),
            (lambda data: data + bytes(1), "1057 bytes are no cohort manifest"),
            (lambda data: bytes(manifest_size(MAX_LEAVES + 1)), "33554496 bytes are no cohort manifest"),
            (lambda data: header(data, name=b"medfed/cohorT"), "no cohort manifest of version 2"),
            (lambda data: header(data, version=b"\1"), "no cohort manifest of version 2"),
            (lambda data: header(data, count=bytes(3) + b"\x1f"), "says that it has 31 leaves, and has 32"),
            (lambda data: data + data[-32:], "says that it has 32 leaves, and has 33"),
            (lambda data: header(data, study=bytes(8)), "a study, a round and a dataset, each from 1"),
            (lambda data: header(data, round=bytes(2)), "a study, a round and a dataset, each from 1"),
            (lambda data: header(data, dataset=bytes(4)), "a study, a round and a dataset, each from 1"),
        ],
    )
    def test_refuses_other_bytes(self, change, sentence):
        with pytest.raises(ProtocolError, match=sentence):
            CohortManifest.from_bytes(change(manifest().to_bytes()))

    @pytest.mark.parametrize("leaves", [b"", bytes(33), bytes(32 * MAX_LEAVES + 32)])
    def test_refuses_to_be_made_of_no_whole_leaves(self, leaves):
        with pytest.raises(ProtocolError, match="1 to 1048576 leaves of 32 bytes"):
            CohortManifest.of(use(), leaves)

    def test_the_largest_is_no_longer_than_its_bound(self):
        assert CohortManifest.maximum == manifest_size(1 << 20)


class TestLeaves:
    def test_root_proves_each_leaf(self):
        made = manifest(21)
        for index, leaf in enumerate(each(made.leaves)):
            assert made.index(leaf) == index
            assert is_leaf_at(ROOT_TAG, made.root(), leaf, (index, made.count), made.proof(index))

    def test_index__of_what_is_not_listed__is_none(self):
        made = manifest(21)
        for leaf in (bytes(32), b"\xff" * 32, made.leaves[1:33], spread(22)):
            assert made.index(leaf) is None


class TestWeight:
    @given(st.integers(1, 70), st.sampled_from([1, 2, 16]), st.integers(0, 96))
    def test_weight_fits_exactly_the_cohorts_it_may_stand_for(self, members, step, weight):
        """Accepted are the weights of the cohorts that fill up to this many leaves, and no other."""
        count = -(-members // step) * step
        made = manifest(count)
        fitting = {size // step * step for size in range(step, count + 1) if -(-size // step) * step == count}
        if weight in fitting:
            made.check_weight(weight, step)
            assert count in leaf_counts(weight, step)
        else:
            with pytest.raises(ProtocolError, match="Weight"):
                made.check_weight(weight, step)

    def test_refuses_a_manifest_that_is_not_filled_up(self):
        with pytest.raises(ProtocolError, match="multiple"):
            manifest(20).check_weight(16, 16)

    @pytest.mark.parametrize("place", [(2, 2, 3), (1, 3, 3), (1, 2, 4)])
    def test_is_of_one_place(self, place):
        made = manifest()
        made.check_place(1, 2, 3)
        with pytest.raises(ProtocolError, match="study"):
            made.check_place(*place)


class Store:
    """A manifest in chunks, and which of them were read."""

    def __init__(self, data):
        self.data, self.read = data, []

    def __call__(self, chunk):
        self.read.append(chunk)
        return len(self.data), self.data[chunk * CHUNK_SIZE : (chunk + 1) * CHUNK_SIZE]


LARGE = manifest(3 * IN_CHUNK + 16)


class TestIsListed:
    @pytest.mark.parametrize("count", [1, 16, IN_CHUNK - 1, IN_CHUNK, IN_CHUNK + 1])
    def test_every_leaf_is_found_and_no_other(self, count):
        made = manifest(count)
        store = Store(made.to_bytes())
        for leaf in each(made.leaves)[:: max(1, count // 40)]:
            assert is_listed(leaf, count, store)
            assert not is_listed(hashlib.sha256(leaf).digest(), count, store)
        assert not is_listed(bytes(32), count, store)
        assert not is_listed(b"\xff" * 32, count, store)

    def test_one_chunk_is_read_and_rarely_a_second(self):
        """Of all leaves at random places at most a few in a hundred stand so near to the end of a chunk that two are read."""
        data, reads = LARGE.to_bytes(), []
        for number in range(200):
            store = Store(data)
            leaf = hashlib.sha256(number.to_bytes(4, "big")).digest()
            assert is_listed(leaf, LARGE.count, store)
            reads.append(len(store.read))
        assert max(reads) <= 2
        assert sum(reads) < 210

    @pytest.mark.parametrize("expected", [1, 16, IN_CHUNK, 20 * IN_CHUNK])
    def test_a_wrong_count_is_found_out(self, expected):
        """From the size of the file: what was expected is a guess."""
        store = Store(LARGE.to_bytes())
        for leaf in each(LARGE.leaves)[::9973]:
            assert is_listed(leaf, expected, store)

    def test_leaves_between_two_chunks_are_not_listed(self):
        """Both neighbours say so, in either direction."""
        leaves = each(LARGE.leaves)
        for border in (IN_CHUNK, 2 * IN_CHUNK, 3 * IN_CHUNK):
            number = int.from_bytes(leaves[border], "big")
            assert not is_listed((number - 1).to_bytes(32, "big"), LARGE.count, Store(LARGE.to_bytes()))
            number = int.from_bytes(leaves[border - 1], "big")
            assert not is_listed((number + 1).to_bytes(32, "big"), LARGE.count, Store(LARGE.to_bytes()))

    def test_however_a_liar_spreads_its_leaves_each_chunk_is_read_once(self):
        low = b"".join(number.to_bytes(32, "big") for number in range(1, 2 * IN_CHUNK + 2))
        store = Store(CohortManifest.of(use(), low).to_bytes())
        assert is_listed((1).to_bytes(32, "big"), 3 * IN_CHUNK, store)
        assert not is_listed(b"\xff" * 32, 3 * IN_CHUNK, store)
        assert len(store.read) <= 6

    def test_a_chunk_out_of_order_cannot_be_judged(self):
        data = manifest(16).to_bytes()
        with pytest.raises(ProtocolError, match="strictly increasing"):
            is_listed(bytes(32), 16, Store(data[32:64] + data[:32] + data[64:]))

    @pytest.mark.parametrize("size", [0, 1, 32, 65])
    def test_what_is_no_manifest_cannot_be_judged(self, size):
        with pytest.raises(ProtocolError, match=f"{size} bytes are no cohort manifest"):
            is_listed(bytes(32), 16, Store(bytes(size)))
