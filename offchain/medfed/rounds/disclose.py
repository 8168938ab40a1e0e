"""What a hospital shows an auditor: the patients behind its cohorts of a study, with the salts that prove it."""

from __future__ import annotations

from medfed.chain.index import EventIndex
from medfed.protocol.documents import Disclosure
from medfed.rounds.cohort import Holdings, committed_cohort
from medfed.rounds.federation import Federation
from medfed.rounds.history import Enrolment, StudyHistory, read_round
from medfed.rounds.recompute import RoundPlace
from medfed.rounds.study import fetch_spec
from medfed.types import RoundNumber, Seat

__all__ = ["disclosure", "submitted"]


def submitted(index: EventIndex, study: StudyHistory, seat: Seat) -> list[RoundNumber]:
    """The rounds in which a seat submitted, in order."""
    numbers = map(RoundNumber, range(1, study.rounds + 1))
    return [number for number in numbers if seat in read_round(index, study.study, number).updates]


def disclosure(
    federation: Federation, study: StudyHistory, entry: Enrolment, holdings: Holdings
) -> Disclosure:
    """All rounds in which the hospital submitted, rebuilt from its register and the consents on chain; without those whose
    cohort cannot be made again from what the hospital has now."""
    spec = fetch_spec(federation.store, study)
    rounds = federation.contracts.rounds.address
    shown = []
    for number in submitted(federation.index, study, entry.seat):
        history = read_round(federation.index, study.study, number)
        place = RoundPlace(federation.client.chain_id, rounds, study.study, history.number, spec)
        cohort = committed_cohort(federation.index, place, history, entry, holdings)
        if cohort is not None:
            shown.append(cohort.disclosed())
    return Disclosure(
        chain_id=federation.client.chain_id,
        contract=rounds,
        hospital=entry.hospital,
        study=study.study,
        dataset=entry.dataset,
        rounds=tuple(shown),
    )
