"""The RPC of a Kubo daemon: requests out, bounded answers in, failures as errors of MedFed.

`ipfshttpclient.Client` speaks today's RPC; its `connect()` refuses today's versions, so the version is checked here
against the range this code is tested with. Proxies and a private certificate authority are taken from the environment
(HTTPS_PROXY, HTTP_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE), as the `requests` library does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import ipfshttpclient
from ipfshttpclient import exceptions as foreign
from ipfshttpclient import multipart
from requests.adapters import HTTPAdapter

from medfed.errors import ConfigError, IntegrityError, MedFedError, StoreUnavailable
from medfed.protocol.canonical import parse_json
from medfed.storage.base import missing
from medfed.types import Cid

__all__ = ["TESTED_VERSIONS", "KuboRefusal", "KuboRpc", "rpc_address"]

TESTED_VERSIONS = ((0, 30), (0, 44))
"""The oldest and the newest daemon that this code is tested with."""

_PIECE = 1 << 16
_LARGEST_ANSWER = 64 << 20
_LARGEST_ERROR = 1 << 16
_MISSING = ("not found locally", "could not find", "context deadline exceeded", "context canceled")


class KuboRefusal(StoreUnavailable):
    """The daemon answered that it will not or cannot; `reason` in its own words."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class KuboRpc:
    """One daemon's RPC at `url` (http or https). Connects on first use. Safe to share between threads.

    `timeout` in seconds bounds the wait for each next byte.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        self.timeout = timeout
        self._address = rpc_address(url)
        self._client: Any = None
        self._version = ""

    def version(self) -> str:
        """The daemon's version. Raises `ConfigError` when it is out of the tested range."""
        if not self._version:
            self._version = self._checked_version()
        return self._version

    def ask(
        self,
        path: str,
        *arguments: str,
        options: Mapping[str, str] | None = None,
        cid: Cid | None = None,
        limit: int = _LARGEST_ANSWER,
    ) -> bytes:
        """The whole answer to one request, at most `limit` bytes. `cid` is the file it is about: a failure names it."""
        return b"".join(self.stream(path, arguments, options or {}, cid=cid, limit=limit))

    def upload(self, path: str, pieces: Iterator[bytes], options: Mapping[str, str]) -> bytes:
        """The answer to a request that carries a file."""
        body, headers = multipart.stream_bytes(pieces, chunk_size=1 << 20)
        return b"".join(self.stream(path, (), options, extra={"data": body, "headers": headers}))

    def stream(
        self,
        path: str,
        arguments: tuple[str, ...],
        options: Mapping[str, str],
        *,
        cid: Cid | None = None,
        limit: int = _LARGEST_ANSWER,
        extra: Mapping[str, Any] | None = None,
    ) -> Iterator[bytes]:
        """An answer in pieces, at most `limit` bytes together. Raises `ContentMissing` (with `cid`), `IntegrityError`,
        `StoreUnavailable`."""
        self.version()
        return self._stream(path, arguments, options, cid, limit, extra or {})

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()

    # -- the boundary to the library -----------------------------------------------------------------------------

    def _checked_version(self) -> str:
        found = self.object_of(b"".join(self._stream("/version", (), {}, None, _LARGEST_ERROR, {})))
        text = str(found.get("Version"))
        numbers = re.match(r"(\d+)\.(\d+)", text)
        oldest, newest = TESTED_VERSIONS
        if numbers is None or not oldest <= (int(numbers[1]), int(numbers[2])) <= newest:
            raise ConfigError(
                f"The Kubo daemon at {self.url} has version {text}; MedFed is tested with "
                f"{oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}: run one of these."
            )
        return text

    def _stream(
        self,
        path: str,
        arguments: tuple[str, ...],
        options: Mapping[str, str],
        cid: Cid | None,
        limit: int,
        extra: Mapping[str, Any],
    ) -> Iterator[bytes]:
        try:
            request = self._opened()._client.request
            size = 0
            with request(path, arguments, opts=options, stream=True, **extra) as pieces:
                for piece in pieces:
                    size += len(piece)
                    if size > limit:
                        raise self._too_long(path, cid, limit)
                    yield piece
        except foreign.Error as exc:
            raise self._error(exc, cid) from exc
        except OSError as exc:  # what `requests` raises while an answer is read
            raise self._broken(exc, cid) from exc

    def _opened(self) -> Any:
        if self._client is None:
            client = ipfshttpclient.Client(self._address, timeout=self.timeout, session=True)
            for scheme in ("http://", "https://"):
                client._client._session.mount(scheme, _Adapter())
            self._client = client
        return self._client

    def object_of(self, answer: bytes) -> dict[str, Any]:
        """An answer that has to be one JSON object. Raises `StoreUnavailable` when it is not."""
        try:
            found = parse_json(answer)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise StoreUnavailable(
                f"What answers at {self.url} is no Kubo daemon; correct the store setting."
            )
        return found

    def _too_long(self, path: str, cid: Cid | None, limit: int) -> MedFedError:
        if cid is not None:
            return IntegrityError(f"{cid} is refused: its answer is longer than {limit} bytes.", cid=cid)
        return StoreUnavailable(f"The Kubo daemon at {self.url} answers {path} with more than {limit} bytes.")

    def _broken(self, exc: OSError, cid: Cid | None) -> MedFedError:
        about = f" for {cid}" if cid else ""
        return StoreUnavailable(f"The answer of the Kubo daemon at {self.url}{about} broke off: {exc}.")

    def _error(self, exc: foreign.Error, cid: Cid | None) -> MedFedError:
        """What a failure of the library or the daemon means here."""
        text = str(exc)
        if isinstance(exc, foreign.ErrorResponse):
            if cid is not None and any(words in text for words in _MISSING):
                return missing(cid)
            about = f" {cid}" if cid else ""
            return KuboRefusal(f"The Kubo daemon at {self.url} refused{about}: {text}.", reason=text)
        if isinstance(exc, foreign.StatusError):
            return StoreUnavailable(
                f"What answers at {self.url} is no Kubo daemon or is closed to us: {text}."
            )
        if isinstance(exc, foreign.AddressError):
            return ConfigError(f"{self.url!r} is no address of a Kubo daemon; give http://host:port.")
        if isinstance(exc, foreign.TimeoutError):
            return StoreUnavailable(
                f"The Kubo daemon at {self.url} did not answer within {self.timeout:g} s."
            )
        return StoreUnavailable(f"The Kubo daemon at {self.url} cannot be reached{_why(text)}.")


