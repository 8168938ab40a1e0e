"""What plays a history: the reference here, the twin and the contract elsewhere.

An adapter posts decisions in its present second and answers questions. `play` runs a history through one and notes
every outcome; two adapters agree where their notes are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from medfed.protocol.consent import NO_LAST_YEAR, Details, form_digest
from tests.consent_reference.histories import MIDNIGHT
from tests.consent_reference.reference import Decision, Purposes, Refused, Registry
from tests.consent_reference.relayers import DAY, Post

REQUESTS = (Purposes(0, 0b11), Purposes(1, 0b11), Purposes(2, 0b01), Purposes(3, 0b00))
RETRIES = 6
PROBES = (*(MIDNIGHT + days * DAY + step for days in (0, 400, 28_710) for step in (-1, 0)), 2**32 - 1)

Requests = tuple[Purposes, ...]
Active = frozenset[tuple[int, int, Purposes]]


class Answer(Enum):
    """What came of a decision. Only one that counted changed anything."""

    COUNTED = "counted"
    NOTHING = "nothing"
    REFUSED = "refused"


class Adapter(Protocol):
    """A consent registry and a clock. `was_active` is asked of seconds that are over.

    `is_active` is too: there it may say no where it cannot tell, and may not say yes where there was no consent.
    """

    def advance(self, second: int) -> None: ...
    def post(self, decision: Decision) -> Answer: ...
    def details(self, patient: int, dataset: int) -> Details: ...
    def is_active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool: ...
    def was_active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool: ...


def details(years: tuple[int, int] | None, form: str) -> Details:
    """Years and form as they stand on chain."""
    return Details(*years or (0, NO_LAST_YEAR), form_digest(form.encode()) if form else bytes(28))


class ReferenceAdapter:
    """The reference, or a mutant of it, as an adapter."""

    def __init__(self, registry: type[Registry] = Registry) -> None:
        self.registry = registry()

    def advance(self, second: int) -> None:
        assert second >= self.registry.now
        self.registry.now = second

    def post(self, decision: Decision) -> Answer:
        try:
            return Answer.COUNTED if self.registry.post(decision) else Answer.NOTHING
        except Refused:
            return Answer.REFUSED

    def details(self, patient: int, dataset: int) -> Details:
        return details(*self.registry.said(patient, dataset))

    def is_active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool:
        return self.registry.active(patient, dataset, requested, at)

    was_active = is_active


@dataclass(frozen=True)
class Outcome:
    """What came of one post, what its patient's present word says of details, and which (patient, dataset, request) were
    active then."""

    second: int
    decision: Decision
    answer: Answer
    details: Details
    active: Active


@dataclass(frozen=True)
class Play:
    """All outcomes in their order, and the answers given at the end: about the past, and about now and later.

    `overclaimed` are past seconds of which `is_active` says yes and `was_active` no.
    """

    outcomes: tuple[Outcome, ...]
    past: tuple[tuple[int, Active], ...]
    future: tuple[tuple[int, Active], ...]
    overclaimed: tuple[int, ...]

    def difference(self, other: Play) -> str:
        """The first place where two plays differ, in words; empty where they agree."""
        for mine, theirs in zip(self.outcomes, other.outcomes, strict=False):
            if mine != theirs:
                return f"{mine}\n{theirs}"
        for mine, theirs in zip(self.past + self.future, other.past + other.future, strict=True):
            if mine != theirs:
                return f"at {mine[0]}:\n{set(mine[1])}\n{set(theirs[1])}"
        return f"claimed too much of {other.overclaimed}" if other.overclaimed else ""


class Player:
    """Runs posts through an adapter, then tries what is pending until nothing changes."""

    def __init__(self, adapter: Adapter, decisions: tuple[Decision, ...], requests: Requests) -> None:
        self.adapter = adapter
        self.requests = requests
        self.pairs = sorted({(each.patient, each.dataset) for each in decisions})
        self.now = 0
        self.outcomes: list[Outcome] = []

    def post(self, second: int, decision: Decision) -> Answer:
        if second > self.now:
            self.adapter.advance(second)
            self.now = second
        answer = self.adapter.post(decision)
        details = self.adapter.details(decision.patient, decision.dataset)
        active = self.active(self.adapter.is_active, second)
        self.outcomes.append(Outcome(second, decision, answer, details, active))
        return answer

    def retry(self, pending: list[Decision]) -> None:
        """A second after the other, as what counted may be what another waited for."""
        for _ in range(RETRIES):
            left = [each for each in pending if self.post(self.now + 1, each) is not Answer.COUNTED]
            if len(left) == len(pending):
                return
            pending = left

    def active(self, ask: Callable[[int, int, Purposes, int], bool], at: int) -> Active:
        return frozenset(
            (*pair, request) for pair in self.pairs for request in self.requests if ask(*pair, request, at)
        )


def run(posts: tuple[Post, ...], adapter: Adapter, requests: Requests = ()) -> Player:
    """Post everything, then retry what did not count; ask about the requests after each post."""
    player = Player(adapter, tuple(post.decision for post in posts), requests)
    answers = [(post.decision, player.post(post.second, post.decision)) for post in posts]
    counted = {decision for decision, answer in answers if answer is Answer.COUNTED}
    signed = dict.fromkeys(post.decision for post in posts if not post.decision.by_call)
    player.retry([decision for decision in signed if decision not in counted])
    return player


def play(posts: tuple[Post, ...], adapter: Adapter, requests: Requests = REQUESTS) -> Play:
    """Run the posts, then ask about every second of interest."""
    player = run(posts, adapter, requests)
    interesting = moments(player)
    past = [(at, player.active(adapter.was_active, at)) for at in interesting if at < player.now]
    future = [(at, player.active(adapter.is_active, at)) for at in interesting if at >= player.now]
    overclaimed = [at for at, active in past if player.active(adapter.is_active, at) - active]
    return Play(tuple(player.outcomes), tuple(past), tuple(future), tuple(overclaimed))


def moments(player: Player) -> list[int]:
    """Each second of posting, the one before it, and the probes."""
    seconds = {outcome.second for outcome in player.outcomes}
    return sorted({*PROBES, *seconds, *(second - 1 for second in seconds)})


def disagreement(posts: tuple[Post, ...], adapter: Adapter, requests: Requests = REQUESTS) -> str:
    """Where the reference and an adapter first part, in words; empty where they agree throughout."""
    return play(posts, ReferenceAdapter(), requests).difference(play(posts, adapter, requests))
