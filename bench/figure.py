"""A measured figure beside its limit, and the yardsticks that tell how fast this machine is in the same run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Figure", "best_seconds", "yardsticks"]

_CHUNK = 512


@dataclass(frozen=True)
class Figure:
    """What was measured. `against` has the figure as a multiple of what the machine needs for something simple."""

    name: str
    value: float
    unit: str
    limit: float
    at_least: bool = False
    """Whether the limit is the least that is allowed, not the most."""
    against: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """1 at the limit, below 1 when there is room."""
        return self.limit / self.value if self.at_least else self.value / self.limit

    @property
    def ok(self) -> bool:
        """Whether the limit is kept."""
        return self.ratio <= 1

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "ratio": self.ratio,
            "ok": self.ok,
            "against": dict(self.against),
        }


def best_seconds(action: Callable[[], object], runs: int = 5) -> float:
    """Wall time of the fastest of some runs: what others do on this machine only ever adds to it."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return min(times)


def yardsticks(data: bytes) -> dict[str, float]:
    """Seconds for a copy of `data`, and for SHA-256 over it in pieces of a chunk, which no chunk tree can be below."""
    return {
        "memory copy": best_seconds(lambda: bytearray(data)),
        "sha256 loop": best_seconds(lambda: _hash_chunks(memoryview(data))),
    }


def _hash_chunks(view: memoryview) -> None:
    sha256 = hashlib.sha256
    for start in range(0, len(view), _CHUNK):
        sha256(view[start : start + _CHUNK]).digest()
