"""Records from and to a CSV file: a header, `record_id`, one column per feature, one label of 0 and 1, and at most one of
clinical dates, of which the year is kept. UTF-8.

Errors name the line and the column, never a value: messages end up in logs.
"""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections.abc import Iterator
from datetime import date as calendar_date
from pathlib import Path

import numpy as np

from medfed import durable
from medfed.data.dataset import Columns, Dataset
from medfed.errors import DataError

__all__ = ["RECORD_ID", "load_csv", "read_columns", "write_csv"]

RECORD_ID = "record_id"
"""Name of the column that identifies a record within the hospital."""

_MOST_RECORDS = 10_000_000
# float() would also take 1_000, nan and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"([0-9]{4})(?:-[0-9]{2}-[0-9]{2})?")
_ID = re.compile(r"[^\x00-\x1f\x7f]{1,128}")


def read_columns(path: Path, label: str = "label", date: str = "") -> Columns:
    """What the file's header offers: every column but `record_id`, `label` and `date` is a feature. Raises `DataError`."""
    _, header = next(_rows(path), (0, []))
    return _columns(path, header, label, date)


def load_csv(path: Path, columns: Columns | None = None, label: str = "label", date: str = "") -> Dataset:
    """Read and check all records, in the order of the file.

    With `columns`, the file must have just those (in any order). `date` names the column of clinical dates, if there is one:
    ISO dates or years, empty where a record has none. Raises `DataError` for a missing or unexpected column,
    a record with too many or too few fields, a value that is no finite number, a label other than 0 or 1, an id that is
    empty or there twice, a label that is always the same, a date that is none.
    """
    rows = _rows(path)
    _, header = next(rows, (0, []))
    found = _columns(path, header, columns.label if columns else label, date)
    if columns and set(found.features) != set(columns.features):
        odd = min(set(found.features) ^ set(columns.features))
        state = "lacks" if odd in columns.features else "has the unexpected"
        raise DataError(f"{path.name} {state} column {odd!r}.")
    return _read(path, header, columns or found, rows, date)


def write_csv(path: Path, dataset: Dataset) -> None:
    """Write records so that `load_csv` reads the same bits back. Years are left out."""
    with durable.writing(path) as file:
        writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
        writer.writerow([RECORD_ID, *dataset.columns.features, dataset.columns.label])
        for name, row, label in zip(dataset.record_ids, dataset.features, dataset.labels, strict=True):
            writer.writerow([name, *map(repr, row.tolist()), int(label)])


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each row that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if row:
                    yield reader.line_num, row
    except OSError as exc:
        raise DataError(f"Cannot read the records in {path}: {exc.strerror}.") from None
    except (csv.Error, UnicodeDecodeError):
        raise DataError(f"{path.name} is not a CSV file in UTF-8; export it again.") from None


def _columns(path: Path, header: list[str], label: str, date: str) -> Columns:
    if date and date in (RECORD_ID, label):
        raise DataError(f"Column {date!r} cannot be that of the dates as well; name another column.")
    own = [RECORD_ID, label, *([date] if date else [])]
    for name in own:
        if name not in header:
            raise DataError(f"{path.name} lacks column {name!r}.")
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path.name} has column {name!r} twice.")
        if not name.strip() or len(name) > 80 or not name.isprintable():
            raise DataError(f"{path.name} has a column without a name of 1 to 80 characters.")
    return Columns(tuple(name for name in header if name not in own), label)


def _read(
    path: Path, header: list[str], columns: Columns, rows: Iterator[tuple[int, list[str]]], date: str
) -> Dataset:
    order = [header.index(name) for name in (*columns.features, columns.label)]
    ids: dict[str, None] = {}
    values: list[list[float]] = []
    years: list[int | None] = []
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path.name}, line {line}: {len(row)} fields where the header has {len(header)}."
            )
        _add_id(ids, row[header.index(RECORD_ID)], f"{path.name}, line {line}")
        values.append([_number(row[index], path, line, header[index]) for index in order])
        if date:
            years.append(_year(row[header.index(date)], path, line, date))
        if len(values) > _MOST_RECORDS:
            raise DataError(f"{path.name} has more than {_MOST_RECORDS} records; split the dataset.")
    if not values:
        raise DataError(f"{path.name} has no records.")
    table = np.array(values, dtype=np.float64)
    return Dataset(
        columns, tuple(ids), np.ascontiguousarray(table[:, :-1]), table[:, -1].copy(), tuple(years)
    )


def _add_id(ids: dict[str, None], name: str, place: str) -> None:
    if not _ID.fullmatch(name):
        raise DataError(f"{place}: the {RECORD_ID} must have 1 to 128 printable characters.")
    if name in ids:
        raise DataError(f"{place}: this {RECORD_ID} is there twice.")
    ids[name] = None


def _year(text: str, path: Path, line: int, column: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return calendar_date.fromisoformat(text).year if len(text) > len(match[1]) else int(match[1])
    except ValueError:
        raise DataError(
            f"{path.name}, line {line}: {column!r} is neither a date such as 2021-05-30 nor a year; correct it or leave it empty."
        ) from None


def _number(text: str, path: Path, line: int, column: str) -> float:
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        what = "is missing" if not text else "is not a finite number"
        raise DataError(f"{path.name}, line {line}: {column!r} {what}; complete or remove the record.")
    return value
