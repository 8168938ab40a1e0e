"""What a round pays: sums and orders, on random cases, and a case for each rule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain.contracts.payouts import Scores
from medfed.chain.contracts.studies import ScoreMode
from medfed.protocol.commitments import bitmap
from medfed.protocol.phase import Outcome
from medfed.rounds.history import RoundHistory
from medfed.rounds.settle import pay_of
from tests.rounds.histories import final_round, open_round, terms, void_round


@dataclass
class Case:
    """A final round: who submitted which weight, who is included, who attested, which weight was kept away, the terms."""

    weights: dict[int, int]
    included: set[int]
    attesters: set[int]
    bps: int
    reward: int
    mode: ScoreMode = ScoreMode.WEIGHT
    kept_away: dict[int, int] = field(default_factory=dict)

    @property
    def terms(self):
        return terms(attester_bps=self.bps, reward_per_round=self.reward, score_mode=self.mode)

    def history(self) -> RoundHistory:
        return final_round(self.weights, self.included, self.attesters, kept_away=self.kept_away)

    def shares(self) -> dict[int, Fraction]:
        """What each that could submit would have of the updates' part."""
        everybody = self.weights | self.kept_away
        if self.mode is ScoreMode.EQUAL:
            everybody = dict.fromkeys(everybody, 1)
        return {seat: Fraction(weight, sum(everybody.values())) for seat, weight in everybody.items()}

    def pays(self) -> dict[int, int]:
        return {seat: pay_of(self.terms, self.history(), seat) for seat in range(64)}


@st.composite
def cases(draw):
    seats = draw(st.sets(st.integers(0, 63), min_size=2, max_size=64))
    away = draw(st.sets(st.sampled_from(sorted(seats)), max_size=len(seats) - 1))
    weights = {seat: 16 * draw(st.integers(1, 64)) for seat in seats}
    kept_away = {seat: weights.pop(seat) for seat in away}
    some = st.sets(st.sampled_from(sorted(weights)), min_size=1)
    mode = draw(st.sampled_from([ScoreMode.WEIGHT, ScoreMode.EQUAL]))
    reward = draw(st.integers(0, 10**24))
    return Case(weights, draw(some), draw(some), draw(st.integers(0, 5000)), reward, mode, kept_away)


@given(cases())
def test_a_round_never_pays_more_than_its_reward(case):
    """What is paid, and the parts that nobody earned, are the reward; roundings lose less than one unit a payment."""
    shares, pools = case.shares(), case.terms.pools()
    unearned = pools.updates * sum(shares[seat] for seat in shares if seat not in case.included)
    unearned += pools.attesters * Fraction(len(shares) - len(case.attesters), len(shares))
    total = sum(case.pays().values()) + unearned
    assert 0 <= case.reward - total < len(case.weights)


@given(cases())
def test_who_neither_is_included_nor_attested_earns_nothing(case):
    for seat, amount in case.pays().items():
        assert bool(amount) <= (seat in case.included | case.attesters)


@given(cases())
def test_pay_follows_weight(case):
    """Of two that did the same otherwise, the heavier one earns no less."""
    pays = case.pays()
    both = [seat for seat in case.included if seat in case.attesters]
    for one, other in pairwise(both):
        assert (pays[one] >= pays[other]) or case.weights[one] < case.weights[other]


@given(cases())
def test_nobody_earns_by_keeping_others_from_their_pay(case):
    """Each has what it would have if all others had submitted, were included, and had attested: their parts are nobody's."""
    whole = case.weights | case.kept_away
    pays = case.pays()
    for seat in case.weights:
        included = set(whole) if seat in case.included else set(whole) - {seat}
        attesters = set(whole) if seat in case.attesters else set(whole) - {seat}
        others = replace(case, weights=whole, kept_away={}, included=included, attesters=attesters)
        assert pay_of(others.terms, others.history(), seat) == pays[seat]


