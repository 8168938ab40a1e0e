"""What a hospital publishes about a dataset: counts and coarse ranges, and a score of 0 to 10,000 basis points.

No count between 1 and 9 is published, nor one from which such a count follows; ranges are quartiles of two digits,
given only where at least ten records lie beyond each end. The score is a weighted mean of five shares, rounded down to
a hundred so that it tells no more than they do:
  30 % size                records / 200, at most 1
  30 % balance             share of the rarer label / 0.2, at most 1; 0 when that count is withheld
  20 % no duplicates       1 − share of records whose features equal an earlier record's
  10 % features that vary  share of features that are not constant
  10 % patients known      share of records with a patient in the register
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medfed.data.dataset import Dataset
from medfed.data.patients import Register
from medfed.protocol.documents import Document

__all__ = ["SMALLEST_COUNT", "FeatureReport", "QualityReport", "quality_report"]

SMALLEST_COUNT = 10
"""Fewer people than this are not counted in public."""

_Count = Annotated[int, Field(ge=0)] | None


class FeatureReport(Document):
    """One column: the rounded quartiles between which half of its values lie, or nothing in small datasets."""

    name: str
    lower_quartile: float | None
    upper_quartile: float | None
    constant: bool


class QualityReport(Document):
    """Published with the dataset; None stands for a number that is withheld."""

    format: Literal["medfed/quality/1"] = "medfed/quality/1"
    schema_hash: Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
    label: str
    records: Annotated[int, Field(ge=1)]
    patients: _Count
    positives: _Count
    negatives: _Count
    duplicates: _Count
    without_patient: _Count
    missing_values: Literal[0] = 0
    """Always 0: a file with a missing value is refused."""
    features: tuple[FeatureReport, ...]
    score: Annotated[int, Field(ge=0, le=10_000)]


def quality_report(dataset: Dataset, register: Register) -> QualityReport:
    """Describe a dataset without telling on anybody in it."""
    positives = int(dataset.labels.sum())
    negatives = len(dataset) - positives
    rarer = min(positives, negatives)
    duplicates = len(dataset) - len(np.unique(dataset.features, axis=0))
    linked = sum(record in register.by_record for record in dataset.record_ids)
    features = tuple(map(_feature, dataset.columns.features, dataset.features.T))
    return QualityReport(
        schema_hash=f"0x{dataset.columns.schema_hash().hex()}",
        label=dataset.columns.label,
        records=len(dataset),
        patients=_shown(len(register.present(dataset))),
        # One count follows from the other.
        positives=positives if rarer >= SMALLEST_COUNT else None,
        negatives=negatives if rarer >= SMALLEST_COUNT else None,
        duplicates=_shown(duplicates),
        without_patient=_shown(len(dataset) - linked),
        features=features,
        score=_score(
            min(1.0, len(dataset) / 200),
            min(1.0, rarer / len(dataset) / 0.2) if rarer >= SMALLEST_COUNT else 0.0,
            1 - duplicates / len(dataset),
            1 - sum(feature.constant for feature in features) / len(features),
            linked / len(dataset),
        ),
    )


def _score(*shares: float) -> int:
    exact = sum(part * share for part, share in zip((3000, 3000, 2000, 1000, 1000), shares, strict=True))
    return int(exact + 1e-6) // 100 * 100


def _shown(count: int) -> int | None:
    return None if 0 < count < SMALLEST_COUNT else count


def _feature(name: str, values: NDArray[np.float64]) -> FeatureReport:
    # A quarter of the records lies beyond each quartile.
    enough = values.size >= 4 * SMALLEST_COUNT
    low, high = np.quantile(values, (0.25, 0.75)) if enough else (None, None)
    return FeatureReport(
        name=name,
        lower_quartile=None if low is None else _two_digits(float(low)),
        upper_quartile=None if high is None else _two_digits(float(high)),
        constant=bool((values == values[0]).all()),
    )


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")
