"""Looking at every claim, result and update that can still be challenged, and saying what is wrong with it.

Holds no key. What was found right is remembered and not looked at again; everything else follows from chain and store.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from medfed.chain.contracts import check_rule
from medfed.chain.contracts.claims import AttemptState
from medfed.errors import ContentMissing, IntegrityError, MedFedError, ProtocolError, SpecError
from medfed.protocol.commitments import Aggregate
from medfed.protocol.documents import StudySpec
from medfed.protocol.phase import Outcome, Phase, phase_of, training_ends
from medfed.rounds.contests import read_contest
from medfed.rounds.disputes import Claim, ContestBook
from medfed.rounds.federation import Federation
from medfed.rounds.history import RoundHistory, StudyHistory, bound, read_round
from medfed.rounds.proofs import Proof, Unprovable, refute_aggregate, refute_update
from medfed.rounds.recompute import RoundPlace
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["Finding", "Lookout"]

_STANDING = (AttemptState.PENDING, AttemptState.OBJECTED, AttemptState.ACCEPTED)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
_Key = tuple[StudyId, RoundNumber, bytes]


@dataclass(frozen=True, slots=True)
class _Wait:
    """For bytes: what is known without them, and when (seconds of the monotonic clock) they are looked for again."""

    found: Unprovable | str
    pause: float
    until: float


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: `digest` is the commitment of an update or the hash of an aggregate.

    Without a `proof` no contract can be shown that it is. `withheld` means that bytes cannot be had for so long that
    nobody can count on them. `pending` is the number of a claim that becomes final unless somebody objects, `vector` whether its
    vector is known to be wrong, so that an objection is in the right. `result` is the hash of its round's result, zero where there is none.
    """

    place: RoundPlace
    digest: bytes
    what: str
    reason: str
    proof: Proof | None
    pending: int | None = None
    withheld: bool = False
    vector: bool = False
    result: bytes = bytes(32)

    @property
    def kind(self) -> str:
        """proved, unprovable or withheld."""
        return "proved" if self.proof else "withheld" if self.withheld else "unprovable"


