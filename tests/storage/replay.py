"""A server that answers as a Kubo daemon once did, and one that writes down what a daemon answers.

An exchange is a request (method, path, digest of what is uploaded) and its answer (status, headers, body). The order
of requests is part of it: a store that asks anything else gets no answer and fails its test. A request that is
repeated gets the same answer again, as the number of looks for a missing file depends on the clock.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import re
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["EXCHANGES", "Exchange", "Recording", "Replay", "exchange", "load", "serving"]

EXCHANGES = Path(__file__).with_name("exchanges.json")
_KEPT = ("Content-Type", "Server", "Trailer", "X-Content-Length", "X-Chunked-Output", "X-Stream-Output")
_LARGE = 2000

Exchange = dict[str, Any]
Answer = Callable[[str, bytes], Exchange]
"""(path with query, uploaded bytes) -> the exchange whose answer is sent."""


def exchange(path: str, body: bytes, *, status: int = 200, **headers: str) -> Exchange:
    """An exchange made by hand, for what no daemon does."""
    return {"path": path, "status": status, "headers": headers, **_packed(body)}


def load(test: str) -> list[Exchange]:
    """What the daemon answered in one test of the behaviour suite."""
    found: list[Exchange] = json.loads(EXCHANGES.read_text(encoding="utf-8"))[test]
    return found


class Replay:
    """Answers from a list, in order."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self._exchanges = exchanges
        self._next = 0
        self.asked: list[str] = []

    def __call__(self, path: str, upload: bytes) -> Exchange:
        self.asked.append(path)
        for number in (self._next, self._next - 1):
            if 0 <= number < len(self._exchanges) and _fits(self._exchanges[number], path, upload):
                self._next = number + 1
                return self._exchanges[number]
        return exchange(path, f"Nothing is recorded for {path} here.".encode(), status=404)

    def finished(self) -> bool:
        """Whether every exchange took place."""
        return self._next == len(self._exchanges)


class Recording:
    """Asks a daemon and keeps what it answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.exchanges: list[Exchange] = []

    def __call__(self, path: str, upload: bytes) -> Exchange:
        boundary = re.match(rb"--([0-9a-f]{32})\r\n", upload)
        headers = (
            {"Content-Type": f'multipart/form-data; boundary="{boundary[1].decode()}"'} if boundary else {}
        )
        request = urllib.request.Request(self._url + path, upload or None, headers, method="POST")
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            kept = {name: answer.headers[name] for name in _KEPT if answer.headers[name]}
            found = {"method": "POST", "path": path, "status": answer.status, "headers": kept}
            found |= _digest(upload) | _packed(answer.read())
        if not self.exchanges or self.exchanges[-1] != found:
            self.exchanges.append(found)
        return found


@contextlib.contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[str]:
    """Serve `answer` on the loopback interface, on a free port if none is named; yields the URL."""

    class Handler(_Handler):
        pass

    Handler.answer = staticmethod(answer)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    answer: Answer

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that has heard enough hangs up
            super().handle()

    def do_POST(self) -> None:
        parts = urlsplit(self.path)  # a proxy is sent the whole address
        found = self.answer(f"{parts.path}?{parts.query}" if parts.query else parts.path, self._upload())
        self.send_response(found["status"])
        for name, value in {"Transfer-Encoding": "chunked", **found["headers"]}.items():
            self.send_header(name, value)
        self.end_headers()
        body = _unpacked(found)
        for start in range(0, len(body), 1 << 16):
            piece = body[start : start + (1 << 16)]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _upload(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """The test says what went wrong."""


def _fits(recorded: Exchange, path: str, upload: bytes) -> bool:
    return recorded["path"] == path and _digest(upload) == {
        name: recorded[name] for name in ("upload",) if name in recorded
    }


def _digest(upload: bytes) -> dict[str, str]:
    """A multipart body names a random boundary, which stands for nothing."""
    if not upload:
        return {}
    boundary = upload[2:].split(b"\r\n", 1)[0]
    return {"upload": hashlib.sha256(upload.replace(boundary, b"boundary")).hexdigest()}


def _packed(body: bytes) -> dict[str, str]:
    try:
        text = body.decode() if len(body) < _LARGE else None
    except UnicodeDecodeError:
        text = None
    if text is not None:
        return {"body": text}
    return {"body_gzip": base64.b64encode(gzip.compress(body, mtime=0)).decode()}


def _unpacked(found: Exchange) -> bytes:
    text: str | None = found.get("body")
    return text.encode() if text is not None else gzip.decompress(base64.b64decode(found["body_gzip"]))
