"""Chunks of aggregates on trial: what a proof must show, what it cannot be used for, and what follows from one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS
from medfed.protocol.vector import vector_bytes
from tests.contracts.disputes.conftest import WEIGHT, Vector, made
from tests.rig.evm import CHAIN_ID
from tests.rig.world import (
    BOND,
    CHALLENGER_BPS,
    CLAIM,
    DISPUTE,
    PHASE,
    REWARD,
    STAKE,
)

OBJECTED, REFUTED = 2, 4
TRAINING, AGGREGATING, FINAL, VOID = 1, 4, 5, 6
COMPLETED, ABORTED = 3, 4
CHUNK, PROOF = 16, 2  # words of 32 bytes in a chunk, and in a proof among four chunks
RECORD = 2 + CHUNK + PROOF


def digest(work, aggregate):
    return aggregate.digest(work.study, work.number)


def share(amount):
    return amount * CHALLENGER_BPS // 10_000


# -- checks, in their order -------------------------------------------------------------------------------------------


def forged(words, place):
    """The same words with one bit of one of them turned."""
    word = words[place]
    return [*words[:place], bytes([word[0] ^ 1]) + word[1:], *words[place + 1 :]]


def test_openings_have_one_length(evm, work):
    """Neither a word less nor more, nor one update less or more."""
    vector, aggregate, _ = work.lie()
    openings = work.openings(vector, 1)
    assert len(openings) == 3 * RECORD + CHUNK + PROOF
    few, many = openings[RECORD:], openings[:RECORD] + openings
    for wrong in (openings[:-1], [*openings, bytes(32)], few, many, []):
        with evm.reverts("OpeningLength", len(wrong), len(openings)):
            work.world.disputes.challengeChunk(work.study, 1, aggregate, 1, wrong)
    for wrong in (openings[: CHUNK + PROOF - 1], openings[: CHUNK + PROOF + 1], []):
        with evm.reverts("OpeningLength", len(wrong), CHUNK + PROOF):
            work.world.disputes.challengeChunk(work.study, 1, aggregate, 0, wrong)


def test_openings_are_those_of_the_committed_updates_in_their_order(evm, work):
    vector, aggregate, _ = work.lie()
    openings = work.openings(vector, 1)
    swapped = openings[RECORD : 2 * RECORD] + openings[:RECORD] + openings[2 * RECORD :]
    with evm.reverts("UpdateNotOpened", work.study, 1, 0):
        work.world.disputes.challengeChunk(work.study, 1, aggregate, 1, swapped)
    for place in (0, 1):
        with evm.reverts("UpdateNotOpened", work.study, 1, 2):
            work.world.disputes.challengeChunk(
                work.study, 1, aggregate, 1, forged(openings, 2 * RECORD + place)
            )


def test_an_index_lies_below_the_chunk_count(evm, work):
    """Also where the tree has a leaf for it."""
    vector, aggregate, _ = work.lie()
    with evm.reverts("ChunkIndexOutOfRange", 4, 4):
        work.world.disputes.challengeChunk(work.study, 1, aggregate, 4, work.openings(vector, 1))


@pytest.mark.parametrize(
    "place", [place for place in range(4 * RECORD - 2) if place % RECORD > 1 or place >= 3 * RECORD]
)
def test_every_word_of_an_opening_is_bound(evm, work, place):
    """Of each update's chunk and proof, and of the aggregate's."""
    vector, aggregate, _ = work.lie()
    seat = place // RECORD
    root = aggregate.root if seat == 3 else work.updates[seat].update_root
    with evm.reverts("ChunkNotProved", root, 1):
        work.world.disputes.challengeChunk(
            work.study, 1, aggregate, 1, forged(work.openings(vector, 1), place)
        )


def test_a_proof_of_another_chunk_proves_nothing(evm, work):
    vector, aggregate, _ = work.lie()
    with evm.reverts("ChunkNotProved", work.updates[0].update_root, 2):
        work.world.disputes.challengeChunk(work.study, 1, aggregate, 2, work.openings(vector, 1))


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_an_unfounded_challenge_reverts(evm, work, index):
    """Of a true aggregate in every chunk; of a wrong one in every chunk but the wrong one."""
    work.claim(1, work.aggregate())
    with evm.reverts("ChallengeUnfounded", work.study, 1, index):
        work.challenge(work.sum, work.aggregate(), index)
    vector = work.sum.changed(CHUNK_WORDS * ((index + 1) % 4))
    with evm.reverts("ChallengeUnfounded", work.study, 1, index):
        work.challenge(vector, work.aggregate(vector), index)


def test_a_wrong_aggregate_that_nobody_stands_for_is_nobodys_fault(evm, work):
    """Neither claimed nor final: an attestation below the quorum has no effect, so it costs nothing either."""
    vector = work.sum.changed(CHUNK_WORDS)
    aggregate = work.aggregate(vector)
    with evm.reverts("NothingAtStake", work.study, 1, digest(work, aggregate)):
        work.challenge(vector, aggregate, 1)
    work.attest(0, aggregate)
    with evm.reverts("NothingAtStake", work.study, 1, digest(work, aggregate)):
        work.challenge(vector, aggregate, 1)


# -- replays ----------------------------------------------------------------------------------------------------------


def test_openings_of_one_round_say_nothing_in_the_next(evm, work):
    """The commitments of round 2 are others, even for the very same words."""
    truth = work.aggregate()
    work.finalised(truth, (0, 1))
    later = work.next()
    lie = later.aggregate(work.sum.changed(CHUNK_WORDS))
    later.claim(later.leader(), lie)
    with evm.reverts("UpdateNotOpened", work.study, 2, 0):
        work.world.disputes.challengeChunk(
            work.study, 2, lie, 1, work.openings(work.sum.changed(CHUNK_WORDS), 1)
        )


def test_openings_of_one_study_say_nothing_in_another(evm, world):
    first, second = made(world, rounds=1), made(world, rounds=1)
    lie = second.aggregate(first.sum.changed(CHUNK_WORDS))
    second.claim(second.leader(), lie)
    with evm.reverts("UpdateNotOpened", second.study, 1, 0):
        world.disputes.challengeChunk(
            second.study, 1, lie, 1, first.openings(first.sum.changed(CHUNK_WORDS), 1)
        )


@pytest.mark.parametrize("what", ["chain", "contract", "study", "round"])
def test_an_aggregate_under_a_header_of_another_place_is_wrong(evm, work, what):
    """The right words under the header of another chain, contract, study or round: chunk 0 convicts it."""
    header = work.header()
    others = {
        "chain": replace(header, chain_id=CHAIN_ID + 1),
        "contract": replace(header, contract=work.world.vault.address),
        "study": replace(header, study=work.study + 1),
        "round": replace(header, round=2),
    }
    vector = Vector(others[what].chunk() + work.sum.data[CHUNK_BYTES:])
    aggregate = work.aggregate(vector)
    work.claim(1, aggregate)
    assert work.challenge(vector, aggregate, 0).named("AttemptRefuted")


def test_an_aggregate_under_a_hospitals_header_is_wrong(evm, work):
    vector = Vector(work.header(0).chunk() + work.sum.data[CHUNK_BYTES:])
    work.claim(1, work.aggregate(vector))
    assert work.challenge(vector, work.aggregate(vector), 0).named("AggregateRefuted")


# -- pending claims ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [-1, 0, 127, 128, 255, 256, 299, 300, 383])
def test_one_wrong_word_costs_the_bond(evm, work, word):
    """In the header, at either end of the first, a middle and the last chunk, and in the last one's padding."""
    word += CHUNK_WORDS
    vector, aggregate, author = work.lie(word)
    world, index = work.world, word // CHUNK_WORDS
    hospital = world.hospitals[author]
    before, pot, held = work.balance(hospital), work.pot(), work.contest().heldUntil
    receipt = work.challenge(vector, aggregate, index)
    assert receipt.named("AggregateRefuted") == [
        {
            "study": work.study,
            "round": 1,
            "challenger": world.stranger.address,
            "aggregateHash": digest(work, aggregate),
            "index": index,
        }
    ]
    assert receipt.named("AttemptRefuted") == [
        {"study": work.study, "round": 1, "attempt": 0, "challenger": world.stranger.address}
    ]
    assert (work.attempt().state, work.attempt().challenger) == (REFUTED, world.stranger.address)
    assert work.balance(hospital) == before
    receipt = world.disputes.settle(work.study, 1, 0, bytes(32), sender=world.operators[author])
    assert receipt.named("AttemptSettled")[0]["fromAuthor"] == BOND
    assert receipt.named("ChallengerPaid")[0]["amount"] == share(BOND) <= BOND // 2
    assert receipt.named("Forfeited") == [{"study": work.study, "round": 1, "amount": BOND - share(BOND)}]
    assert work.balance(hospital) == (before[0], before[1] - BOND)
    assert work.balance(world.stranger) == (share(BOND), 0)
    assert work.pot() == pot + BOND - share(BOND)
    assert world.rounds.carriedInto(work.study, 1) == BOND - share(BOND)
    with evm.reverts("AttemptOver", work.study, 1, 0):
        world.disputes.settle(work.study, 1, 0, bytes(32))
    assert world.disputes.barred(work.study) == 1 << author
    assert work.contest().heldUntil == min(held, evm.now + CLAIM)
    assert world.rounds.phase(work.study, 1) == AGGREGATING


