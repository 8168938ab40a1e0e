"""Scores are counted once for each round and seat; a model is registered once, when nothing can be disputed any more."""

from __future__ import annotations

import pytest

from medfed.chain.contracts.rewards import review_hash
from tests.contracts.market.conftest import SHARE, play
from tests.rig.world import DISPUTE, PHASE, aggregate, update

EQUAL, REVIEWED = 1, 2
RUNNING, ABORTED = 2, 4


class TestCredit:
    def test_each_mistake_is_named_in_the_order_of_the_checks(self, evm, world, made):
        market, study = world.market, made.study
        with evm.reverts("UpdatesDiffer", 2, 1):
            market.credit(study, 9, made.results[0], [0, 1], [made.updates[0][0]])
        with evm.reverts("NotFinal", study, 1, world.rounds.hashAggregate(study, 1, made.results[1])):
            made.credit(1, 0, result=made.results[1])
        with evm.reverts("NothingToClaim", study, 2, 2):
            made.credit(2, 2)
        with evm.reverts("UpdateMismatch", study, 1, 0):
            market.credit(study, 1, made.results[0], [0], [made.updates[0][1]])
        made.credit(1, 0)
        with evm.reverts("AlreadyCredited", study, 1, 0):
            made.credit(1, 0)
        with evm.reverts("AlreadyCredited", study, 1, 1):
            made.credit(1, 1, 1)

    def test_not_before_the_rounds_claims_unlock(self, evm, world):
        made = play(world, [(80, 80)])
        with evm.reverts("ClaimLocked", made.study, 1, evm.now + DISPUTE):
            made.credit(1)
        evm.travel(DISPUTE)
        made.credit(1)

    def test_a_round_counts_as_one_whatever_its_weights(self, made):
        """Each round is worth 1e18, shared by score; what a left-out update would have had is nobody's."""
        assert made.credit(1, 2).named("Credited") == [{"study": made.study, "round": 1, "seats": 0b100}]
        assert made.credit(1, 0, 1).named("Credited") == [{"study": made.study, "round": 1, "seats": 0b111}]
        assert made.shares() == [SHARE // 4, SHARE // 4, SHARE // 2]
        made.credit(2)
        assert made.shares() == [SHARE // 4 + SHARE // 5, SHARE // 4 + 3 * SHARE // 5, SHARE // 2]
        assert made.market.shareOf(made.study, 0).total == sum(made.shares())

    def test_equal_studies_share_equally(self, evm, world):
        made = play(world, [(80, 8, 96)], scoreMode=EQUAL)
        evm.travel(DISPUTE)
        made.credit(1)
        assert made.shares() == [SHARE // 3] * 3

    def test_a_reviewed_round_waits_for_its_tally(self, evm, world):
        """A round that somebody reviewed is scored by its reviews; here too few revealed, so the weights count."""
        made = play(world, [(40, 40, 80)], scoreMode=REVIEWED)
        digest = world.rounds.hashAggregate(made.study, 1, made.results[0])
        scores, salt = [0, 5, 7], b"\x31" * 32
        promised = review_hash((made.study, 1, 0), world.hospitals[0].address, scores, salt)
        world.rewards.commitReview(made.study, 1, 0, digest, promised, sender=world.operators[0])
        evm.travel(DISPUTE // 2)
        world.rewards.revealReview(made.study, 1, 0, digest, scores, salt, sender=world.operators[0])
        evm.travel(DISPUTE // 2)
        with evm.reverts("NotTallied", made.study, 1):
            made.credit(1)
        world.rewards.tally(made.study, 1, digest)
        made.credit(1)
        assert made.shares() == [SHARE // 4, SHARE // 4, SHARE // 2]

    def test_a_refuted_round_is_not_counted(self, evm, world):
        """Its pay is void and so is its score, and a study that ended with it has no model."""
        made = play(world, [(80, 80)])
        digest = world.rounds.hashAggregate(made.study, 1, made.results[0])
        world.rounds.refute(made.study, 1, digest, sender=world.disputes)
        evm.travel(DISPUTE)
        with evm.reverts("PayVoid", made.study, 1, 1):
            made.credit(1)
        with evm.reverts("StudyNotCompleted", made.study, ABORTED):
            world.market.register(made.study, made.results[0])

    def test_an_update_that_was_proved_wrong_has_no_score(self, evm, world):
        """The round is complete without it, or without any; what it would have had is nobody's."""
        made = play(world, [(40, 40, 80), (40, 40, 80)])
        world.rounds.strikeUpdate(made.study, 2, 2, 80, sender=world.disputes)
        evm.travel(DISPUTE)
        with evm.reverts("NothingToClaim", made.study, 2, 2):
            made.credit(2, 2)
        made.credit(2, 0, 1)
        made.credit(1)
        made.market.register(made.study, made.results[1])
        assert made.shares() == [SHARE // 2, SHARE // 2, SHARE // 2]

    def test_a_round_without_any_score_is_complete_by_an_empty_call(self, evm, world):
        made = play(world, [(40, 40)])
        for seat in (0, 1):
            world.rounds.strikeUpdate(made.study, 1, seat, 40, sender=world.disputes)
        evm.travel(DISPUTE)
        with evm.reverts("RoundNotCredited", made.study, 0, 1):
            made.market.register(made.study, made.results[0])
        for _ in range(2):
            made.market.credit(made.study, 1, made.results[0], [], [])
        made.market.register(made.study, made.results[0])
        made.offer()
        assert made.shares() == [0, 0]


class TestRegister:
    def test_each_mistake_is_named_in_the_order_of_the_checks(self, evm, world):
        running = world.running(2)
        with evm.reverts("StudyNotCompleted", running, RUNNING):
            world.market.register(running, aggregate((0, 1), 160))
        made = play(world, [(80, 80), (80, 80)])
        ended = evm.now
        with evm.reverts("DisputesOpen", made.study, ended + DISPUTE):
            world.market.register(made.study, made.results[-1])
        evm.travel(DISPUTE)
        made.credit(1)
        with evm.reverts("RoundNotCredited", made.study, 1, 2):
            world.market.register(made.study, made.results[-1])
        made.credit(2, 0)
        with evm.reverts("RoundNotCredited", made.study, 1, 2):
            world.market.register(made.study, made.results[-1])
        made.credit(2, 1)
        wrong = world.rounds.hashAggregate(made.study, 2, made.results[0])
        with evm.reverts("NotFinal", made.study, 2, wrong):
            world.market.register(made.study, made.results[0])
        world.market.register(made.study, made.results[1])
        with evm.reverts("AlreadyRegistered", made.study):
            world.market.register(made.study, made.results[1])

    def test_the_model_of_the_last_round_is_kept_with_its_lineage(self, evm, world, made):
        (event,) = made.register().named("ModelRegistered")
        assert event == {
            "study": made.study,
            "model": b"\xa2" * 32,
            "spec": b"\x51" * 32,
            "finals": 2,
            "attesters": 0b11,
            "shares": tuple(made.shares()),
        }
        found = world.market.getModel(made.study)
        assert (found.digest, found.spec, found.registeredAt) == (b"\xa2" * 32, b"\x51" * 32, evm.now)
        assert (found.finals, found.versions, found.withdrawn, found.supersededBy) == (2, 0, False, 0)

    def test_the_shares_are_frozen(self, evm, made):
        """After it no seat is left that could be credited."""
        made.register()
        before = made.shares()
        for number in (1, 2):
            for seat in made.updates[number - 1]:
                with evm.reverts("NothingToClaim" if (number, seat) == (2, 2) else "AlreadyCredited"):
                    made.credit(number, seat)
        made.market.credit(made.study, 1, made.results[0], [], [])
        assert made.shares() == before

    def test_rounds_that_were_void_do_not_matter(self, evm, world):
        study = world.running(2, rounds=1, maxHospitals=2)
        evm.travel(2 * PHASE + 1)
        world.rounds.advance(study)
        for seat in (0, 1):
            world.submit(study, seat, number=2)
        result = aggregate((0, 1), 160)
        for seat in (0, 1):
            world.attest(study, seat, result, number=2)
        evm.travel(DISPUTE)
        world.market.credit(study, 2, result, [0, 1], [update(0), update(1)])
        world.market.register(study, result)
        assert world.market.getModel(study).finals == 1


@pytest.mark.parametrize("weights", [[(8, 96)], [(96, 96, 8), (None, 8, 8), (16, None, 24)]])
def test_the_scores_of_a_study_are_at_most_one_for_each_round(evm, world, weights):
    made = play(world, weights)
    evm.travel(DISPUTE)
    made.register()
    total = made.market.shareOf(made.study, 0).total
    assert len(weights) * (SHARE - len(weights[0])) <= total <= len(weights) * SHARE
