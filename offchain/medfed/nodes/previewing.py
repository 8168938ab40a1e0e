"""What would leave the site: for a person who is asked to approve a study."""

from __future__ import annotations

from dataclasses import dataclass

from medfed.errors import PolicyRefusal
from medfed.nodes.enrolling import Enrolling
from medfed.nodes.site import Site
from medfed.protocol.phase import Outcome
from medfed.protocol.vector import vector_size
from medfed.rounds.cohort import round_cohort
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, basis_of, read_study
from medfed.types import BlockStamp, RoundNumber, StudyId

__all__ = ["Preview", "Previewing"]


@dataclass(frozen=True, slots=True)
class Preview:
    """What would leave the site in the study's next round, and why it would not (`refused`, empty when it would)."""

    study: int
    basis: str
    """Why they count: consent, opt-out or permit."""
    patients: int
    records: int
    weight: int
    leaves: int
    update_words: int
    update_bytes: int
    refused: str


class Previewing:
    """Looks, and changes nothing."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._enrolling = Enrolling(site)

    def preview(self, number: StudyId, head: BlockStamp) -> Preview:
        """What would leave the site if a round of the study opened after `head`. Raises as `Site.spec`."""
        study = read_study(self._site.index, number)
        spec = self._site.spec(study)
        entry = study.enrolment(self._site.id) or self._enrolling.would_be(study)
        moment = _opening(study, head.timestamp + 1)
        place = self._site.place(study, moment.number)
        cohort = round_cohort(self._site.index, place, moment, entry, self._site.holdings)
        return Preview(
            study=number,
            basis=basis_of(self._site.index, entry.dataset).label,
            patients=len(cohort.members) if cohort else 0,
            records=len(cohort.rows) if cohort else 0,
            weight=cohort.weight if cohort else 0,
            leaves=cohort.manifest().count if cohort else 0,
            update_words=spec.size,
            update_bytes=vector_size(spec.size),
            refused=self._refusal(study, entry, len(cohort.members) if cohort else 0),
        )

    def _refusal(self, study: StudyHistory, entry: Enrolment, patients: int) -> str:
        seat = study.enrolment(self._site.id)
        if seat is not None and not study.may_submit(seat.seat):
            return f"A proof was against seat {seat.seat}, this hospital's; it submits no more."
        try:
            self._site.check(study)
            self._enrolling.check_basis(entry.dataset, study.study)
        except PolicyRefusal as exc:
            return str(exc)
        if seat is None and (why := self._enrolling.unaffordable(study)):
            return why
        least = self._site.config.policy.smallest_cohort
        return "" if patients >= least else f"{patients} patients count, the policy asks for {least}."


def _opening(study: StudyHistory, at: int) -> RoundHistory:
    """The study's next round, as if it opened at second `at`."""
    return RoundHistory(
        study=study.study,
        number=RoundNumber(study.rounds + 1),
        opened_at=at,
        closed_at=0,
        finals_before=0,
        updates={},
        removed={},
        abstained=frozenset(),
        struck=frozenset(),
        proposals={},
        attesters={},
        attested=0,
        outcome=Outcome.OPEN,
        final_hash=b"",
        final_at=0,
        ended_at=0,
        answerable=0,
        compensation=0,
        kept_away={},
    )
