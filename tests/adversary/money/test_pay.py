"""Pay: left-out lists, reviews, patients, refunds, releases, and the order in which they are taken."""

from __future__ import annotations

from functools import partial
from itertools import permutations

import pytest

from medfed.chain.contracts.payouts import review_hash
from tests.adversary.money.purse import loss, stopped, wealth
from tests.contracts.work import made
from tests.rig.cohorts import Listed, leaf_of
from tests.rig.world import DISPUTE, REWARD, STAKE, STEP, aggregate, digest, earned, update, vector

REVIEWED, EQUAL = 2, 1
SALT = b"\x5a" * 32


def test_leaving_out_is_not_paid_for(world, evm):
    """Two of three leave the third out, with the sponsor's help: none of the three has a unit more than if they had not, and the one
    left out keeps its stake."""
    gains = {}
    for included in ((0, 1, 2), (0, 1)):
        token = evm.snapshot()
        work = made(world, size=130, rounds=1)
        league = (world.sponsor, *world.hospitals[:2])
        before, other = wealth(world, *league), wealth(world, world.hospitals[2])
        result = work.aggregate(seats=included)
        work.final(result, (0, 1))
        evm.travel(DISPUTE)
        for seat in range(3):
            stopped(partial(work.paid, seat, result))
            world.studies.release(work.study, seat)
        world.studies.refund(work.study)
        gains[included] = -loss(world, before, *league)
        assert -loss(world, other, world.hospitals[2]) == (270 if 2 in included else 0)
        evm.restore(token)
    assert gains[0, 1] <= gains[0, 1, 2]


@pytest.mark.parametrize("shown", ["none", "turned", "twice", "foreign", "lighter"])
def test_a_left_out_list_is_not_forged(world, evm, shown):
    """A quorum that leaves two out shows fewer, in another order, one of them twice, another seat's, or one that weighs less, to make
    the rest weigh more."""
    study = world.submitted(6, minHospitals=2, maxHospitals=6)
    listed = {
        "none": [],
        "turned": [update(5), update(4)],
        "twice": [update(4), update(4)],
        "foreign": [update(4), update(1)],
        "lighter": [update(4), update(5, 8)],
    }[shown]
    result = aggregate(range(4), 392 if shown == "lighter" else 320)
    with evm.reverts("LeftOutCount" if shown == "none" else "UpdateMismatch"):
        world.attest(study, 0, result, left_out=listed)
    with evm.reverts("WrongTotalWeight"):
        world.attest(study, 0, aggregate(range(4), 480), left_out=[update(4), update(5)])


@pytest.mark.parametrize("mode", [0, EQUAL, REVIEWED])
def test_nobody_is_paid_more_than_the_reward(world, evm, mode):
    """Weights from one step to the most there is, primes for rewards, half of everything set aside, late attesters, one left out:
    hospitals together never have a unit more than their pools, and the pot has the rest, with all that nobody earned."""
    weights, reward = (8, 96, 88, 8), 997
    study = world.running(
        4, scoreMode=mode, rewardPerRound=reward, rounds=1, attesterBps=3333, patientBps=1667
    )
    for seat, weight in enumerate(weights):
        world.submit(study, seat, weight=weight)
    result = aggregate((0, 1, 2), sum(weights[:3]))
    for seat in range(4):
        world.attest(study, seat, result, left_out=[update(3, weights[3])])
    if mode == REVIEWED:
        scores = [[0, 32767, 1, 0], [1, 0, -32768, 5], [32767, 32767, 0, -1]]
        review(world, study, result, dict(enumerate(scores)))
    else:
        evm.travel(DISPUTE)
    for seat, weight in enumerate(weights):
        own = update(seat, weight)
        refusal = stopped(lambda seat=seat, own=own: world.claim(study, seat, result, own=own))
        assert refusal in (None, "NothingToClaim")
    paid = reward - world.vault.potOf(study).amount
    attesters, aside = reward * 3333 // 10_000, reward * 1667 // 10_000
    updates = reward - attesters - aside
    left_out = updates / 4 if mode == EQUAL else updates * weights[3] / sum(weights)
    silent = attesters / 4 if mode == REVIEWED else 0  # seat 3 reviews nothing
    assert 0 <= reward - aside - left_out - silent - paid < 4


def review(world, study, result, scores):
    """Commit to scores by seat, reveal them in the first second that takes them, tally in the first that does."""
    name, half = digest(study, 1, result), DISPUTE // 2
    for seat, said in scores.items():
        hashed = review_hash((study, 1, seat), world.hospitals[seat].address, said, SALT)
        world.payouts.commitReview(study, 1, seat, name, hashed, sender=world.operators[seat])
    world.evm.travel(half)
    for seat, said in scores.items():
        world.payouts.revealReview(study, 1, seat, name, said, SALT, sender=world.operators[seat])
    world.evm.travel(DISPUTE - half)
    world.payouts.tally(study, 1, name)


