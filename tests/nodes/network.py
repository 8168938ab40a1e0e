"""A hospital's network: an RPC that speaks TLS by the hospital's own authority, behind a proxy that is the only way out."""

from __future__ import annotations

import contextlib
import select
import socket
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.rig.server import serving

__all__ = ["Proxy", "listening", "secured"]


@contextlib.contextmanager
def secured(upstream: str, context) -> Iterator[int]:
    """TLS in front of a plain HTTP server; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = urllib.request.Request(upstream, body, {"Content-Type": "application/json"})
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=30) as answer:
                data = answer.read()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with serving(Handler, context) as port:
        yield port


class Proxy:
    """A forward proxy that tunnels by CONNECT and writes down where to."""

    def __init__(self):
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self):
                outer.asked.append(self.path)
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port)), timeout=30) as upstream:
                    self.send_response(200, "Connection established")
                    self.end_headers()
                    _tunnel(self.connection, upstream)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self._handler = Handler

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        with serving(self._handler) as port:
            yield f"http://127.0.0.1:{port}"


def _tunnel(one: socket.socket, other: socket.socket) -> None:
    while True:
        readable, _, _ = select.select([one, other], [], [], 30)
        for source in readable:
            data = source.recv(65536)
            if not data:
                return
            (other if source is one else one).sendall(data)
        if not readable:
            return


def listening(pid: int) -> list[str]:
    """Local addresses on which a process waits for TCP connections, as Linux tells them."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            own.add(str(link.readlink()))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                found.append(fields[1])
    return found
