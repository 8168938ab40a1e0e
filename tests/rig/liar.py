"""A node that lies by leaving out: an HTTP server between a client and an honest node, which edits answers."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.rig.server import serving

__all__ = ["Edit", "Liar", "cut", "lying_node", "without"]

Edit = Callable[[dict[str, Any], Any], Any]
"""What a request's result becomes: takes the request and the honest result."""


class Liar:
    """`edit` is how it lies, None for not at all; `down` lets it answer nothing; `asked` counts requests by method."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.edit: Edit | None = None
        self.down = False
        self.asked: dict[str, int] = {}

    def answer(self, body: bytes) -> bytes:
        """The honest node's answer to one request or many, edited."""
        headers = {"Content-Type": "application/json"}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(self.upstream, body, headers), timeout=30) as honest:
            answers = json.load(honest)
        requests = json.loads(body)
        for request, answer in zip(_many(requests), _many(answers), strict=True):
            self.asked[request["method"]] = self.asked.get(request["method"], 0) + 1
            if self.edit is not None and "result" in answer:
                answer["result"] = self.edit(request, answer["result"])
        return json.dumps(answers).encode()


@contextlib.contextmanager
def lying_node(upstream: str) -> Iterator[Liar]:
    """Serve on a free port of the loopback interface until the block is left."""
    liar = Liar(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if liar.down:
                self.close_connection = True
                return
            data = liar.answer(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Handler) as port:
        liar.url = f"http://127.0.0.1:{port}"
        yield liar


def cut(most: int) -> Edit:
    """Lists of events end after so many, and nothing says so."""
    return lambda request, result: result[:most] if request["method"] == "eth_getLogs" else result


def without(*blocks: int) -> Edit:
    """Events of these blocks are never told."""

    def edit(request: dict[str, Any], result: Any) -> Any:
        if request["method"] != "eth_getLogs":
            return result
        return [log for log in result if int(log["blockNumber"], 16) not in blocks]

    return edit


def _many(item: Any) -> list[Any]:
    return item if isinstance(item, list) else [item]
