"""What each pair of roles in league earns at best, against honesty, in a study of three hospitals and one round.

Gains are in tokens. A sponsor has besides what a right result that stands is worth to it, its reward at least, or it would not
have posted the study. `PLAYS` names for each deviation who has to take part; everybody else does what its software does.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations

import pytest

from tests.adversary.money.purse import stopped, wealth
from tests.contracts.work import Work, filled, made, rich, too_large
from tests.rig.world import CLAIM, DISPUTE, PHASE, REWARD, vector

ROLES = ("sponsor", "quorum", "aggregator", "challenger", "consortium", "stranger")
ONE = {"size": 130, "rounds": 1, "maxVoids": 0}
FINAL = 1
LEADER, OTHER, HONEST = 1, 0, 2
GARBAGE = b"\xee" * 32


def accounts(world, role):
    """The quorum are hospitals 0 and 1, the aggregator is hospital 1, the first leader; hospital 2 is always honest."""
    return {
        "sponsor": [world.sponsor],
        "quorum": world.hospitals[:2],
        "aggregator": [world.hospitals[LEADER]],
        "challenger": [world.evm.actors[3]],
        "consortium": [world.admin],
        "stranger": [world.stranger],
    }[role]


# -- the plays: each returns the round, its result if there is one, and whether that is right ---------------------------


def honesty(world):
    work = made(world, **ONE)
    truth = work.aggregate()
    work.final(truth, (0, 1, 2))
    return work, truth, True


def leave_out(world):
    """The result is over two; the third attests to it, as it is right."""
    work = made(world, **ONE)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1, 2))
    return work, result, True


def shut_out(world):
    """The right vector under a CID that is none: no honest hospital attests to it, and no contract can be shown why."""
    work = made(world, **ONE)
    result = work.aggregate(cid=GARBAGE)
    work.final(result, (0, 1))
    return work, result, True


def garbage(world):
    """An honest claim, and a result that nobody can open."""
    work = made(world, **ONE)
    result = work.aggregate(root=GARBAGE)
    world.evm.travel(PHASE // 2)
    work.claim(HONEST, work.aggregate())
    work.final(result, (0, 1))
    return work, result, False


def lie(world):
    """A lie that a friend proves, for the challenger's share."""
    work = made(world, **ONE)
    vector_, result = work.lying_quorum((0, 1))
    work.challenge(vector_, result, 1, sender=world.evm.actors[3])
    return work, result, False


def refuse(world):
    """Nobody of the quorum attests; both say that they lack the third's bytes."""
    work = made(world, **ONE)
    for seat in (0, 1):
        world.claims.lack(work.study, 1, seat, 0b100, sender=work.operators[seat])
    work.attest(HONEST, work.aggregate())
    world.evm.travel(PHASE)
    return work, None, False


def false_claim(world):
    """A wrong claim that a friend proves, for the challenger's share."""
    work = made(world, **ONE)
    vector_, wrong, _ = work.lie()
    work.challenge(vector_, wrong, 1, sender=world.evm.actors[3])
    truth = work.aggregate()
    work.final(truth, (0, 1, 2))
    return work, truth, True


def wrong_update(world, least=2):
    """A wrong update that a friend proves."""
    study = world.running(3, training=[vector(130)], rounds=1, maxVoids=0, minHospitals=least)
    work = Work(world, study, 130)
    for seat in range(3):
        work.submit(seat, too_large(work, seat) if seat == LEADER else None)
    work.strike(LEADER, 2, sender=world.evm.actors[3])
    if least == 3:
        return work, None, False
    truth = work.aggregate(seats=(0, 2), weight=160)
    for seat in (0, 2):
        world.rounds.attest(study, 1, seat, truth, [], sender=work.operators[seat])
    return work, truth, True


def withhold(world):
    """An update whose bytes nobody gets, where none may be left out."""
    work = made(world, minHospitals=3, **ONE)
    for seat in (0, 2):
        world.claims.lack(work.study, 1, seat, 1 << LEADER, sender=work.operators[seat])
    world.claims.lack(work.study, 1, LEADER, 1, sender=work.operators[LEADER])
    world.evm.travel(PHASE)
    return work, None, False


