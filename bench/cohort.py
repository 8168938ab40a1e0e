"""What a hospital does for the cohort of one round with a million patients, all of whom consent, a record each."""

from __future__ import annotations

from functools import cache

import numpy as np

from bench.figure import Figure, best_seconds, yardsticks
from medfed.data.cohort import Cohort, CohortTerms, build_cohort
from medfed.data.dataset import Columns, Dataset
from medfed.data.patients import Entry, Register
from medfed.protocol.consent import NO_DETAILS
from medfed.protocol.leaves import Use, cohort_leaves
from medfed.types import Address, DatasetId, RoundNumber, StudyId

PATIENTS = 1_000_000
LIMIT_LEAVES, LIMIT_COHORT, LIMIT_MANIFEST, LIMIT_PROOF = 3.0, 8.0, 1.5, 1.5
_STEP = 16
_USE = Use(31_337, Address("0x" + "11" * 20), StudyId(1), RoundNumber(1), DatasetId(1))


def measure() -> list[Figure]:
    """Seconds for the leaves alone, the whole cohort, its manifest with the root, and one patient's proof."""
    register, data = _hospital()
    pairs = [(patient, register.link_secret(patient)) for patient in register.patients]
    leaves = best_seconds(lambda: sum(1 for _ in cohort_leaves(_USE, pairs)), runs=2)
    cohort = best_seconds(_cohort, runs=2)
    manifest = _cohort().manifest()
    root = best_seconds(lambda: (manifest.to_bytes(), manifest.root()), runs=2)
    proof = best_seconds(lambda: manifest.proof(PATIENTS // 3), runs=2)
    mark = yardsticks(bytes(1 << 26))["sha256 loop"]
    found = (
        ("leaves", leaves, LIMIT_LEAVES),
        ("who trains, leaves, fillers", cohort, LIMIT_COHORT),
        ("manifest and root", root, LIMIT_MANIFEST),
        ("one patient's proof", proof, LIMIT_PROOF),
    )
    assert len(data) == PATIENTS
    return [
        Figure(f"a million patients: {name}", value, "s", limit, against={"sha256 loop": value / mark})
        for name, value, limit in found
    ]


@cache
def _hospital() -> tuple[Register, Dataset]:
    drawn = np.random.default_rng(1).bytes(52 * PATIENTS)
    secrets = memoryview(drawn)[20 * PATIENTS :]
    register = Register(
        Entry(
            f"r{number}",
            Address("0x" + drawn[20 * number : 20 * number + 20].hex()),
            bytes(secrets[32 * number : 32 * number + 32]),
        )
        for number in range(PATIENTS)
    )
    labels = np.arange(PATIENTS) % 2.0
    ids = tuple(f"r{number}" for number in range(PATIENTS))
    return register, Dataset(Columns(("x",), "ill"), ids, np.zeros((PATIENTS, 1)), labels)


def _cohort() -> Cohort:
    register, data = _hospital()
    terms = CohortTerms(_USE, _STEP, PATIENTS, b"s" * 32)
    found = build_cohort(data, register, dict.fromkeys(register.patients, NO_DETAILS), terms)
    assert found is not None
    assert found.weight == PATIENTS
    return found
