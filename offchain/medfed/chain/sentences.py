"""One sentence for each custom error that people meet; `{name}` is replaced by the error's value of that name."""

from __future__ import annotations

__all__ = ["SENTENCES"]

SENTENCES: dict[str, str] = {
    "Error": "A contract refused: {message}.",
    "AccessManagedUnauthorized": "Account {caller} does not hold the role that this needs; use an account that does.",
    "EnforcedPause": "The consortium has paused this; it can be done again when the pause is lifted.",
}
