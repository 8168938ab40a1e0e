"""The Python twins of pay, reviews and licence shares against the contracts, on random rounds of the in-process EVM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.chain.contracts.payouts import Scores, review_hash
from medfed.chain.contracts.studies import ScoreMode
from medfed.protocol.commitments import bitmap
from medfed.protocol.phase import quorum_of
from medfed.rounds.history import RoundHistory
from medfed.rounds.licences import ROUND_SHARE, FeeBook, round_shares
from medfed.rounds.scores import Tally, tally
from medfed.rounds.settle import pay_of
from tests.rig.evm import Revert
from tests.rig.world import DATASET, DISPUTE, REWARD, SEATS, STEP, aggregate, deploy_world, digest, update
from tests.rig.world import earned as claim_of
from tests.rounds import histories

SALT = b"\x5a" * 32
BPS = 1000
FEES = 10_007
RECORDS = DATASET[3]


@dataclass
class Case:
    """A round: weights in steps by submitted seat, who is left out, who attests, and what each reviewer says. Where fewer
    than all seats submit, the others are suspended."""

    mode: ScoreMode
    steps: list[int]
    left_out: set[int]
    attesters: set[int]
    reviews: dict[int, list[int]]
    patient_bps: int

    @property
    def included(self) -> list[int]:
        return [seat for seat in self.seats if seat not in self.left_out]

    @property
    def seats(self) -> range:
        return range(len(self.steps))

    @property
    def kept_away(self) -> dict[int, int]:
        return dict.fromkeys(range(len(self.steps), SEATS), RECORDS // STEP * STEP)

    @property
    def kept(self) -> Fraction:
        """The part of the round that is neither left out nor kept away, and so is somebody's."""
        if self.mode == ScoreMode.EQUAL:
            return Fraction(len(self.included), SEATS)
        whole = STEP * sum(self.steps) + sum(self.kept_away.values())
        return Fraction(STEP * sum(self.steps[seat] for seat in self.included), whole)

    def updates(self):
        return {seat: update(seat, STEP * steps) for seat, steps in enumerate(self.steps)}

    def result(self):
        return aggregate(self.included, STEP * sum(self.steps[seat] for seat in self.included))

    def left_out_updates(self):
        return [each for seat, each in self.updates().items() if seat in self.left_out]

    def terms(self):
        return histories.terms(
            score_mode=self.mode,
            attester_bps=BPS,
            patient_bps=self.patient_bps,
            sponsor_fee_bps=BPS,
            reward_per_round=REWARD,
        )

    def history(self) -> RoundHistory:
        weights = {seat: STEP * steps for seat, steps in enumerate(self.steps)}
        return histories.final_round(weights, self.included, self.attesters, kept_away=self.kept_away)


@st.composite
def cases(draw, mode):
    score = st.integers(-(2**15), 2**15 - 1)
    count = draw(st.integers(SEATS - 1, SEATS))
    seats = st.integers(0, count - 1)
    said = st.lists(st.one_of(score, st.integers(-2, 2)), min_size=count, max_size=count)
    return Case(
        mode,
        draw(st.lists(st.integers(1, 12), min_size=count, max_size=count)),
        draw(st.sets(seats, max_size=1)),
        draw(st.sets(seats, min_size=quorum_of(count))),
        draw(st.dictionaries(seats, said)) if mode == ScoreMode.REVIEWED else {},
        draw(st.integers(0, 4000)),
    )


@pytest.fixture(scope="module")
def deployed(evm_module):
    return deploy_world(evm_module, SEATS)


@pytest.fixture
def world(deployed, evm):
    return replace(deployed, evm=evm)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("mode", ScoreMode)
@given(data=st.data())
def test_pay_scores_and_shares_are_those_of_the_contracts(world, mode, data):
    """What each seat is paid, what the reviews come to, the shares of the model and what they earn."""
    case = data.draw(cases(mode))
    token = world.evm.snapshot()
    study = played(world, case)
    found, history = tally(case.reviews, bitmap(case.seats), bitmap(case.included)), case.history()
    for seat in case.seats:
        reviewed = found.of(seat) if mode == ScoreMode.REVIEWED else Scores(0, 0, 0)
        if mode == ScoreMode.REVIEWED:
            assert world.payouts.scoresOf(study, 1, seat) == (
                reviewed.score if reviewed.revealers else 0,
                reviewed.total,
                reviewed.revealers,
            )
        assert claimed(world, study, case, seat) == pay_of(case.terms(), history, seat, reviewed)
    check_market(world, study, case, found if mode == ScoreMode.REVIEWED else None)
    world.evm.restore(token)


def check_market(world, study, case: Case, found: Tally | None) -> None:
    shares = round_shares(case.terms(), case.history(), found)
    updates = case.updates()
    world.market.credit(study, 1, case.result(), case.included, [updates[seat] for seat in case.included])
    assert 0 <= ROUND_SHARE * case.kept - sum(shares.values()) <= SEATS
    for seat in range(SEATS):
        assert world.market.shareOf(study, seat) == (shares.get(seat, 0), ROUND_SHARE)
    world.market.register(study, case.result())
    terms = {"token": world.token, "price": FEES, "duration": 0, "transferable": False, "licence": SALT}
    world.market.setTerms(study, terms, sender=world.sponsor)
    world.evm.travel(3 * 86_400)
    world.market.buy(study, 1, FEES, world.sponsor, sender=world.sponsor)
    book = FeeBook(case.terms(), shares, 1, FEES)
    for seat in range(SEATS):
        assert earned(lambda seat=seat: world.market.claimFees(study, seat, world.token)) == book.due(seat)
    assert earned(lambda: world.market.claimSponsorFees(study, world.token)) == book.due_sponsor()


def played(world, case: Case) -> int:
    """The round final, reviewed and unlocked."""
    study = world.running(
        SEATS,
        rounds=1,
        scoreMode=int(case.mode),
        attesterBps=BPS,
        patientBps=case.patient_bps,
        sponsorFeeBps=BPS,
    )
    for seat, each in case.updates().items():
        world.rounds.submitUpdate(study, 1, seat, each, sender=world.operators[seat])
    for seat in case.kept_away:
        world.consortium.suspend(world.hospitals[seat], sender=world.admin)
        world.rounds.abstain(study, 1, seat, sender=world.stranger)
    for seat in sorted(case.attesters):
        world.attest(study, seat, case.result(), left_out=case.left_out_updates())
    result = digest(study, 1, case.result())
    for seat, said in case.reviews.items():
        hashed = review_hash((study, 1, seat), world.hospitals[seat].address, said, SALT)
        world.payouts.commitReview(study, 1, seat, result, hashed, sender=world.operators[seat])
    world.evm.travel(DISPUTE // 2)
    for seat, said in case.reviews.items():
        world.payouts.revealReview(study, 1, seat, result, said, SALT, sender=world.operators[seat])
    world.evm.travel(DISPUTE)
    if case.mode == ScoreMode.REVIEWED:
        world.payouts.tally(study, 1, result)
    return study


def claimed(world, study, case: Case, seat: int) -> int:
    claim = [claim_of(1, case.result(), case.updates()[seat])]
    return earned(lambda: world.payouts.claim(study, seat, claim))


def earned(claim) -> int:
    """What a claim paid; 0 when there is nothing to claim."""
    try:
        receipt = claim()
    except Revert as exc:
        assert exc.name in ("NothingToClaim", "NothingEarned")
        return 0
    return next(event.args["amount"] for event in receipt.events if event.name in ("Claimed", "FeesClaimed"))
