"""Write the vectors of chunk trees, leaf trees, layouts, commitments, headers, phases and windows: `python tests/vectors/make_protocol.py`.

The Python twin makes them, the Solidity tests must come to the same. A test fails when a committed file differs from
what this script writes. Whole numbers above 2^53 stand as text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, chunk_count, chunk_proof, chunk_root, leaf_count
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.header import Header
from medfed.protocol.layout import Vector, chunk_count_of, is_chunk_right, vector_at
from medfed.protocol.leaf_tree import leaf_proof
from medfed.protocol.leaves import cohort_root
from medfed.protocol.phase import (
    Outcome,
    RoundFacts,
    attestation_ends,
    longest_round,
    phase_of,
    quorum_of,
    settled_at,
    training_ends,
    unlocked_at,
    voidable_at,
)

FOLDER = Path(__file__).parent
START = 1_800_000_000
CHAIN_ID = 31337
CONTRACT = "0x5615dEB798BB3E4dFa0139dFa1b3D433Cc23b72f"
HOSPITAL = "0xf8c668C62a1F97FD3cD0fD77ea0082E110416B92"

# Words of a vector, and which leaves of its tree are proved; those beyond its last chunk are padding.
TREES = (
    *((1, (0,)), (128, (0,)), (129, (0, 1)), (384, (2, 3)), (640, (0, 4, 5, 7))),
    *((1600, (6, 12, 15)), (4097, (31, 32, 33, 63))),
)

# Counts of leaves, and which of them are proved.
COHORTS = ((1, (0,)), (2, (0, 1)), (3, (0, 2)), (8, (5,)), (13, (7, 8, 12)), (1000, (0, 511, 512, 999)))

# Updates as (words, steps, weighted) of each vector.
LAYOUTS = (
    ((1, 1, True),),
    ((300, 1000, True),),
    ((128, 7, False), (129, 9, True)),
    ((1, 1, True), (1, 2, False), (256, 3, True)),
    tuple((1 + 127 * at, 1 + at, at % 2 == 0) for at in range(8)),
)
# Ends of rounds with the length of the dispute window, and the lengths that make the longest round.
WINDOWS = (
    (START, 1, (1, 1, 1, 0, 0)),
    (START + 7, 101, (1000, 600, 50, 3, 2)),
    (2**32 - 90 * 86_400 - 1, 90 * 86_400, (90 * 86_400, 90 * 86_400, 90 * 86_400, 16, 62)),
)

TRAINING, AGGREGATING, LEAST = 1000, 600, 2
# What happens in a round: (seconds after it opened, what, seat). Four members; a step comes before the rows of its second.
ROUNDS: dict[str, tuple[tuple[int, str, int], ...]] = {
    "nobody acts": (),
    "one submits": ((10, "submit", 0),),
    "two submit, two are silent": ((10, "submit", 0), (999, "submit", 3)),
    "all submit": ((0, "submit", 0), (10, "submit", 1), (20, "submit", 2), (30, "submit", 3)),
    "all act in the last second": tuple((999, "submit", seat) for seat in range(4)),
    "one submits, the others abstain": (
        (5, "submit", 1),
        (6, "abstain", 0),
        (7, "abstain", 2),
        (8, "abstain", 3),
    ),
    "all abstain": tuple((9, "abstain", seat) for seat in range(4)),
    "final": (
        *((10 + seat, "submit", seat) for seat in range(4)),
        (20, "attest", 0),
        (21, "attest", 1),
        (22, "attest", 2),
        (23, "attest", 3),
    ),
    "final after the deadline": (
        *((10, "submit", seat) for seat in range(3)),
        (1700, "attest", 0),
        (1701, "attest", 1),
    ),
    "void for want of updates": ((10, "submit", 0), (1000, "advance", 0)),
    "void at once when all abstain": (*((9, "abstain", seat) for seat in range(4)), (9, "advance", 0)),
    "void for want of a quorum": (
        *((10, "submit", seat) for seat in range(4)),
        (20, "attest", 0),
        (610, "advance", 0),
    ),
}
MEMBERS = 4


def words(count: int) -> np.ndarray:
    """Words that need no generator of random numbers: Knuth's multiplicative hash of their places."""
    places = np.arange(1, count + 1, dtype=np.uint64)
    return (places * np.uint64(2654435761) + np.uint64(count)).astype(np.uint32)


