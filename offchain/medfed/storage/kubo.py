"""A Kubo daemon as a content store, through its RPC.

`ipfshttpclient.Client` speaks today's RPC; its `connect()` refuses today's versions, so the version is checked here
against
the range this code is tested with. Proxies and a private certificate authority are taken from the environment
(HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE), as the `requests` library does.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ipfshttpclient
from ipfshttpclient import exceptions as foreign

from medfed.errors import ConfigError, ContentMissing, IntegrityError, MedFedError, StoreUnavailable
from medfed.storage.base import ContentStore, missing
from medfed.types import Cid

__all__ = ["TESTED_VERSIONS", "KuboStore", "rpc_address", "wait_for_daemon"]

TESTED_VERSIONS = ((0, 30), (0, 44))
"""The oldest and the newest daemon that this code is tested with."""

_ADD = {
    "cid-version": "1",
    "raw-leaves": "false",
    "chunker": "size-1048576",
    "hash": "sha2-256",
    "progress": "false",
    "pin": "false",
}
_MISSING = ("not found locally", "could not find", "context deadline exceeded", "no peers", "not found")
_LONGEST_ASK = 5.0


class KuboStore(ContentStore):
    """The daemon whose RPC answers at `url` (http, https, or a multiaddr). Connects on first use."""

    has_peers = True

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        """`timeout` in seconds bounds every request."""
        self.url = url
        self._timeout = timeout
        self._client: Any = None

    def version(self) -> str:
        """The daemon's version. Raises `StoreUnavailable` when it does not answer or is out of the tested range."""
        found = str(self._ask(lambda client: client.version())["Version"])
        numbers = re.match(r"(\d+)\.(\d+)", found)
        oldest, newest = TESTED_VERSIONS
        if numbers is None or not oldest <= (int(numbers[1]), int(numbers[2])) <= newest:
            raise StoreUnavailable(
                f"The Kubo daemon at {self.url} has version {found}; MedFed is tested with {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}."
            )
        return found

    def pins(self) -> set[Cid]:
        found = self._call(lambda client: client.pin.ls(type="recursive"))
        return {Cid(cid) for cid in found.get("Keys", {})}

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _put(self, _cid: Cid, data: bytes | Path) -> Cid:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(data.open("rb") if isinstance(data, Path) else io.BytesIO(data))
            answer = self._call(lambda client: client.add(file, opts=_ADD))
        found = answer[-1] if isinstance(answer, list) else answer
        return Cid(found["Hash"])

    def _read(self, cid: Cid, max_bytes: int, wait: float) -> Iterator[bytes]:
        ask = min(max(wait, 0.0), _LONGEST_ASK)
        options = {"length": str(max_bytes + 1)}
        if ask > 0:
            options["timeout"] = f"{int(ask * 1000)}ms"
        else:
            options["offline"] = "true"
        pieces = self._call(
            lambda client: client.cat(cid, opts=options, stream=True, timeout=self._timeout), cid
        )
        return self._translated(pieces, cid)

    def _has(self, cid: Cid) -> bool:
        try:
            self._call(
                lambda client: client._client.request("/block/stat", (cid,), opts={"offline": "true"}), cid
            )
        except ContentMissing:
            return False
        return True

    def _pin(self, cid: Cid) -> None:
        self._call(lambda client: client.pin.add(cid, opts={"timeout": f"{int(self._timeout)}s"}), cid)

    def _unpin(self, cid: Cid) -> None:
        try:
            self._call(lambda client: client.pin.rm(cid))
        except StoreUnavailable as exc:
            if "not pinned" not in str(exc.__cause__):
                raise

    # -- the boundary to the library -----------------------------------------------------------------------------

    def _call(self, request: Callable[[Any], Any], cid: Cid | None = None) -> Any:
        if self._client is None:
            self.version()
        return self._ask(request, cid)

    def _ask(self, request: Callable[[Any], Any], cid: Cid | None = None) -> Any:
        try:
            if self._client is None:
                self._client = ipfshttpclient.Client(
                    rpc_address(self.url), timeout=self._timeout, session=True
                )
            return request(self._client)
        except foreign.Error as exc:
            raise self._error(exc, cid) from exc
        except OSError as exc:
            raise StoreUnavailable(f"The Kubo daemon at {self.url} cannot be reached: {exc}.") from exc

    def _translated(self, pieces: Any, cid: Cid) -> Iterator[bytes]:
        try:
            with pieces:
                yield from pieces
        except foreign.Error as exc:
            raise self._error(exc, cid) from exc

    def _error(self, exc: foreign.Error, cid: Cid | None) -> MedFedError:
        """What a failure of the library or the daemon means here."""
        text = str(exc)
        if (
            cid is not None
            and isinstance(exc, foreign.ErrorResponse)
            and any(word in text for word in _MISSING)
        ):
            return missing(cid)
        if isinstance(exc, foreign.ErrorResponse):
            return StoreUnavailable(f"The Kubo daemon at {self.url} refused: {text}.")
        if isinstance(exc, foreign.AddressError):
            return ConfigError(f"{self.url!r} is no address of a Kubo daemon; give http://host:port.")
        if isinstance(exc, foreign.ProtocolError | foreign.EncodingError) and cid is not None:
            return IntegrityError(f"The answer for {cid} broke off; fetch it again.", cid=cid)
        if isinstance(exc, foreign.TimeoutError):
            return StoreUnavailable(
                f"The Kubo daemon at {self.url} did not answer within {self._timeout:g} s."
            )
        return StoreUnavailable(
            f"The Kubo daemon at {self.url} cannot be reached; start it or correct the store setting."
        )


def rpc_address(url: str) -> str:
    """A daemon's URL as the multiaddr that the library wants; a multiaddr stays as it is."""
    if url.startswith("/"):
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url!r} is no address of a Kubo daemon; give http://host:port.")
    host = parts.hostname
    kind = "ip6" if ":" in host else "ip4" if re.fullmatch(r"[\d.]+", host) else "dns"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"/{kind}/{host}/tcp/{port}/{parts.scheme}"


def wait_for_daemon(store: KuboStore, seconds: float) -> str:
    """The daemon's version once it answers; raises `StoreUnavailable` when it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return store.version()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
