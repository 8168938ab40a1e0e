"""A hospital's part in a round without a quorum: claim its result against a bond, object to claims that are wrong, make
those final that nobody objected to. After the round: free what is locked, and say who was absent."""

from __future__ import annotations

from typing import Any

from medfed.chain.calls import Call
from medfed.chain.contracts.disputes import AttemptState
from medfed.errors import ContractRevert
from medfed.nodes.attesting import Attesting
from medfed.nodes.site import Site
from medfed.protocol.commitments import Aggregate, seats_in
from medfed.protocol.phase import training_ends
from medfed.rounds.contests import (
    barred_seats,
    due_absences,
    pending,
    read_contest,
    struck_seats,
    unsettled_rounds,
)
from medfed.rounds.disputes import Claim, ContestBook
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_round
from medfed.types import Address, RoundNumber, StudyId

__all__ = ["Claiming"]

_NOTHING = Aggregate(bytes(32), bytes(32), bytes(32), 0, 0)
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
        if history.final_at or history.void or not study.terms["max_attempts"]:
            return
        book = read_contest(self._site.index, study, history)
        claim = pending(book)
        if claim is not None:
            self._judge(study, entry, history, claim, now)
        elif self._may_claim(study, entry, history, book, now):
            self._claim(study, entry, history)

    def excuse(self, study: StudyHistory, history: RoundHistory) -> int:
        """Abstain for the seats that lost their stake, so that nobody waits for them; returns them as a bitmap."""
        struck = struck_seats(self._site.index, study)
        for seat in seats_in(struck):
            if seat not in history.updates and seat not in history.abstained:
                call = self._site.contracts.rounds.abstain(history.study, history.number, seat)
                self._send("abstain", call, history, seat=seat)
        return struck

    def settle(self, study: StudyHistory, entry: Enrolment, now: int) -> bool:
        """Free the bonds that are due, record absences; returns whether a claim of this hospital still holds its bond."""
        held = False
        for number in unsettled_rounds(self._site.index, study):
            history = read_round(self._site.index, study.study, number)
            book = read_contest(self._site.index, study, history)
            for attempt, claim in enumerate(book.claims):
                if claim.state is AttemptState.SETTLED:
                    continue
                held |= claim.seat == entry.seat
                if self._is_due(study, entry, history, (book, claim), now):
                    self._settle(history, attempt)
        self._record_absences(study, now)
        return held

    # -- an open round -----------------------------------------------------------------------------------------------

    def _judge(
        self, study: StudyHistory, entry: Enrolment, history: RoundHistory, claim: Claim, now: int
    ) -> None:
        """Make a right claim final when its window has closed; object to any other before that."""
        seconds = study.terms["claim_seconds"]
        outcome, missing = self._attesting.complete(study, history)
        if outcome is not None and outcome.aggregate == claim.aggregate:
            if now >= claim.made_at + seconds:
                call = self._site.contracts.disputes.finalise(study.study, history.number, claim.aggregate)
                self._send("finalise", call, history)
            return
        patient = outcome is None and missing and now < claim.made_at + seconds // 2
        if patient or claim.seat == entry.seat or now >= claim.made_at + seconds:
            return
        why = "another result was recomputed here"
        if outcome is None:
            why = "the bytes of an update cannot be had" if missing else "it includes an update that is wrong"
        self._object(entry, history, claim, why)

    def _object(self, entry: Enrolment, history: RoundHistory, claim: Claim, why: str) -> None:
        key = (history.study, history.number, claim.aggregate_hash, claim.era)
        disputes = self._site.contracts.disputes
        if disputes.contest(history.study, history.number).objectors >> entry.seat & 1:
            said = f"The claim of seat {claim.seat} in round {history.number} of study {history.study} is wrong ({why}), "
            self._site.notes.tell("no objection left", key, said + "and this hospital has objected before.")
            return
        self._send("object", disputes.object(history.study, history.number), history, reason=why)

    def _may_claim(
        self, study: StudyHistory, entry: Enrolment, history: RoundHistory, book: ContestBook, now: int
    ) -> bool:
        """Whether it is this hospital's turn: the leader's from the middle of Aggregating on, everybody's a little later."""
        authors = history.submitted & ~(book.authors | barred_seats(self._site.index, study))
        if book.used >= study.terms["max_attempts"] or not authors >> entry.seat & 1:
            return False
        turns = seats_in(authors)
        leader = turns[(history.number + book.used) % len(turns)]
        aggregating = int(study.terms["aggregating_seconds"])
        wait = aggregating // 2 + (0 if leader == entry.seat else aggregating // 8)
        return now >= training_ends(history.facts(study.terms)) + wait

    def _claim(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> None:
        outcome, _ = self._attesting.complete(study, history)
        if outcome is None:
            return
        why = self._reluctance(study)
        if why:
            what = f"Round {history.number} of study {study.study} has no quorum, and this hospital claims no result: {why}"
            self._site.notes.tell("no claim", (study.study, history.number), what)
            return
        place = (study.study, history.number, entry.seat)
        call = self._site.contracts.disputes.submit_aggregate(*place, outcome.aggregate)
        digest = outcome.aggregate.digest(study.study, history.number)
        self._send("claim result", call, history, aggregate="0x" + digest.hex(), bond=study.terms["bond"])

    def _reluctance(self, study: StudyHistory) -> str:
        """Why this hospital puts no bond at stake; empty when it does."""
        bond, policy = study.terms["bond"], self._site.config.policy
        most = policy.largest_stake if policy.largest_bond is None else policy.largest_bond
        if bond > most:
            return f"the bond is {bond}, the policy allows {most}."
        free = self._site.contracts.vault.balance(Address(self._site.id), study.terms["token"]).free
        return "" if free >= bond else f"the bond is {bond}, and {free} are free in the vault; deposit more."

    # -- after a round -----------------------------------------------------------------------------------------------

    def _is_due(
        self,
        study: StudyHistory,
        entry: Enrolment,
        history: RoundHistory,
        contested: tuple[ContestBook, Claim],
        now: int,
    ) -> bool:
        """Own claims when they can be settled, and those of others that lose their bond: their authors see to nothing."""
        book, claim = contested
        mine = claim.seat == entry.seat
        if claim.refuted:
            return True
        if claim.era != book.era or history.void:
            return mine
        if history.result is None or now < history.final_at + study.terms["dispute_seconds"]:
            return False
        wrong = claim.aggregate_hash != history.final_hash and history.result.included == history.submitted
        return mine or wrong

    def _settle(self, history: RoundHistory, attempt: int) -> None:
        final = history.final_hash or bytes(32)
        call = self._site.contracts.disputes.settle(history.study, history.number, attempt, final)
        self._send("settle", call, history, attempt=attempt)

    def _record_absences(self, study: StudyHistory, now: int) -> None:
        if study.ended and now >= study.ended_at + study.terms["dispute_seconds"]:
            return
        for value in range(1, study.rounds + 1):
            key = (study.study, RoundNumber(value))
            if key in self._recorded:
                continue
            history = read_round(self._site.index, *key)
            if due_absences(self._site.index, study, history):
                call = self._site.contracts.disputes.record_absences(*key, history.result or _NOTHING)
                self._send("record absences", call, history)
            elif history.final_at or history.void:
                self._recorded.add(key)

    def _send(self, what: str, call: Call, history: RoundHistory, **facts: Any) -> None:
        """What somebody else did first is done; what else a contract refuses is told once."""
        try:
            self._site.send(what, call, study=history.study, round=history.number, **facts)
        except ContractRevert as exc:
            if exc.name not in _OVERTAKEN:
                self._site.notes.tell(what, (history.study, history.number, exc.name), str(exc))
