"""Every random draw comes from what it is for, never from a generator that is carried along.

Whoever knows seed, spec, seat and round draws the same numbers, on any machine and after any restart.
"""

from __future__ import annotations

import hashlib

import numpy as np

from medfed.protocol.canonical import canonical_json

__all__ = ["draw_seed", "generator", "torch_seed"]


def draw_seed(seed: int, purpose: str, *labels: int | str | bytes) -> bytes:
    """32 bytes for one purpose: sha256 of the canonical JSON of all that names the draw."""
    named = [label.hex() if isinstance(label, bytes) else str(label) for label in labels]
    return hashlib.sha256(canonical_json(["medfed/draw/1", str(seed), purpose, *named])).digest()


def generator(seed: int, purpose: str, *labels: int | str | bytes) -> np.random.Generator:
    """A fresh PCG64 generator for one purpose, e.g. `generator(seed, "batches", spec_digest, seat, round)`."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(draw_seed(seed, purpose, *labels), "big")))


def torch_seed(seed: int, purpose: str, *labels: int | str | bytes) -> int:
    """A seed below 2^63 for a torch generator."""
    return int.from_bytes(draw_seed(seed, purpose, *labels)[:8], "big") >> 1
