"""A hospital's part in Aggregating: fetch everybody's bytes, check and add each once, attest, keep what was attested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medfed.learning.models import parse_model
from medfed.nodes.site import Site
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import Update, bitmap, seats_in
from medfed.protocol.phase import quorum_of, training_ends, voidable_at
from medfed.rounds.contests import read_contest
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, bound
from medfed.rounds.recompute import Outcome, RoundSum
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["Attesting"]

_Key = tuple[StudyId, RoundNumber]


class Attesting:
    """Keeps the sum of each open round, so that an update is fetched and checked once, when it arrives."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sums: dict[_Key, RoundSum] = {}
        self._outcomes: dict[_Key, Outcome] = {}

    def attest(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> int:
        """Recompute and attest, as far as the bytes are there; returns how many updates are awaited."""
        total = self._sum(study, history)
        wanted = self._wanted(history)
        total.add(self._site.store, wanted)
        missing = {seat: why for seat, why in total.missing.items() if seat in wanted}
        if missing and (history.final_at or now < _middle(study, history)):
            return len(missing)
        self._tell(history, {**total.faults, **missing})
        if _suffice(study, history, total):
            self._send(study, entry, history, self._outcome(study, history, total))
            return 0
        if now >= _last_quarter(study, history):
            self._lack(entry, history, history.submitted & ~bitmap([entry.seat, *total.weights]))
        return len(missing)

    def complete(self, study: StudyHistory, history: RoundHistory) -> tuple[Outcome | None, bool]:
        """What the round comes to over all submitted updates, which is what a claim has to say; None where one of them is
        wrong or missing. And whether missing bytes alone stand in the way."""
        total = self._sum(study, history)
        total.add(self._site.store, history.updates)
        if total.weights.keys() == history.updates.keys():
            return self._outcome(study, history, total), False
        return None, not total.faults.keys() & history.updates.keys()

    def disagrees(self, study: StudyHistory, history: RoundHistory) -> bool:
        """Whether the round ended with another result than the one recomputed here."""
        outcome = self._outcomes.get((study.study, history.number))
        return (
            bool(history.final_at)
            and outcome is not None
            and outcome.aggregate.digest(study.study, history.number) != history.final_hash
        )

    def void(self, study: StudyHistory, history: RoundHistory, now: int) -> None:
        """Move on a round that cannot end any more and that no claim holds open."""
        facts = history.facts(study.terms)
        if history.ended_at or now < voidable_at(facts):
            return
        if now >= voidable_at(facts, read_contest(self._site.index, study, history).held_until):
            call = self._site.contracts.rounds.advance(study.study)
            self._site.send("advance", call, study=study.study, round=history.number)

    def forget(self, history: RoundHistory) -> None:
        """Let go of a round's vectors."""
        self._sums.pop((history.study, history.number), None)
        self._outcomes.pop((history.study, history.number), None)

    def _wanted(self, history: RoundHistory) -> Mapping[Seat, Update]:
        """The updates that the result has to consist of: all, or those that the quorum took."""
        if history.result is None:
            return history.updates
        included = history.result.included
        return {seat: update for seat, update in history.updates.items() if included >> seat & 1}

    def _sum(self, study: StudyHistory, history: RoundHistory) -> RoundSum:
        """The round's sum so far; begun anew when it holds an update that the quorum left out."""
        key = (study.study, history.number)
        found = self._sums.get(key)
        if found is None or not found.weights.keys() <= self._wanted(history).keys():
            self.forget(history)
            entries = {each.seat: each for each in study.enrolments}
            patients = {
                seat: bound(self._site.index, each, study.terms, history) for seat, each in entries.items()
            }
            found = RoundSum(self._site.place(study, history.number), entries, patients)
            self._sums[key] = found
        return found

    def _tell(self, history: RoundHistory, left_out: Mapping[Seat, str]) -> None:
        for seat, why in left_out.items():
            what = f"Seat {seat} is left out of round {history.number} of study {history.study}: {why}"
            self._site.notes.tell("left out", (history.study, history.number, seat), what)

    def _outcome(self, study: StudyHistory, history: RoundHistory, total: RoundSum) -> Outcome:
        key, included = (study.study, history.number), bitmap(list(total.weights))
        if key not in self._outcomes or self._outcomes[key].aggregate.included != included:
            self._outcomes = {key: total.outcome(self._site.model(study, history.number))}
        return self._outcomes[key]

    def _send(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, outcome: Outcome) -> None:
        digest = outcome.aggregate.digest(study.study, history.number)
        if history.final_at and digest != history.final_hash:
            self._site.notes.tell(
                "disagree",
                (study.study, history.number),
                f"Round {history.number} of study {study.study} ended with another result than the one recomputed here.",
            )
            return
        self._keep(study, history, outcome)
        place = (study.study, history.number, entry.seat)
        rounds = self._site.contracts.rounds
        if digest in history.proposals:
            call = rounds.attest_hash(*place, digest)
        else:
            left_out = history.left_out_updates(outcome.aggregate.included)
            call = rounds.attest(*place, outcome.aggregate, left_out)
        facts = {"study": study.study, "round": history.number, "aggregate": "0x" + digest.hex()}
        self._site.send("attest", call, **facts)

    def _lack(self, entry: Enrolment, history: RoundHistory, missing: int) -> None:
        """Say, once, without whose bytes nothing can be attested to: silence would count as absence. None are its own."""
        where: dict[str, Any] = {"study": history.study, "round": history.number}
        if missing and not self._site.index.events("BytesLacking", **where, seat=entry.seat):
            call = self._site.contracts.claims.lack(history.study, history.number, entry.seat, missing)
            self._site.send("lack", call, **where, seats=seats_in(missing))

    def _keep(self, study: StudyHistory, history: RoundHistory, outcome: Outcome) -> None:
        """Pin all that an audit of the round needs, before answering for it."""
        store = self._site.store
        store.put(outcome.aggregate_file)
        model = store.put(outcome.model_file)
        self._site.keep_model(model, parse_model(outcome.model_file, self._site.spec(study)))
        for seat, update in history.updates.items():
            if outcome.aggregate.included >> seat & 1:
                store.pin(cid_from_digest(update.cid))
                store.pin(cid_from_digest(update.cohort_cid))


def _suffice(study: StudyHistory, history: RoundHistory, total: RoundSum) -> bool:
    """Whether a result may be over what was added so far: two thirds of a round that has enough updates."""
    submitters = len(history.updates)
    return submitters >= study.terms.min_hospitals and len(total.weights) >= quorum_of(submitters)


def _middle(study: StudyHistory, history: RoundHistory) -> int:
    """Until when bytes are waited for, so that there is as much time again to agree without them."""
    return training_ends(history.facts(study.terms)) + study.terms.aggregating_seconds // 2


def _last_quarter(study: StudyHistory, history: RoundHistory) -> int:
    """When Aggregating has lasted so long that bytes which nobody has are not counted on any more."""
    return training_ends(history.facts(study.terms)) + study.terms.aggregating_seconds * 3 // 4
