"""A hospital's part in a round without a quorum: claim its result against a bond, object to claims that are wrong, make
those final that nobody objected to. After the round: free what is locked, and say who was absent."""

from __future__ import annotations

from typing import Any

from medfed.chain.calls import Call
from medfed.chain.contracts.claims import AttemptState
from medfed.errors import ContractRevert
from medfed.nodes.attesting import Attesting
from medfed.nodes.site import Site
from medfed.protocol.commitments import seats_in
from medfed.protocol.phase import training_ends
from medfed.rounds.contests import (
    due_absences,
    pending,
    read_contest,
    settle_call,
    unsettled_rounds,
)
from medfed.rounds.disputes import Claim, ContestBook
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_round
from medfed.types import RoundNumber, StudyId

__all__ = ["Claiming"]

# Somebody else was first, or the chain's clock is a little behind the wall's.
_OVERTAKEN = frozenset(
    {
        "AlreadyActed",
        "AlreadyAttempted",
        "AttemptOver",
        "AttemptPending",
        "AttemptsExhausted",
        "BondLocked",
        "ClaimWindowClosed",
        "ClaimWindowOpen",
        "NoAttemptPending",
        "NothingToRecord",
        "NotTheLeader",
        "RecordingClosed",
        "TooFewSubmitted",
        "WrongPhase",
    }
)


class Claiming:
    """Looks at what is contested in each cycle; what it sent is seen on the chain by the next one."""

    def __init__(self, site: Site, attesting: Attesting) -> None:
        self._site = site
        self._attesting = attesting
        self._recorded: set[tuple[StudyId, RoundNumber]] = set()

    def act(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> None:
        """Object, make final or claim, whatever is due in an open round whose Training has closed."""
        if history.ended_at or not study.terms.max_attempts:
            return
        book = read_contest(self._site.index, study, history)
        claim = pending(book)
        if claim is not None:
            self._judge(entry, book, claim, now)
        elif self._may_claim(study, entry, history, book, now):
            self._claim(study, entry, history)

    def excuse(self, study: StudyHistory, history: RoundHistory) -> None:
        """Abstain for the seats that may submit no more, so that nobody waits for them."""
        for seat in sorted(study.barred):
            if seat not in history.updates and seat not in history.abstained:
                call = self._site.contracts.rounds.abstain(history.study, history.number, seat)
                self._send("abstain", call, history, seat=seat)

    def settle(self, study: StudyHistory, entry: Enrolment, now: int) -> bool:
        """Free the bonds that are due, record absences; returns whether a claim of this hospital still holds its bond.

        A hospital that submits no more sees to its own bonds only.
        """
        held, takes_part = False, study.may_submit(entry.seat)
        for number in unsettled_rounds(self._site.index, study):
            history = read_round(self._site.index, study.study, number)
            book = read_contest(self._site.index, study, history)
            for attempt, claim in enumerate(book.claims):
                if claim.state is AttemptState.SETTLED:
                    continue
                mine, due = claim.seat == entry.seat, book.settlement(claim, now)
                held |= mine
                # Who loses a bond does not see to it; the others do.
                if due is not None and (mine or (takes_part and due[0])):
                    call = settle_call(self._site.contracts.claims, book, attempt)
                    self._send("settle", call, history, attempt=attempt)
        if takes_part:
            self._record_absences(study, now)
        return held

    # -- an open round -----------------------------------------------------------------------------------------------

    def _judge(self, entry: Enrolment, book: ContestBook, claim: Claim, now: int) -> None:
        """Make a right claim final when its window has closed; object to any other before that."""
        study, history, seconds = book.study, book.history, book.study.terms.claim_seconds
        outcome, missing = self._attesting.complete(study, history)
        if outcome is not None and outcome.aggregate == claim.aggregate:
            if now >= claim.made_at + seconds:
                call = self._site.contracts.claims.finalise(study.study, history.number, claim.aggregate)
                self._send("finalise", call, history)
            return
        patient = outcome is None and missing and now < claim.made_at + seconds // 2
        if patient or claim.seat == entry.seat or now >= claim.made_at + seconds:
            return
        why = "another result was recomputed here"
        if outcome is None:
            why = "the bytes of an update cannot be had" if missing else "it includes an update that is wrong"
        self._object(entry, book, claim, why)

    def _object(self, entry: Enrolment, book: ContestBook, claim: Claim, why: str) -> None:
        history, claims = book.history, self._site.contracts.claims
        if claims.contest(history.study, history.number).objectors >> entry.seat & 1:
            key = (history.study, history.number, claim.aggregate_hash, claim.era)
            said = f"The claim of seat {claim.seat} in round {history.number} of study {history.study} is wrong ({why}), "
            self._site.notes.tell("no objection left", key, said + "and this hospital has objected before.")
            return
        call = claims.object(history.study, history.number, book.claims.index(claim))
        self._send("object", call, history, reason=why)

    def _may_claim(
        self, study: StudyHistory, entry: Enrolment, history: RoundHistory, book: ContestBook, now: int
    ) -> bool:
        """Whether it is this hospital's turn: the leader's from the middle of Aggregating on, everybody's a little later."""
        authors = history.submitted & ~book.authors
        able = study.may_submit(entry.seat) and authors >> entry.seat & 1
        if book.used >= study.terms.max_attempts or not able:
            return False
        turns = seats_in(authors)
        leader = turns[(history.number + book.used) % len(turns)]
        aggregating = study.terms.aggregating_seconds
        wait = aggregating // 2 + (0 if leader == entry.seat else aggregating // 8)
        return now >= training_ends(history.facts(study.terms)) + wait

    def _claim(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> None:
        outcome, _ = self._attesting.complete(study, history)
        claims, place = self._site.contracts.claims, (study.study, history.number)
        if outcome is None or claims.contest(*place).authors >> entry.seat & 1:
            return
        why = self._reluctance(study)
        if why:
            what = f"Round {history.number} of study {study.study} has no quorum, and this hospital claims no result: {why}"
            self._site.notes.tell("no claim", place, what)
            return
        call = claims.submit_aggregate(*place, entry.seat, outcome.aggregate)
        digest = outcome.aggregate.digest(*place)
        self._send("claim result", call, history, aggregate="0x" + digest.hex(), bond=str(study.terms.bond))

    def _reluctance(self, study: StudyHistory) -> str:
        """Why this hospital puts no bond at stake; empty when it does."""
        bond = study.terms.bond
        if not self._site.bond(study):
            return f"its policy allows no bond of {bond}, in smallest units."
        why = self._site.short_of(study.terms.token, bond)
        return why and f"it would lock a bond of {self._site.coin(study.terms.token).text(bond)}, and {why}"

    # -- after a round -----------------------------------------------------------------------------------------------

    def _record_absences(self, study: StudyHistory, now: int) -> None:
        if study.ended and now >= study.settled_at:
            return
        for value in range(1, study.rounds + 1):
            key = (study.study, RoundNumber(value))
            if key in self._recorded:
                continue
            history = read_round(self._site.index, *key)
            if not history.ended_at:
                continue
            if due_absences(self._site.index, study, history):
                call = self._site.contracts.claims.record_absences(*key)
                self._send("record absences", call, history)
            self._recorded.add(key)

    def _send(self, what: str, call: Call, history: RoundHistory, **facts: Any) -> None:
        """What somebody else did first is done; what else a contract refuses is told once."""
        try:
            self._site.send(what, call, study=history.study, round=history.number, **facts)
        except ContractRevert as exc:
            if exc.name not in _OVERTAKEN:
                self._site.notes.tell(what, (history.study, history.number, exc.name), str(exc))
