"""How a daemon does: Prometheus metrics at /metrics, and at /healthz a yes (200) or a no (503) with its reason."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from medfed.errors import ConfigError
from medfed.protocol.phase import Phase
from medfed.types import BlockStamp

__all__ = ["Health", "serve"]

_FAILURES = 5
_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Health:
    """What one daemon measures. It is well while a cycle succeeded within `oldest` seconds and fewer than five failed
    in a row."""

    def __init__(self, *, oldest: float = 600.0, wall: Callable[[], float] = time.time) -> None:
        self._oldest = oldest
        self._wall = wall
        self._since = wall()
        self._failures = 0
        self._registry = CollectorRegistry()
        self._head = self._gauge("head_block", "Newest final block that the daemon has read.")
        self._head_time = self._gauge("head_timestamp_seconds", "Chain time of that block.")
        self._rounds = Gauge(
            "medfed_rounds",
            "Rounds of studies this hospital has a seat in, by phase.",
            ["phase"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "medfed_cycle_seconds", "How long a cycle took.", buckets=_BUCKETS, registry=self._registry
        )
        self._failed = Counter(
            "medfed_cycle_failures", "Cycles that failed and were tried again.", registry=self._registry
        )
        self._contradicted = Counter(
            "medfed_events_contradicted",
            "Cycles in which a node told other events than the contracts keep.",
            registry=self._registry,
        )
        self._alerts = Counter(
            "medfed_alerts", "What a watchtower found wrong, by kind.", ["kind"], registry=self._registry
        )
        self._success = self._gauge("last_success_timestamp_seconds", "When a cycle last succeeded.")
        self._values = {
            "ether": self._gauge("operator_ether", "Gas money of the operator's account."),
            "drift": self._gauge("clock_drift_seconds", "Newest block's time less this machine's clock."),
            "awaited": self._gauge("updates_awaited", "Updates of others whose bytes cannot be had yet."),
            "faults": self._gauge(
                "study_faults", "Studies that this hospital cannot go on with; see its log."
            ),
        }

    def cycle(self, seconds: float, *, failed: bool) -> None:
        """A cycle has ended."""
        self._seconds.observe(seconds)
        if failed:
            self._failures += 1
            self._failed.inc()
            return
        self._failures = 0
        self._since = self._wall()
        self._success.set(self._since)

    def contradicted(self) -> None:
        """A node left events out, also when it was asked again."""
        self._contradicted.inc()

    def alert(self, kind: str) -> None:
        """Something was found to be wrong."""
        self._alerts.labels(kind).inc()

    def head(self, head: BlockStamp) -> None:
        """The block that a cycle looks at."""
        self._head.set(head.number)
        self._head_time.set(head.timestamp)

    def rounds(self, phases: Mapping[Phase, int]) -> None:
        """How many rounds there are in each phase."""
        for phase in Phase:
            if phase is not Phase.NONE:
                self._rounds.labels(phase.name.lower()).set(phases.get(phase, 0))

    def counts(self, **values: float) -> None:
        """New values of `ether`, `drift` (seconds), `awaited` or `faults`."""
        for name, value in values.items():
            self._values[name].set(value)

    def trouble(self) -> str:
        """Why the daemon is not well; empty while it is."""
        if self._failures >= _FAILURES:
            return f"{self._failures} cycles in a row have failed"
        age = self._wall() - self._since
        return f"no cycle has succeeded for {age:.0f} s" if age > self._oldest else ""

    def metrics(self) -> bytes:
        """All values in Prometheus' text form."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"medfed_{name}", what, registry=self._registry)


@contextmanager
def serve(health: Health, address: str) -> Iterator[str]:
    """Answer at `address` (host:port, port 0 for a free one) while the block runs; yields the URL, empty without one.

    Raises `ConfigError` when nothing can listen there.
    """
    if not address:
        yield ""
        return
    server = _listen(health, address)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        host, port = server.server_address[:2]
        yield f"http://[{host!s}]:{port}" if server.address_family == AF_INET6 else f"http://{host!s}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listen(health: Health, address: str) -> ThreadingHTTPServer:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"The setting daemon.metrics is {address!r}; it has to be host:port.")

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET
        daemon_threads = True

    try:
        return Server((host, int(port)), _handler(health))
    except OSError as exc:
        raise ConfigError(
            f"Nothing can listen at {address} ({exc.strerror}); choose another port for daemon.metrics."
        ) from exc


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, health.metrics())
            elif path == "/healthz":
                trouble = health.trouble()
                said = {"ok": not trouble, "trouble": trouble}
                self._answer(503 if trouble else 200, "application/json", json.dumps(said).encode() + b"\n")
            else:
                self._answer(404, "text/plain", b"/metrics and /healthz are here.\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are no news."""

    return Handler
