"""After a study: claim what is unlocked, get the stake back, delete the work that nobody can ask for any more."""

from __future__ import annotations

from medfed.chain.calls import Call
from medfed.errors import ContractRevert
from medfed.nodes.site import Site
from medfed.nodes.state import WorkFolder
from medfed.rounds.history import Enrolment, StudyHistory
from medfed.rounds.settle import due_claims, due_release, unpaid_rounds
from medfed.types import BlockStamp

__all__ = ["Settling"]

# The chain's clock is a little behind the wall's, a tally is still to come, or a claim is mined and not final yet, or somebody
# else's: the next cycle sees it.
_OVERTAKEN = frozenset({"AlreadyPaid", "ClaimLocked", "NotTallied"})


class Settling:
    """The end of a hospital's part in a study."""

    def __init__(self, site: Site, folder: WorkFolder) -> None:
        self._site = site
        self._folder = folder

    def settle(self, study: StudyHistory, entry: Enrolment, head: BlockStamp) -> bool:
        """Do what is due once all of the study's rounds are unlocked; returns whether nothing is left to do."""
        now, index, contracts = self._site.clock.estimate(head), self._site.index, self._site.contracts
        if now < study.settled_at:
            return False
        for call in due_claims(index, contracts.payouts, study, entry.seat, now):
            self._claim(study, call)
        release = due_release(contracts.studies, study, entry.seat, now)
        if release is not None:
            self._site.send("release", release, study=study.study)
        if not _is_released(study, entry) or unpaid_rounds(index, study, entry.seat):
            return False
        self._folder.discard(study.study)
        return True

    def _claim(self, study: StudyHistory, call: Call) -> None:
        """Pay that is refused is no reason to leave the stake where it is."""
        try:
            self._site.send("claim", call, study=study.study)
        except ContractRevert as exc:
            if exc.name not in _OVERTAKEN:
                self._site.notes.tell("claim", (study.study, exc.name), str(exc))


def _is_released(study: StudyHistory, entry: Enrolment) -> bool:
    return bool(study.released >> entry.seat & 1)
