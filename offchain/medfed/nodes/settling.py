"""After a study: claim what is unlocked, get the stake back, let go of what no study needs any more."""

from __future__ import annotations

from collections.abc import Iterator

from medfed.errors import ContractRevert
from medfed.nodes.site import Site
from medfed.nodes.state import WorkFolder
from medfed.rounds.history import Enrolment, StudyHistory, read_study, study_ids
from medfed.rounds.settle import due_claims, due_release
from medfed.rounds.study import artefacts
from medfed.types import BlockStamp, Cid

__all__ = ["Settling"]

# The chain's clock is a little behind the wall's, or a tally is still to come; the claim is mined and not final yet.
_LOCKED, _DONE = frozenset({"ClaimLocked", "NotTallied"}), "AlreadyClaimed"


class Settling:
    """The end of a hospital's part in a study."""

    def __init__(self, site: Site, folder: WorkFolder) -> None:
        self._site = site
        self._folder = folder

    def settle(self, study: StudyHistory, entry: Enrolment, head: BlockStamp) -> bool:
        """Do what is due; returns whether nothing is left to do."""
        now = self._site.clock.estimate(head)
        locked = self._claim(study, entry, now)
        if self._released(study, entry) and not locked:
            self._unpin(study)
            self._folder.discard(study.study)
            return True
        release = due_release(self._site.index, self._site.contracts.rounds, study, entry.seat, now)
        if release is not None:
            self._site.send("release", release, study=study.study)
        return False

    def _claim(self, study: StudyHistory, entry: Enrolment, now: int) -> bool:
        """Claim what is due; returns whether the chain still locks some of it.

        One round's pay is no reason to leave another's, or the stake, where it is.
        """
        locked = False
        for call in due_claims(self._site.index, self._site.contracts.rounds, study, entry.seat, now):
            try:
                self._site.send("claim", call, study=study.study)
            except ContractRevert as exc:
                locked |= exc.name in _LOCKED
                if exc.name not in {*_LOCKED, _DONE}:
                    self._site.notes.tell("claim", (study.study, call.data), str(exc))
        return locked

    def _released(self, study: StudyHistory, entry: Enrolment) -> bool:
        return bool(self._site.index.events("StakeReleased", study=study.study, seat=entry.seat))

    def _unpin(self, study: StudyHistory) -> None:
        """Let go of the study's files; its spec and its final model stay, and what another study needs."""
        mine = self._artefacts(study)
        needed = {mine[0], mine[-1], *self._needed_elsewhere(study)}
        for cid in mine:
            if cid not in needed:
                self._site.store.unpin(cid)

    def _needed_elsewhere(self, study: StudyHistory) -> Iterator[Cid]:
        for number in study_ids(self._site.index):
            other = read_study(self._site.index, number)
            entry = other.enrolment(self._site.id)
            if number != study.study and entry is not None and not self._released(other, entry):
                yield from self._artefacts(other)

    def _artefacts(self, study: StudyHistory) -> list[Cid]:
        return artefacts(self._site.index, study, self._site.spec(study))
