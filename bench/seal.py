"""What a hospital does with an update of ten million parameters: encode, chunk tree, CID, into the local store."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bench.figure import Figure, best_seconds, yardsticks
from bench.scene import SIZE, delta, place, store_update
from medfed.protocol.vector import vector_size
from medfed.storage.local import LocalStore

LIMIT_SECONDS = 0.6
_WEIGHT = 512


def measure() -> list[Figure]:
    """Seconds from the floats to a stored, pinned and synced file."""
    where, update = place(), delta()
    header = where.header()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def step() -> None:
            encoded = where.spec.codec.encode(update, _WEIGHT)
            store_update(LocalStore(folder / "store"), header, encoded, folder / "update.bin")
            # A file that is there already would not be written again.
            shutil.rmtree(folder / "store")

        seconds = best_seconds(step)
    marks = yardsticks(bytes(vector_size(SIZE)))
    against = {name: seconds / mark for name, mark in marks.items()}
    return [Figure("encode, tree, CID, store", seconds, "s", LIMIT_SECONDS, against=against)]
