"""What was taken from each seat is told with its round and its cause, and sums to what the contracts took."""

from __future__ import annotations

import pytest

from medfed.chain.client import connect
from medfed.rounds.takings import REASONS, takings
from tests.chain.world import STAKE, World
from tests.rounds.test_history_of_proofs import Play


@pytest.fixture
def play(tmp_path):
    return Play(World(connect("embedded:"), tmp_path))


def test_nothing_is_told_where_nothing_was_taken(play):
    play.begin()
    play.submit_all(1)
    assert takings(play.world.index, play.known()) == []


def test_a_struck_update_careless_attestations_and_a_refuted_result(play):
    """One seat can lose a part by one fault and the rest by another; each has its own cause."""
    play.begin(rounds=3)
    updates = play.submit_all(1, wrong=[0])
    wrong = play.aggregate(1, (0, 1, 2), word=77)
    play.attest(1, wrong, 1, 2)
    play.strike(1, 0, updates[0], wrong.digest(play.study, 1))
    play.refute(1, wrong, updates, word=77, wrong=[0])
    study = play.known()
    found = takings(play.world.index, study)
    part = STAKE // 10
    assert [(each.seat, each.amount, each.cause) for each in found] == [
        (0, STAKE, "update"),
        (1, part, "careless"),
        (2, part, "careless"),
        (1, STAKE - part, "result"),
        (2, STAKE - part, "result"),
    ]
    assert {each.round for each in found} == {1}
    assert all(each.cause in REASONS for each in found)
    for seat in range(3):
        taken = sum(each.amount for each in found if each.seat == seat)
        assert taken == play.world.at.studies.taken(study.study, seat)
