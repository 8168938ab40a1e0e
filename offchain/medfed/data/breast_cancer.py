"""Demonstration data: the Wisconsin diagnostic breast-cancer set of scikit-learn: 569 real patients, one record each.

Source: Street, Wolberg, Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993; UCI, CC BY 4.0.
Hospitals get unlike shares, by size (0.6 to 1.4 of the mean) and by how many of their patients' tumours are malignant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfed.data.dataset import Columns, Dataset
from medfed.errors import DataError
from medfed.protocol.documents import Feature, Schema, StudyDraft
from medfed.protocol.purposes import Purpose
from medfed.protocol.randomness import generator

__all__ = [
    "LABEL",
    "MAX_HOSPITALS",
    "MIN_HOSPITALS",
    "DemoData",
    "breast_cancer",
    "breast_cancer_schema",
    "breast_cancer_study",
]

LABEL = "malignant"
MIN_HOSPITALS = 2
MAX_HOSPITALS = 10
"""With more, the smallest hospital's cohort could fall below one step of 16."""

_HELD_OUT = 0.2
_UNEVEN = (0.6, 1.4)

# Smallest and largest value of each measurement as the data set's own description states them: public facts, so that
# scaling needs no statistics of the hospitals. In the order of the data set's columns.
_QUANTITIES = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
    "fractal dimension",
)  # fmt: skip
_RANGES = {
    "mean": (
        (6.981, 28.11), (9.71, 39.28), (43.79, 188.5), (143.5, 2501.0), (0.053, 0.163), (0.019, 0.345), (0.0, 0.427),
        (0.0, 0.201), (0.106, 0.304), (0.05, 0.097),
    ),
    "error": (
        (0.112, 2.873), (0.36, 4.885), (0.757, 21.98), (6.802, 542.2), (0.002, 0.031), (0.002, 0.135), (0.0, 0.396),
        (0.0, 0.053), (0.008, 0.079), (0.001, 0.03),
    ),
    "worst": (
        (7.93, 36.04), (12.02, 49.54), (50.41, 251.2), (185.2, 4254.0), (0.071, 0.223), (0.027, 1.058), (0.0, 1.252),
        (0.0, 0.291), (0.156, 0.664), (0.055, 0.208),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoData:
    """The hospitals' datasets, and the patients of none of them, on whom the model is judged."""

    held_out: Dataset
    sites: tuple[Dataset, ...]


def breast_cancer_schema() -> Schema:
    """The thirty measurements with constants that bring the published ranges to about [−1.5, 4.5], most mass near 0."""
    features = []
    for statistic, ranges in _RANGES.items():
        for quantity, (low, high) in zip(_QUANTITIES, ranges, strict=True):
            name = f"{quantity} error" if statistic == "error" else f"{statistic} {quantity}"
            width = high - low
            features.append(Feature(name=name, center=low + width / 4, scale=width / 6))
    return Schema(features=tuple(features), label=LABEL)


def breast_cancer_study(seed: int, rounds: int) -> StudyDraft:
    """A study that up to ten hospitals can run on these data: logistic regression for health research (HMB)."""
    return StudyDraft.from_fields(
        {
            "title": "Benign or malignant: breast masses from nuclear features",
            "description": "Logistic regression on thirty measurements of cell nuclei in fine needle aspirates.",
            "purposes": int(Purpose.HMB),
            "schema": breast_cancer_schema().model_dump(mode="json"),
            "model": {"kind": "logistic"},
            "training": {"epochs": 4, "batch_size": 16, "learning_rate": 0.5, "l2": 0.003},
            # A round moves θ by a norm of about 2; 10 · 512 · 2 · 2^17 < 2^31.
            "codec": {
                "clip_norm": 8.0,
                "bound": 2.0,
                "scale": 131072.0,
                "max_weight": 512,
                "max_hospitals": MAX_HOSPITALS,
            },
            "seed": seed,
            "rounds": rounds,
        }
    )


def breast_cancer(seed: int, hospitals: int) -> DemoData:
    """Split the 569 records: a fifth held out (stratified), the rest unevenly over 2 to 10 hospitals.

    The same seed gives the same split. Raises `DataError` for another number of hospitals.
    """
    if not MIN_HOSPITALS <= hospitals <= MAX_HOSPITALS:
        raise DataError(
            f"The demonstration data serve {MIN_HOSPITALS} to {MAX_HOSPITALS} hospitals, not {hospitals}."
        )
    whole = _load()
    random = generator(seed, "demo split", hospitals)
    malignant = random.permutation(np.flatnonzero(whole.labels == 1.0))
    benign = random.permutation(np.flatnonzero(whole.labels == 0.0))
    held_out = [part[: round(part.size * _HELD_OUT)] for part in (malignant, benign)]
    malignant, benign = malignant[held_out[0].size :], benign[held_out[1].size :]
    sizes = _shares(malignant.size + benign.size, np.linspace(*_UNEVEN, hospitals))
    tilts = random.permutation(np.linspace(*_UNEVEN, hospitals))
    positives = _shares(malignant.size, sizes * tilts)
    negatives = sizes - positives
    sites = zip(_cut(malignant, positives), _cut(benign, negatives), strict=True)
    return DemoData(_rows(whole, held_out), tuple(_rows(whole, list(site)) for site in sites))


def _load() -> Dataset:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    names = tuple(re.sub(r"\s+", " ", str(name)) for name in bunch.feature_names)
    ids = tuple(f"wdbc-{index:03}" for index in range(1, len(bunch.target) + 1))
    features = np.array(bunch.data, dtype=np.float64)
    # scikit-learn counts benign as 1.
    return Dataset(Columns(names, LABEL), ids, features, 1.0 - np.asarray(bunch.target, dtype=np.float64))


def _shares(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in proportion to the weights that add up to `total`: largest remainders get what is left over."""
    exact = np.asarray(total * weights / weights.sum(), dtype=np.float64)
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts


def _cut(rows: NDArray[np.int64], counts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.split(rows, np.cumsum(counts)[:-1])


def _rows(whole: Dataset, parts: list[NDArray[np.int64]]) -> Dataset:
    """These rows in the order of the whole, so that a file does not begin with all its malignant records."""
    rows = np.sort(np.concatenate(parts))
    ids = tuple(whole.record_ids[row] for row in rows)
    return Dataset(whole.columns, ids, whole.features[rows], whole.labels[rows])