def test_a_reviewer_gains_nothing_by_time_or_by_another_ones_words(world, evm):
    """It copies a commitment and reveals it as its own, reveals early, commits late, commits twice, reveals twice, reveals for more
    seats than there are, claims before the tally, has it tallied early."""
    study, result = world.final(scoreMode=REVIEWED, rounds=1)
    name, half, payouts = digest(study, 1, result), DISPUTE // 2, world.payouts
    said = [1, 2, 3]

    def commit(seat, hashed):
        return lambda: payouts.commitReview(study, 1, seat, name, hashed, sender=world.operators[seat])

    def reveal(seat, scores):
        return lambda: payouts.revealReview(study, 1, seat, name, scores, SALT, sender=world.operators[seat])

    hashed = review_hash((study, 1, 0), world.hospitals[0].address, said, SALT)
    longer = review_hash((study, 1, 2), world.hospitals[2].address, [1, 2, 3, 4], SALT)
    evm.travel(half - 1)
    tries = [commit(0, hashed), commit(0, hashed), commit(1, hashed), reveal(0, said)]
    assert list(map(stopped, tries)) == [None, "AlreadyCommitted", None, "ReviewNotOpen"]
    assert stopped(commit(2, longer)) is None
    evm.travel(1)
    tries = [commit(2, hashed), reveal(1, said), reveal(2, [1, 2, 3, 4]), reveal(0, said), reveal(0, said)]
    refusals = ["ReviewClosed", "ReviewMismatch", "ScoreCount", None, "AlreadyRevealed"]
    assert list(map(stopped, tries)) == refusals
    evm.travel(DISPUTE - half - 1)
    early = [lambda: payouts.tally(study, 1, name), lambda: world.claim(study, 0, result)]
    assert list(map(stopped, early)) == ["ReviewNotOpen", "ClaimLocked"]
    evm.travel(1)
    late = [reveal(1, said), lambda: world.claim(study, 0, result), lambda: payouts.tally(study, 1, name)]
    assert list(map(stopped, late)) == ["ReviewClosed", "NotTallied", None]
    assert stopped(lambda: payouts.tally(study, 1, name)) == "AlreadyTallied"


def test_a_refused_claim_cannot_be_made_a_paid_one(world, evm):
    """A stranger claims for a hospital with a smaller weight, another update, another round's result, in a list with a round twice, or with
    one that pays nothing, to have it marked as paid for less."""
    study, result = world.final(rounds=2)
    for seat in range(3):
        world.submit(study, seat, number=2)
    other = aggregate(range(3), 240, model=b"\x77" * 32)
    for seat in (0, 1):
        world.attest(study, seat, other, number=2)
    evm.travel(DISPUTE)
    own = update(0)

    def claim(*listed):
        return lambda: world.payouts.claim(study, 0, list(listed), sender=world.stranger)

    first, second = earned(1, result, own), earned(2, other, own)
    tries = [
        claim(),
        claim(earned(1, result, update(0, 8))),
        claim(earned(1, result, update(1))),
        claim(earned(1, other, own)),
        claim(earned(2, result, own)),
        claim(first, first),
        claim(first, earned(3, result, own)),
    ]
    refusals = [
        "NothingToClaim",
        "UpdateMismatch",
        "UpdateMismatch",
        "NotFinal",
        "NotFinal",
        "AlreadyPaid",
        "NotFinal",
    ]
    assert list(map(stopped, tries)) == refusals
    before = wealth(world, world.hospitals[0])
    claim(first, second)()
    assert -loss(world, before, world.hospitals[0]) == 2 * (270 + 30)


def test_the_order_in_which_a_study_is_emptied_changes_nothing(world, evm):
    """Releases, refund, claims and the settlement of a bond, in different orders, each tried twice."""
    work = made(world, size=130, rounds=2, maxVoids=0)
    truth = work.aggregate()
    author = work.leader()
    work.claim(author, truth)
    work.final(truth, (0, 1, 2))
    world.rounds.abstain(work.study, 2, 0, sender=work.operators[0])
    for seat in (1, 2):
        world.rounds.abstain(work.study, 2, seat, sender=work.operators[seat])
    world.rounds.advance(work.study)
    evm.travel(DISPUTE)
    steps = [
        lambda: [world.studies.release(work.study, seat) for seat in range(3)],
        lambda: world.studies.refund(work.study),
        lambda: [work.paid(seat, truth) for seat in range(3)],
        lambda: work.settle(truth, truth),
    ]
    found = set()
    token = evm.snapshot()
    for order in list(permutations(steps))[::8]:
        for step in order:
            step()
            assert stopped(step) is not None
        found.add((wealth(world, world.sponsor), *(wealth(world, each) for each in world.hospitals[:3])))
        assert world.vault.potOf(work.study).amount == 0
        assert [work.balance(each)[1] for each in world.hospitals[:3]] == [0, 0, 0]
        evm.restore(token)
    assert len(found) == 1


