"""What a daemon says: each event goes to its audit log and to the log, a complaint once and not in every cycle."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from medfed.log import drop_secrets, get_logger
from medfed.nodes.journal import AuditLog

__all__ = ["Notes"]


class Notes:
    """One daemon's voice."""

    def __init__(self, audit: AuditLog, name: str) -> None:
        self._audit = audit
        self._log = get_logger(hospital=name)
        self._told: dict[Hashable, str] = {}

    def note(self, event: str, **facts: Any) -> None:
        """Something was done."""
        self._audit.write(event, **drop_secrets(None, "", dict(facts)))
        self._log.info(event, **facts)

    def tell(self, event: str, key: Hashable, why: str) -> None:
        """Something is not as it should be; said again only when the reason changes, or after `clear`."""
        if self._told.get((event, key)) != why:
            self._told[event, key] = why
            self._audit.write(event, reason=why)
            self._log.warning(event, reason=why)

    def clear(self, event: str, key: Hashable) -> None:
        """It is as it should be again."""
        self._told.pop((event, key), None)

    def warn(self, event: str, **facts: Any) -> None:
        """For the log alone: about this machine, not about a study."""
        self._log.warning(event, **facts)