@pytest.mark.parametrize("size", [1, 127, 128])
def test_vectors_of_one_chunk(evm, world, size):
    """A header and one chunk: the tree has one level."""
    work = made(world, size=size)
    work.claim(1, work.aggregate())
    with evm.reverts("ChallengeUnfounded", work.study, 1, 1):
        work.challenge(work.sum, work.aggregate(), 1)
    world.disputes.object(work.study, 1, sender=world.operators[0])
    vector, aggregate, _ = work.lie(CHUNK_WORDS + size - 1)
    assert work.challenge(vector, aggregate, 1).named("AttemptRefuted")


@pytest.mark.parametrize("rule", ["MedianRule", "TrimmedMeanRule"])
def test_order_statistics_are_judged_by_their_own_rule(evm, world, rule):
    """The same claim: the sum of the updates is a lie, the rule's own result is not."""
    contract = evm.deploy(rule, *([1] if rule == "TrimmedMeanRule" else []))
    work = made(world, rule=contract, steps=100_000)
    words = np.stack([np.frombuffer(v.data[512:], ">i4")[:300] for v in work.vectors.values()])
    middle = np.sort(words.astype(np.int64), axis=0)[1].astype(np.int32).view(np.uint32)
    right = Vector(vector_bytes(work.header(), middle))
    work.claim(1, work.aggregate(right))
    for index in range(4):
        with evm.reverts("ChallengeUnfounded", work.study, 1, index):
            work.challenge(right, work.aggregate(right), index)
    world.disputes.object(work.study, 1, sender=world.operators[0])
    work.claim(work.leader(), work.aggregate())
    assert work.challenge(work.sum, work.aggregate(), 1).named("AttemptRefuted")


