"""Giving out the bytes behind a commitment, once Training has closed and nobody can copy them any more."""

from __future__ import annotations

from medfed.errors import DataError
from medfed.nodes.site import Site
from medfed.nodes.state import Work, WorkFolder
from medfed.nodes.training import Training
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import Update
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory
from medfed.types import RoundNumber, StudyId

__all__ = ["Publishing"]


class Publishing:
    """Publishes each round once in the life of the process: after a restart again, as the store may have lost it."""

    def __init__(self, site: Site, folder: WorkFolder, training: Training) -> None:
        self._site = site
        self._folder = folder
        self._training = training
        self._done: set[tuple[StudyId, RoundNumber]] = set()

    def __contains__(self, key: tuple[StudyId, RoundNumber]) -> bool:
        """Whether this process has published the round."""
        return key in self._done

    def publish(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> None:
        """Put update and manifest into the store. Lost or damaged ones are made again from the records.

        Raises `DataError` when they cannot be.
        """
        key = (history.study, history.number)
        if key in self._done:
            return
        update = history.updates[entry.seat]
        work = self._folder.load(*key)
        if work is None or not self._put(work, update):
            again = self._training.again(study, entry, history)
            if again is None or not self._put(again, update):
                raise DataError(
                    f"The bytes of round {history.number} of study {history.study} are lost and the records give others; "
                    "restore the work folder from the backup."
                )
        self._done.add(key)
        self._site.notes.note(
            "published", study=history.study, round=history.number, cid=cid_from_digest(update.cid)
        )

    def _put(self, work: Work, update: Update) -> bool:
        """Whether the files were there and are what was committed to."""
        if work.update != update or not (work.update_file.is_file() and work.manifest_file.is_file()):
            return False
        wanted = {work.update_file: update.cid, work.manifest_file: update.cohort_cid}
        for file, digest in wanted.items():
            stored = self._site.store.put(file, pin=False)
            if stored != cid_from_digest(digest):
                return False
            self._site.store.pin(stored)
        return True
