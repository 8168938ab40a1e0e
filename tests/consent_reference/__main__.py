"""Play many histories through the reference and the twin, and tell where they part.

python -m tests.consent_reference --histories 50000 --first 0
"""

from __future__ import annotations

import argparse
import sys
from time import monotonic

from tests.consent_reference.adapter import disagreement
from tests.consent_reference.corpus import posts_of
from tests.consent_reference.twin import TwinAdapter


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.consent_reference", description="Try the twin.")
    parser.add_argument("--histories", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first history")
    chosen = parser.parse_args()
    start = monotonic()
    for seed in range(chosen.first, chosen.first + chosen.histories):
        if wrong := disagreement(posts_of(seed), TwinAdapter()):
            print(f"seed {seed}: {wrong}")
            return 1
    print(f"{chosen.histories} histories alike, {monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