def be_the_author(world):
    """A stranger objects to an honest claim, so that the aggregator's own, of the same, becomes final."""
    work = made(world, **ONE)
    truth = work.aggregate()
    world.evm.travel(PHASE // 2)
    work.claim(HONEST, truth)
    work.object(world.stranger)
    work.claim(LEADER, truth)
    world.evm.travel(CLAIM)
    work.finalise(truth)
    for seat in (0, 2):
        work.attest(seat, truth)
    return work, truth, True


def suspend_one(world):
    """The third hospital is suspended while it trains, and somebody abstains for it."""
    study = world.running(3, training=[vector(130)], rounds=1, maxVoids=0)
    work = filled(Work(world, study, 130), (0, 1))
    world.consortium.suspend(world.hospitals[HONEST])
    world.rounds.abstain(study, 1, HONEST, sender=world.stranger)
    truth = work.aggregate()
    work.final(truth, (0, 1))
    return work, truth, True


def suspend_all(world):
    """All are suspended when their bytes are out."""
    work = made(world, **ONE)
    for hospital in world.hospitals[:3]:
        world.consortium.suspend(hospital)
    world.evm.travel(PHASE)
    return work, None, False


def object_to_the_truth(world):
    """A stranger, against its bond."""
    work = made(world, **ONE)
    truth = work.aggregate()
    work.claim(LEADER, truth)
    work.object(world.stranger)
    work.final(truth, (0, 1, 2))
    return work, truth, True


def challenge_the_truth(world):
    """Every chunk of a right result is challenged."""
    work = made(world, **ONE)
    truth = work.aggregate()
    work.final(truth, (0, 1, 2))
    for index in range(work.chunks):
        shows = (work.sum(), truth, index)
        refusal = stopped(partial(work.challenge, *shows, sender=world.evm.actors[3]))
        assert refusal == "ChallengeUnfounded"
    return work, truth, True


PLAYS = {
    honesty: set(),
    leave_out: {"quorum"},
    shut_out: {"quorum"},
    garbage: {"quorum"},
    lie: {"quorum", "challenger"},
    refuse: {"quorum"},
    false_claim: {"aggregator", "challenger"},
    wrong_update: {"aggregator", "challenger"},
    withhold: {"aggregator"},
    be_the_author: {"aggregator", "stranger"},
    suspend_one: {"consortium"},
    suspend_all: {"consortium"},
    object_to_the_truth: {"stranger"},
    challenge_the_truth: {"challenger"},
}


@pytest.fixture(scope="module")
def gains(federation):
    """By play, what each role has more or less in the end."""
    found = {}
    for play in PLAYS:
        token = federation.evm.snapshot()
        found[play] = _played(federation, play)
        federation.evm.restore(token)
    return found


def _played(world, play):
    rich(world, world.stranger)
    before = {role: wealth(world, *accounts(world, role)) for role in ROLES}
    work, result, right = play(world)
    study = work.study
    stopped(partial(world.rounds.advance, study))
    stopped(partial(world.claims.recordAbsences, study, 1))
    world.evm.travel(DISPUTE)
    for seat in range(3):
        if seat in work.updates and (result or seat != LEADER):
            stopped(partial(work.paid, seat, *([result] if result else [])))
        world.studies.release(study, seat)
    for attempt in range(work.contest().count):
        truth = work.aggregate(seats=sorted(work.vectors))
        stopped(partial(work.settle, truth, result or truth, attempt))
    world.studies.refund(study)
    after = {role: wealth(world, *accounts(world, role)) for role in ROLES}
    after["sponsor"] += REWARD * right
    return {role: after[role] - before[role] for role in ROLES}


def _deviation(gains, pair):
    """The best play of a league but honesty: its gain, its name."""
    able = [play for play, who in PLAYS.items() if who and who <= set(pair)]
    return max((_gain(gains[play], pair), play.__name__) for play in able)


def _gain(found, pair):
    # The aggregator is one of the quorum.
    members = [role for role in pair if not (role == "aggregator" and "quorum" in pair)]
    return sum(found[role] for role in members)


PAIRS = list(combinations(ROLES, 2))
HONEST_GAINS = {"quorum": 600, "aggregator": 300}
"""The others earn nothing: what a sponsor pays is worth it."""

AT_BEST = {
    ("sponsor", "aggregator"): 0,
    ("sponsor", "challenger"): 0,
    ("sponsor", "consortium"): 0,
    ("sponsor", "stranger"): -50,
    ("aggregator", "challenger"): 300,
    ("aggregator", "stranger"): 250,
    ("challenger", "consortium"): 0,
    ("challenger", "stranger"): 0,
    ("consortium", "stranger"): 0,
}
"""What the best deviation found earns where none earns more than honesty."""


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_no_two_roles_in_league_earn_more_than_honesty(gains, pair):
    """Each pair tries every play that it can make alone, while all others do what their software does."""
    honest = _gain(gains[honesty], pair)
    assert honest == max(HONEST_GAINS.get(role, 0) for role in pair)
    best, name = _deviation(gains, pair)
    assert best <= honest, f"{name} earns {best}, honesty {honest}"
    assert best == AT_BEST.get(pair, best), name