def test_aggregation_goes_on_after_a_lie_and_the_liar_is_out(evm, work):
    vector, aggregate, author = work.lie()
    work.challenge(vector, aggregate, 1)
    evm.travel(PHASE // 2)
    with evm.reverts("AlreadyAttempted", work.study, 1, author):
        work.claim(author, work.aggregate())
    truth = work.aggregate()
    work.claim(0, truth)
    evm.travel(CLAIM)
    work.world.disputes.finalise(work.study, 1, truth)
    later = work.next()
    with evm.reverts("SeatBarred", work.study, author):
        later.claim(author, later.aggregate())
    assert author != later.leader()


def test_a_claim_that_was_objected_to_is_still_a_lie(evm, work):
    """The objector was right and has its bond back; so does nobody escape through a friend's objection."""
    vector, aggregate, _ = work.lie()
    world = work.world
    world.token.mint(world.sponsor, STAKE)
    world.vault.deposit(world.token, STAKE, world.admin, sender=world.sponsor)
    world.disputes.object(work.study, 1, sender=world.admin)
    assert work.balance(world.admin) == (STAKE - BOND, BOND)
    assert work.challenge(vector, aggregate, 1).named("AttemptRefuted")
    world.disputes.settle(work.study, 1, 0, bytes(32))
    assert work.balance(world.admin) == (STAKE, 0)


def test_one_proof_convicts_everybody_who_claims_the_same(evm, work):
    vector, aggregate, first = work.lie()
    work.world.disputes.object(work.study, 1, sender=work.world.operators[first])
    second = work.leader()
    work.claim(second, aggregate)
    receipt = work.challenge(vector, aggregate, 1)
    assert [event["attempt"] for event in receipt.named("AttemptRefuted")] == [0, 1]
    assert work.world.disputes.barred(work.study) == 1 << first | 1 << second
    with evm.reverts("NothingAtStake", work.study, 1, digest(work, aggregate)):
        work.challenge(vector, aggregate, 1)


# -- final rounds -----------------------------------------------------------------------------------------------------


def lying_quorum(work, seats=(0, 1), word=CHUNK_WORDS):
    vector = work.sum.changed(word)
    aggregate = work.aggregate(vector)
    work.finalised(aggregate, seats)
    return vector, aggregate


def test_a_lying_quorum_is_slashed_and_the_study_aborts(evm, work):
    """Every attester loses its stake, the late one too; who did not attest keeps its own; the sponsor is refunded in full."""
    world = work.world
    vector, aggregate = lying_quorum(work)
    work.attest(2, aggregate)
    before = {seat: work.balance(world.hospitals[seat]) for seat in range(3)}
    evm.travel(DISPUTE - 1)
    receipt = work.challenge(vector, aggregate, 1)
    assert receipt.named("RoundRefuted") == [
        {"study": work.study, "round": 1, "aggregateHash": digest(work, aggregate), "seats": 0b111}
    ]
    assert receipt.named("StudyAborted")
    assert receipt.named("RoundVoid") == [{"study": work.study, "round": 2}]
    for seat in range(3):
        assert work.balance(world.hospitals[seat]) == (before[seat][0], before[seat][1] - STAKE)
    assert work.balance(world.stranger) == (share(3 * STAKE), 0)
    study = world.rounds.getStudy(work.study)
    assert (study.state, study.voidFrom, study.endedAt, study.struck) == (ABORTED, 1, evm.now, 0b111)
    assert study.forfeited == 3 * STAKE - share(3 * STAKE)
    with evm.reverts("AlreadyRefuted", work.study, 1, digest(work, aggregate)):
        work.challenge(vector, aggregate, 1)
    evm.travel(DISPUTE)
    with evm.reverts("PayVoid", work.study, 1, 1):
        world.rounds.claim(work.study, 1, 0, aggregate, work.updates[0])
    free = world.free(world.sponsor)
    world.rounds.refund(work.study)
    assert world.free(world.sponsor) - free == 2 * REWARD + 3 * STAKE - share(3 * STAKE)
    assert work.pot() == 0
    for seat in range(3):
        assert world.rounds.release(work.study, seat).named("StakeReleased")[0]["amount"] == 0
        assert work.balance(world.hospitals[seat]) == (before[seat][0], 0)


def test_who_did_not_attest_keeps_its_stake(evm, work):
    world = work.world
    vector, aggregate = lying_quorum(work)
    work.challenge(vector, aggregate, 1)
    evm.travel(DISPUTE)
    before = work.balance(world.hospitals[2])
    world.rounds.release(work.study, 2)
    assert work.balance(world.hospitals[2]) == (before[0] + STAKE, before[1] - STAKE)


def test_a_stake_in_another_study_is_not_freed_by_a_struck_seat(evm, world):
    """Slashed in one study, a hospital still has what it locked in the other."""
    first, other = made(world, rounds=1), made(world, rounds=1)
    vector, aggregate = lying_quorum(first)
    first.challenge(vector, aggregate, 1)
    evm.travel(DISPUTE)
    world.rounds.release(first.study, 0)
    assert first.balance(world.hospitals[0])[1] == STAKE
    assert other.study != first.study


def test_a_challenge_comes_before_the_claims_unlock(evm, work):
    vector, aggregate = lying_quorum(work)
    closes = evm.now + DISPUTE
    evm.travel(DISPUTE)
    with evm.reverts("DisputeClosed", work.study, 1, closes):
        work.challenge(vector, aggregate, 1)


def test_rounds_before_a_lie_are_paid_and_those_after_it_are_not(evm, world):
    """Round 1 true, round 2 a lie, round 3 true upon it: only round 1 pays, the rest is the sponsor's."""
    work = made(world, rounds=4)
    truth = work.aggregate()
    work.finalised(truth, (0, 1))
    second = work.next()
    vector, lie = lying_quorum(second)
    third = second.next()
    third.finalised(third.aggregate(), (0, 2))
    fourth = third.next()
    fourth.claim(fourth.leader(), fourth.aggregate())
    second.challenge(vector, lie, 1)
    assert world.rounds.phase(work.study, 4) == VOID
    with evm.reverts("PayVoid", work.study, 3, 2):
        third.attest(1, third.aggregate())
    with evm.reverts("WrongPhase", work.study, 4, VOID):
        fourth.attest(0, fourth.aggregate())
    world.disputes.settle(work.study, 4, 0, bytes(32))
    evm.travel(DISPUTE)
    for seat in range(3):
        world.rounds.claim(work.study, 1, seat, truth, work.updates[seat])
        with evm.reverts("PayVoid", work.study, 3, 2):
            world.rounds.claim(work.study, 3, seat, third.aggregate(), third.updates[seat])
    free = world.free(world.sponsor)
    world.rounds.refund(work.study)
    slashed = 2 * STAKE
    assert world.free(world.sponsor) - free == 3 * REWARD + slashed - share(slashed)
    assert work.pot() < 3


def test_a_completed_study_is_undone_too(evm, world):
    """The last round's lie, when the study has completed: aborted, at the time of its completion."""
    work = made(world, rounds=1)
    vector, aggregate = lying_quorum(work)
    ended = evm.now
    assert world.rounds.getStudy(work.study).state == COMPLETED
    evm.travel(DISPUTE - 1)
    assert work.challenge(vector, aggregate, 1).named("StudyAborted")
    study = world.rounds.getStudy(work.study)
    assert (study.state, study.endedAt) == (ABORTED, ended)
    evm.travel(1)
    free = world.free(world.sponsor)
    world.rounds.refund(work.study)
    assert world.free(world.sponsor) - free == REWARD + 2 * STAKE - share(2 * STAKE)


def test_an_aggregate_that_left_updates_out_is_judged_over_those_it_has(evm, work):
    """Two of three included: the openings of those two."""
    words = [np.frombuffer(work.vectors[seat].data[512:], ">u4")[:300].astype(np.uint32) for seat in (0, 2)]
    true = Vector(vector_bytes(work.header(), np.sum(words, axis=0, dtype=np.uint32)))
    wrong = true.changed(2 * CHUNK_WORDS)
    aggregate = work.aggregate(wrong, included=0b101, weight=2 * WEIGHT)
    work.finalised(aggregate, (0, 2))
    with evm.reverts("OpeningLength"):
        work.challenge(wrong, aggregate, 2)
    openings = work.openings(wrong, 2, seats=(0, 2))
    assert work.world.disputes.challengeChunk(work.study, 1, aggregate, 2, openings).named("RoundRefuted")


def test_a_claim_that_became_final_and_was_a_lie_costs_bond_and_stake(evm, work):
    world = work.world
    vector, aggregate, author = work.lie()
    evm.travel(CLAIM)
    world.disputes.finalise(work.study, 1, aggregate)
    before = work.balance(world.hospitals[author])
    receipt = work.challenge(vector, aggregate, 1)
    world.disputes.settle(work.study, 1, 0, bytes(32))
    assert work.balance(world.hospitals[author]) == (before[0], before[1] - BOND - STAKE)
    assert receipt.named("RoundRefuted")[0]["seats"] == 1 << author


def test_what_a_false_result_says_of_claims_is_not_believed(evm, work):
    """An honest claim against which a lying quorum decided has its bond back."""
    world = work.world
    honest = work.aggregate()
    work.claim(1, honest)
    vector, aggregate = lying_quorum(work, seats=(0, 2))
    work.challenge(vector, aggregate, 1)
    evm.travel(DISPUTE)
    before = work.balance(world.hospitals[1])
    receipt = world.disputes.settle(work.study, 1, 0, digest(work, aggregate))
    assert receipt.named("AttemptSettled")[0]["fromAuthor"] == 0
    assert work.balance(world.hospitals[1]) == (before[0] + BOND, before[1] - BOND)


def test_nobody_is_absent_from_a_round_that_a_proof_cut_short(evm, world):
    work = made(world)
    vector, aggregate = lying_quorum(work)
    work.challenge(vector, aggregate, 1)
    assert world.rounds.phase(work.study, 2) == VOID
    evm.travel(10 * PHASE)
    with evm.reverts("WrongPhase", work.study, 2, VOID):
        world.disputes.recordAbsences(work.study, 2, (bytes(32), bytes(32), bytes(32), 0, 0))


# -- weights ----------------------------------------------------------------------------------------------------------


def test_a_weight_is_the_sum_of_the_included_ones(evm, work):
    """A quorum that left an update out may say any weight; its updates prove it wrong."""
    world = work.world
    right = work.aggregate(included=0b101, weight=2 * WEIGHT)
    wrong = work.aggregate(included=0b101, weight=WEIGHT)
    shown = [work.updates[0], work.updates[2]]
    work.finalised(wrong, (0, 2))
    with evm.reverts("UpdateCount", 1, 2):
        world.disputes.challengeWeight(work.study, 1, wrong, shown[:1])
    with evm.reverts("UpdateMismatch", work.study, 1, 0):
        world.disputes.challengeWeight(work.study, 1, wrong, shown[::-1])
    with evm.reverts("ChallengeUnfounded", work.study, 1, 2**32 - 1):
        world.disputes.challengeWeight(work.study, 1, right, shown)
    receipt = world.disputes.challengeWeight(work.study, 1, wrong, shown, sender=world.stranger)
    assert receipt.named("RoundRefuted")[0]["seats"] == 0b101
    assert work.balance(world.stranger) == (share(2 * STAKE), 0)
