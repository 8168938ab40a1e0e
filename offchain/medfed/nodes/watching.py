"""The operator's account and the clock: what nobody notices until a round is lost."""

from __future__ import annotations

import time

from medfed.chain.encryption import published_key
from medfed.chain.history import hospitals
from medfed.nodes.health import Health
from medfed.nodes.site import Site
from medfed.types import BlockStamp

__all__ = ["Watching"]

_EVERY_SECONDS = 60.0
_WEI = 10**18


class Watching:
    """Warns when gas money runs out or clocks run apart; once a minute is enough."""

    def __init__(self, site: Site, health: Health) -> None:
        self._site = site
        self._health = health
        self._looked: float | None = None

    def look(self, head: BlockStamp) -> None:
        """Tell the metrics, and the log where something runs off."""
        self._health.head(head)
        if self._looked is not None and time.monotonic() - self._looked < _EVERY_SECONDS:
            return
        self._looked = time.monotonic()
        self._money()
        self._drift()
        self._key()

    def _money(self) -> None:
        ether = self._site.client.balance(self._site.sender.address) / _WEI
        self._health.counts(ether=ether)
        if ether < self._site.config.daemon.low_ether:
            self._site.notes.warn(
                "gas money runs out", operator=self._site.sender.address, ether=round(ether, 6)
            )

    def _drift(self) -> None:
        """By the newest block, not the newest final one, which is minutes old on a public network."""
        drift = self._site.clock.drift()
        self._health.counts(drift=drift)
        if not self._site.client.is_development and abs(drift) > self._site.config.daemon.clock_seconds:
            self._site.notes.warn("clocks run apart", seconds=round(drift))

    def _key(self) -> None:
        """Whether what others encrypt for this hospital can be opened here."""
        file = self._site.config.encryption_key
        published = [each for each in hospitals(self._site.index) if each.hospital == self._site.id]
        if file is not None and published and published_key(str(file)) != published[0].encryption_key:
            self._site.notes.tell(
                "encryption key",
                str(file),
                f"The consortium lists another encryption key than {file} holds; "
                "`medfed consortium rotate-encryption-key` publishes the present one.",
            )