@given(cases())
def test_an_undone_result_pays_as_if_it_were_right(case):
    """Whom it pays nothing is another matter: the study says who is barred."""
    for outcome in (Outcome.TAINTED, Outcome.REFUTED):
        undone = replace(case.history(), outcome=outcome)
        assert {seat: pay_of(case.terms, undone, seat) for seat in range(64)} == case.pays()


def test_an_attestation_that_is_missing_is_nobodys_pay():
    """Each of three has a third of what is for attesters, though one of them did not attest."""
    history = final_round({0: 16, 1: 16, 2: 16}, {0, 1, 2}, {0, 1})
    assert [pay_of(terms(), history, seat) for seat in range(3)] == [3000, 3000, 2700]


@pytest.mark.parametrize(
    ("mode", "pays"), [(ScoreMode.WEIGHT, [2250, 1237, 225, 0]), (ScoreMode.EQUAL, [2250, 2250, 225, 0])]
)
def test_who_was_kept_away_counts_as_if_it_had_submitted_all_it_could(mode, pays):
    """Half of all weight is the fourth one's, as is a fourth of what is shared out equally; the third is left out."""
    history = final_round({0: 32, 1: 16, 2: 16}, {0, 1}, {0, 1, 2}, kept_away={3: 64})
    assert [pay_of(terms(score_mode=mode), history, seat) for seat in range(4)] == pays


def test_an_attester_whose_update_left_the_set_dilutes_nobody():
    """Each of two has half of the attesters' part, though 2, whose update was proved wrong before, had attested too."""
    history = final_round({0: 16, 1: 16}, {0, 1}, {0, 1, 2})
    assert [pay_of(terms(), history, seat) for seat in range(3)] == [4500, 4500, 0]


@pytest.mark.parametrize("mode", [ScoreMode.WEIGHT, ScoreMode.EQUAL])
@given(
    st.dictionaries(st.integers(0, 63), st.integers(1, 400), min_size=1),
    st.integers(0, 10**12),
)
def test_a_void_round_shares_out_a_lost_stake_and_nothing_else(mode, weights, compensation):
    asked, history = terms(score_mode=mode), void_round(weights, compensation)
    pays = [pay_of(asked, history, seat) for seat in range(64)]
    assert compensation - len(weights) < sum(pays) <= compensation or not compensation
    assert all(not pay for seat, pay in enumerate(pays) if seat not in weights)
    if mode is ScoreMode.EQUAL:
        assert len({pays[seat] for seat in weights}) == 1


@pytest.mark.parametrize(("mode", "pays"), [(ScoreMode.WEIGHT, [25, 50]), (ScoreMode.EQUAL, [33, 33])])
def test_a_void_round_pays_nobody_more_for_one_that_was_kept_away(mode, pays):
    history = void_round({0: 16, 1: 32}, 100, kept_away={2: 16})
    assert [pay_of(terms(score_mode=mode), history, seat) for seat in (0, 1)] == pays


def test_an_open_round_pays_nothing():
    assert pay_of(terms(), open_round({0: 16, 1: 16}), 0) == 0


def test_reviews_share_out_what_is_included_and_no_more():
    """Scores decide among those included; what the left-out update weighs is nobody's, and reviewers are the attesters."""
    asked = terms(score_mode=ScoreMode.REVIEWED, attester_bps=1000, reward_per_round=9000)
    history = final_round({0: 16, 1: 16, 2: 16}, {0, 1}, {0, 1})
    reviewers = bitmap([2])
    pays = [
        pay_of(asked, history, seat, Scores(score, 40, reviewers)) for seat, score in enumerate((30, 10, 0))
    ]
    assert pays == [4050, 1350, 300]


def test_reviews_leave_alone_what_one_that_was_kept_away_weighs():
    asked = terms(score_mode=ScoreMode.REVIEWED, attester_bps=1000, reward_per_round=9000)
    history = final_round({0: 16, 1: 16}, {0, 1}, {0, 1}, kept_away={2: 16})
    reviewed = Scores(30, 40, bitmap([0, 1]))
    assert pay_of(asked, history, 0, reviewed) == 8100 * 3 // 4 * 2 // 3 + 300
