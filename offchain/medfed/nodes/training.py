"""A hospital's part in Training: cohort, local model, bytes on its own disk, then the commitment. Or it abstains."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from medfed.data.cohort import Cohort
from medfed.errors import ContentMissing, DataError, IntegrityError, PolicyRefusal, ProtocolError
from medfed.learning.models import Model
from medfed.nodes.holds import HOLDS, Held, check_hold
from medfed.nodes.site import Site
from medfed.nodes.state import Work, WorkFolder
from medfed.rounds.cohort import check_pinned, committed_cohort, held_cohort
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_round
from medfed.rounds.recompute import RoundPlace

__all__ = ["Training"]

# A model that cannot be fetched, records that cannot be read, a hold: someone may mend it until then. Silence costs stake.
_ABSTAIN_AFTER = 0.75


class Training:
    """Makes each round's work once, and the same again where it was lost."""

    def __init__(self, site: Site, folder: WorkFolder) -> None:
        self._site = site
        self._folder = folder

    def act(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> None:
        """Submit or abstain. Raises what keeps it from both while there is time to mend it."""
        try:
            self._check_standing()
            check_hold(self._site.home / HOLDS, study.study, history.number)
            work = self._work(study, entry, history)
        except (Held, DataError, ProtocolError, IntegrityError, ContentMissing) as exc:
            if now < history.opened_at + _ABSTAIN_AFTER * study.terms.training_seconds:
                raise
            self._abstain(entry, history, str(exc))
        except PolicyRefusal as exc:
            self._abstain(entry, history, str(exc))
        else:
            call = self._site.contracts.rounds.submit_update(
                study.study, history.number, entry.seat, work.update
            )
            facts = {"study": study.study, "round": history.number, "weight": work.update.weight}
            self._site.send("submit", call, **facts)

    def again(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> Work | None:
        """Work that was committed to and is lost, made from the same records; None when they give other bytes."""
        place = self._site.place(study, history.number)
        cohort = committed_cohort(self._site.index, place, history, entry, self._site.holdings)
        if cohort is None:
            return None
        work = self._train(study, entry, history, cohort)
        return work if work.update == history.updates[entry.seat] else None

    def cohort(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> Cohort | None:
        """Whose records may be used for a round now; None when too few consent. Raises `DataError`, `IntegrityError` where index
        and chain differ, also when all was read anew, and as `Site.spec`."""
        site = self._site
        place, consents = site.place(study, history.number), site.contracts.consents
        try:
            return held_cohort(site.index, consents, place, history, entry, site.holdings)
        except IntegrityError as exc:
            if not site.census.read_anew(str(exc)):
                raise
        history = read_round(site.index, study.study, history.number)
        return held_cohort(site.index, consents, place, history, entry, site.holdings)

    def _check_standing(self) -> None:
        operator, active = self._site.contracts.consortium.is_operator(
            self._site.id, self._site.sender.address
        )
        if not operator:
            raise IntegrityError(
                f"{self._site.sender.address} is this hospital's operator no more; put the present one's keystore into its file."
            )
        if not active:
            raise PolicyRefusal("The consortium has suspended this hospital.")

    def _work(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> Work:
        self._site.check(study)
        stored = self._folder.load(study.study, history.number)
        if stored is not None:
            return stored
        check_pinned(self._site.index, entry, self._site.holdings)
        cohort = self.cohort(study, entry, history)
        if cohort is None or len(cohort.members) < self._site.config.policy.smallest_cohort:
            raise PolicyRefusal("Too few patients consent for a cohort.")
        return self._train(study, entry, history, cohort)

    def _train(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, cohort: Cohort) -> Work:
        started = time.monotonic()
        place, model = self._site.place(study, history.number), self._site.model(study, history.number)
        words = self._words(place, entry, cohort, model)
        header = place.header(self._site.id)
        work = self._folder.save(place.number, header, words, cohort.manifest(), cohort.weight)
        self._site.notes.note(
            "trained",
            study=place.study,
            round=place.number,
            weight=cohort.weight,
            records=len(cohort.rows),
            seconds=str(round(time.monotonic() - started, 3)),
        )
        return work

    def _words(self, place: RoundPlace, entry: Enrolment, cohort: Cohort, model: Model) -> NDArray[np.uint32]:
        from medfed.learning.train import (
            Records,
            train,
        )  # torch: 2 s and much memory, only for those who train

        dataset = self._site.holdings.dataset
        records = Records(dataset.matrix(place.spec.columns)[cohort.rows], dataset.labels[cohort.rows])
        delta = train(place.spec, model, records, entry.seat, place.number)
        return place.spec.codec.encode(delta, place.spec.rule.coded_weight(cohort.weight))

    def _abstain(self, entry: Enrolment, history: RoundHistory, why: str) -> None:
        study, number = history.study, history.number
        self._site.notes.tell("abstain", (study, number), f"Round {number} of study {study}: {why}")
        call = self._site.contracts.rounds.abstain(study, number, entry.seat)
        self._site.send("abstain", call, study=study, round=number)
