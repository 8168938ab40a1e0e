"""Scores are counted once for each round and seat; a model is registered once, when nothing can be disputed any more."""

from __future__ import annotations

import pytest

from medfed.chain.contracts.payouts import review_hash
from tests.contracts.market.conftest import SHARE, play
from tests.rig.world import DISPUTE, PHASE, aggregate, digest, update

EQUAL, REVIEWED = 1, 2
RUNNING, ABORTED = 2, 4


class TestCredit:
    def test_each_mistake_is_named_in_the_order_of_the_checks(self, evm, world, made):
        market, study = world.market, made.study
        with evm.reverts("UpdatesDiffer", 2, 1):
            market.credit(study, 9, made.results[0], [0, 1], [made.updates[0][0]])
        with evm.reverts("NotFinal", study, 1, digest(study, 1, made.results[1])):
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
        assert sum(made.shares()) == 2 * SHARE - SHARE // 5
        assert made.market.shareOf(made.study, 0).total == 2 * SHARE

    def test_equal_studies_share_equally(self, evm, world):
        made = play(world, [(80, 8, 96)], scoreMode=EQUAL)
        evm.travel(DISPUTE)
        made.credit(1)
        assert made.shares() == [SHARE // 3] * 3

    def test_a_reviewed_round_waits_for_its_tally(self, evm, world):
        """A round that somebody reviewed is scored by its reviews; here too few revealed, so the weights count."""
        made = play(world, [(40, 40, 80)], scoreMode=REVIEWED)
        name = digest(made.study, 1, made.results[0])
        scores, salt = [0, 5, 7], b"\x31" * 32
        promised = review_hash((made.study, 1, 0), world.hospitals[0].address, scores, salt)
        world.payouts.commitReview(made.study, 1, 0, name, promised, sender=world.operators[0])
        evm.travel(DISPUTE // 2)
        world.payouts.revealReview(made.study, 1, 0, name, scores, salt, sender=world.operators[0])
        evm.travel(DISPUTE // 2)
        with evm.reverts("NotTallied", made.study, 1):
            made.credit(1)
        world.payouts.tally(made.study, 1, name)
        made.credit(1)
        assert made.shares() == [SHARE // 4, SHARE // 4, SHARE // 2]

    def test_a_refuted_round_is_not_counted(self, evm, world):
        """Its pay is void and so is its score, and a study that ended with it has no model."""
        made = play(world, [(80, 80)])
        name = digest(made.study, 1, made.results[0])
        world.rounds.refute(made.study, 1, name, sender=world.proofs)
        evm.travel(DISPUTE)
        with evm.reverts("PayVoid", made.study, 1, 0):
            made.credit(1)
        with evm.reverts("StudyNotCompleted", made.study, ABORTED):
            world.market.register(made.study, made.results[0])

    def test_a_seat_that_is_paid_nothing_has_no_score(self, evm, world):
        """Seat 2 was left out of round 1 and proved wrong there: round 2 is complete without it, and nobody has its part."""
        made = play(world, [(40, 40, 80), (40, 40, 80)], left_out={(1, 2)})
        self.strike(made, 2, 80)
        evm.travel(DISPUTE)
        with evm.reverts("PayVoid", made.study, 2, 2):
            made.credit(2, 2)
        made.credit(2, 0, 1)
        made.credit(1)
        made.market.register(made.study, made.results[1])
        assert made.shares() == [SHARE // 2, SHARE // 2, 0]
        with evm.reverts("PayVoid", made.study, 2, 2):
            made.credit(2, 2)

    def test_a_round_without_any_score_is_complete_by_an_empty_call(self, evm, world):
        """All whose updates are in round 2 were left out of round 1, and proved wrong there."""
        weights = [(40, 40, 80, 80, 80, 80), (40, 40, *[None] * 4)]
        made = play(world, weights, left_out={(1, 0), (1, 1)})
        for seat in (0, 1):
            self.strike(made, seat, 40)
        evm.travel(DISPUTE)
        made.credit(1)
        with evm.reverts("RoundNotCredited", made.study, 1, 2):
            made.market.register(made.study, made.results[1])
        for _ in range(2):
            made.market.credit(made.study, 2, made.results[1], [], [])
        made.market.register(made.study, made.results[1])
        made.offer()
        assert made.shares() == [0, 0, *[SHARE * 80 // 400] * 4]

    def strike(self, made, seat, weight):
        """As the proofs contract does for an update of round 1."""
        name = digest(made.study, 1, made.results[0])
        made.world.rounds.strike(made.study, 1, seat, weight, name, sender=made.world.proofs)


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
        wrong = digest(made.study, 2, made.results[0])
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
    assert total == len(weights) * SHARE
    assert total - len(weights) * len(weights[0]) <= sum(made.shares()) <= total
