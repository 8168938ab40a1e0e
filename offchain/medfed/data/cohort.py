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

import numpy as np
from numpy.typing import NDArray

from medfed.data.dataset import Dataset
from medfed.data.patients import Register
from medfed.errors import DataError
from medfed.protocol.consent import Details
from medfed.protocol.documents import DisclosedRound, DisclosedUse
from medfed.protocol.leaf_tree import MAX_LEAVES
from medfed.protocol.leaves import Use, cohort_leaf, filler_leaf, filler_seed, use_salt
from medfed.protocol.manifest import CohortManifest
from medfed.types import Address

__all__ = ["Cohort", "CohortTerms", "Member", "build_cohort"]


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


@dataclass(frozen=True, slots=True)
class Member:
    """One patient of a cohort, with the salt that hides them in this use."""

    leaf: bytes
    patient: Address = field(repr=False)
    salt: bytes = field(repr=False)


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
    rows = _meant(dataset, register, active)
    members = sorted(
        (_member(register, patient, terms.use) for patient in rows),
        key=lambda member: member.leaf,
    )
    # The weight is rounded down to a step, so up to a step less one more patients than the cap allows may train.
    most = terms.cap // terms.step * terms.step + terms.step - 1
    members = members[: min(most, MAX_LEAVES // terms.step * terms.step)]
    weight = len(members) // terms.step * terms.step
    if not weight:
        return None
    return Cohort(
        use=terms.use,
        members=tuple(members),
        rows=np.sort(np.concatenate([rows[member.patient] for member in members])),
        weight=weight,
        leaves=_filled(members, terms),
    )


def _meant(
    dataset: Dataset, register: Register, active: Mapping[Address, Details]
) -> dict[Address, NDArray[np.int64]]:
    """The rows that each patient's consent is about; patients without any are left out."""
    found = {}
    for patient, rows in register.rows(dataset).items():
        if patient in active:
            meant = [row for row in rows if active[patient].covers(dataset.year(row))]
            if meant:
                found[patient] = np.array(meant, dtype=np.int64)
    return found


def _member(register: Register, patient: Address, use: Use) -> Member:
    salt = use_salt(register.link_secret(patient), use)
    return Member(cohort_leaf(use, patient, salt), patient, salt)


def _filled(members: list[Member], terms: CohortTerms) -> bytes:
    lacking = -len(members) % terms.step
    seeds = (filler_seed(terms.filler_secret, terms.use, index) for index in range(lacking))
    return b"".join(sorted([*(member.leaf for member in members), *map(filler_leaf, seeds)]))


def _check_terms(terms: CohortTerms) -> None:
    if terms.step < 1 or terms.cap < 0:
        raise DataError(
            f"A cohort needs a step of at least 1 and a cap of at least 0, not {terms.step}, {terms.cap}."
        )
