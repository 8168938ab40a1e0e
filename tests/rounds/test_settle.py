"""What a round pays and burns, what is due of it, and what refund is left: sums and orders, on random cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain.contracts.payouts import Scores
from medfed.chain.contracts.studies import ScoreMode
from medfed.protocol.commitments import bitmap
from medfed.protocol.phase import Outcome
from medfed.rounds.history import RoundHistory
from medfed.rounds.settle import left_out_burnt, pay_of
from tests.rounds.histories import final_round, open_round, terms, void_round


@dataclass
class Case:
    """A final round: who submitted which weight, who is included, who attested, and the terms."""

    weights: dict[int, int]
    included: set[int]
    attesters: set[int]
    bps: int
    reward: int
    mode: ScoreMode = ScoreMode.WEIGHT

    @property
    def terms(self):
        return terms(attester_bps=self.bps, reward_per_round=self.reward, score_mode=self.mode)

    def history(self) -> RoundHistory:
        return final_round(self.weights, self.included, self.attesters)

    def pays(self) -> dict[int, int]:
        return {seat: pay_of(self.terms, self.history(), seat) for seat in range(64)}


@st.composite
def cases(draw):
    seats = draw(st.sets(st.integers(0, 63), min_size=2, max_size=64))
    weights = {seat: 16 * draw(st.integers(1, 64)) for seat in seats}
    some = st.sets(st.sampled_from(sorted(seats)), min_size=1)
    mode = draw(st.sampled_from([ScoreMode.WEIGHT, ScoreMode.EQUAL]))
    reward = draw(st.integers(0, 10**24))
    return Case(weights, draw(some), draw(some), draw(st.integers(0, 5000)), reward, mode)


@given(cases())
def test_a_round_never_pays_more_than_its_reward(case):
    """What is paid and what is burnt stays within the reward; roundings lose less than one unit a payment."""
    burnt = left_out_burnt(case.terms, case.history())
    total = sum(case.pays().values()) + burnt
    assert total <= case.reward
    assert case.reward - total <= 2 * len(case.weights) + 1


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
def test_nobody_earns_by_leaving_others_out(case):
    """With all others included as well, each included seat earns what it earned without them: their part is burnt."""
    everybody = replace(case, included=set(case.weights))
    with_all, without = everybody.pays(), case.pays()
    assert all(without[seat] == with_all[seat] for seat in case.included)
    assert left_out_burnt(everybody.terms, everybody.history()) == 0


@given(cases())
def test_an_undone_result_pays_as_if_it_were_right(case):
    """Whom it pays nothing is another matter: the study says who is barred."""
    for outcome in (Outcome.TAINTED, Outcome.REFUTED):
        undone = replace(case.history(), outcome=outcome)
        assert {seat: pay_of(case.terms, undone, seat) for seat in range(64)} == case.pays()


def test_an_attester_whose_update_left_the_set_dilutes_nobody():
    """Seats 0 and 1 share the attesters' part, though 2, whose update was proved wrong before, had attested too."""
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


def test_an_open_round_pays_nothing():
    assert pay_of(terms(), open_round({0: 16, 1: 16}), 0) == 0


def test_reviews_share_out_what_is_included_and_no_more():
    """Scores decide among those included; what the left-out update weighs stays burnt, and reviewers are the attesters."""
    asked = terms(score_mode=ScoreMode.REVIEWED, attester_bps=1000, reward_per_round=9000)
    history = final_round({0: 16, 1: 16, 2: 16}, {0, 1}, {0, 1})
    reviewers = bitmap([2])
    pays = [
        pay_of(asked, history, seat, Scores(score, 40, reviewers)) for seat, score in enumerate((30, 10, 0))
    ]
    assert pays == [4050, 1350, 900]
    assert left_out_burnt(asked, history) == 2700
