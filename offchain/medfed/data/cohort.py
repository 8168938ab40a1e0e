"""Which records train in a round, and what is published about them. Pure: whoever starts again gets the same.

1. The patients of the register that have a record here and consented at the second before the round opened: a record whose
   year lies in the window of its patient's consent. Their other records do not train.
2. At most `cap` of them: those with the lowest leaves, which nobody can foresee or steer without the link secrets.
3. The weight is their number rounded down to a step; all these records train, those of the last incomplete step too.
4. The manifest lists one leaf per patient and is filled up to a step with leaves that stand for nobody.
Fewer patients than one step make no cohort: the hospital abstains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfed.data.dataset import Dataset
from medfed.data.patients import Register
from medfed.errors import DataError
from medfed.protocol.consent import Details
from medfed.protocol.documents import DisclosedRound, DisclosedUse
from medfed.protocol.leaf_tree import LEAF_BYTES, MAX_LEAVES
from medfed.protocol.leaves import Use, cohort_leaves, filler_leaf, filler_seed
from medfed.protocol.manifest import CohortManifest
from medfed.types import Address

__all__ = ["Cohort", "CohortTerms", "Member", "build_cohort"]

_LEAF = f"S{LEAF_BYTES}"
"""Compares as bytes do."""


@dataclass(frozen=True, slots=True)
class CohortTerms:
    """What one round asks of a cohort."""

    use: Use
    step: int
    """The study's `cohortStep`."""
    cap: int
    """Largest weight: the smaller one of the spec's `max_weight` and the count pinned at enrolment."""
    filler_secret: bytes = field(repr=False)
    """The hospital's own 32 bytes."""


class Member(NamedTuple):
    """One patient of a cohort, with the salt that hides them in this use."""

    leaf: bytes
    patient: Address
    salt: bytes

    def __repr__(self) -> str:
        return f"Member({self.leaf.hex()})"


@dataclass(frozen=True, eq=False, slots=True)
class Cohort:
    """A round's cohort of one hospital."""

    use: Use
    members: tuple[Member, ...] = field(repr=False)
    """In the order of their leaves."""
    rows: NDArray[np.int64] = field(repr=False)
    """Rows of the dataset that train, ascending."""
    weight: int
    leaves: bytes = field(repr=False)
    """Members and fillers in one piece, 32 bytes each, strictly increasing, a multiple of the step."""

    def manifest(self) -> CohortManifest:
        """What is published."""
        return CohortManifest.of(self.use, self.leaves)

    def disclosed(self) -> DisclosedRound:
        """What an auditor is shown: the members with their salts, no filler."""
        uses = tuple(
            DisclosedUse(leaf=f"0x{m.leaf.hex()}", patient=m.patient, salt=f"0x{m.salt.hex()}")
            for m in self.members
        )
        return DisclosedRound(round=self.use.round, uses=uses)


def build_cohort(
    dataset: Dataset, register: Register, active: Mapping[Address, Details], terms: CohortTerms
) -> Cohort | None:
    """The cohort of the patients in `active` (checksum addresses, with what their consents say of the records they are
    about), or None when the hospital has to abstain."""
    _check_terms(terms)
    owners, patients = register.owners(dataset), register.patients
    meant = _meant(dataset, owners, [active.get(patient) for patient in patients])
    numbers = np.unique(owners[meant]).tolist()
    found = _members(register, [patients[number] for number in numbers], terms.use)
    leaves = np.frombuffer(b"".join([member.leaf for member in found]), _LEAF)
    # The weight is rounded down to a step, so up to a step less one more patients than the cap allows may train.
    most = terms.cap // terms.step * terms.step + terms.step - 1
    order = np.argsort(leaves)[: min(most, MAX_LEAVES // terms.step * terms.step)]
    weight = len(order) // terms.step * terms.step
    if not weight:
        return None
    return Cohort(
        use=terms.use,
        members=tuple([found[place] for place in order.tolist()]),
        rows=np.flatnonzero(meant & np.isin(owners, np.array(numbers)[order])),
        weight=weight,
        leaves=_filled(leaves[order], terms),
    )


def _meant(dataset: Dataset, owners: NDArray[np.int64], details: list[Details | None]) -> NDArray[np.bool_]:
    """(n,): for each record whether its patient's consent is about it; `details` by the patient's number, None without one."""
    # One more at the end, which is nobody's: the owner of such records is -1.
    consents = np.array([each is not None for each in details] + [False])
    meant = consents[owners]
    bounded = np.array([each is not None and each.bounded for each in details] + [False])
    for row in np.flatnonzero(bounded[owners]).tolist():
        said = details[owners[row]]
        meant[row] = said is not None and said.covers(dataset.year(row))
    return meant


def _members(register: Register, patients: list[Address], use: Use) -> list[Member]:
    found = cohort_leaves(use, zip(patients, map(register.link_secret, patients), strict=True))
    return [Member(leaf, patient, salt) for patient, (leaf, salt) in zip(patients, found, strict=True)]


def _filled(leaves: NDArray[np.bytes_], terms: CohortTerms) -> bytes:
    seeds = (filler_seed(terms.filler_secret, terms.use, index) for index in range(-len(leaves) % terms.step))
    fillers = np.frombuffer(b"".join(map(filler_leaf, seeds)), _LEAF)
    return np.sort(np.concatenate([leaves, fillers])).tobytes()


def _check_terms(terms: CohortTerms) -> None:
    if terms.step < 1 or terms.cap < 0:
        raise DataError(
            f"A cohort needs a step of at least 1 and a cap of at least 0, not {terms.step}, {terms.cap}."
        )
