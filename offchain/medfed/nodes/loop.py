"""The one loop that every daemon runs in: look at the newest block, do one cycle, wait until there is something new.

It catches exactly `Transient`: the next cycle may succeed. Anything else ends the process with its reason.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from medfed.chain.client import ChainClient
from medfed.errors import Contradicted, Transient
from medfed.log import get_logger
from medfed.nodes.health import Health

__all__ = ["Daemon", "Loop", "stop_on_signals"]

_DEVELOPMENT_POLL = 0.02
_WAITING_POLL = 0.05
_LONGEST_PAUSE = 30.0
_QUIET_SECONDS = 1.0


class Daemon(Protocol):
    """One cycle of work."""

    def execute(self) -> bool:
        """Do what can be done now; returns whether something is awaited that no block will announce."""


class Loop:
    """Runs a daemon until `stop` is set. A cycle follows a new block at once, and otherwise every second or `poll`
    seconds."""

    def __init__(
        self,
        client: ChainClient,
        daemon: Daemon,
        stop: threading.Event,
        *,
        poll: float = 2.0,
        health: Health | None = None,
    ) -> None:
        self._client = client
        self._daemon = daemon
        self._stop = stop
        self._poll = min(poll, _DEVELOPMENT_POLL) if client.is_development else poll
        self._quiet = max(poll, _QUIET_SECONDS)
        self._health = health or Health()
        self._log = get_logger()
        self.failures = 0
        """Cycles in a row that ended in a `Transient`."""
        self._seen = -1

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Cycle until stopped, or until `until` says so after a cycle."""
        while not self._stop.is_set():
            awaiting = self._cycle()
            if until():
                return
            self._wait(awaiting)

    def _cycle(self) -> bool:
        # Read before the cycle: a block that comes while it runs calls for another one.
        self._seen = self._head()
        started = time.monotonic()
        try:
            awaiting = self._daemon.execute()
        except Transient as exc:
            self.failures += 1
            self._health.cycle(time.monotonic() - started, failed=True)
            if isinstance(exc, Contradicted):
                self._health.contradicted()
            self._log.warning("cycle failed, will try again", reason=str(exc), failures=self.failures)
            return False
        self.failures = 0
        self._health.cycle(time.monotonic() - started, failed=False)
        return awaiting

    def _wait(self, awaiting: bool) -> None:
        """Until there is a new block, a pause is over, or the daemon is stopped."""
        if self.failures:
            self._stop.wait(min(_LONGEST_PAUSE, 0.1 * 2**self.failures))
            return
        end = time.monotonic() + (_WAITING_POLL if awaiting else self._quiet)
        while time.monotonic() < end and not self._stop.wait(self._poll):
            if self._head() != self._seen:
                return

    def _head(self) -> int:
        try:
            return self._client.head().number
        except Transient:
            return -1


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set: the cycle that runs is finished, then the daemon ends."""
    stop = threading.Event()

    def request(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request)
    return stop