def rpc_address(url: str) -> str:
    """A daemon's URL as the multiaddr that the library wants. Raises `ConfigError`.

    The host always goes in as a name: for `/ip4` and `/ip6` the library makes up a scheme of its own, for which
    `requests` finds no proxy.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.path.strip("/") or parts.query:
        raise ConfigError(f"{url!r} is no address of a Kubo daemon; give http://host:port.")
    if parts.username or parts.password:
        raise ConfigError(
            "The store setting holds a password; let a proxy nearby add it, or open the RPC to us."
        )
    return f"/dns/{host}/tcp/{port or (443 if parts.scheme == 'https' else 80)}/{parts.scheme}"


def _why(text: str) -> str:
    """What to do about a connection that does not come about."""
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return ": its certificate is not trusted here; name your authority's file in REQUESTS_CA_BUNDLE"
    if "ProxyError" in text:
        return ": the proxy does not let it through; name hosts that need none in NO_PROXY"
    return "; start it or correct the store setting"


class _Adapter(HTTPAdapter):
    """Lets answers be read in pieces of bounded size, whatever size their sender gave them, and of one that is no
    success only the beginning.

    It also stands in for the library's own adapter, which breaks with the next urllib3.
    """

    def build_response(self, req: Any, resp: Any) -> Any:
        response = super().build_response(req, resp)
        whole = response.iter_content

        def pieces(*_arguments: Any, **_named: Any) -> Iterator[bytes]:
            left = _LARGEST_ERROR
            for piece in whole(_PIECE):
                yield piece
                left -= len(piece)
                if left < 0 and response.status_code != 200:
                    return

        response.iter_content = pieces  # type: ignore[method-assign]
        return response
