"""What is due after a round: claims of several rounds at one go, tallies first, nothing that pays nothing."""

from __future__ import annotations

import pytest

from medfed.chain.client import connect
from medfed.chain.contracts.payouts import review_hash
from medfed.chain.contracts.studies import ScoreMode
from medfed.protocol.commitments import Aggregate
from medfed.rounds import settle
from medfed.rounds.history import read_round, read_study
from medfed.rounds.reviews import awaits_tally, due_tally, read_scores
from medfed.rounds.settle import due_claims, due_release, pay_of, unpaid_rounds
from tests.chain.world import STAKE, World, aggregate_of, update_of

DISPUTE, SALT = 60, b"\x5a" * 32


@pytest.fixture
def world(tmp_path):
    return World(connect("embedded:"), tmp_path)


def play(world, study, number, left_out=()):
    """A round of three in which seats 0 and 1 attest; those left out are in no result."""
    updates = {hospital.seat: update_of(hospital, number) for hospital in world.hospitals}
    for hospital in world.hospitals:
        call = world.at.rounds.submit_update(study, number, hospital.seat, updates[hospital.seat])
        hospital.as_operator.send(call)
    full = aggregate_of(number)
    included = sum(1 << seat for seat in updates if seat not in left_out)
    weight = sum(update.weight for seat, update in updates.items() if seat not in left_out)
    result = Aggregate(full.cid, full.root, full.model, included, weight)
    shown = [updates[seat] for seat in left_out]
    for hospital in world.hospitals[:2]:
        hospital.as_operator.send(world.at.rounds.attest(study, number, hospital.seat, result, shown))
    return result


def told(world, study):
    world.index.sync()
    return read_study(world.index, study)


def claims(world, study, seat):
    now = world.client.head().timestamp
    return list(due_claims(world.index, world.at.payouts, told(world, study), seat, now))


class TestClaims:
    def test_of_all_unlocked_rounds_are_one_call(self, world):
        study = world.running()
        for number in (1, 2):
            play(world, study, number)
        assert claims(world, study, 0) == []
        world.client.travel(DISPUTE)
        history = told(world, study)
        assert unpaid_rounds(world.index, history, 0) == [1, 2]
        (call,) = claims(world, study, 0)
        paid = [e["amount"] for e in world.at.payouts.events(world.owner.send(call))]
        rounds = [read_round(world.index, study, number) for number in (1, 2)]
        assert paid == [pay_of(history.terms, each, 0) for each in rounds]
        assert claims(world, study, 0) == []
        assert unpaid_rounds(world.index, told(world, study), 0) == []

    def test_are_no_more_than_one_transaction_holds(self, world, monkeypatch):
        monkeypatch.setattr(settle, "MOST_ROUNDS", 1)
        study = world.running()
        for number in (1, 2):
            play(world, study, number)
        world.client.travel(DISPUTE)
        calls = claims(world, study, 1)
        assert len(calls) == 2
        for call in calls:
            world.owner.send(call)
        assert claims(world, study, 1) == []

    def test_are_none_for_what_pays_nothing(self, world):
        """Seat 2 was left out of one result and attested to neither: of one round it is paid, and no call reverts."""
        study = world.running()
        play(world, study, 1, left_out=[2])
        play(world, study, 2)
        world.client.travel(DISPUTE)
        assert unpaid_rounds(world.index, told(world, study), 2) == [2]
        (call,) = claims(world, study, 2)
        assert len(world.at.payouts.events(world.owner.send(call))) == 1

    def test_wait_for_the_tally_of_a_reviewed_round(self, world):
        """The other round is claimed meanwhile."""
        study = world.running(score_mode=ScoreMode.REVIEWED)
        payouts, digests = world.at.payouts, {}
        play(world, study, 1)
        digests[2] = play(world, study, 2).digest(study, 2)
        said = {0: (0, 30_000, 0), 1: (20_000, 0, 10_000)}
        for seat, scores in said.items():
            place = (study, 2, seat)
            hashed = review_hash(place, world.hospitals[seat].id, scores, SALT)
            world.hospitals[seat].as_operator.send(payouts.commit_review(place, digests[2], hashed))
        world.client.travel(DISPUTE // 2)
        for seat, scores in said.items():
            place = (study, 2, seat)
            call = payouts.reveal_review(place, digests[2], scores, SALT)
            world.hospitals[seat].as_operator.send(call)
        world.client.travel(DISPUTE)
        history, second = told(world, study), read_round(world.index, study, 2)
        assert awaits_tally(world.index, history, second)
        (call,) = claims(world, study, 0)
        assert [e["round"] for e in payouts.events(world.owner.send(call))] == [1]
        world.owner.send(due_tally(world.index, payouts, history, second, world.client.head().timestamp))
        world.index.sync()
        assert not awaits_tally(world.index, history, second)
        (call,) = claims(world, study, 0)
        (event,) = payouts.events(world.owner.send(call))
        scores = read_scores(world.index, second).of(0)
        assert event["amount"] == pay_of(history.terms, second, 0, scores)


def test_a_stake_is_due_when_the_study_has_settled(world):
    study = world.running()
    for number in (1, 2):
        play(world, study, number)
    history = told(world, study)
    assert due_release(world.at.studies, history, 0, history.settled_at - 1) is None
    world.client.travel(DISPUTE)
    world.owner.send(due_release(world.at.studies, history, 0, history.settled_at))
    assert due_release(world.at.studies, told(world, study), 0, history.settled_at) is None
    assert world.at.vault.balance(world.hospitals[0].id, world.token.address).free == STAKE
