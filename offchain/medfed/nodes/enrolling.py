"""Taking a seat in a study, by the policy or by a person's word."""

from __future__ import annotations

from medfed.chain.calls import Call
from medfed.errors import DataError, InputError
from medfed.nodes.site import Site
from medfed.rounds.history import Enrolment, StudyHistory
from medfed.types import BlockStamp, DatasetId, Seat

__all__ = ["Enrolling"]


class Enrolling:
    """A hospital's way into studies."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def consider(self, study: StudyHistory, head: BlockStamp) -> None:
        """Take a seat, if the study is open, the policy allows it and enrols by itself."""
        config = self._site.config
        if config.policy.enrol and config.dataset is not None and not self._closed(study, head):
            self._enrol(study)

    def by_hand(self, study: StudyHistory, head: BlockStamp) -> None:
        """Take a seat because a person says so. The policy still has to allow the study.

        Raises `InputError` when there is no seat to be had, `PolicyRefusal`, `DataError`.
        """
        if study.enrolment(self._site.id) is not None:
            raise InputError(f"This hospital has a seat in study {study.study} already.")
        closed = self._closed(study, head)
        if closed:
            raise InputError(f"Study {study.study} {closed}.")
        self._enrol(study)

    def would_be(self, study: StudyHistory) -> Enrolment:
        """The seat that the hospital would get now. Raises `DataError` without a registered dataset."""
        dataset = self._dataset()
        info = self._site.contracts.datasets.dataset(dataset)
        return Enrolment(Seat(len(study.enrolments)), self._site.id, dataset, info.version, info.records)

    def advance(self, study: StudyHistory, head: BlockStamp) -> None:
        """Open the first round, or end the study, once its seats are taken or its time is up."""
        full = len(study.enrolments) == study.terms["max_hospitals"]
        if full or self._site.clock.estimate(head) >= study.terms["enrol_deadline"]:
            call = self._site.contracts.rounds.advance(study.study)
            self._site.send("advance", call, study=study.study)

    def _closed(self, study: StudyHistory, head: BlockStamp) -> str:
        """Why nobody can enrol any more; empty while one can."""
        if study.ended:
            return "is over"
        if study.rounds:
            return "runs already"
        if len(study.enrolments) >= study.terms["max_hospitals"]:
            return "has no seat left"
        over = self._site.clock.estimate(head) >= study.terms["enrol_deadline"]
        return "takes no more hospitals, its enrolment deadline has passed" if over else ""

    def _enrol(self, study: StudyHistory) -> None:
        self._site.check(study)
        call: Call = self._site.contracts.rounds.enrol(study.study, self._dataset())
        self._site.send("enrol", call, study=study.study)

    def _dataset(self) -> DatasetId:
        if self._site.config.dataset is None:
            raise DataError(
                "The hospital's file names no dataset yet; register it with `medfed dataset register`."
            )
        return DatasetId(self._site.config.dataset)
