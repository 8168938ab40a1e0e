"""Telling people that something is wrong: in the log, in the metrics, and as JSON to an address of theirs."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from medfed.chain.rpc import new_pool
from medfed.errors import ConfigError
from medfed.log import get_logger
from medfed.nodes.health import Health

__all__ = ["Alert", "Alerts"]

_SECONDS = 5.0
"""For one delivery."""
_BUDGET_SECONDS = 10.0
"""For all deliveries of a cycle: nobody's slow inbox keeps a proof from the chain."""
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Alert:
    """What was found, and what was done about it. `kind` is proved, unprovable, withheld or fault."""

    kind: str
    study: int
    round: int
    what: str
    reason: str
    done: str
    chain: int
    contract: str


class Alerts:
    """Each alert goes to the log and the metrics at once, to the webhook with `deliver`; it never stops the caller.

    Raises `ConfigError` for a webhook that is no http(s) URL.
    """

    def __init__(
        self, health: Health, webhook: str = "", *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._health = health
        self._log = get_logger(watchtower="alert")
        self._monotonic = monotonic
        self._waiting: deque[Alert] = deque(maxlen=_MOST)
        self._url = webhook
        self._pool = _pool(webhook) if webhook else None

    def tell(self, alert: Alert) -> None:
        """Log and count it; the webhook's turn comes later."""
        self._health.alert(alert.kind)
        self._log.warning("alert", **asdict(alert))
        if self._pool is not None:
            self._waiting.append(alert)

    def deliver(self) -> None:
        """Post what waits, oldest first, for ten seconds at most. What cannot be delivered now is tried again by the
        next call."""
        end = self._monotonic() + _BUDGET_SECONDS
        while self._waiting and self._monotonic() < end:
            why = self._post(self._waiting[0])
            if why:
                self._log.warning("webhook not reached", reason=why, waiting=len(self._waiting))
                return
            self._waiting.popleft()

    def _post(self, alert: Alert) -> str:
        """Why it was not delivered; empty when it was. The URL may hold a secret and is never told."""
        assert self._pool is not None
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=json.dumps(asdict(alert)).encode(),
                headers={"Content-Type": "application/json"},
                timeout=urllib3.Timeout(total=_SECONDS),
                retries=False,
                redirect=False,
            )
        except HTTPError as exc:
            return type(exc).__name__
        return "" if 200 <= answer.status < 300 else f"HTTP status {answer.status}"


def _pool(webhook: str) -> urllib3.PoolManager:
    parts = urlsplit(webhook)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("The webhook has to be an http:// or https:// address.")
    return new_pool(parts.scheme, parts.hostname)
