"""How well each rule holds against hostile hospitals: AUC on held-out patients, attacked and not, beside plain averaging.

    python bench/robust.py [--seeds 3] [--rounds 5] [--heart FOLDER] [--json FILE]

Simulates studies of the demonstration data and of the four-hospital heart-disease data (Janosi et al. 1988, UCI), with 1
of 4, 2 of 10 and 4 of 20 hospitals hostile; figures are means over seeds, which also say who is hostile. The heart data
are read from a folder with `processed.<hospital>.data`, and left out where it is absent. Attackers keep to the codec's
bounds, as whatever does not is left out by every honest hospital.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "offchain"))

from medfed.data.breast_cancer import breast_cancer, breast_cancer_study  # noqa: E402
from medfed.learning.attacks import ATTACKS, Attack  # noqa: E402
from medfed.learning.evaluate import auc  # noqa: E402
from medfed.learning.models import complete_study, predict  # noqa: E402
from medfed.learning.simulate import Site, pooled, simulate  # noqa: E402
from medfed.learning.train import Records  # noqa: E402
from medfed.protocol.documents import StudyDraft  # noqa: E402
from medfed.protocol.randomness import generator  # noqa: E402

SETTINGS = ((4, 1), (10, 2), (20, 4))
HONEST = "none"
HEART = {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}
# Name, and the constants that bring it near [-1.5, 1.5]: rounded textbook values, no statistics of the hospitals.
HEART_FEATURES = (
    ("age", 54.0, 10.0),
    ("male", 0.5, 0.5),
    ("typical angina", 0.5, 0.5),
    ("atypical angina", 0.5, 0.5),
    ("other pain", 0.5, 0.5),
    ("resting blood pressure", 130.0, 20.0),
    ("fasting sugar", 0.5, 0.5),
    ("abnormal ecg", 0.5, 0.5),
    ("highest heart rate", 140.0, 25.0),
    ("exercise angina", 0.5, 0.5),
    ("st depression", 1.0, 1.0),
)


@dataclass(frozen=True, eq=False, slots=True)
class Patients:
    """Records of hospitals, and of nobody's patients on whom models are judged."""

    draft: StudyDraft
    sites: tuple[Records, ...]
    held_out: Records


@dataclass(frozen=True, slots=True)
class Line:
    """One cell of the table."""

    data: str
    hospitals: int
    hostile: int
    rule: str
    attack: str
    auc: float


def main() -> int:
    """Measure and print."""
    options = _options()
    lines: list[Line] = []
    for data in ("breast cancer", *(["heart disease"] if options.heart.is_dir() else [])):
        for hospitals, hostile in SETTINGS:
            print(f"{data}, {hostile} of {hospitals} …", file=sys.stderr)
            lines += measured(data, (hospitals, hostile), options)
    if options.json:
        text = json.dumps([_plain(line) for line in lines], indent=1) + "\n"
        sys.stdout.write(text) if options.json == "-" else Path(options.json).write_text(
            text, encoding="utf-8"
        )
    if options.json != "-":
        print("\n".join(tables(lines)))
    return 0