def chunk_vectors() -> dict[str, Any]:
    cases = []
    for count, indexes in TREES:
        values = words(count)
        leaves = leaf_count(chunk_count(count)) * CHUNK_WORDS
        padded = np.append(values, np.zeros(leaves - count, dtype=np.uint32)).astype(">u4")
        for index in indexes:
            chunk = padded[CHUNK_WORDS * index : CHUNK_WORDS * (index + 1)].tobytes()
            cases.append(
                {
                    "words": count,
                    "chunks": chunk_count(count),
                    "root": shown(chunk_root(values)),
                    "index": index,
                    "chunk": shown(chunk),
                    "proof": [shown(each) for each in chunk_proof(values, index)],
                }
            )
    return {"cases": cases}


def leaves(count: int) -> bytes:
    """Leaves in one piece: leaf i is sha256 of i as a uint256."""
    return b"".join(hashlib.sha256(place.to_bytes(32, "big")).digest() for place in range(count))


def leaf_tree_vectors() -> dict[str, Any]:
    return {
        "cases": [
            {
                "count": count,
                "root": shown(cohort_root(leaves(count))),
                "index": index,
                "proof": [shown(each) for each in leaf_proof(leaves(count), index)],
            }
            for count, indexes in COHORTS
            for index in indexes
        ]
    }


def layout_vectors() -> dict[str, Any]:
    return {"layouts": [layout_case(each) for each in LAYOUTS], "chunks": list(limit_cases())}


def layout_case(layout: tuple[tuple[int, int, bool], ...]) -> dict[str, Any]:
    """The number of the vector that each leaf belongs to (from 1, 0 for none), and its first word there."""
    vectors = [Vector(*each) for each in layout]
    count = chunk_count_of(vectors)
    found = [vector_at(vectors, index) for index in range(leaf_count(count))]
    numbers = {id(vector): number for number, vector in enumerate(vectors, 1)}
    return {
        "vectors": [asdict(each) for each in vectors],
        "chunks": count,
        "numbers": [0 if vector is None else numbers[id(vector)] for vector, _ in found],
        "firsts": [first for _, first in found],
    }


