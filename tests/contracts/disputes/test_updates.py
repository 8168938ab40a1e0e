"""Updates on trial: wrong headers, words out of bounds, padding; and what becomes of the round without them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS
from medfed.protocol.vector import vector_bytes
from tests.contracts.disputes.conftest import WEIGHT, Vector, Work, filled
from tests.rig.world import (
    BOND,
    CHALLENGER_BPS,
    CLAIM,
    DISPUTE,
    PHASE,
    REWARD,
    STAKE,
    STEPS,
)

TRAINING, AGGREGATING, FINAL, VOID = 1, 4, 5, 6
LIMIT = WEIGHT * STEPS
BAD = 2


def share(amount):
    return amount * CHALLENGER_BPS // 10_000


def digest(work, aggregate):
    return aggregate.digest(work.study, work.number)


def with_word(work, seat, place, value):
    """A seat's honest vector with one word set, by its place after the header."""
    data = bytearray(vector_bytes(work.header(seat), work.words(seat)))
    at = CHUNK_BYTES + 4 * place
    data[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")
    return Vector(bytes(data))


def tainted(world, vector_of, members=3, **changes):
    """A round in which the last seat committed to what `vector_of` makes; its Training has closed."""
    changes = {"words": 300} | changes
    study = world.running(members, **changes)
    work = Work(world, study, changes["words"])
    for seat in range(members - 1):
        work.submit(seat)
    work.submit(members - 1, vector_of(work, members - 1))
    work.sum = work.true_sum()
    return work


def too_large(work, seat):
    return with_word(work, seat, 130, LIMIT + 1)


def challenge(work, seat, index, **options):
    options = {"sender": work.world.stranger} | options
    opening = work.vectors[seat].opening(index).words()
    return work.world.disputes.challengeUpdate(
        work.study, work.number, seat, work.updates[seat], index, opening, **options
    )


# -- checks, in their order -------------------------------------------------------------------------------------------


def test_the_update_shown_is_the_one_committed_to(evm, work):
    opening = work.vectors[0].opening(1).words()
    forged = replace(work.updates[0], weight=WEIGHT - 8)
    with evm.reverts("UpdateMismatch", work.study, 1, 0):
        work.world.disputes.challengeUpdate(work.study, 1, 0, forged, 1, opening)
    with evm.reverts("UpdateMismatch", work.study, 1, 1):
        work.world.disputes.challengeUpdate(work.study, 1, 1, work.updates[0], 1, opening)


def test_an_opening_is_bound_to_root_place_and_length(evm, world):
    work = tainted(world, too_large)
    opening = work.vectors[BAD].opening(2).words()
    show = (work.study, 1, BAD, work.updates[BAD])
    with evm.reverts("ChunkIndexOutOfRange", 4, 4):
        world.disputes.challengeUpdate(*show, 4, opening)
    for length in (0, 17, 19):
        with evm.reverts("OpeningLength", length, 18):
            world.disputes.challengeUpdate(*show, 2, [*opening, bytes(32)][:length])
    for index, forged in (
        (1, opening),
        (2, [*opening[:-1], bytes(32)]),
        (2, [bytes(32), *opening[1:]]),
    ):
        with evm.reverts("ChunkNotProved", work.updates[BAD].update_root, index):
            world.disputes.challengeUpdate(*show, index, forged)


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_an_honest_update_stands(evm, work, index):
    with evm.reverts("ChallengeUnfounded", work.study, 1, index):
        challenge(work, 0, index)


@pytest.mark.parametrize("value", [LIMIT, -LIMIT])
def test_a_word_at_its_bound_stands(evm, world, value):
    work = tainted(world, lambda work, seat: with_word(work, seat, 299, value))
    with evm.reverts("ChallengeUnfounded", work.study, 1, 3):
        challenge(work, BAD, 3)


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [LIMIT + 1, -LIMIT - 1, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("place", [0, 127, 128, 299])
def test_a_word_beyond_its_bound_is_seen(evm, world, place, value):
    work = tainted(world, lambda work, seat: with_word(work, seat, place, value))
    assert challenge(work, BAD, 1 + place // CHUNK_WORDS).named("UpdateStruck")


@pytest.mark.parametrize("place", [300, 383])
def test_padding_is_zero(evm, world, place):
    work = tainted(world, lambda work, seat: with_word(work, seat, place, 1))
    assert challenge(work, BAD, 3).named("UpdateStruck")


@pytest.mark.parametrize("what", ["hospital", "nobody", "round", "study", "filling"])
def test_a_header_names_its_hospital_and_place(evm, world, what):
    """A copy of another hospital's bytes, or of one's own from another round, is seen by its first chunk."""

    def wrong(work, seat):
        header = work.header(seat)
        heads = {
            "hospital": work.header(0).chunk(),
            "nobody": work.header().chunk(),
            "round": replace(header, round=2).chunk(),
            "study": replace(header, study=work.study + 1).chunk(),
            "filling": header.chunk()[:-1] + b"\1",
        }
        return Vector(heads[what] + vector_bytes(header, work.words(seat))[CHUNK_BYTES:])

    work = tainted(world, wrong)
    assert challenge(work, BAD, 0).named("UpdateStruck")


def test_a_rule_without_weights_bounds_every_word_alike(evm, world):
    """The median's words are of weight 1, whatever weight the update is paid for."""
    rule = evm.deploy("MedianRule")
    work = tainted(world, lambda work, seat: with_word(work, seat, 0, 100_001), rule=rule, steps=100_000)
    with evm.reverts("ChallengeUnfounded", work.study, 1, 1):
        challenge(work, 0, 1)
    assert challenge(work, BAD, 1).named("UpdateStruck")


# -- consequences -----------------------------------------------------------------------------------------------------


def test_the_submitter_is_slashed_and_the_update_leaves_the_set(evm, world):
    work = tainted(world, too_large)
    hospital = world.hospitals[BAD]
    before, pot = work.balance(hospital), work.pot()
    receipt = challenge(work, BAD, 2)
    assert receipt.named("UpdateRefuted") == [
        {
            "study": work.study,
            "round": 1,
            "challenger": world.stranger.address,
            "seat": BAD,
            "index": 2,
        }
    ]
    assert receipt.named("UpdateStruck") == [{"study": work.study, "round": 1, "seat": BAD, "weight": WEIGHT}]
    assert work.balance(hospital) == (before[0], before[1] - STAKE)
    assert work.balance(world.stranger) == (share(STAKE), 0)
    assert work.pot() == pot + STAKE - share(STAKE)
    assert world.rounds.carriedInto(work.study, 1) == STAKE - share(STAKE)
    found = world.rounds.getRound(work.study, 1)
    assert (found.submitted, found.totalWeight, found.acted) == (0b011, 2 * WEIGHT, 3)
    assert world.rounds.getAbsence(work.study, 1).struck == 1 << BAD
    assert world.rounds.getStudy(work.study).struck == 1 << BAD
    assert world.rounds.getSeat(work.study, BAD).struck
    with evm.reverts("AlreadyStruck", work.study, 1, BAD):
        challenge(work, BAD, 2)


def test_a_struck_hospital_is_out_of_the_study(evm, world):
    """It submits nothing any more, in this round or a later one; anyone abstains for it; its dataset comes free, no stake."""
    work = tainted(world, too_large, rounds=1, maxVoids=3, minHospitals=3)
    challenge(work, BAD, 2)
    world.rounds.advance(work.study)
    second = Work(world, work.study, 300, 2)
    with evm.reverts("SeatStruck", work.study, BAD):
        second.submit(BAD)
    assert world.rounds.abstain(work.study, 2, BAD, sender=world.stranger).named("Abstained")
    with evm.reverts("AlreadyActed", work.study, 2, BAD):
        second.submit(BAD)


def test_a_struck_update_is_not_handed_in_again(evm, world):
    """Also while Training is open; and the seat does not count as silent."""
    study = world.running(3, words=300)
    work = Work(world, study, 300)
    work.submit(BAD, too_large(work, BAD))
    challenge(work, BAD, 2)
    with evm.reverts("AlreadyActed", study, 1, BAD):
        work.submit(BAD)
    with evm.reverts("AlreadyActed", study, 1, BAD):
        world.rounds.abstain(study, 1, BAD, sender=world.operators[BAD])
    work.vectors.pop(BAD)
    filled(work, (0, 1))
    assert world.rounds.phase(study, 1) == AGGREGATING
    work.finalised(work.aggregate(), (0, 1))
    with evm.reverts("NothingToRecord", study, 1):
        world.disputes.recordAbsences(study, 1, work.aggregate())


def test_ballots_with_it_lapse_and_all_attest_anew(evm, world):
    work = tainted(world, too_large)
    old = work.aggregate()
    work.attest(0, old)
    challenge(work, BAD, 2)
    with evm.reverts("IncludedNotSubmitted", 0b111, 0b011):
        work.attest(1, old)
    with evm.reverts("NotASubmitter", work.study, 1, BAD):
        work.attest(BAD, old)
    work.vectors.pop(BAD)
    work.sum = work.true_sum()
    work.finalised(work.aggregate(), (0, 1))
    assert world.rounds.phase(work.study, 1) == FINAL
    ballot = world.rounds.getBallot(work.study, 1, digest(work, work.aggregate()))
    assert (ballot.attesters, ballot.weight) == (0b011, 2 * WEIGHT)


def test_a_ballot_without_it_keeps_its_attesters(evm, world):
    """Who left it out already does not have to say so again."""
    work = tainted(world, too_large, members=4, minHospitals=3)
    left = {"included": 0b0111, "weight": 3 * WEIGHT}
    aggregate = work.aggregate(**left)
    work.attest(0, aggregate)
    challenge(work, 3, 2)
    work.attest(1, aggregate)
    assert world.rounds.phase(work.study, 1) == FINAL
    assert world.rounds.carriedInto(work.study, 2) == 0


def test_claims_over_it_lapse_unharmed_and_the_contest_begins_anew(evm, world):
    """The bond comes back at once, nobody is barred, and each may claim and object once more."""
    work = tainted(world, too_large)
    author = work.leader()
    before = work.balance(world.hospitals[author])
    work.claim(author, work.aggregate())
    world.disputes.object(work.study, 1, sender=world.operators[0])
    work.claim(work.leader(), work.aggregate())
    challenge(work, BAD, 2)
    contest = work.contest()
    assert (contest.count, contest.used, contest.era) == (2, 0, 1)
    assert (contest.authors, contest.objectors) == (0, 0)
    evm.travel(CLAIM)
    with evm.reverts("NoAttemptPending", work.study, 1):
        world.disputes.finalise(work.study, 1, work.aggregate())
    for number in range(2):
        receipt = world.disputes.settle(work.study, 1, number, bytes(32))
        assert receipt.named("AttemptSettled")[0]["fromAuthor"] == 0
    assert work.balance(world.hospitals[author]) == before
    work.vectors.pop(BAD)
    work.sum = work.true_sum()
    evm.travel(PHASE // 2)
    work.claim(author, work.aggregate())
    evm.travel(CLAIM)
    world.disputes.finalise(work.study, 1, work.aggregate())
    assert world.rounds.phase(work.study, 1) == FINAL


def test_a_wrong_claim_over_an_old_set_is_no_lie_any_more(evm, world):
    work = tainted(world, too_large)
    vector, aggregate, author = work.lie()
    challenge(work, BAD, 2)
    with evm.reverts("NothingAtStake", work.study, 1, digest(work, aggregate)):
        work.challenge(vector, aggregate, 1)
    assert world.disputes.barred(work.study) == 0
    assert work.attempt().seat == author


def test_a_change_of_the_set_in_the_last_second_leaves_time_to_attest(evm, world):
    work = tainted(world, too_large)
    evm.travel(PHASE - 1)
    challenge(work, BAD, 2)
    evm.travel(1)
    with evm.reverts("NothingToAdvance", work.study, evm.now + CLAIM - 1):
        world.rounds.advance(work.study)
    evm.travel(CLAIM - 1)
    assert world.rounds.advance(work.study).named("RoundVoid")


def test_too_few_that_are_left_void_the_round_at_once(evm, world):
    work = tainted(world, too_large, minHospitals=3)
    challenge(work, BAD, 2)
    assert world.rounds.advance(work.study).named("RoundVoid")


def test_a_claim_over_too_few_is_none(evm, world):
    work = tainted(world, too_large, minHospitals=3)
    challenge(work, BAD, 2)
    with evm.reverts("TooFewIncluded", 2, 3):
        work.claim(work.leader(), work.aggregate(included=0b011, weight=2 * WEIGHT))


def test_in_a_final_round_it_only_loses_its_pay(evm, world):
    """The result stands, the others are paid as before; its own part stays in the pot."""
    work = tainted(world, too_large)
    result = work.aggregate()
    work.finalised(result, (0, 1))
    closes = evm.now + DISPUTE
    evm.travel(DISPUTE - 1)
    challenge(work, BAD, 2)
    found = world.rounds.getRound(work.study, 1)
    assert (found.submitted, found.totalWeight) == (0b111, 3 * WEIGHT)
    assert world.rounds.getStudy(work.study).state == 2
    evm.travel(1)
    with evm.reverts("AlreadyStruck", work.study, 1, BAD):
        world.rounds.claim(work.study, 1, BAD, result, work.updates[BAD])
    free = world.free(world.hospitals[0])
    world.rounds.claim(work.study, 1, 0, result, work.updates[0])
    assert world.free(world.hospitals[0]) - free == (REWARD - 90) // 3 + 45
    assert evm.now == closes


def test_a_lying_quorum_does_not_hide_behind_a_struck_update(evm, world):
    """One of them gives up its stake for a wrong update; the aggregate over it is still opened and judged."""
    work = tainted(world, too_large)
    vector = work.sum.changed(CHUNK_WORDS)
    aggregate = work.aggregate(vector)
    work.finalised(aggregate, (0, BAD))
    challenge(work, BAD, 2)
    receipt = work.challenge(vector, aggregate, 1)
    assert receipt.named("RoundRefuted")[0]["seats"] == 0b001
    assert work.balance(world.stranger)[0] == 2 * share(STAKE)


def test_nothing_is_struck_once_the_claims_unlock_nor_in_a_void_round(evm, world):
    work = tainted(world, too_large)
    void = evm.snapshot()
    work.finalised(work.aggregate(), (0, 1))
    closes = evm.now + DISPUTE
    evm.travel(DISPUTE)
    with evm.reverts("DisputeClosed", work.study, 1, closes):
        challenge(work, BAD, 2)
    evm.restore(void)
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    with evm.reverts("WrongPhase", work.study, 1, VOID):
        challenge(work, BAD, 2)


def test_a_stake_is_lost_once(evm, world):
    """Wrong in two rounds: the second update leaves its set too, and costs nothing more."""
    work = tainted(world, too_large)
    work.finalised(work.aggregate(), (0, 1))
    second = Work(world, work.study, 300, 2)
    second.submit(0)
    second.submit(1)
    second.submit(BAD, too_large(second, BAD))
    challenge(work, BAD, 2)
    before = work.balance(world.hospitals[BAD])
    receipt = challenge(second, BAD, 2)
    assert receipt.named("UpdateStruck")
    assert not receipt.named("Slashed")
    assert work.balance(world.hospitals[BAD]) == before


def test_an_attacker_who_gives_up_seat_after_seat_holds_a_round_for_a_bounded_time(evm, world):
    """Each wrong update costs a stake and holds the round for one window; nobody honest loses a token."""
    study = world.running(4, words=300, minHospitals=2)
    work = Work(world, study, 300)
    for seat in (0, 1):
        work.submit(seat)
    for seat in (2, 3):
        work.submit(seat, too_large(work, seat))
    honest = {seat: work.balance(world.hospitals[seat]) for seat in (0, 1)}
    evm.travel(PHASE - 1)
    closed = evm.now + 1
    challenge(work, 2, 2)
    evm.travel(CLAIM - 1)
    challenge(work, 3, 2)
    evm.travel(CLAIM)
    world.rounds.advance(study)
    assert evm.now <= closed + 2 * CLAIM
    assert {seat: work.balance(world.hospitals[seat]) for seat in (0, 1)} == honest


def test_bonds_and_stakes_are_counted_apart(evm, world):
    """A struck author still has its bond back: what was locked for it was never the stake."""
    work = tainted(world, too_large)
    evm.travel(PHASE // 2)
    before = work.balance(world.hospitals[BAD])
    work.claim(BAD, work.aggregate())
    challenge(work, BAD, 2)
    world.disputes.settle(work.study, 1, 0, bytes(32))
    assert work.balance(world.hospitals[BAD]) == (before[0], before[1] - STAKE)
    assert BOND < STAKE
