"""Log lines: an event name and keys, as JSON or for a console. Secrets and record fields are dropped before
anything is written."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

__all__ = ["configure", "drop_secrets", "get_logger"]

_DROPPED = "(dropped)"
_SECRET_WORDS = (
    "password",
    "secret",
    "private",
    "seed",
    "salt",
    "mnemonic",
    "keystore_json",
    "signature",
    "raw_transaction",
)
_RECORD_WORDS = ("record_id", "patient", "features", "labels", "register", "row_values")
_SECRET_TYPES = (
    "Account",
    "LocalAccount",
    "Wallet",
    "Register",
    "Dataset",
    "Records",
    "Cohort",
    "ndarray",
    "Tensor",
)


def configure(level: str = "info", form: str = "console", stream: TextIO | None = None) -> None:
    """Set up logging for this process: `level` by name, `form` "json" or "console", to `stream` (default: standard
    error)."""
    out = stream or sys.stderr
    last = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[
            drop_secrets,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def get_logger(**bound: Any) -> structlog.typing.FilteringBoundLogger:
    """A logger with keys that every line carries."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(**bound)
    return logger


def drop_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The first processor: values under telling keys or of telling types never reach the next one, however deep
    they lie."""
    for key in list(event):
        event[key] = _clean(key, event[key])
    return event


def _clean(key: str, value: Any) -> Any:
    name = key.lower()
    if any(word in name for word in _SECRET_WORDS) or any(word in name for word in _RECORD_WORDS):
        # How many there were is no secret, and often what one wants to know.
        return value if isinstance(value, int) else _DROPPED
    if type(value).__name__ in _SECRET_TYPES:
        return _DROPPED
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(key, item) for item in value]
    return "0x" + value.hex() if isinstance(value, bytes) else value