class Lookout:
    """One federation, seen from outside. `monotonic` is given by tests only."""

    def __init__(self, federation: Federation, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fed = federation
        self._monotonic = monotonic
        self._specs: dict[StudyId, StudySpec] = {}
        self._seen: dict[_Key, Unprovable | Proof | None] = {}
        self._past: set[tuple[StudyId, RoundNumber]] = set()
        self._waits: dict[_Key, _Wait] = {}

    @property
    def awaited(self) -> list[str]:
        """What bytes could not be had yet, so that something is not judged for good."""
        return [
            wait.found if isinstance(wait.found, str) else wait.found.reason for wait in self._waits.values()
        ]

    def look(self, study: StudyHistory, now: int) -> Iterator[Finding]:
        """What is wrong in a study's rounds, while something can be done about it: in each round the result and the claims
        first, then the updates. Whoever lied and sent a wrong update besides answers for both; an update that leaves
        an open round's set takes claims over it out of reach.

        A round that cannot be followed keeps no other from being looked at. Then raises `ContentMissing` while nobody
        has the spec, `ProtocolError` or `SpecError` when it is not what the chain says.
        """
        fault: MedFedError | None = None
        for value in range(1, study.rounds + 1):
            number = RoundNumber(value)
            if (study.study, number) in self._past:
                continue
            try:
                yield from self._round(study, read_round(self._fed.index, study.study, number), now)
            except (ProtocolError, SpecError, IntegrityError, ContentMissing) as exc:
                fault = fault or exc
        if fault is not None:
            raise fault

    def is_past(self, study: StudyHistory) -> bool:
        """Whether the study has ended and nothing in it can be challenged any more."""
        rounds = range(1, study.rounds + 1)
        return bool(study.ended) and all((study.study, number) in self._past for number in rounds)

    # -- one round ---------------------------------------------------------------------------------------------------

    def _round(self, study: StudyHistory, history: RoundHistory, now: int) -> Iterator[Finding]:
        if phase_of(history.facts(study.terms), now) is Phase.TRAINING:
            return
        # A block says when it is too late for a proof, not this machine's clock.
        seen = self._fed.index.checkpoint.timestamp
        over = bool(history.ended_at) and seen >= history.unlocked_at(study.terms)
        book = read_contest(self._fed.index, study, history)
        claims = [
            (number, claim)
            for number, claim in book.standing()
            if claim.state in _STANDING and claim.aggregate_hash != history.final_hash
        ]
        if over and not claims:
            self._close(history)
            return
        place = self._place(study, history.number)
        if not over:
            yield from self._result(study, history, place, now)
        for number, claim in claims:
            attempt = None if history.ended_at or claim.state is not AttemptState.PENDING else number
            yield from self._claim(book, place, (claim, attempt), now)
        if not over and _were_due(study, history):
            yield from self._updates(study, history, place, now)

    def _result(
        self, study: StudyHistory, history: RoundHistory, place: RoundPlace, now: int
    ) -> Iterator[Finding]:
        """Whatever else was proved in its round: only a proof against the result itself is the end of it."""
        result = history.result
        if result is None or history.outcome is Outcome.REFUTED:
            return
        found = self._aggregate(study, history, place, result)
        late = now >= history.attestation_ends(study.terms)
        yield from _told(Finding(place, history.final_hash, "the result", "", None), found, late=late)

    def _claim(
        self, book: ContestBook, place: RoundPlace, made: tuple[Claim, int | None], now: int
    ) -> Iterator[Finding]:
        claim, pending = made
        late = now >= claim.made_at + book.study.terms.claim_seconds // 2
        found = self._aggregate(book.study, book.history, place, claim.aggregate)
        what = f"the claim of seat {claim.seat}"
        yield from _told(Finding(place, claim.aggregate_hash, what, "", None, pending), found, late=late)

    def _updates(
        self, study: StudyHistory, history: RoundHistory, place: RoundPlace, now: int
    ) -> Iterator[Finding]:
        late = now >= training_ends(history.facts(study.terms)) + study.terms.aggregating_seconds // 2
        result = history.final_hash or bytes(32)
        for seat, update in sorted(history.updates.items()):
            if seat in history.struck:
                continue
            digest, what = update.commitment(), f"the update of seat {seat}"
            found = self._judged(
                (*_where(history), digest),
                functools.partial(self._refuted, study, history, place, seat),
            )
            yield from _told(Finding(place, digest, what, "", None, result=result), found, late=late)

    def _refuted(
        self, study: StudyHistory, history: RoundHistory, place: RoundPlace, seat: Seat
    ) -> Unprovable | Proof | None:
        entry = study.entry(seat)
        patients = bound(self._fed.index, entry, study.terms, history)
        return refute_update(self._fed.store, place, entry, history.updates[seat], patients)

    def _aggregate(
        self, study: StudyHistory, history: RoundHistory, place: RoundPlace, aggregate: Aggregate
    ) -> Unprovable | Proof | str | None:
        digest = aggregate.digest(history.study, history.number)
        store, index = self._fed.store, self._fed.index
        return self._judged(
            (*_where(history), digest),
            lambda: refute_aggregate(
                store,
                place,
                history.updates,
                aggregate,
                lambda: fetch_model(
                    store, place.spec, model_cid_of(index, study, place.spec, history.number)
                ),
            ),
        )

    def _judged(
        self, key: _Key, judge: Callable[[], Unprovable | Proof | None]
    ) -> Unprovable | Proof | str | None:
        """The verdict, once for each thing; a text says what is missing for it. Looked for ever more seldom."""
        if key in self._seen:
            return self._seen[key]
        if key in self._waits and self._monotonic() < self._waits[key].until:
            return self._waits[key].found
        found: Unprovable | Proof | str | None
        try:
            found = judge()
        except (ContentMissing, IntegrityError) as exc:
            found = str(exc)
        if isinstance(found, str) or (isinstance(found, Unprovable) and found.yet):
            self._await(key, found)
        else:
            self._waits.pop(key, None)
            self._seen[key] = found
        return found

    def _await(self, key: _Key, found: Unprovable | str) -> None:
        before = self._waits.get(key)
        pause = 0.0 if before is None else min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * before.pause))
        self._waits[key] = _Wait(found, pause, self._monotonic() + pause)

    # -- places ------------------------------------------------------------------------------------------------------

    def _place(self, study: StudyHistory, number: RoundNumber) -> RoundPlace:
        if study.study not in self._specs:
            spec = fetch_spec(self._fed.store, study)
            check_rule(self._fed.client, spec.rule, study.terms.rule)
            self._specs[study.study] = spec
        rounds = self._fed.contracts.rounds.address
        return RoundPlace(self._fed.client.chain_id, rounds, study.study, number, self._specs[study.study])

    def _close(self, history: RoundHistory) -> None:
        """Nothing of a round can be challenged any more."""
        where = _where(history)
        self._past.add(where)
        for key in [key for key in self._seen if key[:2] == where]:
            del self._seen[key]
        for key in [key for key in self._waits if key[:2] == where]:
            del self._waits[key]


def _were_due(study: StudyHistory, history: RoundHistory) -> bool:
    """Whether the bytes of a round's updates were to be published: not where too few had submitted, or the study ended
    in the middle of Training."""
    cut_short = history.void and history.ended_at < training_ends(history.facts(study.terms))
    return not cut_short and len(history.updates) + len(history.removed) >= study.terms.min_hospitals


def _told(finding: Finding, found: Unprovable | Proof | str | None, *, late: bool) -> Iterator[Finding]:
    """The finding with its verdict, unless all is right or there is still time for bytes to come."""
    if isinstance(found, str):
        if late:
            yield replace(finding, reason=found, withheld=True)
    elif isinstance(found, Unprovable):
        yield replace(finding, reason=found.reason, vector=found.vector)
    elif found is not None:
        yield replace(finding, reason=found.reason, proof=found)


def _where(history: RoundHistory) -> tuple[StudyId, RoundNumber]:
    return history.study, history.number
