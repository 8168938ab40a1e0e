"""What is said of an exception that nobody raised on purpose: that it is this program's fault, and what to report."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

import medfed
from medfed.errors import InternalError

__all__ = ["fault_of"]

_PACKAGE = Path(medfed.__file__).parent


def fault_of(error: Exception) -> InternalError:
    """The exception as a fault of this program. Its own words are left out: they may be somebody else's."""
    return InternalError(
        f"medfed {medfed.__version__} stopped by a fault of its own ({type(error).__name__} at {_place(error)}). That is no "
        "finding about what it looked at, neither right nor wrong. Report this line with the command and, for a bundle, the "
        "file; `--verbose`, or MEDFED_LOG_LEVEL=debug, shows the whole way to it."
    )


def _place(error: Exception) -> str:
    """The innermost line of this package that the exception came through."""
    frames = [(Path(frame.filename), frame.lineno) for frame in extract_tb(error.__traceback__)]
    own = [(file, line) for file, line in frames if file.is_relative_to(_PACKAGE)]
    file, line = own[-1] if own else frames[-1]
    return f"{file.relative_to(_PACKAGE) if own else file.name}:{line}"
