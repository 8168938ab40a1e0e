"""Run benches: `python -m bench [NAME …] [--json FILE]`. Exit code 1 when a figure misses its limit.

| name | what |
| --- | --- |
| seal | encode, chunk tree, CID and local store for ten million parameters |
| check | check and add eight such vectors, root the sum |
| memory | peak memory of both, each in a process of its own |
| daemon | memory of a hospital's daemon before it trains (needs Anvil) |
| help | `medfed --help` |
| cohort | leaves, cohort, manifest, root and one proof for a million patients |
| rounds | a warm round of four hospitals' processes (needs Anvil) |
| index | events read, decoded and stored per second (needs Anvil) |

Limits are for two cores with nothing else to do. The multiples beside a figure are of what this machine, as busy as
it was, took for a memory copy, a loop of hashlib's SHA-256, a bare interpreter or web3: compare those across machines.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figure import Figure

BENCHES = ("seal", "check", "cohort", "memory", "daemon", "help", "rounds", "index")


def main() -> int:
    """Measure, print, and judge."""
    options = _options()
    figures = {name: _measure(name) for name in options.names or BENCHES}
    if options.json:
        _write(figures, options.json)
    if options.json != "-":
        _print(figures)
    return 0 if all(figure.ok for found in figures.values() for figure in found) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description="Measure speed and memory against their limits."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(BENCHES)}")
    parser.add_argument(
        "--json", default="", metavar="FILE", help="write the figures to a file, - for standard output"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHES)
    if unknown:
        parser.error(f"There is no bench {', '.join(sorted(unknown))}; choose from {', '.join(BENCHES)}.")
    return options


def _measure(name: str) -> list[Figure]:
    print(f"bench {name} …", file=sys.stderr)
    found: list[Figure] = importlib.import_module(f"bench.{name}").measure()
    return found


def _write(figures: dict[str, list[Figure]], file: str) -> None:
    text = json.dumps({name: [each.as_json() for each in found] for name, found in figures.items()}, indent=1)
    if file == "-":
        print(text)
    else:
        Path(file).write_text(text + "\n", encoding="utf-8")


def _print(figures: dict[str, list[Figure]]) -> None:
    table = Table("Bench", "Figure", "Measured", "Limit", "Ratio", "In multiples of")
    for name, found in figures.items():
        for figure in found:
            table.add_row(
                name,
                figure.name,
                _shown(figure.value, figure.unit),
                ("≥ " if figure.at_least else "≤ ") + _shown(figure.limit, figure.unit),
                f"{figure.ratio:.2f}" + ("" if figure.ok else " MISSED"),
                ", ".join(f"{mark} {times:.1f}" for mark, times in figure.against.items()),
            )
    Console(width=max(120, Console().width)).print(table)


def _shown(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}"


if __name__ == "__main__":
    raise SystemExit(main())
