"""Write the vectors of the aggregation rules: `python tests/vectors/make_rules.py`.

Chunks of one place of several updates, and the aggregate's chunk by each rule, from the definitions alone: word by
word in Python's integers. The Python twin and the contracts must come to the same.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "rules.json"
WORDS = 128
EDGES = (0, 1, -1, 2, -2, 2**31 - 1, -(2**31), 2**31 - 2, 1 - 2**31, 2**30, -(2**30), 2**16, -(2**16), 0xFFFF)
TRIMS = (1, 2)


def signed_chunks(source: random.Random, count: int) -> list[list[int]]:
    """Edges and ties in the first half of a chunk, any words in its third quarter, padding in the last."""
    edges = [[source.choice(EDGES) for _ in range(WORDS // 2)] for _ in range(count)]
    any_words = [[source.randrange(-(2**31), 2**31) for _ in range(WORDS // 4)] for _ in range(count)]
    return [first + then + [0] * (WORDS // 4) for first, then in zip(edges, any_words, strict=True)]


def total(words: list[int]) -> int:
    return sum(words)


def median(words: list[int]) -> int:
    """The middle, or the mean of the two in the middle rounded down."""
    ordered = sorted(words)
    return (ordered[(len(words) - 1) // 2] + ordered[len(words) // 2]) // 2


def trimmed(words: list[int], trim: int) -> int:
    """The sum of what is left, which is something."""
    cut = min(trim, (len(words) - 1) // 2)
    return sum(sorted(words)[cut : len(words) - cut])


def encoded(words: list[int]) -> str:
    return "0x" + b"".join((word % 2**32).to_bytes(4, "big") for word in words).hex()


def vectors() -> dict[str, Any]:
    source = random.Random(20_26)
    cases = []
    for count in (1, 2, 3, 4, 5, 8, 13):
        chunks = signed_chunks(source, count)
        places = [list(words) for words in zip(*chunks, strict=True)]
        cases.append(
            {
                "chunks": [encoded(chunk) for chunk in chunks],
                "sum": encoded([total(words) for words in places]),
                "median": encoded([median(words) for words in places]),
                "trimmed": [encoded([trimmed(words, trim) for words in places]) for trim in TRIMS],
            }
        )
    return {"trims": TRIMS, "cases": cases}


def render() -> str:
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
