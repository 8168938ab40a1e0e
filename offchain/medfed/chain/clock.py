"""Chain time. A deadline is judged by the chain and awaited by the wall.

`now` is the newest block's time, which stands still while nothing is mined. `estimate` is what a block mined now would
probably carry: on a public chain the wall clock, on a development chain that was moved ahead the newest block's time
plus the seconds since it was first seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from medfed.chain.client import ChainClient
from medfed.types import BlockStamp

__all__ = ["ChainClock"]


class ChainClock:
    """The time of one chain, in whole seconds since 1970. `wall` and `monotonic` are given by tests only."""

    def __init__(
        self,
        client: ChainClient,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._wall = wall
        self._monotonic = monotonic
        self._seen: tuple[bytes, float] | None = None

    def now(self) -> int:
        """The time of the newest block."""
        return self.see(self._client.head()).timestamp

    def see(self, head: BlockStamp) -> BlockStamp:
        """Tell the clock about a head that was read anyway; returns it."""
        if self._seen is None or self._seen[0] != head.hash:
            self._seen = (head.hash, self._monotonic())
        return head

    def estimate(self, head: BlockStamp | None = None) -> int:
        """The time that a block mined now would probably have."""
        head = self.see(head or self._client.head())
        assert self._seen is not None
        running = head.timestamp + int(self._monotonic() - self._seen[1])
        return max(running, int(self._wall()), head.timestamp)

    def remaining(self, deadline: int, head: BlockStamp | None = None) -> float:
        """Seconds to wait on the wall until a new block would lie past `deadline`; 0 when one would already."""
        return float(max(0, deadline + 1 - self.estimate(head)))

    def drift(self, head: BlockStamp | None = None) -> float:
        """Seconds by which the newest block is ahead of the wall clock; far from zero means that a clock runs off."""
        return (head or self._client.head()).timestamp - self._wall()

    def wait_past(self, deadline: int, *, sleep: Callable[[float], object] = time.sleep) -> None:
        """Return when the next block would lie past `deadline`. `sleep` may be an event's `wait`, to end it early."""
        while (left := self.remaining(deadline)) > 0:
            sleep(min(left, 1.0))
