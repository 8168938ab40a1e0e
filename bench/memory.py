"""Peak memory of sealing one vector and of adding up eight, each in a process of its own, beyond imports and inputs.

    python -m bench.memory seal FOLDER

is such a process; it prints by how many bytes its peak resident size (VmHWM) came to exceed its resident size before
the step (VmRSS). Both are the kernel's, and start anew with each program, unlike `ru_maxrss`, which a child inherits.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figure import Figure

LIMIT_VECTORS = 4


def measure() -> list[Figure]:
    """Vectors of memory for either step."""
    from bench.scene import make_round, save_round
    from medfed.storage.local import LocalStore

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_round(make_round(LocalStore(folder / "store"), folder), folder / "round.json")
        return [
            Figure(f"peak memory, {step}", _vectors(step, folder), "vectors", LIMIT_VECTORS)
            for step in ("seal", "check")
        ]


def _vectors(step: str, folder: Path) -> float:
    """Memory of a step run apart, in vectors."""
    from bench.scene import VECTOR_BYTES

    command = [sys.executable, "-m", "bench.memory", step, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) / VECTOR_BYTES


def resident(process: int | str = "self") -> tuple[int, int]:
    """(resident size, its peak) of a process in bytes. Linux only."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    now, peak = (int(found[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def _seal(folder: Path) -> int:
    from bench.scene import delta, place, store_update
    from medfed.storage.local import LocalStore

    where, update, store = place(), delta(), LocalStore(folder / "sealed")
    before, _ = resident()
    encoded = where.spec.codec.encode(update, where.spec.codec.max_weight)
    store_update(store, where.header(), encoded, folder / "update.bin")
    return resident()[1] - before


def _check(folder: Path) -> int:
    from bench.check import add_up
    from bench.scene import load_round
    from medfed.storage.local import LocalStore

    made, store = load_round(folder / "round.json"), LocalStore(folder / "store")
    before, _ = resident()
    add_up(store, made)
    return resident()[1] - before


if __name__ == "__main__":
    print({"seal": _seal, "check": _check}[sys.argv[1]](Path(sys.argv[2])))
