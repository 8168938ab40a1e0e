"""Fees are shared by frozen scores, pulled later, each pull O(1), and never more than came in."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.market.conftest import PRICE, SHARE, play
from tests.rig.cohorts import Listed, leaf_of
from tests.rig.evm import Revert
from tests.rig.world import DISPUTE, STEP

SPONSOR, PATIENTS = 1000, 500
BPS = 10_000


def sell(made, buyer, count=1):
    for _ in range(count):
        version = made.market.getModel(made.study).versions
        made.market.buy(made.study, version, 2**96 - 1, buyer, sender=buyer)


def claim(made, seat):
    return made.market.claimFees(made.study, seat, made.token)


class TestHospitals:
    def test_each_has_its_share_of_what_is_left_for_hospitals(self, evm, world, model, buyer):
        sell(model, buyer, 3)
        pool = 3 * PRICE * (BPS - SPONSOR - PATIENTS) // BPS
        share, total = model.market.shareOf(model.study, 1)
        before = world.free(world.hospitals[1])
        (event,) = claim(model, 1).named("FeesClaimed")
        assert event == {
            "model": model.study,
            "token": model.token.address,
            "account": world.hospitals[1].address,
            "amount": pool * share // total,
        }
        assert world.free(world.hospitals[1]) == before + pool * share // total

    def test_only_what_has_come_since(self, evm, world, model, buyer):
        """Claims at any time come to the same as one at the end, but for rounding, which the next one makes good."""
        once = []
        for count in (1, 0, 2, 5):
            sell(model, buyer, count)
            if count == 0:
                with evm.reverts("NothingEarned", model.study, world.hospitals[0]):
                    claim(model, 0)
                continue
            once.append(claim(model, 0).named("FeesClaimed")[0]["amount"])
        share, total = model.market.shareOf(model.study, 0)
        assert sum(once) == (8 * PRICE * (BPS - SPONSOR - PATIENTS) // BPS) * share // total

    def test_without_a_seat_there_is_nothing(self, evm, model, buyer):
        sell(model, buyer)
        for seat in (3, 63, 64, 255):
            with evm.reverts("NothingEarned", model.study, "0x" + "00" * 20):
                claim(model, seat)

    def test_a_model_has_to_be_registered(self, evm, made):
        with evm.reverts("NotRegistered", made.study):
            claim(made, 0)
        with evm.reverts("NotRegistered", made.study):
            made.market.claimSponsorFees(made.study, made.token)

    def test_each_token_has_books_of_its_own(self, evm, world, model, buyer):
        sell(model, buyer)
        other = evm.deploy("DevelopmentToken")
        world.vault.allowToken(other, True)
        with evm.reverts("NothingEarned", model.study, world.hospitals[0]):
            model.market.claimFees(model.study, 0, other)

    def test_what_a_left_out_update_would_have_had_is_nobodys(self, evm, world, buyer):
        """Two thirds do not earn in fees either what they take from whom they leave out."""
        made = play(world, [(40, 40, 80)], left_out={(1, 2)})
        evm.travel(DISPUTE)
        made.register()
        made.offer(price=1600)
        sell(made, buyer)
        paid = [claim(made, seat).named("FeesClaimed")[0]["amount"] for seat in (0, 1)]
        assert paid == [400, 400]
        with evm.reverts("NothingEarned", made.study, world.hospitals[2]):
            claim(made, 2)
        assert world.vault.feesHeld(made.token) == 800

    def test_a_purchase_costs_the_same_whatever_the_hospitals(self, evm, world, buyer):
        """O(1): nothing is paid out when a licence is bought, however many share."""
        used = []
        for weights in ([(80, 80)], [(80, 80, 80, 80), (8, 16, 24, 32), (8, 8, 8, 8)]):
            made = play(world, weights)
            evm.travel(DISPUTE)
            made.register()
            made.offer()
            sell(made, buyer)
            used.append(made.market.buy(made.study, 1, PRICE, buyer, sender=buyer).gas_used)
        assert abs(used[0] - used[1]) < 100


class TestSponsor:
    def test_its_part_is_that_of_the_study(self, evm, world, model, buyer):
        sell(model, buyer)
        before = world.free(world.sponsor)
        (event,) = model.market.claimSponsorFees(model.study, model.token, sender=world.stranger).named(
            "FeesClaimed"
        )
        assert (event["account"], event["amount"]) == (world.sponsor.address, PRICE * SPONSOR // BPS)
        assert world.free(world.sponsor) == before + PRICE * SPONSOR // BPS
        with evm.reverts("NothingEarned", model.study, world.sponsor):
            model.market.claimSponsorFees(model.study, model.token)

    def test_a_study_without_its_part_gives_it_nothing(self, evm, world, buyer):
        made = play(world, [(80, 80)])
        evm.travel(DISPUTE)
        made.register()
        made.offer()
        sell(made, buyer)
        with evm.reverts("NothingEarned", made.study, world.sponsor):
            made.market.claimSponsorFees(made.study, made.token)


class Cohort(Listed):
    """The leaves of seat 0 (dataset 1) in round 1: as many patients as wanted."""

    def __init__(self, study, patients, number=1, dataset=1):
        self.patients, self.dataset = patients, dataset
        self.salts = [bytes([place + 1]) * 32 for place in range(len(patients))]
        pairs = zip(patients, self.salts, strict=True)
        self.own = [leaf_of(study, number, dataset, patient, salt) for patient, salt in pairs]
        super().__init__(self.own)

    def leaf(self, place):
        return self.opened(self.own[place], self.salts[place], self.dataset)


class TestPatients:
    TERMS: ClassVar = {"patientBps": 2000, "sponsorFeeBps": 1000}
    WEIGHTS: ClassVar = [(8, 24, 8), (8, 8, 8)]

    def sold(self, evm, world, buyer, people, price=1_000_000):
        """Round 1's seat 0 has a cohort of `people`, and weight 8."""
        held = {}

        def roots(study):
            held[0] = Cohort(study, people)
            return {(1, 0): held[0].root}

        made = play(world, self.WEIGHTS, roots=roots, **self.TERMS)
        evm.travel(DISPUTE)
        made.register()
        made.offer(price=price)
        sell(made, buyer)
        return made, held[0]

    def claim(self, made, cohort, place, *, number=1, seat=0, leaf=None):
        shown = leaf or cohort.leaf(place)
        return made.market.claimPatientFees(
            made.study,
            number,
            seat,
            made.token,
            made.results[number - 1],
            made.updates[number - 1][seat],
            shown,
            sender=cohort.patients[place],
        )

    def due(self, fees, count=8, weight=8, total=40, finals=2):
        return fees * 2000 // BPS * weight // (max(count, weight) * total * finals)

    def test_a_patient_has_a_part_for_each_leaf_as_fees_grow(self, evm, world, buyer):
        made, cohort = self.sold(evm, world, buyer, evm.actors[70:74])
        (event,) = self.claim(made, cohort, 0).named("FeesClaimed")
        assert (event["account"], event["amount"]) == (cohort.patients[0].address, self.due(1_000_000))
        assert world.free(cohort.patients[0]) == self.due(1_000_000) > 0
        with evm.reverts("NothingEarned", made.study, cohort.patients[0]):
            self.claim(made, cohort, 0)
        sell(made, buyer, 2)
        self.claim(made, cohort, 0)
        assert world.free(cohort.patients[0]) == self.due(3_000_000)

    def test_nobody_else_has_it(self, evm, world, buyer):
        made, cohort = self.sold(evm, world, buyer, evm.actors[70:74])
        with evm.reverts("NotInCohort", made.study, 1, 0, cohort.patients[1]):
            self.claim(made, cohort, 1, leaf=cohort.leaf(0))
        with evm.reverts("NotInCohort", made.study, 2, 0, cohort.patients[0]):
            self.claim(made, cohort, 0, number=2)
        with evm.reverts("NotInCohort", made.study, 1, 1, cohort.patients[0]):
            self.claim(made, cohort, 0, seat=1)

    def test_a_model_has_to_be_registered(self, evm, world):
        made = play(world, [(8, 8)], **self.TERMS)
        cohort = Cohort(made.study, evm.actors[70:72])
        with evm.reverts("NotRegistered", made.study):
            self.claim(made, cohort, 0)

    def test_a_cohort_with_too_many_leaves_takes_from_nobody_else(self, evm, world, buyer):
        """A hospital that invents patients shares its weight's part among more of them."""
        made, cohort = self.sold(evm, world, buyer, evm.actors[70:100])
        paid = [self.claim(made, cohort, place).named("FeesClaimed")[0]["amount"] for place in range(30)]
        assert set(paid) == {self.due(1_000_000, 30)}
        assert sum(paid) <= 1_000_000 * 2000 // BPS * 8 // (40 * 2)

    def test_all_that_a_cohort_of_its_weight_can_hold_are_paid(self, evm, world, buyer):
        """A cohort has fewer patients than its weight and one step; each gets its part at any time, in any order."""
        made, cohort = self.sold(evm, world, buyer, evm.actors[70 : 70 + 8 + STEP - 1], price=999_983)
        for place in range(0, 15, 2):
            self.claim(made, cohort, place)
        sell(made, buyer)
        for place in range(15):
            self.claim(made, cohort, place)
        assert {world.free(patient) for patient in cohort.patients} == {self.due(2 * 999_983, 15)}


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_together_never_get_more_than_the_fees(evm, world, data):
    """Random scores, prices and claims in any order: what is paid out stays within the fees, and falls short of them by
    less than the patients' part and one unit for each account."""
    token = evm.snapshot()
    buyer = evm.actors[60]
    try:
        seats = data.draw(st.integers(2, 4))
        weight = st.integers(1, 12).map(lambda step: 8 * step)
        rounds = data.draw(st.lists(st.lists(weight, min_size=seats, max_size=seats), min_size=1, max_size=2))
        parts = {"sponsorFeeBps": data.draw(st.sampled_from([0, 1, 3333, 10_000]))}
        parts["patientBps"] = data.draw(st.sampled_from([0, 1, 1999]))
        made = play(world, rounds, scoreMode=data.draw(st.integers(0, 1)), **parts)
        evm.travel(DISPUTE)
        made.register()
        fees = 0
        for price in data.draw(st.lists(st.integers(1, 10**7), min_size=1, max_size=4)):
            made.offer(price=price)
            sell(made, buyer)
            fees += price
            for seat in data.draw(st.lists(st.integers(0, seats - 1), max_size=2, unique=True)):
                collect(made, seat)
        for seat in range(seats):
            collect(made, seat)
        collect(made, None)
        left = world.vault.feesHeld(made.token)
        patients = fees * parts["patientBps"] / BPS
        assert patients <= left < patients + seats + 3
        assert sum(made.shares()) <= made.market.shareOf(made.study, 0).total == len(rounds) * SHARE
    finally:
        evm.restore(token)


def collect(made, seat):
    """What a seat, or the sponsor, may have; nothing is no failure."""
    try:
        if seat is None:
            made.market.claimSponsorFees(made.study, made.token)
        else:
            claim(made, seat)
    except Revert as refused:
        assert refused.name == "NothingEarned"


def test_the_sponsor_has_no_more_than_the_patients_leave(evm, world, buyer):
    """Terms that promise more than the whole take nothing from the fees of other models."""
    other = play(world, [(80, 80)])
    greedy = play(world, [(80, 80)], sponsorFeeBps=BPS, patientBps=4000)
    evm.travel(DISPUTE)
    for made in (other, greedy):
        made.register()
        made.offer()
        sell(made, buyer)
    with evm.reverts("NothingEarned", greedy.study, world.hospitals[0]):
        claim(greedy, 0)
    (event,) = greedy.market.claimSponsorFees(greedy.study, greedy.token).named("FeesClaimed")
    assert event["amount"] == PRICE * 6000 // BPS