def limit_cases() -> Iterator[dict[str, Any]]:
    """Chunks with one word at the limit of its place, and one step beyond it."""
    vectors, weight = [Vector(130, 5, weighted=True), Vector(200, 900, weighted=False)], 16
    # The last word of a vector, the first of its padding, the last leaf of the tree.
    for index, place, limit in (
        (1, 0, 80),
        (2, 1, 80),
        (2, 2, 0),
        (3, 127, 900),
        (4, 71, 900),
        (4, 72, 0),
        (7, 127, 0),
    ):
        for word, right in (
            (limit, True),
            (-limit, True),
            (limit + 1, False),
            (-limit - 1, False),
            (-(2**31), False),
        ):
            chunk = np.zeros(CHUNK_BYTES // 4, dtype=">i4")
            chunk[place] = word
            assert is_chunk_right(vectors, chunk.tobytes(), index, weight) == right
            yield {
                "vectors": [asdict(each) for each in vectors],
                "weight": weight,
                "index": index,
                "chunk": shown(chunk.tobytes()),
                "right": right,
            }


def window_vectors() -> list[dict[str, Any]]:
    return [
        {
            "ended_at": ended,
            "dispute_seconds": seconds,
            "attestation_ends": attestation_ends(ended, seconds),
            "unlocked_at": unlocked_at(ended, seconds),
            "settled_at": [settled_at(ended, newest, seconds) for newest in (0, 1)],
            "lengths": list(lengths),
            "longest_round": longest_round(*lengths),
        }
        for ended, seconds, lengths in WINDOWS
    ]


def commitment_vectors() -> dict[str, Any]:
    digests = [bytes([number]) * 32 for number in range(1, 9)]
    updates = [Update(*digests[:4], 16), Update(*digests[4:], 400), Update(*([b"\xff" * 32] * 4), 0xFFFFFFFF)]
    aggregates = [
        (1, 1, Aggregate(*digests[:3], 0b1011, 240)),
        (2, 7, Aggregate(*digests[3:6], 1 << 63 | 1, 2**31 - 1)),
        (2**64 - 1, 2**16 - 1, Aggregate(*([b"\xff" * 32] * 3), 2**64 - 1, 2**32 - 1)),
    ]
    headers = [
        Header(CHAIN_ID, CONTRACT, 1, 2, HOSPITAL),
        Header(CHAIN_ID, CONTRACT, 1, 2),
        Header(2**256 - 1, "0x" + "ff" * 20, 2**64 - 1, 2**16 - 1, "0x" + "ff" * 20),
    ]
    return {
        "updates": [plain(asdict(each)) | {"commitment": shown(each.commitment())} for each in updates],
        "aggregates": [
            {
                "study": str(study),
                "round": number,
                **plain(asdict(each)),
                "hash": shown(each.digest(study, number)),
            }
            for study, number, each in aggregates
        ],
        "headers": [
            {
                "chain_id": str(each.chain_id),
                "contract": each.contract,
                "study": str(each.study),
                "round": each.round,
                "hospital": each.hospital or "0x" + "00" * 20,
                "chunk": shown(each.chunk()),
            }
            for each in headers
        ],
    }


def phase_vectors() -> dict[str, Any]:
    """Rounds step by step; each row has the facts after all steps up to its second, and what they mean then.

    Times are seconds after the round opened. A row is: at, closed_at (-1 for not), outcome, submitters, phase,
    voidable_at.
    """
    return {
        "members": MEMBERS,
        "training_seconds": TRAINING,
        "aggregating_seconds": AGGREGATING,
        "min_hospitals": LEAST,
        "clock": window_vectors(),
        "quorums": [quorum_of(submitters) for submitters in range(65)],
        "rounds": [
            {"name": name, "steps": [list(step) for step in steps], "rows": rows(steps)}
            for name, steps in ROUNDS.items()
        ],
    }


def rows(steps: tuple[tuple[int, str, int], ...]) -> list[list[int]]:
    facts = RoundFacts(START, 0, Outcome.OPEN, 0, TRAINING, AGGREGATING, LEAST)
    moments = {0, TRAINING - 1, TRAINING, TRAINING + AGGREGATING - 1, TRAINING + AGGREGATING}
    for at, _, _ in steps:
        moments |= {at, at + 1, at + AGGREGATING - 1, at + AGGREGATING}
    found, waiting, acted, attested = [], list(steps), 0, 0
    for at in sorted(moments):
        while waiting and waiting[0][0] <= at:
            when, what, _ = waiting.pop(0)
            acted += what in ("submit", "abstain")
            attested += what == "attest"
            facts = after(facts, when, what, acted, attested)
        ends = facts.closed_at - START if facts.closed_at else -1
        phase = phase_of(facts, START + at)
        found.append([at, ends, facts.outcome, facts.submitters, phase, voidable_at(facts) - START])
        assert training_ends(facts) - START == (ends if ends >= 0 else TRAINING)
    return [list(map(int, row)) for row in found]


def after(facts: RoundFacts, when: int, what: str, acted: int, attested: int) -> RoundFacts:
    """The facts after one step, written down from the words of the protocol."""
    if what == "submit":
        facts = replace(facts, submitters=facts.submitters + 1)
    if what in ("submit", "abstain") and acted == MEMBERS:
        facts = replace(facts, closed_at=START + when)
    if what == "attest" and 3 * attested >= 2 * facts.submitters:
        facts = replace(facts, outcome=Outcome.FINAL)
    return replace(facts, outcome=Outcome.VOID) if what == "advance" else facts


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: shown(value) if isinstance(value, bytes) else str(value) for name, value in fields.items()}


def shown(value: bytes) -> str:
    return "0x" + value.hex()


def render() -> dict[str, str]:
    """File name -> text."""
    made = {
        "chunks": chunk_vectors(),
        "leaf_trees": leaf_tree_vectors(),
        "layouts": layout_vectors(),
        "commitments": commitment_vectors(),
        "phases": phase_vectors(),
    }
    return {f"{name}.json": compact(json.dumps(value, indent=1)) + "\n" for name, value in made.items()}


def compact(text: str) -> str:
    """Lists of numbers and short words on one line each."""
    return re.sub(
        r'\[(\s*(-?\d+|true|false|"[a-z]+"),?)+\s*\]', lambda found: " ".join(found[0].split()), text
    )


if __name__ == "__main__":
    for name, text in render().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
