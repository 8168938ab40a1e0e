"""The reference keeps what the rules promise, and tells every mutant from itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import pytest

from tests.consent_reference.adapter import Answer, ReferenceAdapter, play
from tests.consent_reference.check import (
    effective,
    every_order,
    final,
    later_signed_wins,
    meaningful,
    no_revocation_lost,
    no_signature_counts_twice,
    past_stays,
)
from tests.consent_reference.corpus import telling
from tests.consent_reference.histories import ANY, APART_IN_TIME, CROWD, MIDNIGHT, history
from tests.consent_reference.mutants import MUTANTS
from tests.consent_reference.reference import Decision, Kind, Purposes, Registry, Terms
from tests.consent_reference.relayers import DAY, Post, hostile

BROAD, MIDDLE, NARROW = (Terms(Purposes(width)) for width in (3, 2, 1))
G, N, V, A, O = Kind.GRANT, Kind.NARROW, Kind.REVOKE, Kind.REVOKE_ALL, Kind.REVOKE_FOR  # noqa: E741
COUNTED, NOTHING, REFUSED = Answer.COUNTED, Answer.NOTHING, Answer.REFUSED


def signed(kind: Kind, second: int, terms: Terms | None = None, *, due: int = 30 * DAY) -> Decision:
    """A signed decision of the one patient; seconds count from midnight, the deadline's too."""
    deadline = MIDNIGHT + due if terms else None
    return Decision(kind, 0, 0, MIDNIGHT + second, terms=terms, deadline=deadline)


def called(kind: Kind, second: int, terms: Terms | None = None) -> Decision:
    return Decision(kind, 0, 0, MIDNIGHT + second, by_call=True, terms=terms)


def until(terms: Terms, second: int) -> Terms:
    return replace(terms, end=MIDNIGHT + second)


def posted(*pairs: tuple[int, Decision]) -> tuple[Post, ...]:
    return tuple(Post(MIDNIGHT + second, decision) for second, decision in pairs)


def answers(*pairs: tuple[int, Decision]) -> list[Answer]:
    """What came of each post, before any retry."""
    return [outcome.answer for outcome in play(posted(*pairs), ReferenceAdapter()).outcomes[: len(pairs)]]


def stands(*pairs: tuple[int, Decision]) -> Terms | None:
    state = final(posted(*pairs))
    return state.terms(0, 0, state.now)


def active(state: Registry, *seconds: int) -> list[bool]:
    return [state.active(0, 0, Purposes(1), MIDNIGHT + second) for second in seconds]


class TestPromises:
    """Each holds over random histories, posted by whoever means harm."""

    @pytest.mark.parametrize(("shape", "count"), [(ANY, 400), (CROWD, 40)], ids=["any", "crowd"])
    def test_whatever_the_seconds(self, shape, count: int) -> None:
        for seed in range(count):
            random = Random(seed)
            posts = hostile(history(shape, random), random)
            assert not no_revocation_lost(posts)
            assert not no_signature_counts_twice(posts)
            assert not past_stays(posts)

    @pytest.mark.parametrize("calls", [0, 0.35])
    def test_what_was_signed_later_wins(self, calls: float) -> None:
        """Decisions signed in different seconds, calls and revocations of everything among them."""
        tried = 0
        for seed in range(1000):
            random = Random(seed)
            decisions = history(replace(APART_IN_TIME, calls=calls), random)
            if meaningful(decisions):
                assert not later_signed_wins(decisions, hostile(decisions, random))
                tried += 1
        assert tried > 200

    def test_all_orders_of_any_four(self) -> None:
        """Every sequence of four decisions that means something, signed a second apart, in all 24 orders."""
        random = Random(7)
        tried = 0
        for kinds in product((G, N, V, A), repeat=4):
            terms = {G: BROAD, N: NARROW, V: None, A: None}
            decisions = tuple(
                signed(kind, place, terms[kind] and until(terms[kind], DAY - place))
                for place, kind in enumerate(kinds)
            )
            if meaningful(decisions):
                assert not every_order(decisions, random)
                tried += 1
        assert tried > 100

    def test_a_seed_makes_one_history(self) -> None:
        assert history(CROWD, Random(3)) == history(CROWD, Random(3)) != history(CROWD, Random(4))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_mutant_is_told_from_the_reference(mutant: type[Registry]) -> None:
    """Some history, played by both, shows the difference."""
    assert telling(mutant)


