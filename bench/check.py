"""What a participant does with a round of eight vectors: fetch, check (CID, root, header, range), add, root the sum."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.figure import Figure, best_seconds, yardsticks
from bench.scene import HOSPITALS, SIZE, Round, make_round
from medfed.protocol.vector import Sealed, vector_size
from medfed.rounds.recompute import RoundSum
from medfed.storage.local import LocalStore

LIMIT_SECONDS = 2.0


def measure() -> list[Figure]:
    """Seconds from the commitments to the sum's root."""
    with tempfile.TemporaryDirectory() as name:
        store = LocalStore(Path(name) / "store")
        made = make_round(store, Path(name))
        seconds = best_seconds(lambda: add_up(store, made), runs=3)
    marks = yardsticks(bytes(vector_size(SIZE)))
    against = {name: seconds / (mark * (HOSPITALS + 1)) for name, mark in marks.items()}
    return [Figure("check and add 8, root the sum", seconds, "s", LIMIT_SECONDS, against=against)]


def add_up(store: LocalStore, made: Round) -> Sealed:
    """The step itself; each vector is read and checked once."""
    total = RoundSum(made.place, made.entries)
    total.add(store, made.updates)
    assert len(total.weights) == HOSPITALS, total.faults or total.missing
    return total.sealed()
