"""A model's lineage as a picture: a row for each hospital, a column for each round, results along the bottom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medfed.cli.lineage import share_text
from medfed.cli.output import printable, when

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from medfed.rounds.lineage import Contribution, Lineage, RoundLine, Source
    from medfed.types import Seat

__all__ = ["MOST_ROUNDS", "draw"]

MOST_ROUNDS = 16
"""Columns; of more rounds the first and the last are drawn."""

_WIDTH, _GAP = 2.75, 0.45
_LINE_HEIGHT, _MARGIN = 0.125, 0.09
_MOST_PIXELS = 60_000_000
_INK, _SOFT, _RULE = "#1b2a3a", "#f3f6f9", "#9aa9b8"
_DATASET, _UPDATE, _RESULT, _MODEL, _BAD = "#e3eef7", "#f3f6f9", "#e4f2e7", "#fdeccb", "#f7e1de"


def draw(found: Lineage, names: Mapping[Seat, str], path: Path) -> None:
    """Write the picture as PNG. Every CID and transaction stands in it in full, broken in two."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = _columns(found.rounds)
    boxes = _Boxes(found, names, columns)
    width, height = boxes.size
    dpi = min(150, int((_MOST_PIXELS / (width * height)) ** 0.5))
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    boxes.draw(axes)
    figure.savefig(path, format="png", metadata={"Software": None})


def _columns(rounds: tuple[RoundLine, ...]) -> list[RoundLine | None]:
    """The rounds that are drawn; None stands for those in between that are not."""
    if len(rounds) <= MOST_ROUNDS:
        return list(rounds)
    half = MOST_ROUNDS // 2
    return [*rounds[:half], None, *rounds[-half:]]


class _Boxes:
    """Where everything stands, in inches from the lower left."""

    def __init__(self, found: Lineage, names: Mapping[Seat, str], columns: list[RoundLine | None]) -> None:
        self._found, self._names, self._columns = found, names, columns
        results = [_result(line, names) for line in columns if line is not None]
        bottoms = [_study(found), _model(found, names), *results]
        self._row = _tall(8)
        self._bottom = max(_tall(len(lines)) for lines in bottoms)
        self._rows = max(1, len(found.sources))

    @property
    def size(self) -> tuple[float, float]:
        """Of the whole picture."""
        across = (len(self._columns) + 2) * (_WIDTH + _GAP) + _GAP
        return across, self._rows * (self._row + _GAP / 2) + self._bottom + 3 * _GAP

    def draw(self, axes: Axes) -> None:
        """Lines first, so that boxes cover them."""
        self._draw_lines(axes)
        _box(axes, (self._left(0), self._foot), _study(self._found), _SOFT, self._bottom)
        for source in self._found.sources:
            place = (self._left(0), self._up(source.seat))
            _box(axes, place, _source(source, self._names[source.seat]), _DATASET, self._row)
        for at, line in enumerate(self._columns, 1):
            if line is None:
                _box(axes, (self._left(at), self._foot), [self._left_out()], "white", self._bottom)
                continue
            for entry in line.contributions:
                good = entry.included and not entry.refuted
                place = (self._left(at), self._up(entry.seat))
                _box(axes, place, _update(entry), _UPDATE if good else _BAD, self._row)
            place = (self._left(at), self._foot)
            _box(axes, place, _result(line, self._names), _RESULT if line.model else _BAD, self._bottom)
        place = (self._left(len(self._columns) + 1), self._foot)
        _box(axes, place, _model(self._found, self._names), _MODEL, self._bottom)
        title = printable(self._found.study.title, 100)
        text = f"Lineage of model {self._found.study.study}" + (f": {title}" if title else "")
        axes.text(_GAP, self.size[1] - _GAP * 0.7, text, fontsize=11, color=_INK, fontweight="bold")

    @property
    def _foot(self) -> float:
        return _GAP

    def _left(self, column: int) -> float:
        return _GAP + column * (_WIDTH + _GAP)

    def _up(self, seat: int) -> float:
        """The lower edge of a seat's row; seat 0 is on top."""
        return self._foot + self._bottom + _GAP + (self._rows - 1 - seat) * (self._row + _GAP / 2)

    def _left_out(self) -> str:
        return f"… {len(self._found.rounds) - MOST_ROUNDS} more rounds: see --json …"

    def _draw_lines(self, axes: Axes) -> None:
        """A dataset runs through its updates; the included ones go down the column's right side into its result."""
        for source in self._found.sources:
            middle = self._up(source.seat) + self._row / 2
            last = max((at for at, line in enumerate(self._columns, 1) if _has(line, source.seat)), default=0)
            axes.plot([self._left(0), self._left(last) + _WIDTH / 2], [middle, middle], color=_RULE, lw=1)
        for at, line in enumerate(self._columns, 1):
            included = [] if line is None else [entry for entry in line.contributions if entry.included]
            across = self._left(at) + _WIDTH + _GAP * 0.3
            for entry in included:
                middle = self._up(entry.seat) + self._row / 2
                axes.plot([self._left(at) + _WIDTH, across], [middle, middle], color=_INK, lw=1)
            if included:
                top = max(self._up(entry.seat) for entry in included) + self._row / 2
                low = self._foot + self._bottom - 0.25
                axes.plot([across, across], [low, top], color=_INK, lw=1)
                _arrow(axes, (across, low), (self._left(at) + _WIDTH, low))
        for at in range(len(self._columns) + 1):
            middle = self._foot + self._bottom / 2
            _arrow(axes, (self._left(at) + _WIDTH, middle), (self._left(at + 1), middle))