class TestOneSecond:
    """Decisions signed in one second, in either order of posting."""

    def test_revocation_wins(self) -> None:
        for end in (V, A):
            assert answers((0, signed(G, 0, BROAD)), (0, signed(end, 0))) == [COUNTED, COUNTED]
            assert answers((0, signed(end, 0)), (0, signed(G, 0, BROAD))) == [COUNTED, REFUSED]
            assert answers((0, called(end, 0)), (0, called(G, 0, BROAD))) == [COUNTED, REFUSED]

    def test_call_replaces_a_consent_and_a_signature_does_not(self) -> None:
        grant = (0, called(G, 0, BROAD))
        assert answers(grant, (0, called(N, 0, NARROW))) == [COUNTED, COUNTED]
        assert answers(grant, (0, called(G, 0, NARROW))) == [COUNTED, COUNTED]
        assert answers(grant, (0, signed(G, 0, NARROW))) == [COUNTED, REFUSED]

    def test_second_revocation_by_call_is_silent(self) -> None:
        for end in (V, A):
            assert answers((0, called(end, 0)), (0, called(end, 0))) == [COUNTED, NOTHING]
            assert answers((0, called(end, 0)), (0, signed(end, 0))) == [COUNTED, REFUSED]
            assert answers((0, called(end, 0)), (1, called(end, 1))) == [COUNTED, COUNTED]

    def test_owner_revokes_as_the_patient_does(self) -> None:
        assert answers((0, called(O, 0)), (9, called(O, 9))) == [COUNTED, COUNTED]
        assert answers((0, called(O, 0)), (0, called(O, 0))) == [COUNTED, NOTHING]
        assert answers((0, called(G, 0, BROAD)), (0, called(O, 0)), (0, called(V, 0))) == [
            COUNTED, COUNTED, NOTHING,
        ]  # fmt: skip
        assert answers((0, called(A, 0)), (9, called(O, 9))) == [COUNTED, COUNTED]

    def test_second_revocation_stops_a_grant_signed_before(self) -> None:
        """Whoever makes it."""
        held_back = (60, signed(G, 20, BROAD))
        for end in (V, O):
            assert stands((10, called(V, 10)), (50, called(end, 50)), held_back) is None


class TestOrder:
    """Decisions signed in different seconds."""

    def test_withheld_revocation_ends_what_it_followed_and_no_more(self) -> None:
        for end in (V, A):
            assert stands((0, called(G, 0, BROAD)), (900, signed(end, 0))) is None
            assert stands((0, called(G, 0, BROAD)), (900, signed(end, 1))) is None
            assert stands((1, called(G, 1, BROAD)), (900, signed(end, 0))) == BROAD
            assert stands((1, signed(G, 1, BROAD)), (1, signed(end, 0))) == BROAD

    def test_ended_word_is_not_narrowed(self) -> None:
        for ended in ((5, called(V, 5)), (5, called(A, 5))):
            posts = ((0, called(G, 0, BROAD)), ended, (6, called(N, 6, NARROW)))
            assert answers(*posts) == [COUNTED, COUNTED, REFUSED]

    def test_narrowing_is_posted_again_after_its_grant(self) -> None:
        posts = ((2, signed(N, 2, NARROW)), (3, signed(G, 1, BROAD)), (4, signed(N, 2, NARROW)))
        assert answers(*posts) == [REFUSED, COUNTED, COUNTED]

    def test_narrowing_outlives_a_revocation_that_was_held_back(self) -> None:
        """Nothing had to be narrowed in the order of signing: a wallet asks for a new grant instead."""
        grant, revocation, narrowing = signed(G, 0, BROAD), signed(V, 1), signed(N, 2, NARROW)
        assert stands((0, grant), (1, revocation), (2, narrowing)) is None
        assert stands((0, grant), (2, narrowing), (3, revocation)) == NARROW

    def test_fast_clock_grants_after_the_revocation(self) -> None:
        """Signed before the call, by a clock a day fast."""
        assert stands((0, called(V, 0)), (DAY, signed(G, DAY, BROAD))) == BROAD


