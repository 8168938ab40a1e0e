"""A slow judge of purposes, built from nothing but the tables in docs/purposes.md; numbers are numpy arrays of uint32."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

__all__ = ["DOCUMENT", "Judge", "Row", "examples", "random_purposes", "rows"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "purposes.md"
KINDS = {"permission", "use", "denial", "promise", "confirmation"}


@dataclass(frozen=True)
class Row:
    """One code; `others` are those that it includes or denies."""

    duo: str
    label: str
    code: str
    bits: tuple[int, ...]
    kind: str
    others: tuple[str, ...]
    reading: str


def rows() -> list[Row]:
    return [
        Row(duo, label, code, tuple(map(int, _words(bits))), kind, tuple(_words(others)), reading)
        for duo, label, code, bits, kind, others, reading in _table("| DUO | label |")
    ]


def examples() -> list[tuple[str, str, bool]]:
    """(consent, request, whether it is permitted) of the document's examples."""
    return [(a.strip("`"), b.strip("`"), c == "yes") for a, b, c, _ in _table("| consent | request |")]


def _table(head: str) -> list[list[str]]:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(head))
    body = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body]


def _words(cell: str) -> list[str]:
    return [] if cell == "–" else cell.split(", ")


DETAILS = 1 << 31  # of a consent, which is judged as if it were not there


class Judge:
    """Judges by sets: one boolean column for each code of the table."""

    def __init__(self) -> None:
        table = rows()
        self.single = [row for row in table if len(row.bits) == 1]
        self.bit = {row.code: row.bits[0] for row in self.single}
        assert {row.kind for row in table} == KINDS
        assert len(set(self.bit.values())) == len(self.single)

    def codes(self, kind: str) -> list[str]:
        return [row.code for row in self.single if row.kind == kind]

    def value(self, *codes: str) -> int:
        return sum(1 << self.bit[code] for code in codes)

    def permits(self, consented: np.ndarray, requested: np.ndarray) -> np.ndarray:
        consented = consented & np.uint32(DETAILS - 1)
        fine = ~self._strange(consented, self.codes("use")) & self.is_request(requested)
        done, allowed = self._done(requested), self._allowed(consented)
        for code in done:
            fine &= ~done[code] | allowed[code]
        for code in self.codes("promise") + self.codes("confirmation"):
            fine &= ~self._has(consented, code) | self._has(requested, code)
        return fine

    def permits_study(
        self, uses: np.ndarray, requested: np.ndarray, confirmed: np.ndarray, same_disease: np.ndarray
    ) -> np.ndarray:
        """Whether a study that names `requested` may use data where `confirmed` was confirmed."""
        asked = requested.copy()
        for code in self.codes("confirmation"):
            asked[self._has(requested, code) & ~self._has(confirmed, code)] -= 1 << self.bit[code]
        other = self._has(requested, "DS") & ~same_disease & self.is_request(requested)
        asked[other] -= 1 << self.bit["DS"]
        asked[other] |= 1 << self.bit["HMB"]
        return self.is_request(requested) & self.permits(uses, asked)

    def narrows(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Asks each request that there is: those with just the conditions of `after` tell, as more never harm."""
        conditions = self.codes("promise") + self.codes("confirmation")
        met = np.all([~self._has(before, code) | self._has(after, code) for code in conditions], axis=0)
        new = self._cores_of(after) & ~(self._cores_of(before) & met[:, None])
        return ~new.any(axis=1)

    def _cores_of(self, consented: np.ndarray) -> np.ndarray:
        """For each consent and each request without conditions: whether it were permitted if all conditions were met."""
        bare = consented & np.uint32(
            ~self.value(*self.codes("promise"), *self.codes("confirmation")) & 0xFFFFFFFF
        )
        different, where = np.unique(bare, return_inverse=True)
        permitted = [self.permits(different, np.full_like(different, core)) for core in self.cores]
        return np.stack(permitted, axis=1)[where]

    def is_request(self, purposes: np.ndarray) -> np.ndarray:
        kinds = sum(self._has(purposes, code).astype(int) for code in ("GRU", "HMB", "DS", "POA"))
        fine = (kinds <= 1) & ((kinds == 1) | self._has(purposes, "CC"))
        for row in self.single:
            if row.kind == "denial":
                for code in row.others:
                    fine &= ~(self._has(purposes, row.code) & self._has(purposes, code))
        return fine & ~self._strange(purposes, ["NRES"])

    @cached_property
    def cores(self) -> list[int]:
        """All requests without conditions."""
        codes = self.codes("permission") + self.codes("use") + self.codes("denial")
        every = np.array(
            [self.value(*some) for n in range(len(codes) + 1) for some in itertools.combinations(codes, n)],
            dtype=np.uint32,
        )
        return [int(value) for value in every[self.is_request(every)]]

    def is_consent(self, purposes: np.ndarray) -> np.ndarray:
        allowed = self._allowed(purposes)
        some = np.zeros(purposes.shape, dtype=bool)
        for code in self.codes("permission"):
            some |= allowed[code]
        restricted = np.zeros(purposes.shape, dtype=bool)
        for code in self.codes("denial") + self.codes("promise") + self.codes("confirmation"):
            restricted |= self._has(purposes, code)
        fine = ~self._strange(purposes, self.codes("use")) & ~(self._has(purposes, "NRES") & restricted)
        return fine & some

    def _has(self, purposes: np.ndarray, code: str) -> np.ndarray:
        return (purposes >> np.uint32(self.bit[code]) & 1).astype(bool)

    def _strange(self, purposes: np.ndarray, excluded: list[str]) -> np.ndarray:
        known = sum(1 << bit for code, bit in self.bit.items() if code not in excluded)
        return (purposes & np.uint32(0xFFFFFFFF ^ known)) != 0

    def _done(self, requested: np.ndarray) -> dict[str, np.ndarray]:
        """What a request does: what it names, and includes, without what it denies."""
        return self._less_denied(self._included(requested), requested)

    def _allowed(self, consented: np.ndarray) -> dict[str, np.ndarray]:
        allowed = self._included(consented)
        for code in self.codes("use"):
            allowed[code] = np.ones(consented.shape, dtype=bool)
        return self._less_denied(allowed, consented)

    def _included(self, purposes: np.ndarray) -> dict[str, np.ndarray]:
        kinds = [row for row in self.single if row.kind in ("permission", "use")]
        found = {row.code: self._has(purposes, row.code) for row in kinds}
        for row in kinds:
            for code in row.others:
                found[code] = found[code] | self._has(purposes, row.code)
        return found

    def _less_denied(self, uses: dict[str, np.ndarray], purposes: np.ndarray) -> dict[str, np.ndarray]:
        for row in self.single:
            for code in row.others if row.kind == "denial" else ():
                uses[code] = uses[code] & ~self._has(purposes, row.code)
        return uses


def random_purposes(judge: Judge, rng: np.random.Generator, count: int, kinds: list[int]) -> np.ndarray:
    """Half of them one of `kinds` with a few other codes, a quarter any codes, the rest any bits at all."""
    sparse = np.zeros(count, dtype=np.uint32)
    for code in judge.bit:
        if code not in judge.codes("permission"):
            sparse |= np.where(rng.random(count) < 0.08, np.uint32(judge.value(code)), np.uint32(0))
    near = sparse | rng.choice(np.array(kinds, dtype=np.uint32), count)
    every = np.uint32(judge.value(*judge.bit))
    wild = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    pick = rng.random(count)
    return np.where(pick < 0.5, near, np.where(pick < 0.75, wild & every, wild)).astype(np.uint32)
