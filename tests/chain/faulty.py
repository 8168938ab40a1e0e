"""An HTTP server between client and node that lets every second exchange fail, each time in another way."""

from __future__ import annotations

import contextlib
import itertools
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from tests.rig.server import serving

__all__ = ["Faults", "faulty_proxy"]

WAYS = ("close", "unavailable", "garbage", "lost")


class Faults:
    """What the proxy did: `url` to talk to, and how many exchanges went well and badly. `broken` lets all fail."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.good = 0
        self.bad = 0
        self.broken = False
        self._ways = itertools.cycle(WAYS)
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def next_way(self) -> str | None:
        """How the next exchange fails, None when it goes well."""
        with self._lock:
            if not self.broken and next(self._turn) % 2:
                self.good += 1
                return None
            self.bad += 1
            return next(self._ways)


@contextlib.contextmanager
def faulty_proxy(upstream: str) -> Iterator[Faults]:
    """Serve on a free port of the loopback interface until the block is left."""
    faults = Faults(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            way = faults.next_way()
            if way == "close":
                self.close_connection = True
            elif way == "unavailable":
                self._answer(503, b"busy")
            elif way == "garbage":
                self._answer(200, b"<html>maintenance</html>")
            else:
                answer = self._forward(body)
                if way == "lost":  # the node has done its work, and nobody hears of it
                    self.close_connection = True
                else:
                    self._answer(200, answer)

        def _forward(self, body: bytes) -> bytes:
            request = urllib.request.Request(faults.upstream, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.read()

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as port:
        faults.url = f"http://127.0.0.1:{port}"
        yield faults
