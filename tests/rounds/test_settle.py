"""What a round pays: the Python twin against the contract, on random cases."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain.contracts.rounds import ScoreMode
from medfed.errors import ContractRevert
from medfed.protocol.commitments import Aggregate, Update, bitmap
from medfed.rounds.history import RoundHistory
from medfed.rounds.settle import PotBook, left_out_pay, pay_of, slashed_into

ZERO = bytes(32)
DIGEST = b"\x07" * 32


@dataclass
class Case:
    """A final round: who submitted which weight, who is included, who attested, and the terms."""

    weights: dict[int, int]
    included: set[int]
    attesters: set[int]
    bps: int
    reward: int
    carried: int = 0
    terms: dict = field(init=False)

    def __post_init__(self):
        self.terms = {
            "attester_bps": self.bps,
            "patient_bps": 0,
            "reward_per_round": self.reward,
            "score_mode": ScoreMode.WEIGHT,
        }

    def history(self, number=1, final=True, void=False) -> RoundHistory:
        weight = sum(self.weights[seat] for seat in self.included)
        aggregate = Aggregate(ZERO, ZERO, ZERO, bitmap(list(self.included)), weight)
        return RoundHistory(
            study=1,
            number=number,
            opened_at=1,
            closed_at=2,
            updates={seat: Update(ZERO, ZERO, ZERO, ZERO, weight) for seat, weight in self.weights.items()},
            abstained=frozenset(),
            proposals={DIGEST: aggregate},
            attesters={DIGEST: bitmap(list(self.attesters))},
            attested=bitmap(list(self.attesters)),
            struck=frozenset(),
            final_hash=DIGEST if final else b"",
            final_at=3 if final else 0,
            void=void,
        )

    def pays(self) -> dict[int, int]:
        return {
            seat: pay_of(self.terms, self.history(), self.reward + self.carried, seat) for seat in range(64)
        }


@st.composite
def cases(draw):
    seats = draw(st.sets(st.integers(0, 63), min_size=2, max_size=64))
    weights = {seat: 16 * draw(st.integers(1, 64)) for seat in seats}
    some = st.sets(st.sampled_from(sorted(seats)), min_size=1)
    reward, carried = draw(st.integers(0, 10**24)), draw(st.integers(0, 10**24))
    return Case(weights, draw(some), draw(some), draw(st.integers(0, 5000)), reward, carried)


@given(cases())
def test_a_round_never_pays_more_than_its_reward(case):
    """What is paid and what rolls on stays within the reward; roundings lose less than one unit a payment."""
    reward, history = case.reward + case.carried, case.history()
    rolled = left_out_pay(case.terms, history, reward, history.result)
    total = sum(case.pays().values()) + rolled
    assert total <= reward
    assert reward - total <= 2 * len(case.weights) + 1


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
def test_a_void_round_passes_on_what_it_carried(case):
    book = PotBook(case.terms, {1: case.carried})
    book.close(case.history(final=False, void=True))
    assert book.reward(2) == case.reward + case.carried
    assert book.carried.get(3, 0) == 0


@pytest.mark.slow
class TestAgainstTheContract:
    """Whole studies with random weights, left-out updates and carried rewards on the embedded chain."""

    @pytest.mark.parametrize("seed", range(4))
    def test_every_claim_is_what_the_twin_says(self, ground, tmp_path, seed):
        draw = random.Random(seed)
        world = ground.world(tmp_path, 4)
        study = world.post(
            min_hospitals=2, attester_bps=draw.randrange(5001), reward_per_round=draw.randrange(1, 9000)
        )
        rounds = world.contracts.rounds
        for member in world.members:
            world.send(member.operator, rounds.enrol(study, member.dataset))
        world.send(world.sponsor, rounds.advance(study))
        for number in (1, 2):
            self.play(world, study, number, draw)
        world.client.travel(301)
        world.index.sync()
        terms = world.study(study).terms
        book = PotBook(terms, slashed_into(world.index, world.study(study)))
        for number in (1, 2):
            history = world.round(study, number)
            assert rounds.carried_into(study, number) == book.carried.get(number, 0)
            for seat in history.updates:
                due = pay_of(terms, history, book.reward(number), seat)
                call = rounds.claim(study, number, seat, (history.result, history.updates[seat]))
                if due:
                    world.send(world.sponsor, call)
                else:
                    with pytest.raises(ContractRevert) as refused:
                        world.send(world.sponsor, call)
                    assert refused.value.name == "NothingToClaim"
                claimed = {e["seat"]: e["amount"] for e in self.claims(world, study, number)}
                assert claimed.get(seat, 0) == due
            book.close(history)
        assert rounds.carried_into(study, 3) == book.carried.get(3, 0)

    @staticmethod
    def claims(world, study, number):
        world.index.sync()
        return world.index.events("Claimed", study=study, round=number)

    @staticmethod
    def play(world, study, number, draw):
        """Some weights, some left out, and as many attesters as it takes or more."""
        rounds, updates = world.contracts.rounds, {}
        for seat, member in enumerate(world.members):
            mark = bytes([16 * number + seat + 1]) * 32
            updates[seat] = Update(mark, mark, mark, mark, 16)
            world.send(member.operator, rounds.submit_update(study, number, seat, updates[seat]))
        included = draw.sample(sorted(updates), draw.randrange(2, 5))
        mark = bytes([200 + number]) * 32
        aggregate = Aggregate(mark, mark, mark, bitmap(included), 16 * len(included))
        for seat in draw.sample(sorted(updates), draw.randrange(3, 5)):
            world.send(world.members[seat].operator, rounds.attest(study, number, seat, aggregate))
