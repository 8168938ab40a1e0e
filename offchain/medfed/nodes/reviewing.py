"""A hospital's part in reviews: score a final round's updates, commit to the scores, reveal them, have them tallied.

Scores and salt are on the disk before the commitment is sent: whoever is killed in between reveals the very same.
"""

from __future__ import annotations

import secrets

from medfed.chain.calls import Call
from medfed.chain.contracts.payouts import review_hash
from medfed.data.csv_source import load_csv
from medfed.errors import ContentMissing, ContractRevert, DataError, IntegrityError, ProtocolError
from medfed.learning.contribution import HeldOut
from medfed.nodes.site import Site
from medfed.nodes.state import Review, WorkFolder
from medfed.nodes.training import Training
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_round
from medfed.rounds.recompute import check_words, kept
from medfed.rounds.reviews import due_tally, is_reviewed, review
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["Reviewing"]

_SALT_BYTES = 32
# Somebody else's transaction, one that is not final yet, or a chain whose clock is a little behind the wall's: a later cycle sees it.
_OVERTAKEN = frozenset({"AlreadyCommitted", "AlreadyRevealed", "AlreadyTallied", "ReviewNotOpen"})


class Reviewing:
    """Looks at each final round of a reviewed study until nothing can be said of it any more."""

    def __init__(self, site: Site, folder: WorkFolder, training: Training) -> None:
        self._site = site
        self._folder = folder
        self._training = training
        self._done: set[tuple[StudyId, RoundNumber]] = set()

    def review(self, study: StudyHistory, entry: Enrolment, now: int) -> int:
        """Do what is due in all rounds; returns how many of them wait for bytes."""
        if not is_reviewed(study):
            return 0
        awaited = 0
        for value in range(1, study.rounds + 1):
            number = RoundNumber(value)
            if (study.study, number) not in self._done:
                history = read_round(self._site.index, study.study, number)
                awaited += self._round(study, entry, history, now)
        return awaited

    def _round(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> bool:
        """Whether it waits for bytes."""
        if history.ended_at and (history.void or now >= history.unlocked_at(study.terms)):
            self._close(study, history, now)
        elif self._may_review(study, entry, history):
            half = history.attestation_ends(study.terms)
            committed = self._said("ReviewCommitted", history, entry.seat)
            if now < half and not committed:
                return self._commit(study, entry, history)
            if now >= half and committed:
                self._reveal(entry, history)
        return False

    def _may_review(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> bool:
        able = entry.seat in history.updates and study.may_submit(entry.seat)
        return bool(history.final_at) and able and self._site.config.policy.reviews

    def _close(self, study: StudyHistory, history: RoundHistory, now: int) -> None:
        call = due_tally(self._site.index, self._site.contracts.payouts, study, history, now)
        if call is None:
            self._done.add((history.study, history.number))
        else:
            self._send("tally", call, history.study, history.number)

    def _said(self, event: str, history: RoundHistory, seat: Seat) -> bool:
        return bool(self._site.index.events(event, study=history.study, round=history.number, seat=seat))

    def _commit(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> bool:
        stored = self._folder.load_review(history.study, history.number)
        if stored is None or stored.final_hash != history.final_hash:
            try:
                scores = self._scores(study, entry, history)
            except (ContentMissing, IntegrityError, DataError, ProtocolError) as exc:
                self._site.notes.tell("unreviewed", (history.study, history.number), str(exc))
                return isinstance(exc, (ContentMissing, IntegrityError))
            stored = Review(history.final_hash, scores, secrets.token_bytes(_SALT_BYTES))
            self._folder.save_review(history.study, history.number, stored)
        place = (history.study, history.number, entry.seat)
        digest = review_hash(place, self._site.id, stored.scores, stored.salt)
        call = self._site.contracts.payouts.commit_review(place, history.final_hash, digest)
        self._send("commit-review", call, history.study, history.number)
        return False

    def _reveal(self, entry: Enrolment, history: RoundHistory) -> None:
        if self._said("ReviewRevealed", history, entry.seat):
            return
        stored = self._folder.load_review(history.study, history.number)
        if stored is None:
            why = f"The review of round {history.number} of study {history.study} is lost; restore the work folder from the backup."
            self._site.notes.tell("unrevealed", (history.study, history.number), why)
            return
        place = (history.study, history.number, entry.seat)
        payouts = self._site.contracts.payouts
        call = payouts.reveal_review(place, history.final_hash, stored.scores, stored.salt)
        self._send("reveal-review", call, history.study, history.number)

    def _scores(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> tuple[int, ...]:
        """One for each submitted seat, ascending; those that the result leaves out have 0."""
        assert history.result is not None
        place, model = self._site.place(study, history.number), self._site.model(study, history.number)
        entries = {each.seat: each for each in study.enrolments}
        held_out = self._held_out(study, entry, history)
        updates = {
            seat: (kept(check_words(self._site.store, place, entries[seat], update)), update.weight)
            for seat, update in sorted(history.updates.items())
            if history.result.included >> seat & 1
        }
        found = review(place.spec, model, updates, held_out, entry.seat)
        return tuple(found.get(seat, 0) for seat in sorted(history.updates))

    def _held_out(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> HeldOut:
        """Records set aside for reviews, or without such those of the round's own cohort."""
        spec, config = self._site.spec(study), self._site.config
        if config.review_records is not None:
            dataset = load_csv(config.review_records, label=config.label, date=config.date_column)
            return HeldOut(dataset.matrix(spec.columns), dataset.labels)
        cohort = self._training.cohort(study, entry, history)
        if cohort is None:
            raise DataError(
                f"No records are left to review round {history.number} of study {history.study} with; name some as review_records."
            )
        dataset = self._site.holdings.dataset
        return HeldOut(dataset.matrix(spec.columns)[cohort.rows], dataset.labels[cohort.rows])

    def _send(self, what: str, call: Call, study: StudyId, number: RoundNumber) -> None:
        """One review that the contract refuses is no reason to leave others unsent."""
        try:
            self._site.send(what, call, study=study, round=number)
        except ContractRevert as exc:
            if exc.name not in _OVERTAKEN:
                self._site.notes.tell(what, (study, number), str(exc))
