"""A hospital's cohort of one round: whose consent was active in the second before the round opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from medfed.chain.index import EventIndex
from medfed.data.cohort import Cohort, CohortTerms, build_cohort
from medfed.data.commitments import records_root
from medfed.data.dataset import Dataset
from medfed.data.patients import Register
from medfed.errors import DataError
from medfed.protocol.leaves import Use
from medfed.rounds.history import Enrolment, RoundHistory, asked, consented, pinned
from medfed.rounds.recompute import RoundPlace

__all__ = ["Holdings", "check_pinned", "round_cohort"]


@dataclass(frozen=True)
class Holdings:
    """What a hospital keeps to itself."""

    dataset: Dataset = field(repr=False)
    register: Register = field(repr=False)
    filler_secret: bytes = field(repr=False)

    @cached_property
    def records_root(self) -> bytes:
        """What the records commit to."""
        return records_root(self.dataset, self.filler_secret)


def check_pinned(index: EventIndex, entry: Enrolment, holdings: Holdings) -> None:
    """Raise `DataError` unless the records are those of the version that the seat pinned."""
    info = pinned(index, entry)
    if info is None or info.records_root != holdings.records_root:
        raise DataError(
            f"The records are not those of dataset {entry.dataset}, version {entry.version}, which this seat pinned: that has "
            f"{entry.records} records, the file {len(holdings.dataset)}. Restore the file, and the secret it was committed with."
        )


def round_cohort(
    index: EventIndex, place: RoundPlace, history: RoundHistory, entry: Enrolment, holdings: Holdings
) -> Cohort | None:
    """The cohort, or None when the hospital has to abstain. The same whenever it is asked for again."""
    purposes = asked(index, entry, place.spec)
    active = consented(index, entry.dataset, purposes, history.opened_at - 1)
    use = Use(place.chain_id, place.contract, place.study, place.number, entry.dataset)
    cap = min(place.spec.codec_spec.max_weight, entry.records)
    terms = CohortTerms(use, place.spec.cohort_step, cap, holdings.filler_secret)
    return build_cohort(holdings.dataset, holdings.register, active, terms)
