"""How results reach people and programs: tables for a terminal, canonical JSON for a pipe.

Every command builds plain data first and hands it to `show`; the rendering is the last step, so JSON never lacks
what a table has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "JsonFlag",
    "console",
    "date_of",
    "in_words",
    "length_of",
    "note",
    "plain",
    "printable",
    "share_of",
    "show",
    "table",
    "visible",
    "when",
]

_NO_END = 0xFFFF
_UNFOLDED = 1 << 16
"""Columns of what is no terminal: programs read it, and a folded address is none."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def console(*, stderr: bool = False) -> Console:
    """A Rich console on the current standard stream. It takes brackets for what they are: names come from others."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty()
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=piped,
        width=_UNFOLDED if piped else None,
    )


def plain(value: Any) -> Any:
    """`value` as JSON types: dataclasses become objects, bytes become 0x-hex, enums their names."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def show(data: Any, *, as_json: bool, render: Callable[[], Any]) -> None:
    """Print `data` as JSON, or what `render` makes of it (text, a table, or several of them)."""
    if as_json:
        typer.echo(json.dumps(plain(data), indent=2, ensure_ascii=False))
        return
    parts = render()
    out = console()
    for part in parts if isinstance(parts, list) else [parts]:
        out.print(visible(part) if isinstance(part, str) else part)


def note(text: str) -> None:
    """One line for the person at the terminal, on standard error, so that it never mixes with JSON."""
    console(stderr=True).print(visible(text))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str | None = None
) -> Table:
    """A Rich table; columns whose name ends in `#` are numbers and align right."""
    from rich.table import Table

    result = Table(
        title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left"
    )
    for column in columns:
        number = column.endswith("#")
        result.add_column(column.rstrip("#"), justify="right" if number else "left", overflow="fold")
    for row in rows:
        result.add_row(*("" if cell is None else visible(str(cell)) for cell in row))
    return result


def when(second: int) -> str:
    """A moment of chain time in UTC, e.g. 2027-03-01 09:30:00."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def date_of(day: int) -> str:
    """A day since 1970 as a date; a consent without end has none."""
    return "" if day == _NO_END else (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def in_words(seconds: float) -> str:
    """A length of time as people say it: "40 s", "5 min", "3 h", "2 days"."""
    left = max(0, round(seconds))
    if left < 120:
        return f"{left} s"
    if left < 7200:
        return f"{left // 60} min"
    return f"{left // 3600} h" if left < 172_800 else f"{left // 86_400} days"


def length_of(seconds: int) -> str:
    """A length of time as it was agreed, without rounding: "90 s", "10 min", "1 h", "36 h", "2 days"."""
    units = {86_400: "days", 3_600: "h", 60: "min"}
    size = next((size for size in units if seconds % size == 0 and seconds > size * (size == 86_400)), 1)
    return f"{seconds // size} {units.get(size, 's')}"


def share_of(bps: int) -> str:
    """A share in 1/10,000 as people say it: "10 %", "2.5 %"."""
    return f"{bps / 100:g} %"


def printable(text: str, longest: int = 40) -> str:
    """A name that another party chose, without what could move a terminal's cursor, and not too long."""
    shown = "".join(letter for letter in text if letter.isprintable())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def visible(text: str) -> str:
    """`text` without what could move a terminal's cursor or turn its letters around, its lines as they are. For whatever is
    shown: much of it others wrote."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")
