"""Looking for bytes that are not there: how long, how often, and never in the way of a cycle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from medfed.errors import ContentMissing, IntegrityError
from medfed.nodes.patience import PatientStore, patient
from medfed.storage.base import missing
from medfed.storage.local import LocalStore
from medfed.types import Cid


class Peered(LocalStore):
    """A node whose peers have `far` files: they come to who waits at least `away` seconds. Time is counted, not spent."""

    has_peers = True

    def __init__(self, root, away):
        super().__init__(root)
        self.away, self.far = away, {}
        self.now = 0.0
        self.looks = []

    def _fetch(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        self.looks.append((self.now, wait))
        self.now += min(wait, self.away)
        if cid in self.far and wait >= self.away:
            self.put(self.far[cid])
        if not self.has(cid):
            raise missing(cid)
        yield from super()._fetch(cid, max_bytes, 0.0)


@pytest.fixture
def store(tmp_path):
    return Peered(tmp_path, away=3.0)


@pytest.fixture
def patiently(store):
    return PatientStore(store, monotonic=lambda: store.now)


def absent(store, cid):
    with pytest.raises(ContentMissing):
        store.get(cid, 100)


def test_a_store_without_peers_is_left_alone(tmp_path):
    plain = LocalStore(tmp_path)
    assert patient(plain) is plain


def test_the_first_look_is_at_home(store, patiently):
    """What is here comes without a wait; what is not costs nothing the first time."""
    here = store.put(b"here")
    assert patiently.get(here, 100) == b"here"
    absent(patiently, _unknown(b"far"))
    assert [wait for _, wait in store.looks] == [0.0, 0.0]


def test_looks_grow_and_pauses_with_them(store, patiently):
    """At most half of the time goes into what nobody has, however often it is asked for."""
    cid = _unknown(b"nobody's")
    while store.now < 200:
        absent(patiently, cid)
        store.now += 0.05  # the rest of a cycle
    waits = [wait for _, wait in store.looks]
    assert waits[:6] == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0]
    assert max(waits) == 5.0
    assert sum(min(wait, store.away) for wait in waits) <= store.now / 2 + 5


def test_what_is_far_comes_in_the_end(store, patiently):
    """And then at once, for every way of reading."""
    cid = _unknown(b"far away")
    store.far[cid] = b"far away"
    for _ in range(1000):
        try:
            assert b"".join(patiently.stream(cid, 100)) == b"far away"
            break
        except ContentMissing:
            store.now += 0.05
    else:
        raise AssertionError("it never came")
    assert patiently.get(cid, 100) == b"far away"
    assert store.looks[-1][1] == 0.0


def test_it_is_a_store_in_every_other_respect(store, patiently, tmp_path):
    cid = patiently.put(b"data")
    assert patiently.has(cid)
    assert patiently.pins() == store.pins() == {cid}
    assert patiently.size(cid) == 4
    patiently.unpin(cid)
    assert not patiently.pins()
    patiently.pin(cid)
    patiently.get_to(cid, tmp_path / "copy", 100)
    assert (tmp_path / "copy").read_bytes() == b"data"
    with pytest.raises(IntegrityError):
        patiently.get(cid, 3)


def _unknown(data: bytes) -> Cid:
    from medfed.protocol.cid import cid_of

    return cid_of(data)