def test_nothing_comes_out_before_its_second_and_nothing_twice(world, evm):
    """A sponsor wants its refund in the last second before, and again; who claims years later is paid in full, once."""
    study, result = world.final(rounds=1, maxVoids=0)
    studies = world.studies
    before = wealth(world, world.sponsor)
    evm.travel(DISPUTE - 1)
    for early in (
        lambda: studies.refund(study),
        lambda: studies.release(study, 0),
    ):
        assert stopped(early) == "NotSettled"
    evm.travel(1)
    studies.refund(study)
    world.claim(study, 0, result)
    evm.travel(10 * 365 * 86_400)
    world.claim(study, 1, result)
    again = [lambda: studies.refund(study), lambda: world.claim(study, 1, result)]
    assert list(map(stopped, again)) == ["AlreadyRefunded", "AlreadyPaid"]
    world.claim(study, 2, result)
    assert wealth(world, world.sponsor) == before
    assert world.vault.potOf(study).amount == REWARD - 3 * 270 - 2 * 30
    studies.release(study, 2)
    assert stopped(lambda: studies.release(study, 2)) == "AlreadyReleased"
    assert world.vault.balanceOf(world.hospitals[2], world.token).free == 10 * STAKE + 270


def test_a_hospital_that_lists_too_many_patients_takes_nothing_from_others(world, evm):
    """Two hospitals list the same patients, more than the weight of one of them allows. A leaf is paid once by each, a cohort has
    its own part at most, inner nodes are no leaves, and the other cohort is paid in full."""
    reward, bps = 900_000, 2000
    pool = reward * bps // 10_000
    study = world.running(3, patientBps=bps, rewardPerRound=reward, rounds=1)
    patients = evm.actors[30:48]
    own = {each: leaf_of(study, 1, 1, each, SALT) for each in patients}
    cohort = Listed(own.values())
    shown = [update(0, STEP, cohortRoot=cohort.root), update(1, 80, cohortRoot=cohort.root), update(2)]
    for seat in range(3):
        world.rounds.submitUpdate(study, 1, seat, shown[seat], sender=world.operators[seat])
    result = aggregate(range(3), STEP + 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)

    def claim(seat, patient, **changes):
        leaf = cohort.opened(own[patient], SALT) | changes
        return lambda: world.payouts.claimPatient(study, 1, seat, result, shown[seat], leaf, sender=patient)

    assert [stopped(claim(0, each)) for each in patients] == [None] * 18
    parts = {world.free(each) for each in patients}
    assert parts == {pool * STEP // (18 * (STEP + 160))}
    assert stopped(claim(0, patients[0])) == "LeafClaimed"
    assert stopped(claim(1, patients[-1])) is None
    assert stopped(claim(1, patients[-2], proof=[])) == "NotInCohort"
    assert stopped(claim(1, patients[-2], count=1, index=0, proof=[])) == "NotInCohort"
    assert world.free(patients[-1]) - parts.pop() == pool * 80 // (80 * (STEP + 160))


def test_the_largest_numbers_there_are_pay_what_they_say(world, evm):
    """A sponsor offers as many tokens as a pot can hold, half of it set aside, and asks hospitals for the largest weights; more than
    fits is refused when the study is posted, not when somebody is to be paid."""
    most = (2**96 - 1) // 2
    world.token.mint(world.sponsor, 2 * most)
    for changes in (
        {"rewardPerRound": most + 1, "rounds": 1, "maxVoids": 0},
        {"maxWeight": 2**29},
        {"rounds": 2**16 - 2, "maxVoids": 2},
    ):
        assert stopped(partial(world.create, **changes)) is not None
    study = world.running(
        3,
        rewardPerRound=most,
        rounds=1,
        maxVoids=0,
        attesterBps=5000,
        maxWeight=2**28,
        training=[vector(300, 1)],
    )
    weights = (96, 96, 8)
    for seat, weight in enumerate(weights):
        world.submit(study, seat, weight=weight)
    result = aggregate(range(3), sum(weights))
    for seat in (0, 1):
        world.attest(study, seat, result)
    evm.travel(DISPUTE)
    attesters = most * 5000 // 10_000
    for seat, weight in enumerate(weights):
        (paid,) = world.claim(study, seat, result, own=update(seat, weight)).named("Claimed")
        share = attesters * 200 if seat < 2 else 0
        assert paid["amount"] == ((most - attesters) * weight * 3 + share) // 600
    assert 0 <= world.vault.potOf(study).amount - attesters // 3 < 4
