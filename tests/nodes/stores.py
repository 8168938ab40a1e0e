"""Stores that do not do what a store should: what they serve is what a hostile or broken node would."""

from __future__ import annotations

from collections.abc import Iterator

from medfed.errors import ContentMissing
from medfed.storage.local import LocalStore
from medfed.types import Cid

__all__ = ["FlippingStore", "HidingStore"]


class FlippingStore(LocalStore):
    """Serves the files in `flipped` with one word changed."""

    def __init__(self, root):
        super().__init__(root)
        self.flipped: set[Cid] = set()

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        data = bytearray(b"".join(super()._read(cid, max_bytes, wait)))
        if cid in self.flipped:
            data[512] ^= 1  # the first word after the header
        yield bytes(data)


class HidingStore(LocalStore):
    """Has nothing of what is in `hidden`, and counts how often it was asked for it."""

    def __init__(self, root):
        super().__init__(root)
        self.hidden: set[Cid] = set()
        self.asked = 0

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        if cid in self.hidden:
            self.asked += 1
            raise ContentMissing(f"No reachable node has {cid} yet.", cid=cid)
        return super()._read(cid, max_bytes, wait)

    def _has(self, cid: Cid) -> bool:
        return cid not in self.hidden and super()._has(cid)
