"""Keeping what a settled study published: its updates stay pinned for the hospital's keep time or until it has made a bundle.

What is pinned and what is due follow from chain, store and the notes of bundles, so that a kill at any moment loses nothing
and a restart lets nothing go earlier.
"""

from __future__ import annotations

from medfed.nodes.bundles import Bundles
from medfed.nodes.site import Site
from medfed.rounds.history import StudyHistory, read_study, study_ids
from medfed.rounds.keeping import keeping_time, kept_until, lasting
from medfed.rounds.study import artefacts
from medfed.types import BlockStamp, Cid, StudyId

__all__ = ["Keeping"]


class Keeping:
    """The files of a hospital's studies in its store, once it has nothing left to do in them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._bundles = Bundles(site.home, site.name)
        self._waiting: dict[StudyId, int] = {}
        self._gone: set[StudyId] = set()
        self._needed: tuple[BlockStamp, set[Cid]] | None = None

    def add(self, study: StudyHistory) -> None:
        """Look after the files of a study in which nothing is left to do."""
        self._waiting[study.study] = kept_until(study, self._site.config.daemon.keep_updates_days)

    def due(self, head: BlockStamp) -> list[StudyId]:
        """The studies whose files need not all be kept at a block."""
        now = keeping_time(self._site.client, head)
        return [study for study, until in self._waiting.items() if now >= until or study in self._bundles]

    def let_go(self, number: StudyId, head: BlockStamp) -> None:
        """Unpin a study's files but those that last, and those that another study needs. Raises as `Site.spec`."""
        store, needed = self._site.store, self._needed_at(head)
        pins = store.pins()
        gone = [cid for cid in self._files(number) if cid in pins and cid not in needed]
        for cid in gone:
            store.unpin(cid)
        if gone:
            self._site.notes.note("let go", study=number, files=len(gone))
        self._gone.add(number)
        del self._waiting[number]

    def _needed_at(self, head: BlockStamp) -> set[Cid]:
        """What lasts of all the hospital's studies, and all files of those that are not let go."""
        if self._needed is None or self._needed[0] != head:
            over, found = self._gone | {*self.due(head)}, set[Cid]()
            for number in study_ids(self._site.index):
                study = read_study(self._site.index, number)
                if study.enrolment(self._site.id) is not None:
                    found.update(lasting(self._site.index, study))
                    found.update(() if number in over else self._files(number))
            self._needed = head, found
        return self._needed[1]

    def _files(self, number: StudyId) -> list[Cid]:
        study = read_study(self._site.index, number)
        return artefacts(self._site.index, study, self._site.spec(study))