def _has(line: RoundLine | None, seat: int) -> bool:
    return line is not None and any(entry.seat == seat for entry in line.contributions)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": _INK, "lw": 1})


def _box(axes: Axes, place: tuple[float, float], lines: list[str], colour: str, height: float) -> None:
    from matplotlib.patches import Rectangle

    left, low = place
    axes.add_patch(Rectangle(place, _WIDTH, height, facecolor=colour, edgecolor=_RULE, lw=0.8, zorder=2))
    for at, line in enumerate(lines):
        axes.text(
            left + _MARGIN,
            low + height - _MARGIN - at * _LINE_HEIGHT,
            line,
            fontsize=6.5,
            family="monospace",
            color=_INK,
            va="top",
            zorder=3,
            fontweight="bold" if at == 0 else "normal",
            parse_math=False,
        )


def _tall(lines: int) -> float:
    return lines * _LINE_HEIGHT + 2 * _MARGIN


# -- what stands in a box ----------------------------------------------------------------------------------------------


def _source(source: Source, name: str) -> list[str]:
    return [
        printable(name, 36),
        f"dataset {source.dataset} v{source.version}, {source.records} records",
        *_broken("report", source.report),
        *_broken("tx", _hex(source.published_tx)),
        *_broken("enrol", _hex(source.enrolled_tx)),
    ]


def _update(entry: Contribution) -> list[str]:
    standing = "refuted" if entry.refuted else share_text(entry) if entry.included else "left out"
    return [
        f"weight {entry.weight}: {standing}",
        *_broken("update", entry.update),
        *_broken("cohort", entry.cohort),
        *_broken("tx", _hex(entry.tx)),
    ]


def _study(found: Lineage) -> list[str]:
    study = found.study
    first = _broken("start", study.initial_model) if study.initial_model else []
    return [
        f"Study {study.study}, {study.ended or 'not ended'}",
        *_broken("spec", study.spec),
        *first,
        *_broken("tx", _hex(study.created_tx)),
    ]


def _result(line: RoundLine, names: Mapping[Seat, str]) -> list[str]:
    head = f"Round {line.number}, {line.outcome}"
    if not line.model:
        return [head, *_broken("opened", _hex(line.opened_tx))]
    how = "claimed by" if line.claimed else "attested to by"
    lines = [head, *_broken("result", line.aggregate), *_broken("model", line.model)]
    lines += [*_broken("opened", _hex(line.opened_tx)), *_broken("final", _hex(line.final_tx)), f"{how}:"]
    for entry in line.attesters:
        lines += [printable(names[entry.seat], 36), *_broken("tx", _hex(entry.tx))]
    return lines


def _model(found: Lineage, names: Mapping[Seat, str]) -> list[str]:
    model = found.model
    if not model.registered_tx:
        return ["Model, not registered", *_broken("file", model.model)]
    standing = ["withdrawn"] if model.withdrawn else []
    standing += [f"superseded by model {model.superseded_by}"] if model.superseded_by else []
    shares = [f"{share:6.1%} {printable(names[seat], 28)}" for seat, share in model.shares.items()]
    lines = ["Registered model", f"{when(model.registered_at)} UTC", *standing]
    lines += [*_broken("file", model.model), *_broken("tx", _hex(model.registered_tx))]
    lines += [*(["shares of the fees:"] if shares else []), *shares]
    return [*lines, f"{len(model.licences)} licences sold", *_licences(found)]


def _licences(found: Lineage) -> Iterable[str]:
    """The first few; a popular model has more than a picture can hold."""
    most = 4
    for licence in found.model.licences[:most]:
        yield from _broken(f"no. {licence.number}", _hex(licence.tx))
    if len(found.model.licences) > most:
        yield f"… {len(found.model.licences) - most} more: see --json"


def _broken(name: str, text: str) -> list[str]:
    """A name and a long word in two lines."""
    half = len(text) // 2
    return [f"{name:<7}{text[:half]}", f"{'':<7}{text[half:]}"]


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
