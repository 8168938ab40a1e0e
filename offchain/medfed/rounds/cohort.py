"""A hospital's cohort of one round: whose consent was active in the second before the round opened."""

from __future__ import annotations

from dataclasses import dataclass, field

from medfed.chain.index import EventIndex
from medfed.data.cohort import Cohort, CohortTerms, build_cohort
from medfed.data.dataset import Dataset
from medfed.data.patients import Register
from medfed.protocol.leaves import Use
from medfed.rounds.history import Enrolment, RoundHistory, consented
from medfed.rounds.recompute import RoundPlace

__all__ = ["Holdings", "round_cohort"]


@dataclass(frozen=True)
class Holdings:
    """What a hospital keeps to itself."""

    dataset: Dataset = field(repr=False)
    register: Register = field(repr=False)
    filler_secret: bytes = field(repr=False)


def round_cohort(
    index: EventIndex, place: RoundPlace, history: RoundHistory, entry: Enrolment, holdings: Holdings
) -> Cohort | None:
    """The cohort, or None when the hospital has to abstain. The same whenever it is asked for again."""
    active = consented(index, entry.dataset, place.spec.purposes, history.opened_at - 1)
    use = Use(place.chain_id, place.contract, place.study, place.number, entry.dataset)
    cap = min(place.spec.codec_spec.max_weight, entry.records)
    terms = CohortTerms(use, place.spec.cohort_step, cap, holdings.filler_secret)
    return build_cohort(holdings.dataset, holdings.register, active, terms)
