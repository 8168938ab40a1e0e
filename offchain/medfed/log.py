"""Log lines: an event name and keys, as JSON or for a console. Secrets and record fields are dropped before
anything is written."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

__all__ = ["configure", "drop_secrets", "get_logger"]

_DROPPED = "(dropped)"
_SECRET_WORDS = (
    "password",
    "passphrase",
    "secret",
    "private",
    "seed",
    "salt",
    "mnemonic",
    "keystore_json",
    "signature",
    "raw_transaction",
    "authorization",
)
_RECORD_WORDS = ("record_id", "patient", "features", "labels", "register", "row_values")
_COUNTS = frozenset({"patients"})
"""Record words under which a number says how many there were, which is no secret and often what one wants to know."""
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_EXCEPTION = "exc_info"


def configure(level: str = "info", form: str = "console", stream: TextIO | None = None) -> None:
    """Set up logging for this process: `level` by name, `form` "json" or "console", to `stream` (default: standard
    error)."""
    out = stream or sys.stderr
    last = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            drop_secrets,
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
    """The first processor: values under telling keys, and of other than plain types, never reach the next one, however
    deep they lie. Tracebacks show code, never the values of variables."""
    for key in list(event):
        if key != _EXCEPTION:
            event[key] = _clean(key, event[key])
    return event


def _clean(key: str, value: Any) -> Any:
    if _is_telling(key, value):
        return _DROPPED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | Path):
        return _CREDENTIALS.sub(_DROPPED, str(value))
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(key, item) for item in value]
    # A key, a cohort, an array: nobody knows what its text would show.
    return f"({type(value).__name__})"


def _is_telling(key: str, value: Any) -> bool:
    name = key.lower()
    if any(word in name for word in _SECRET_WORDS):
        return True
    counted = name in _COUNTS and isinstance(value, int)
    return not counted and any(word in name for word in _RECORD_WORDS)
