"""Taking a seat in a study, by the policy or by a person's word."""

from __future__ import annotations

from medfed.errors import DataError, InputError, PolicyRefusal
from medfed.nodes.policy import confirmed
from medfed.nodes.site import Site
from medfed.protocol.basis import Basis
from medfed.protocol.consent import DAY
from medfed.rounds.history import Enrolment, StudyHistory
from medfed.types import BlockStamp, DatasetId, Seat, StudyId

__all__ = ["Enrolling"]

_STAKE_LIMIT = (1 << 96) - 1
"""No contract knows a larger one."""


class Enrolling:
    """A hospital's way into studies."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def consider(self, study: StudyHistory, head: BlockStamp) -> None:
        """Take a seat, if the study is open, the policy allows it and enrols by itself, and the vault is not paused."""
        config = self._site.config
        wanted = config.policy.enrol and config.dataset is not None and not self._closed(study, head)
        if wanted and not self._is_paused():
            self._enrol(study)

    def by_hand(self, study: StudyHistory, head: BlockStamp) -> None:
        """Take a seat because a person says so. The policy still has to allow the study.

        Raises `InputError` when there is no seat to be had, `PolicyRefusal` also when the stake cannot be locked,
        `DataError`.
        """
        if study.enrolment(self._site.id) is not None:
            raise InputError(f"This hospital has a seat in study {study.study} already.")
        closed = self._closed(study, head)
        if closed:
            raise InputError(f"Study {study.study} {closed}.")
        if not self._enrol(study):
            raise InputError(f"This hospital has taken a seat in study {study.study} just now.")

    def unaffordable(self, study: StudyHistory) -> str:
        """Why the hospital cannot lock the stake of a seat, and what to do about it; empty when it can."""
        terms = study.terms
        return self._site.short_of(terms.token, terms.stake) and self._shortage(study)

    def would_be(self, study: StudyHistory) -> Enrolment:
        """The seat that the hospital would get now. Raises `DataError` without a registered dataset."""
        dataset = self._dataset()
        info = self._site.contracts.datasets.dataset(dataset)
        place = Seat(len(study.enrolments)), self._site.id, dataset
        return Enrolment(*place, info.version, info.records, self._confirmed(study))

    def check_basis(self, dataset: DatasetId, study: StudyId) -> None:
        """Raise `PolicyRefusal` where the dataset's basis lets it into no study of this chain, or not into this one.

        Where patients count who were never asked, nobody is to see one hospital's update: masked rounds do not exist yet.
        """
        datasets = self._site.contracts.datasets
        basis = datasets.dataset(dataset).basis
        if basis is not Basis.CONSENT and not self._site.client.is_development:
            raise PolicyRefusal(
                f"Dataset {dataset} is used on the basis of {basis.label}; such datasets enrol on development chains only. "
                "Register the records with the basis consent, and ask the patients."
            )
        if basis is Basis.PERMIT and (why := self._unpermitted(dataset, study)):
            raise PolicyRefusal(f"{why}; ask {datasets.issuer(dataset)} for its permit.")

    def _unpermitted(self, dataset: DatasetId, study: StudyId) -> str:
        """Why no permit of the dataset's issuer stands for a study; empty where one does."""
        permit = self._site.contracts.datasets.permit_of(dataset, study)
        if permit is None:
            return f"The issuer of dataset {dataset} does not permit study {study}"
        ended = self._site.clock.estimate() >= permit.until_day * DAY
        return f"The permit of dataset {dataset} for study {study} has ended" if ended else ""

    def advance(self, study: StudyHistory, head: BlockStamp) -> None:
        """Open the first round, or end the study, once its seats are taken or its time is up."""
        full = len(study.enrolments) == study.terms.max_hospitals
        if full or self._site.clock.estimate(head) >= study.terms.enrol_deadline:
            call = self._site.contracts.rounds.advance(study.study)
            self._site.send("advance", call, study=study.study)

    def _is_paused(self) -> bool:
        """Whether the vault takes nothing new; that is told once."""
        if self._site.contracts.vault.is_paused():
            what = "The vault is paused, so this hospital takes no seat in a study by itself."
            self._site.notes.tell("paused", None, what)
            return True
        self._site.notes.clear("paused", None)
        return False

    def _closed(self, study: StudyHistory, head: BlockStamp) -> str:
        """Why nobody can enrol any more; empty while one can."""
        if study.ended:
            return "is over"
        if study.rounds:
            return "runs already"
        if len(study.enrolments) >= study.terms.max_hospitals:
            return "has no seat left"
        over = self._site.clock.estimate(head) >= study.terms.enrol_deadline
        return "takes no more hospitals, its enrolment deadline has passed" if over else ""

    def _enrol(self, study: StudyHistory) -> bool:
        """Whether a seat was taken; not where the newest block has one already."""
        self._site.check(study)
        rounds, most = self._site.contracts.rounds, self._site.config.policy.largest_stake
        if rounds.seat_of(study.study, self._site.id) is not None:
            return False
        why = self._shortage(study)
        if why and self.unaffordable(study):
            raise PolicyRefusal(why)
        if why:
            self._site.notes.tell("bond", study.study, why)
        dataset = self._dataset()
        self.check_basis(dataset, study.study)
        self._check_records(dataset)
        call = rounds.enrol(
            study.study, dataset, study.terms.spec, min(most, _STAKE_LIMIT), self._confirmed(study)
        )
        self._site.send("enrol", call, study=study.study)
        return True

    def _shortage(self, study: StudyHistory) -> str:
        """Why the hospital cannot lock a stake and the bond of a claim; empty when it can."""
        terms, bond = study.terms, self._site.bond(study)
        why = self._site.short_of(terms.token, terms.stake + bond)
        if not why:
            return ""
        coin = self._site.coin(terms.token)
        besides = f" and {coin.text(terms.stake + bond)} to make claims in it too" if bond else ""
        return f"The hospital needs {coin.text(terms.stake)} to enrol in study {study.study}{besides}; {why}"

    def _confirmed(self, study: StudyHistory) -> int:
        """The study's codes with a parameter that the policy confirms."""
        return study.terms.purposes & confirmed(self._site.config.policy, study.study)

    def _check_records(self, dataset: DatasetId) -> None:
        """A seat pins the newest version: with other records the hospital could train in no round of the study."""
        newest = self._site.contracts.datasets.dataset(dataset)
        if newest.records_root != self._site.holdings.records_root:
            raise DataError(
                f"The records are not those of dataset {dataset}, version {newest.version}: that has {newest.records}, the file "
                f"{len(self._site.holdings.dataset)}. Restore them, or publish them with `medfed dataset publish`."
            )

    def _dataset(self) -> DatasetId:
        if self._site.config.dataset is None:
            raise DataError(
                "The hospital's file names no dataset yet; register it with `medfed dataset register`."
            )
        return DatasetId(self._site.config.dataset)
