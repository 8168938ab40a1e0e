"""Looking at every claim, result and update that can still be challenged, and saying what is wrong with it.

Holds no key. What was found right is remembered and not looked at again; everything else follows from chain and store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from medfed.chain.contracts import check_rule
from medfed.chain.contracts.disputes import AttemptState
from medfed.errors import ContentMissing, IntegrityError
from medfed.protocol.commitments import Aggregate
from medfed.protocol.documents import StudySpec
from medfed.protocol.phase import Phase, phase_of, training_ends
from medfed.rounds.contests import read_contest
from medfed.rounds.disputes import Claim
from medfed.rounds.federation import Federation
from medfed.rounds.history import RoundHistory, StudyHistory, read_round
from medfed.rounds.proofs import Proof, Unprovable, refute_aggregate, refute_update
from medfed.rounds.recompute import RoundPlace
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of
from medfed.types import RoundNumber, StudyId

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
    nobody can count on them. `pending` is whether it becomes final unless somebody objects.
    """

    place: RoundPlace
    digest: bytes
    what: str
    reason: str
    proof: Proof | None
    pending: bool = False
    withheld: bool = False

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
        """What is wrong in a study's rounds, while something can be done about it. Updates come before the aggregates
        that include them.

        Raises `ContentMissing` while nobody has the spec, `ProtocolError` or `SpecError` when it is not what the chain
        says.
        """
        for value in range(1, study.rounds + 1):
            number = RoundNumber(value)
            if (study.study, number) not in self._past:
                yield from self._round(study, read_round(self._fed.index, study.study, number), now)

    def is_past(self, study: StudyHistory) -> bool:
        """Whether the study has ended and nothing in it can be challenged any more."""
        rounds = range(1, study.rounds + 1)
        return bool(study.ended) and all((study.study, number) in self._past for number in rounds)

    # -- one round ---------------------------------------------------------------------------------------------------

    def _round(self, study: StudyHistory, history: RoundHistory, now: int) -> Iterator[Finding]:
        if phase_of(history.facts(study.terms), now) is Phase.TRAINING:
            return
        book = read_contest(self._fed.index, study, history)
        claims = [claim for _, claim in book.standing() if claim.state in _STANDING]
        closes = history.final_at + study.terms["dispute_seconds"] if history.final_at else 0
        over = history.void or (closes and now >= closes)
        claims = [claim for claim in claims if claim.aggregate_hash != history.final_hash or not over]
        if over and not claims:
            self._close(history)
            return
        place = self._place(study, history.number)
        if not over:
            struck = False
            for finding in self._updates(study, history, place, now):
                struck |= finding.proof is not None
                yield finding
            if struck and not history.final_at:
                return  # claims over this set are about to lapse
        yield from self._aggregates(study, history, place, (claims, now))

    def _updates(
        self, study: StudyHistory, history: RoundHistory, place: RoundPlace, now: int
    ) -> Iterator[Finding]:
        entries = {entry.seat: entry for entry in study.enrolments}
        for seat, update in sorted(history.updates.items()):
            if seat in history.struck:
                continue
            digest, what = update.commitment(), f"the update of seat {seat}"
            found = self._judged(
                (*_where(history), digest),
                lambda seat=seat, update=update: refute_update(  # type: ignore[misc]
                    self._fed.store, place, entries[seat], update
                ),
            )
            late = training_ends(history.facts(study.terms)) + study.terms["aggregating_seconds"] // 2
            yield from self._told(place, digest, what, found, late=now >= late)

    def _aggregates(
        self,
        study: StudyHistory,
        history: RoundHistory,
        place: RoundPlace,
        contested: tuple[list[Claim], int],
    ) -> Iterator[Finding]:
        claims, now = contested
        refuted = {
            bytes(event["aggregate_hash"])
            for event in self._fed.index.events("RoundRefuted", study=study.study, round=history.number)
        }
        for claim in claims:
            if claim.aggregate_hash != history.final_hash:
                pending = claim.state is AttemptState.PENDING
                late = now >= claim.made_at + study.terms["claim_seconds"] // 2
                found = self._aggregate(study, history, place, claim.aggregate)
                what = f"the claim of seat {claim.seat}"
                yield from self._told(
                    place, claim.aggregate_hash, what, found, late=late, pending=pending and not history.void
                )
        result = history.result
        if result is not None and history.final_hash not in refuted:
            closes = history.final_at + study.terms["dispute_seconds"]
            if now < closes:
                found = self._aggregate(study, history, place, result)
                late = now >= history.final_at + study.terms["dispute_seconds"] // 2
                yield from self._told(place, history.final_hash, "the result", found, late=late)

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

    def _told(
        self,
        place: RoundPlace,
        digest: bytes,
        what: str,
        found: Unprovable | Proof | str | None,
        *,
        late: bool,
        pending: bool = False,
    ) -> Iterator[Finding]:
        if found is None or (isinstance(found, str) and not late):
            return
        proof = None if isinstance(found, (str, Unprovable)) else found
        reason = found if isinstance(found, str) else found.reason
        yield Finding(place, digest, what, reason, proof, pending, isinstance(found, str))

    # -- places ------------------------------------------------------------------------------------------------------

    def _place(self, study: StudyHistory, number: RoundNumber) -> RoundPlace:
        if study.study not in self._specs:
            spec = fetch_spec(self._fed.store, study)
            check_rule(self._fed.client, spec.rule, study.terms["rule"])
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


def _where(history: RoundHistory) -> tuple[StudyId, RoundNumber]:
    return history.study, history.number
