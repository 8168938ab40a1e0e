"""A Kubo daemon as a content store, through its RPC.

A file is read block by block from what the daemon holds, so that a wrong byte, a file that is too long and a tree that
never ends are noticed at once and no answer is larger than a block. What the daemon does not hold, it is told to ask
other nodes for: that goes on in the background for `_ASK_SECONDS`, so that a `get` which does not wait comes back
soon, and a later one finds the file.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from medfed.errors import ContentMissing, MedFedError
from medfed.protocol.cid import CHUNK_SIZE, check_cid, cid_from_digest, digest_of, parse_block
from medfed.storage.base import ContentStore, Piece, missing
from medfed.storage.blocks import read_file, read_piece
from medfed.storage.kubo_rpc import KuboRefusal, KuboRpc
from medfed.types import Cid

__all__ = ["KuboStore"]

_ADD = {
    "cid-version": "1",
    "raw-leaves": "false",
    "chunker": "size-1048576",
    "hash": "sha2-256",
    "progress": "false",
}
_LARGEST_BLOCK = 2 << 20
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 1.0
"""Others get this long to begin, and to go on, before a `get` that does not wait gives up."""
_ASK_SECONDS = 600
_ASK_AGAIN_SECONDS = 15.0
_MOST_ASKS = 16
_PEERS_SECONDS = 5.0


class _Part(NamedTuple):
    """A file, or some bytes of it."""

    cid: Cid
    start: int
    length: int


class _Ask:
    """A part that other nodes are being asked for."""

    def __init__(self) -> None:
        self.began = self.moved = time.monotonic()
        self.over = False


class KuboStore(ContentStore):
    """The daemon whose RPC answers at `url` (http or https). Connects on first use."""

    has_peers = True

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        """`timeout` in seconds bounds every request, and how long one `get` keeps on without being told to wait."""
        self._rpc = KuboRpc(url, timeout)
        self._timeout = timeout
        self._asks: dict[_Part, _Ask] = {}
        self._asks_lock = threading.Lock()
        self._alone_until = 0.0

    def version(self) -> str:
        """The daemon's version. Raises `StoreUnavailable` when it does not answer, `ConfigError` when it is out of the
        tested range."""
        return self._rpc.version()

    def pins(self) -> set[Cid]:
        answer = self._rpc.ask("/pin/ls", options={"type": "recursive", "stream": "true"})
        found = (self._rpc.object_of(line).get("Cid") for line in answer.splitlines())
        return set(_ours(found))

    def close(self) -> None:
        self._rpc.close()

    def _put(self, cid: Cid, data: bytes | Path, pin: bool) -> Cid:
        answer = self._rpc.upload("/add", _pieces(data), {"pin": json.dumps(pin), **_ADD})
        stored = Cid(str(self._rpc.object_of(answer).get("Hash")))
        if pin and stored != cid:
            self._rpc.ask("/pin/rm", stored)
        return stored

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        goes_on = self._patience(_Part(cid, 0, max_bytes + 1), wait)
        return read_file(cid, lambda digest: self._block(cid, digest, goes_on), max_bytes)

    def _piece(self, cid: Cid, index: int, max_bytes: int, wait: float) -> Piece:
        goes_on = self._patience(_Part(cid, index * CHUNK_SIZE, CHUNK_SIZE), wait)
        return read_piece(cid, lambda digest: self._block(cid, digest, goes_on), index, max_bytes)

    def _block(self, cid: Cid, digest: bytes, goes_on: Callable[[], bool]) -> bytes:
        while True:
            try:
                return self._stored_block(cid, digest)
            except ContentMissing:
                if not goes_on():
                    raise

    def _stored_block(self, cid: Cid, digest: bytes) -> bytes:
        """One block of `cid`, if the daemon itself holds it."""
        block = cid_from_digest(digest)
        return self._rpc.ask("/block/get", block, cid=cid, limit=_LARGEST_BLOCK, options=self._offline)

    def _has(self, cid: Cid) -> bool:
        """All of it: a daemon that was interrupted holds the first blocks of a file only. What is no file is not held."""
        try:
            options = {"with-local": "true", **self._offline}
            found = self._rpc.object_of(
                self._rpc.ask("/files/stat", f"/ipfs/{cid}", cid=cid, options=options)
            )
        except (ContentMissing, KuboRefusal):
            return False
        return found.get("Local") is True

    def _size(self, cid: Cid) -> int:
        digest = digest_of(cid)
        return parse_block(digest, self._stored_block(cid, digest)).size

    def _pin(self, cid: Cid) -> None:
        if not self._has(cid):
            raise missing(cid)
        self._rpc.ask("/pin/add", cid, cid=cid, options=self._offline)

    def _unpin(self, cid: Cid) -> None:
        try:
            self._rpc.ask("/pin/rm", cid)
        except KuboRefusal as exc:
            if "not pinned" not in exc.reason:
                raise

    @property
    def _offline(self) -> dict[str, str]:
        """Options of a request that is about what the daemon holds itself."""
        return {"offline": "true", "timeout": f"{self._timeout:g}s"}

    # -- asking other nodes --------------------------------------------------------------------------------------

    def _patience(self, part: _Part, wait: float) -> Callable[[], bool]:
        """Whether to look again for a block that is missing; sleeps a moment before it says yes."""
        began = time.monotonic()

        def goes_on() -> bool:
            now, until = time.monotonic(), began + wait
            ask = self._asked(part)
            if ask is not None and not ask.over:
                until = max(until, min(ask.moved + _PATIENCE_SECONDS, began + self._timeout))
            if now + _POLL_SECONDS > until:
                return False
            time.sleep(_POLL_SECONDS)
            return True

        return goes_on

    def _asked(self, part: _Part) -> _Ask | None:
        """The asking for a part, begun if need be; None when there is nobody to ask, or too much is asked for."""
        with self._asks_lock:
            now = time.monotonic()
            for known in [
                key for key, ask in self._asks.items() if ask.over and now > ask.began + _ASK_AGAIN_SECONDS
            ]:
                del self._asks[known]
            if part in self._asks:
                return self._asks[part]
            running = sum(not ask.over for ask in self._asks.values())
            if running >= _MOST_ASKS or not self._knows_peers(now):
                return None
            self._asks[part] = ask = _Ask()
        threading.Thread(target=self._ask_others, args=(part, ask), daemon=True).start()
        return ask

    def _knows_peers(self, now: float) -> bool:
        if now < self._alone_until:
            return False
        try:
            peers = self._rpc.object_of(self._rpc.ask("/swarm/peers")).get("Peers")
        except KuboRefusal:  # a daemon that is offline on purpose
            peers = None
        if not peers:
            self._alone_until = now + _PEERS_SECONDS
        return bool(peers)

    def _ask_others(self, part: _Part, ask: _Ask) -> None:
        """Make the daemon fetch the part, by reading it and forgetting it: many blocks at once, and no more of them
        than it needs. What is found stays with the daemon, which `get` reads it from."""
        options = {"length": str(part.length), "timeout": f"{_ASK_SECONDS}s"}
        if part.start:
            options["offset"] = str(part.start)
        patient = {"timeout": _ASK_SECONDS + self._timeout}
        try:
            for _piece in self._rpc.stream(
                "/cat", (part.cid,), options, cid=part.cid, limit=part.length, extra=patient
            ):
                ask.moved = time.monotonic()
        except MedFedError:
            pass  # whoever reads the file says what is wrong with it
        finally:
            ask.over = True


def _ours(found: Iterator[object]) -> Iterator[Cid]:
    """The CIDs of the kind that MedFed writes: the daemon may pin others."""
    for text in found:
        with contextlib.suppress(MedFedError):
            yield check_cid(str(text))


def _pieces(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, bytes):
        for start in range(0, len(data), CHUNK_SIZE):
            yield data[start : start + CHUNK_SIZE]
        return
    with data.open("rb") as file:
        while chunk := file.read(CHUNK_SIZE):
            yield chunk
