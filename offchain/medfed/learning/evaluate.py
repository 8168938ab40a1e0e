"""How good predictions are: discrimination, accuracy, calibration. NumPy only; no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfed.errors import DataError

__all__ = [
    "CalibrationBin",
    "Metrics",
    "accuracy",
    "auc",
    "brier",
    "calibration_curve",
    "calibration_error",
    "evaluate",
]

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Records whose predicted probability falls into one tenth of [0, 1]."""

    predicted: float
    """Mean predicted probability."""
    observed: float
    """Share of label 1."""
    count: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """One model on one set of records."""

    auc: float
    accuracy: float
    brier: float
    calibration_error: float
    calibration: tuple[CalibrationBin, ...]
    count: int


def evaluate(probabilities: Vector, labels: Vector) -> Metrics:
    """All measures of predictions (n,) against labels 0 and 1 (n,). Raises `DataError` as each of them does."""
    return Metrics(
        auc=auc(probabilities, labels),
        accuracy=accuracy(probabilities, labels),
        brier=brier(probabilities, labels),
        calibration_error=calibration_error(probabilities, labels),
        calibration=calibration_curve(probabilities, labels),
        count=labels.size,
    )


def auc(scores: Vector, labels: Vector) -> float:
    """Area under the ROC curve: the chance that a random positive scores above a random negative, ties counting half.

    The Mann-Whitney statistic from mid-ranks, exact up to one division (Hanley and McNeil 1982). Scores may have any
    scale. Raises `DataError` unless both labels occur.
    """
    _check(scores, labels)
    positives = int(labels.sum())
    negatives = labels.size - positives
    if not positives or not negatives:
        raise DataError("The AUC needs records of both labels.")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Twice the mid-rank of each distinct score is a whole number, so the sum is exact.
    ends = np.cumsum(counts)
    doubled = 2 * ends - counts + 1
    rank_sum = int(doubled[place][labels == 1.0].sum())
    return (rank_sum - positives * (positives + 1)) / (2 * positives * negatives)


def accuracy(probabilities: Vector, labels: Vector) -> float:
    """Share of records on the right side of 0.5; exactly 0.5 counts as label 1."""
    _check_probabilities(probabilities, labels)
    return float(np.mean((probabilities >= 0.5) == (labels == 1.0)))


def brier(probabilities: Vector, labels: Vector) -> float:
    """Mean squared difference between probability and label (Brier 1950); 0 is best."""
    _check_probabilities(probabilities, labels)
    return float(np.mean((probabilities - labels) ** 2))


def calibration_curve(probabilities: Vector, labels: Vector, bins: int = 10) -> tuple[CalibrationBin, ...]:
    """Predicted against observed, in bins of equal width, [0, 1/bins) … [1 − 1/bins, 1]; empty bins are left out."""
    _check_probabilities(probabilities, labels)
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return tuple(
        CalibrationBin(float(probabilities[here].mean()), float(labels[here].mean()), int(here.sum()))
        for here in (place == index for index in np.unique(place))
    )


def calibration_error(probabilities: Vector, labels: Vector, bins: int = 10) -> float:
    """Expected calibration error: |observed − predicted| averaged over records (Naeini et al. 2015, AAAI, sec. 2)."""
    curve = calibration_curve(probabilities, labels, bins)
    return sum(part.count * abs(part.observed - part.predicted) for part in curve) / labels.size


def _check(scores: Vector, labels: Vector) -> None:
    if scores.ndim != 1 or scores.shape != labels.shape or not labels.size:
        raise DataError("An evaluation needs at least one record, and one prediction for each.")
    if not np.isfinite(scores).all():
        raise DataError("A prediction is not a finite number.")
    if not np.isin(labels, (0.0, 1.0)).all():
        raise DataError("Labels are 0 and 1.")


def _check_probabilities(probabilities: Vector, labels: Vector) -> None:
    _check(probabilities, labels)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise DataError("A probability lies between 0 and 1.")
