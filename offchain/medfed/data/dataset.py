"""Records as arrays: one row per record, several records per patient allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfed.errors import DataError
from medfed.protocol.documents import Schema, schema_hash

__all__ = ["Columns", "Dataset"]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a dataset: features in order, and the label."""

    features: tuple[str, ...]
    label: str

    def __post_init__(self) -> None:
        if not self.features:
            raise DataError("A dataset needs at least one feature column besides its label.")
        if len({*self.features, self.label}) != len(self.features) + 1:
            raise DataError("A dataset's columns have different names; rename the one that is there twice.")

    def schema_hash(self) -> bytes:
        """What `DatasetRegistry` holds of the columns. 32 bytes."""
        return schema_hash(self.features, self.label)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Dataset:
    """Checked records: finite features, labels 0 and 1 both present, unique ids. The arrays are read-only."""

    columns: Columns
    record_ids: tuple[str, ...]
    features: NDArray[np.float64]  # (n, d)
    labels: NDArray[np.float64]  # (n,), 0 or 1
    years: tuple[int | None, ...] = ()
    """Of each record's clinical date, None where it has none; empty where no record has one."""

    def __post_init__(self) -> None:
        _check_shapes(self)
        if len(set(self.record_ids)) != len(self.record_ids):
            raise DataError("Two records have the same id; give each record its own.")
        if not np.isfinite(self.features).all():
            raise DataError("A feature is not a finite number; remove or complete that record.")
        _check_labels(self)
        self.features.setflags(write=False)
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.record_ids)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} records, {len(self.columns.features)} features)"

    def year(self, row: int) -> int | None:
        """The calendar year of a record's clinical date."""
        return self.years[row] if self.years else None

    def matrix(self, schema: Schema) -> NDArray[np.float64]:
        """The study's features in the study's order, unscaled, (n, d). Raises `DataError` for a missing column."""
        missing = [name for name in schema.names if name not in self.columns.features]
        if missing:
            raise DataError(f"The dataset has no column {missing[0]!r}, which the study trains on.")
        if schema.label != self.columns.label:
            raise DataError(
                f"The study predicts {schema.label!r}; the dataset's label is {self.columns.label!r}."
            )
        where = {name: index for index, name in enumerate(self.columns.features)}
        return np.ascontiguousarray(self.features[:, [where[name] for name in schema.names]])


def _check_shapes(dataset: Dataset) -> None:
    count, width = len(dataset.record_ids), len(dataset.columns.features)
    if dataset.features.shape != (count, width) or dataset.labels.shape != (count,):
        raise DataError(f"{count} records of {width} features need arrays of just that shape.")
    if len(dataset.years) not in (0, count):
        raise DataError(f"{count} records need {count} years, or none at all.")
    if dataset.features.dtype != np.float64 or dataset.labels.dtype != np.float64:
        raise DataError("Features and labels are float64 arrays.")


def _check_labels(dataset: Dataset) -> None:
    classes = np.unique(dataset.labels)
    if not np.isin(classes, (0.0, 1.0)).all():
        raise DataError(f"The label {dataset.columns.label!r} must be 0 or 1 in every record.")
    if classes.size < 2:
        raise DataError(
            f"The label {dataset.columns.label!r} is the same in every record; nothing can be learned."
        )