def _options() -> argparse.Namespace:
    beside = Path(os.environ.get("MEDFED_SHARED_DATA", ROOT.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(prog="robust", description="Attack studies by every rule.")
    parser.add_argument("--seeds", type=int, default=3, help="how many studies each figure is the mean of")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--heart", type=Path, default=beside / "heart_disease_4hosp", metavar="FOLDER")
    parser.add_argument(
        "--json", default="", metavar="FILE", help="write the figures to a file, - for standard output"
    )
    return parser.parse_args()


def measured(data: str, setting: tuple[int, int], options: argparse.Namespace) -> Iterator[Line]:
    """One line for each rule and attack."""
    hospitals, hostile = setting
    worlds = [(seed, patients(data, hospitals, seed, options)) for seed in range(1, options.seeds + 1)]
    for (name, rule), attack in product(rules(hostile).items(), (HONEST, *ATTACKS)):
        scores = [score(world, rule, hostile, ATTACKS.get(attack), seed) for seed, world in worlds]
        yield Line(data, hospitals, hostile, name, attack, float(np.mean(scores)))


def rules(hostile: int) -> dict[str, dict[str, Any]]:
    """The rules, told how many may be hostile where they ask; plain averaging comes first."""
    return {
        "sum (averaging)": {"kind": "sum"},
        "median": {"kind": "median"},
        f"trimmed mean ({hostile})": {"kind": "trimmed-mean", "trim": hostile},
        f"Multi-Krum ({hostile})": {"kind": "multi-krum", "faulty": hostile},
        "geometric median": {"kind": "geometric-median"},
    }


def score(world: Patients, rule: dict[str, Any], hostile: int, attack: Attack | None, seed: int) -> float:
    """AUC of the last model on the patients of none of the hospitals."""
    fields = world.draft.model_dump(mode="json") | {"rule": rule}
    study = complete_study(StudyDraft.from_fields(fields))[0]
    count = len(world.sites)
    chosen = generator(seed, "hostile hospitals", count).permutation(count)[:hostile]
    sites = [
        Site(records, records.labels.size, attack if seat in chosen else None)
        for seat, records in enumerate(world.sites)
    ]
    model = simulate(study, sites)[-1]
    return auc(predict(model, study, world.held_out.features), world.held_out.labels)


# --- patients ------------------------------------------------------------------------------------------------------


def patients(data: str, hospitals: int, seed: int, options: argparse.Namespace) -> Patients:
    """The records of one of the data sets, divided over so many hospitals."""
    if data == "breast cancer":
        return _breast_cancer(hospitals, seed, options.rounds)
    return _heart(hospitals, seed, options)


def _breast_cancer(hospitals: int, seed: int, rounds: int) -> Patients:
    """The demonstration's hospitals; twenty are its ten, each divided in two."""
    draft = _sized(breast_cancer_study(seed, rounds))
    split = breast_cancer(seed, min(hospitals, 10))
    parts = [Records(site.matrix(draft.columns), site.labels) for site in split.sites]
    shares = [hospitals // len(parts)] * len(parts)
    held_out = Records(split.held_out.matrix(draft.columns), split.held_out.labels)
    return Patients(draft, tuple(_divided(parts, shares, seed)), held_out)


def _sized(draft: StudyDraft) -> StudyDraft:
    """For up to twenty hospitals of any size."""
    fields = draft.model_dump(mode="json")
    codec = fields["codec"] | {"max_hospitals": 20, "scale": 65536.0}
    return StudyDraft.from_fields(fields | {"codec": codec, "cohort_step": 1})


def _heart(hospitals: int, seed: int, options: argparse.Namespace) -> Patients:
    """The four hospitals, a quarter of each one's patients held out; more hospitals are parts of the four, by size."""
    random = generator(seed, "heart split")
    trained, held = [], []
    for name in HEART:
        records = _read_heart(options.heart / f"processed.{name}.data")
        rows = random.permutation(records.labels.size)
        rows = rows[np.argsort(records.labels[rows], kind="stable")]  # each fourth of either label
        held.append(_rows(records, rows[::4]))
        trained.append(_rows(records, np.delete(rows, np.s_[::4])))
    shares = {4: [1, 1, 1, 1], 10: [3, 3, 2, 2], 20: [7, 6, 3, 4]}[hospitals]
    return Patients(_heart_study(seed, options.rounds), tuple(_divided(trained, shares, seed)), pooled(held))


def _divided(parts: Sequence[Records], shares: Sequence[int], seed: int) -> Iterator[Records]:
    random = generator(seed, "divided hospitals")
    for part, share in zip(parts, shares, strict=True):
        for rows in np.array_split(random.permutation(part.labels.size), share):
            yield _rows(part, rows)


def _rows(records: Records, rows: NDArray[np.intp]) -> Records:
    return Records(records.features[rows], records.labels[rows])


def _read_heart(path: Path) -> Records:
    """A hospital's file; what is missing takes the feature's centre, which a model sees as 0."""
    with path.open(encoding="ascii", newline="") as file:
        lines = [
            [float("nan") if value == "?" else float(value) for value in line] for line in csv.reader(file)
        ]
    raw = np.array(lines)
    age, male, pain, pressure, sugar, ecg, rate, angina, depression = raw[:, [0, 1, 2, 3, 5, 6, 7, 8, 9]].T
    abnormal = np.where(np.isnan(ecg), np.nan, ecg > 0)
    columns = [
        age,
        male,
        *(pain == kind for kind in (1, 2, 3)),
        pressure,
        sugar,
        abnormal,
        rate,
        angina,
        depression,
    ]
    features = np.stack(columns, axis=1).astype(np.float64)
    centers = np.array([center for _, center, _ in HEART_FEATURES])
    return Records(np.where(np.isnan(features), centers, features), (raw[:, 13] > 0).astype(np.float64))


def _heart_study(seed: int, rounds: int) -> StudyDraft:
    features = [{"name": name, "center": center, "scale": scale} for name, center, scale in HEART_FEATURES]
    fields = breast_cancer_study(seed, rounds).model_dump(mode="json")
    changes = {
        "title": "Heart disease in four hospitals",
        "schema": {"features": features, "label": "disease"},
        "training": {"epochs": 4, "batch_size": 16, "learning_rate": 0.05, "l2": 0.003},
    }
    return _sized(StudyDraft.from_fields(fields | changes))


# --- printing ------------------------------------------------------------------------------------------------------


def tables(lines: Sequence[Line]) -> Iterator[str]:
    """Markdown: a table for each data set and number of hospitals, a row for each rule."""
    attacks = (HONEST, *ATTACKS)
    for data, hospitals, hostile in dict.fromkeys(
        (line.data, line.hospitals, line.hostile) for line in lines
    ):
        cells = {
            (line.rule, line.attack): line.auc
            for line in lines
            if (line.data, line.hospitals) == (data, hospitals)
        }
        yield f"{data.capitalize()}, {hostile} of {hospitals} hospitals hostile"
        yield ""
        yield f"| rule | {' | '.join(attacks)} |"
        yield f"| --- |{' ---: |' * len(attacks)}"
        for rule in dict.fromkeys(rule for rule, _ in cells):
            yield f"| {rule} | {' | '.join(f'{cells[rule, attack]:.3f}' for attack in attacks)} |"
        yield ""


def _plain(line: Line) -> dict[str, Any]:
    names = ("data", "hospitals", "hostile", "rule", "attack", "auc")
    return {name: getattr(line, name) for name in names}


if __name__ == "__main__":
    raise SystemExit(main())
