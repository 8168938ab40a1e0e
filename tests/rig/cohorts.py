"""Cohorts of actors: leaves in order, and what opens one of them on chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from medfed.protocol.leaf_tree import LEAF_BYTES, leaf_proof
from medfed.protocol.leaves import Use, cohort_leaf, cohort_root
from medfed.types import Address, DatasetId, RoundNumber, StudyId

__all__ = ["Listed", "leaf_of"]


def leaf_of(study: int, number: int, dataset: int, patient: Any, salt: bytes) -> bytes:
    """The leaf of an actor in one round."""
    place = StudyId(study), RoundNumber(number), DatasetId(dataset)
    return cohort_leaf(Use(0, Address("0x" + "00" * 20), *place), patient.address, salt)


class Listed:
    """The leaves that a hospital commits to, in the order of a manifest."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        self.order = sorted(leaves)
        self.leaves = b"".join(self.order)
        self.root = cohort_root(self.leaves)
        self.count = len(self.leaves) // LEAF_BYTES

    def opened(self, leaf: bytes, salt: bytes, dataset: int = 1) -> dict[str, Any]:
        """What the patient of `leaf` shows a contract."""
        index = self.order.index(leaf)
        proof = leaf_proof(self.leaves, index)
        return {"dataset": dataset, "salt": salt, "index": index, "count": self.count, "proof": proof}
