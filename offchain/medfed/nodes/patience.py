"""Looking for bytes that are not there yet: ever longer and ever more seldom, so that nobody's silence stops a cycle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medfed.errors import ContentMissing
from medfed.storage.base import ContentStore, missing
from medfed.types import Cid

__all__ = ["PatientStore", "patient"]

_FIRST, _LONGEST = 0.25, 5.0


def patient(store: ContentStore) -> ContentStore:
    """`store`, asking its peers for what it lacks; a store without peers as it is."""
    return PatientStore(store) if store.has_peers else store


@dataclass(slots=True)
class _Search:
    wait: float
    next_look: float


class PatientStore(ContentStore):
    """A store whose first look for a file is a short one on its own node.

    Each later look asks its peers twice as long as the one before, up to five seconds, and comes no sooner than after
    a pause of the same length: half of the time at most goes into what nobody has.
    """

    has_peers = True

    def __init__(self, store: ContentStore, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._searches: dict[Cid, _Search] = {}

    def pins(self) -> set[Cid]:
        return self._store.pins()

    def close(self) -> None:
        self._store.close()

    def _fetch(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        search = self._searches.get(cid)
        if search is not None and self._monotonic() < search.next_look:
            raise missing(cid)
        look = search.wait if search else 0.0
        try:
            yield from self._store._fetch(cid, max_bytes, max(wait, look))
        except ContentMissing:
            following = min(_LONGEST, max(_FIRST, 2 * look))
            self._searches[cid] = _Search(following, self._monotonic() + look)
            raise
        self._searches.pop(cid, None)

    def _put(self, cid: Cid, data: bytes | Path, pin: bool) -> Cid:
        return self._store._put(cid, data, pin)

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        return self._store._read(cid, max_bytes, wait)

    def _has(self, cid: Cid) -> bool:
        return self._store._has(cid)

    def _size(self, cid: Cid) -> int:
        return self._store._size(cid)

    def _pin(self, cid: Cid) -> None:
        self._store._pin(cid)

    def _unpin(self, cid: Cid) -> None:
        self._store._unpin(cid)
