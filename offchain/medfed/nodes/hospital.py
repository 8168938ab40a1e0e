"""The hospital's daemon. One cycle does whatever the chain says is still to be done, so that a restart loses nothing.

For each study it has a seat in:
1. Training: fix the cohort of the second before the round opened, ask the policy, train, store the bytes, commit to
them (or abstain).
2. Training closed with enough updates: publish the bytes, fetch everybody's, check and add each once, attest to the result, pin
all of it; or say whose bytes nobody serves. Without a quorum: claim the result against a bond, object to a wrong claim.
3. Round final, in a study that pays by reviews: score the updates, commit, reveal, have the scores tallied.
4. Study over: claim what is unlocked, release the stake; after the keep time, or with a bundle, unpin what no study needs.
It enrols where the policy says so, and moves a study on whose deadline has passed. Of a study in which a proof was against
it, it claims what it is still paid and releases its seat, and does nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medfed.chain.sender import Sender
from medfed.config import HospitalConfig
from medfed.errors import (
    ContentMissing,
    ContractRevert,
    DataError,
    IntegrityError,
    PolicyRefusal,
    ProtocolError,
    SpecError,
)
from medfed.nodes.attesting import Attesting
from medfed.nodes.claiming import Claiming
from medfed.nodes.enrolling import Enrolling
from medfed.nodes.health import Health
from medfed.nodes.holds import Held
from medfed.nodes.keeping import Keeping
from medfed.nodes.publishing import Publishing
from medfed.nodes.reviewing import Reviewing
from medfed.nodes.settling import Settling
from medfed.nodes.site import Site
from medfed.nodes.state import WorkFolder
from medfed.nodes.training import Training
from medfed.nodes.watching import Watching
from medfed.protocol.phase import Phase, phase_of, training_ends
from medfed.rounds.cohort import Holdings
from medfed.rounds.federation import Federation
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_round, read_study, study_ids
from medfed.types import BlockStamp, HospitalId, RoundNumber, StudyId

__all__ = ["Hospital"]

_GRACE_SECONDS = 2
# What another participant's transaction in the same block, or a chain whose clock is a little behind the wall's, can
# turn a call into; a later cycle sees it.
_OVERTAKEN = frozenset(
    {
        "AlreadyActed",
        "AlreadyAttested",
        "AlreadyEnrolled",
        "AlreadyReleased",
        "AlreadyLacking",
        "AlreadyPaid",
        "AttestationClosed",
        "IncludedNotSubmitted",
        "LeftOutCount",
        "NothingToAdvance",
        "NothingToRecord",
        "NotRunning",
        "NotEnrolling",
        "NotSettled",
        "SeatBarred",
        "TooFewSubmitted",
        "WrongPhase",
    }
)
# What one study can get wrong; it is told, counted, and looked at again in the next cycle.
_STUDY_FAULTS = (ProtocolError, SpecError, DataError, IntegrityError, ContentMissing)


class Hospital:
    """One hospital's work. `home` holds what must survive a kill; `sender` signs with the operator's key."""

    def __init__(
        self,
        federation: Federation,
        sender: Sender,
        config: HospitalConfig,
        home: Path,
        health: Health | None = None,
    ) -> None:
        self._fed = federation
        self._site = Site(federation, sender, config, home)
        self._folder = WorkFolder(self._site.work)
        self._folder.clean()
        self._enrolling = Enrolling(self._site)
        self._training = Training(self._site, self._folder)
        self._publishing = Publishing(self._site, self._folder, self._training)
        self._attesting = Attesting(self._site)
        self._claiming = Claiming(self._site, self._attesting)
        self._reviewing = Reviewing(self._site, self._folder, self._training)
        self._settling = Settling(self._site, self._folder)
        self._keeping = Keeping(self._site)
        self._health = health or Health()
        self._watching = Watching(self._site, self._health)
        self._closed: dict[tuple[StudyId, RoundNumber], Phase] = {}
        self._settled: set[StudyId] = set()
        self._doubted: set[StudyId] = set()
        self._phases: Counter[Phase] = Counter()
        self._faults = 0
        self._held = False

    @property
    def id(self) -> HospitalId:
        """The hospital that the operator's key serves. Raises `PolicyRefusal` when it serves none."""
        return self._site.id

    @property
    def holdings(self) -> Holdings:
        """What the hospital keeps to itself. Raises `DataError`, `ConfigError`."""
        return self._site.holdings

    # -- one cycle ---------------------------------------------------------------------------------------------------

    def execute(self) -> bool:
        """Do all that can be done at the newest final block.

        Returns whether something is awaited that no block announces: bytes of others, the end of a hold.
        """
        census = self._site.census
        head = self._site.clock.see(census.follow())
        self._watching.look(head)
        self._phases, self._faults = Counter(self._closed.values()), 0
        self._held, awaited = False, 0
        for number in study_ids(self._site.index):
            if number not in self._settled and number not in census.doubtful:
                with self._contained(number):
                    awaited += self._study(read_study(self._site.index, number), head)
        # What lasts is known by events: none of them may be in doubt.
        for number in () if census.doubtful else self._keeping.due(head):
            with self._contained(number):
                self._keeping.let_go(number, head)
        self._doubt()
        self._health.rounds(self._phases)
        self._health.counts(awaited=awaited, faults=self._faults)
        return awaited > 0 or self._held

    def _doubt(self) -> None:
        """Studies that a node tells otherwise than the contracts keep them are told and counted; nothing is done in them."""
        census, notes = self._site.census, self._site.notes
        for number in self._doubted - census.doubtful.keys():
            notes.clear("contradicted", number)
        self._doubted = {*census.doubtful}
        for number in self._doubted:
            notes.tell("contradicted", number, census.contradiction(number))
        if self._doubted:
            self._faults += len(self._doubted)
            self._health.contradicted()

    def _study(self, study: StudyHistory, head: BlockStamp) -> int:
        """How many updates of others the study waits for."""
        entry = study.enrolment(self._site.id)
        if entry is None:
            self._enrolling.consider(study, head)
            return 0
        now = self._site.clock.estimate(head)
        awaited = self._reviewing.review(study, entry, now)
        held = self._claiming.settle(study, entry, now)
        if study.ended and self._settling.settle(study, entry, head) and not held:
            self._settled.add(study.study)
            self._keeping.add(study)
            return 0
        if not study.rounds and not study.ended:
            self._enrolling.advance(study, head)
        if study.undone_from:
            self._reconsider(study)
        for value in range(1, study.rounds + 1):
            number = RoundNumber(value)
            if (study.study, number) not in self._closed:
                history = read_round(self._site.index, study.study, number)
                awaited += self._round(study, entry, history, head)
        return awaited

    def _reconsider(self, study: StudyHistory) -> None:
        """What rounds came to is no longer what it was: a proof undid a result."""
        for key in [key for key in self._closed if key[0] == study.study]:
            self._phases[self._closed.pop(key)] -= 1

    def _round(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, head: BlockStamp) -> int:
        now = self._site.clock.estimate(head)
        phase = phase_of(history.facts(study.terms), now)
        self._phases[phase] += 1
        if not study.may_submit(entry.seat):
            return 0
        if phase is Phase.TRAINING:
            self._train(study, entry, history, now)
            return 0
        if self._is_over(study, entry, history, now):
            self._closed[history.study, history.number] = phase
            self._attesting.forget(history)
            return 0
        awaited = 0
        if entry.seat in history.updates and self._may_publish(study, history, head):
            self._publishing.publish(study, entry, history)
            if _may_attest(study, entry, history, now):
                awaited = self._attesting.attest(study, entry, history, now)
            self._claiming.act(study, entry, history, now)
        self._attesting.void(study, history, now)
        return awaited

    def _train(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> None:
        self._claiming.excuse(study, history)
        if entry.seat not in history.updates and entry.seat not in history.abstained:
            self._training.act(study, entry, history, now)

    def _is_over(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> bool:
        """Whether nothing is left for this hospital to do in a round."""
        if not history.ended_at:
            return False
        if history.void or entry.seat not in history.updates or now >= history.unlocked_at(study.terms):
            return True
        published = (history.study, history.number) in self._publishing
        attests = _may_attest(study, entry, history, now) and not self._attesting.disagrees(study, history)
        return published and not attests

    def _may_publish(self, study: StudyHistory, history: RoundHistory, head: BlockStamp) -> bool:
        """Whether nobody can commit any more, so that nobody can copy, and the round has enough updates for a result:
        one that is about to be void shows nobody's.

        Where blocks come by themselves the chain judges: a wall clock that runs ahead must not let bytes out early.
        """
        if not history.final_at and len(history.updates) < study.terms.min_hospitals:
            return False
        if history.closed_at or history.final_at:
            return True
        site = self._site
        now = site.clock.estimate(head) if site.client.is_development else head.timestamp
        return now >= training_ends(history.facts(study.terms)) + _GRACE_SECONDS

    @contextmanager
    def _contained(self, study: StudyId) -> Iterator[None]:
        """A fault of one study is told, counted, and stops no other; the next cycle looks at it again."""
        notes = self._site.notes
        try:
            yield
            notes.clear("refused", study)
        except PolicyRefusal as exc:  # the hospital's own word is no fault
            self._held |= isinstance(exc, Held)
            notes.tell("refused", study, str(exc))
        except _STUDY_FAULTS as exc:
            self._faults += 1
            notes.tell("refused", study, str(exc))
        except ContractRevert as exc:
            if exc.name not in _OVERTAKEN:
                self._faults += 1
                notes.tell("reverted", (study, exc.name), str(exc))


def _may_attest(study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> bool:
    """Whether the hospital has not attested, and an attestation is still taken."""
    if history.attested >> entry.seat & 1:
        return False
    return not history.ended_at or (history.stands and now < history.attestation_ends(study.terms))