class TestLimits:
    """The seconds on either side of each rule."""

    @pytest.mark.parametrize(("second", "answer"), [(4, REFUSED), (5, COUNTED), (6, COUNTED), (7, REFUSED)])
    def test_signature_counts_from_its_second_to_its_deadline(self, second: int, answer: Answer) -> None:
        assert answers((second, signed(G, 5, BROAD, due=6)))[0] is answer

    def test_past_consent_counts_when_signed(self) -> None:
        """It replaces an endless one: a relayer that waits gains nothing."""
        grant = (0, signed(G, 0, BROAD))
        for kind in (G, N):
            assert stands(grant, (9, signed(kind, 1, until(BROAD, 9)))) is None
            assert answers(grant, (9, called(kind, 9, until(BROAD, 9)))) == [COUNTED, REFUSED]
            assert answers(grant, (9, called(kind, 9, until(BROAD, 10)))) == [COUNTED, COUNTED]

    def test_expired_consent_is_not_narrowed(self) -> None:
        grant = (0, signed(G, 0, until(BROAD, 9)))
        assert answers(grant, (8, signed(N, 1, until(NARROW, 9)))) == [COUNTED, COUNTED]
        assert answers(grant, (9, signed(N, 1, until(NARROW, 9)))) == [COUNTED, REFUSED]

    def test_narrowing_narrows(self) -> None:
        grant = (0, called(G, 0, until(MIDDLE, 9)))
        conditional = Terms(Purposes(2, 0b01), MIDNIGHT + 9)
        for terms, answer in (
            (until(NARROW, 9), COUNTED),
            (until(MIDDLE, 8), COUNTED),
            (conditional, COUNTED),
            (until(MIDDLE, 10), REFUSED),
            (MIDDLE, REFUSED),
            (until(BROAD, 9), REFUSED),
            (Terms(Purposes(0), MIDNIGHT + 9), REFUSED),
        ):
            assert answers(grant, (1, called(N, 1, terms))) == [COUNTED, answer]
        assert answers((0, called(G, 0, conditional)), (1, called(N, 1, until(MIDDLE, 9)))) == [
            COUNTED, REFUSED,
        ]  # fmt: skip

    def test_consent_covers_from_its_posting_to_its_end(self) -> None:
        state = final(posted((5, signed(G, 0, until(BROAD, 9)))))
        assert active(state, 4, 5, 8, 9) == [False, True, True, False]

    def test_second_revocation_leaves_the_time_between_uncovered(self) -> None:
        """Neither the patient's second word nor a revoke-all moves the end of the first consent."""
        for first, second in product((V, A), (V, A)):
            state = final(
                posted((0, called(G, 0, BROAD)), (100, called(first, 100)), (200, called(second, 200)))
            )
            assert active(state, -1, 0, 99, 100, 150, 200) == [False, True, True, False, False, False]
            assert effective(state, MIDNIGHT + 50) == {(0, 0): BROAD}

    def test_revoke_all_ends_from_its_posting(self) -> None:
        state = final(posted((0, called(G, 0, BROAD)), (100, signed(A, 10))))
        assert active(state, 50, 99, 100) == [True, True, False]
