"""`challengeChunk`: chunks of aggregates on trial: what a proof must show, what it cannot be used for, what follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS
from medfed.protocol.vector import vector_bytes
from tests.contracts.facts import change, told
from tests.contracts.work import VectorFile, Work, filled, made, share, tainted
from tests.rig.evm import CHAIN_ID
from tests.rig.world import BOND, CLAIM, DISPUTE, PHASE, REWARD, STAKE, vector

REFUTED = 4
AGGREGATING, FINAL, VOID = 4, 5, 6
VOID_OUTCOME, REFUTED_OUTCOME = 2, 4
COMPLETED, ABORTED = 3, 4
CHUNK, PROOF = 16, 2  # words of 32 bytes in a chunk, and in a proof among four leaves
RECORD = 2 + CHUNK + PROOF


def show(work, aggregate, index, openings):
    """The bare call."""
    return work.world.proofs.challengeChunk(
        work.study, work.number, aggregate, index, openings, sender=work.world.stranger
    )


def forged(words, place):
    """The same words with one bit of one of them turned."""
    word = words[place]
    return [*words[:place], bytes([word[0] ^ 1]) + word[1:], *words[place + 1 :]]


# -- checks, in their order -------------------------------------------------------------------------------------------


def test_openings_have_one_length(evm, work):
    """Neither a word less nor more, nor one update less or more."""
    lie, aggregate, _ = work.lie()
    openings = work.openings(lie, 1)
    assert len(openings) == 3 * RECORD + CHUNK + PROOF
    few, many = openings[RECORD:], openings[:RECORD] + openings
    for wrong in (openings[:-1], [*openings, bytes(32)], few, many, []):
        with evm.reverts("OpeningLength", len(wrong), len(openings)):
            show(work, aggregate, 1, wrong)
    for wrong in (openings[: CHUNK + PROOF - 1], openings[: CHUNK + PROOF + 1], []):
        with evm.reverts("OpeningLength", len(wrong), CHUNK + PROOF):
            show(work, aggregate, 0, wrong)


def test_openings_are_those_of_the_committed_updates_in_their_order(evm, work):
    lie, aggregate, _ = work.lie()
    openings = work.openings(lie, 1)
    swapped = openings[RECORD : 2 * RECORD] + openings[:RECORD] + openings[2 * RECORD :]
    with evm.reverts("UpdateNotOpened", work.study, 1, 0):
        show(work, aggregate, 1, swapped)
    for place in (0, 1):
        with evm.reverts("UpdateNotOpened", work.study, 1, 2):
            show(work, aggregate, 1, forged(openings, 2 * RECORD + place))


def test_a_set_with_a_seat_that_did_not_submit_is_not_opened(evm, work):
    lie, _, _ = work.lie()
    other = work.aggregate(lie, included=0b1111)
    openings = work.openings(lie, 1)
    with evm.reverts("UpdateNotOpened", work.study, 1, 3):
        show(work, other, 1, openings[: 3 * RECORD] + openings[:RECORD] + openings[3 * RECORD :])


def test_the_empty_set_is_no_aggregate(evm, work):
    lie, _, _ = work.lie()
    openings = work.openings(lie, 1, seats=())
    with evm.reverts("NoUpdates"):
        show(work, work.aggregate(lie, included=0), 1, openings)


def test_an_index_is_one_of_the_trees_leaves(evm, work):
    lie, aggregate, _ = work.lie()
    for index in (4, 2**32 - 1):
        with evm.reverts("ChunkIndexOutOfRange", index, 4):
            show(work, aggregate, index, work.openings(lie, 0))


@pytest.mark.parametrize(
    "place", [place for place in range(4 * RECORD - 2) if place % RECORD > 1 or place >= 3 * RECORD]
)
def test_every_word_of_an_opening_is_bound(evm, work, place):
    """Of each update's chunk and proof, and of the aggregate's."""
    lie, aggregate, _ = work.lie()
    seat = place // RECORD
    root = aggregate.root if seat == 3 else work.updates[seat].update_root
    with evm.reverts("ChunkNotProved", root, 1):
        show(work, aggregate, 1, forged(work.openings(lie, 1), place))


def test_a_proof_of_another_chunk_proves_nothing(evm, work):
    lie, aggregate, _ = work.lie()
    with evm.reverts("ChunkNotProved", work.updates[0].update_root, 2):
        show(work, aggregate, 2, work.openings(lie, 1))
    with evm.reverts("ChunkNotProved", aggregate.root, 0):
        show(work, aggregate, 0, lie.opening(1).words())


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_an_unfounded_challenge_reverts(evm, work, index):
    """Of a true aggregate in every chunk; of a wrong one in every chunk but the wrong one."""
    work.claim(1, work.aggregate())
    with evm.reverts("ChallengeUnfounded", work.study, 1, index):
        work.challenge(work.sum(), work.aggregate(), index)
    other = work.sum().changed(CHUNK_WORDS * ((index + 1) % 4))
    with evm.reverts("ChallengeUnfounded", work.study, 1, index):
        work.challenge(other, work.aggregate(other), index)


@pytest.mark.parametrize("size", [1, 128, 129, 256, 257, 384])
def test_a_true_aggregate_is_right_in_every_leaf_also_beyond_the_last_chunk(evm, world, size):
    work = made(world, size=size)
    truth = work.aggregate()
    work.final(truth, (0, 1))
    leaves = 1 << (work.chunks - 1).bit_length()
    for index in range(leaves):
        with evm.reverts("ChallengeUnfounded", work.study, 1, index):
            work.challenge(work.sum(), truth, index)
    with evm.reverts("ChunkIndexOutOfRange", leaves, leaves):
        show(work, truth, leaves, work.sum().opening(0).words())


def test_a_wrong_aggregate_that_nobody_stands_for_is_nobodys_fault(evm, work):
    """Neither claimed nor final: an attestation below the quorum has no effect, so it costs nothing either."""
    lie = work.sum().changed(CHUNK_WORDS)
    aggregate = work.aggregate(lie)
    with evm.reverts("NothingAtStake", work.study, 1, work.digest(aggregate)):
        work.challenge(lie, aggregate, 1)
    work.attest(0, aggregate)
    with evm.reverts("NothingAtStake", work.study, 1, work.digest(aggregate)):
        work.challenge(lie, aggregate, 1)


def test_a_wrong_claim_over_an_old_set_is_no_lie_any_more(evm, world):
    work = tainted(world)
    lie, aggregate, _ = work.lie()
    work.strike(2, 2)
    with evm.reverts("NothingAtStake", work.study, 1, work.digest(aggregate)):
        work.challenge(lie, aggregate, 1)
    assert [world.rounds.getSeat(work.study, seat).barredFrom for seat in range(3)] == [0, 0, 1]


# -- replays ----------------------------------------------------------------------------------------------------------


def test_openings_of_one_round_say_nothing_in_the_next(evm, work):
    """The commitments of round 2 are others, even for the very same words."""
    work.final(work.aggregate(), (0, 1))
    later = work.next()
    wrong = work.sum().changed(CHUNK_WORDS)
    lie = later.aggregate(wrong)
    later.claim(later.leader(), lie)
    with evm.reverts("UpdateNotOpened", work.study, 2, 0):
        show(later, lie, 1, work.openings(wrong, 1))


def test_openings_of_one_study_say_nothing_in_another(evm, world):
    first, second = made(world, rounds=1), made(world, rounds=1)
    wrong = first.sum().changed(CHUNK_WORDS)
    lie = second.aggregate(wrong)
    second.claim(second.leader(), lie)
    with evm.reverts("UpdateNotOpened", second.study, 1, 0):
        show(second, lie, 1, first.openings(wrong, 1))


@pytest.mark.parametrize("what", ["chain", "contract", "study", "round", "hospital"])
def test_an_aggregate_under_another_header_is_wrong(work, what):
    """The right words under the header of another chain, contract, study or round, or of a hospital."""
    header = work.header()
    others = {
        "chain": replace(header, chain_id=CHAIN_ID + 1),
        "contract": replace(header, contract=work.world.vault.address),
        "study": replace(header, study=work.study + 1),
        "round": replace(header, round=2),
        "hospital": work.header(0),
    }
    lie = VectorFile(others[what].chunk() + work.sum().data[CHUNK_BYTES:])
    aggregate = work.aggregate(lie)
    work.claim(1, aggregate)
    assert work.challenge(lie, aggregate, 0).named("AttemptRefuted")


# -- claims -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [-128, -1, 0, 127, 128, 255, 256, 299, 300, 383])
def test_one_wrong_word_convicts_a_claim(evm, work, word):
    """In the header, at either end of the first, a middle and the last chunk, and in the last one's padding."""
    place = word + CHUNK_WORDS
    lie, aggregate, author = work.lie(place)
    evm.travel(10)
    with change(work.world, work.study) as changed:
        receipt = work.challenge(lie, aggregate, place // CHUNK_WORDS)
    stranger = work.world.stranger.address
    assert changed == {
        "attempt1.0.state": REFUTED,
        "attempt1.0.challenger": stranger,
        "contest1.heldUntil": evm.now + CLAIM,
        f"seat{author}.barredFrom": 1,
    }
    at = {"study": work.study, "round": 1, "challenger": stranger}
    assert told(receipt) == [
        ("AggregateRefuted", at | {"aggregateHash": work.digest(aggregate), "index": place // CHUNK_WORDS}),
        ("AttemptRefuted", at | {"attempt": 0}),
    ]
    assert work.world.rounds.standingOf(work.study, 1)[0] == AGGREGATING


@pytest.mark.parametrize(("size", "leaf"), [(129, 3), (400, 5), (400, 6), (400, 7)])
def test_what_lies_beyond_the_last_chunk_is_zero(evm, world, size, leaf):
    """No root that no vector has becomes final: every leaf of the tree can be opened."""
    work = made(world, size=size)
    lie = work.sum().changed(CHUNK_WORDS * leaf + 7)
    aggregate = work.aggregate(lie)
    work.final(aggregate, (0, 1))
    for index in range(1, work.chunks):
        with evm.reverts("ChallengeUnfounded", work.study, 1, index):
            work.challenge(lie, aggregate, index)
    assert work.challenge(lie, aggregate, leaf).named("RoundRefuted")


@pytest.mark.parametrize("size", [1, 127, 128])
def test_vectors_of_one_chunk(evm, world, size):
    """A header and one chunk: the tree has one level."""
    work = made(world, size=size)
    work.claim(1, work.aggregate())
    with evm.reverts("ChallengeUnfounded", work.study, 1, 1):
        work.challenge(work.sum(), work.aggregate(), 1)
    work.object(world.operators[0])
    lie, aggregate, _ = work.lie(CHUNK_WORDS + size - 1)
    assert work.challenge(lie, aggregate, 1).named("AttemptRefuted")


@pytest.mark.parametrize("rule", ["MedianRule", "TrimmedMeanRule"])
def test_order_statistics_are_judged_by_their_own_rule(evm, world, rule):
    """The same claim: the sum of the updates is a lie, the rule's own result is not."""
    contract = evm.deploy(rule, *([1] if rule == "TrimmedMeanRule" else []))
    work = made(world, rule=contract, steps=100_000)
    words = np.stack([np.frombuffer(v.data[512:], ">i4")[:300] for v in work.vectors.values()])
    middle = np.sort(words.astype(np.int64), axis=0)[1].astype(np.int32).view(np.uint32)
    right = VectorFile(vector_bytes(work.header(), middle))
    work.claim(1, work.aggregate(right))
    for index in range(4):
        with evm.reverts("ChallengeUnfounded", work.study, 1, index):
            work.challenge(right, work.aggregate(right), index)
    work.object(world.operators[0])
    work.claim(work.leader(), work.aggregate())
    assert work.challenge(work.sum(), work.aggregate(), 1).named("AttemptRefuted")


def test_aggregation_goes_on_after_a_lie_and_the_liar_is_out(evm, work):
    lie, aggregate, author = work.lie()
    work.challenge(lie, aggregate, 1)
    evm.travel(PHASE // 2)
    with evm.reverts("AlreadyAttempted", work.study, 1, author):
        work.claim(author, work.aggregate())
    truth = work.aggregate()
    work.claim(0, truth)
    evm.travel(CLAIM)
    work.finalise(truth)
    assert work.world.rounds.standingOf(work.study, 1)[0] == FINAL


def test_a_claim_that_was_objected_to_is_still_a_lie(work):
    """Nobody escapes through a friend's objection; what the round is held for stays as the objection left it."""
    lie, aggregate, _ = work.lie()
    work.object(work.operators[0])
    held = work.contest().heldUntil
    assert work.challenge(lie, aggregate, 1).named("AttemptRefuted")
    assert work.contest().heldUntil == held


def test_one_proof_convicts_everybody_who_claims_the_same(evm, work):
    lie, aggregate, first = work.lie()
    work.object(work.operators[first])
    second = work.leader()
    work.claim(second, aggregate)
    receipt = work.challenge(lie, aggregate, 1)
    assert [event["attempt"] for event in receipt.named("AttemptRefuted")] == [0, 1]
    assert {work.world.rounds.getSeat(work.study, seat).barredFrom for seat in (first, second)} == {1}
    with evm.reverts("NothingAtStake", work.study, 1, work.digest(aggregate)):
        work.challenge(lie, aggregate, 1)


# -- final rounds -----------------------------------------------------------------------------------------------------


def test_a_refuted_result_costs_its_attesters_all_they_have_at_stake(evm, work):
    """The late one too. The result is undone, they are barred, the open round and the study end."""
    lie, aggregate = work.lying_quorum()
    work.attest(2, aggregate)
    challenger = evm.actors[3]
    evm.travel(DISPUTE - 1)
    with change(work.world, work.study) as changed:
        receipt = work.challenge(lie, aggregate, 1, sender=challenger)
    lost = 3 * STAKE
    assert changed == {
        "round1.outcome": REFUTED_OUTCOME,
        "round2.outcome": VOID_OUTCOME,
        "study.state": ABORTED,
        "study.undoneFrom": 1,
        "study.endedAt": evm.now,
        "lost": 0b111,
        "burnt": lost - share(lost),
        "challenger.free": share(lost),
        **{f"seat{seat}.barredFrom": 1 for seat in range(3)},
        **{f"seat{seat}.taken": STAKE for seat in range(3)},
        **{f"hospital{seat}.locked": 0 for seat in range(3)},
    }
    token, at = work.world.token.address, {"study": work.study, "round": 1}
    name = {"aggregateHash": work.digest(aggregate)}
    slashed = {"study": work.study, "token": token, "amount": STAKE}
    assert told(receipt) == [
        ("AggregateRefuted", at | {"challenger": challenger.address} | name | {"index": 1}),
        ("RoundRefuted", at | name | {"attesters": 0b111}),
        ("RoundVoid", {"study": work.study, "round": 2}),
        ("StudyAborted", {"study": work.study}),
        ("StakeLost", at | {"seats": 0b111}),
        *(("Slashed", slashed | {"account": work.hospitals[seat].address}) for seat in range(3)),
        ("ChallengerPaid", {"study": work.study, "challenger": challenger.address, "amount": share(lost)}),
        ("Burnt", {"study": work.study, "token": token, "amount": lost - share(lost)}),
    ]
    with evm.reverts("AlreadyRefuted", work.study, 1, work.digest(aggregate)):
        work.challenge(lie, aggregate, 1)


def test_who_did_not_attest_keeps_its_stake_and_is_paid(evm, work):
    lie, aggregate = work.lying_quorum()
    work.challenge(lie, aggregate, 1)
    evm.travel(DISPUTE)
    assert work.world.studies.release(work.study, 2).named("StakeReleased")[0]["amount"] == STAKE
    assert work.paid(2, aggregate) == (REWARD - 90) // 3
    for seat in (0, 1):
        with evm.reverts("PayVoid", work.study, 1, seat):
            work.paid(seat, aggregate)


def test_it_comes_before_the_claims_unlock(evm, work):
    lie, aggregate = work.lying_quorum()
    evm.travel(DISPUTE)
    with evm.reverts("DisputeClosed", work.study, 1, evm.now):
        work.challenge(lie, aggregate, 1)


def test_a_completed_study_is_undone_too(evm, world):
    """The last round's lie, when the study has completed: aborted, at the time of its completion."""
    work = made(world, rounds=1)
    lie, aggregate = work.lying_quorum()
    ended = evm.now
    assert world.rounds.getStudy(work.study).state == COMPLETED
    evm.travel(DISPUTE - 1)
    receipt = work.challenge(lie, aggregate, 1)
    assert receipt.named("StudyAborted")
    assert not receipt.named("RoundVoid")
    study = world.rounds.getStudy(work.study)
    assert (study.state, study.endedAt) == (ABORTED, ended)
    evm.travel(1)
    world.studies.refund(work.study)
    assert world.free(world.sponsor) == 0


def test_an_aggregate_that_left_updates_out_is_judged_over_those_it_has(evm, work):
    """Two of three included: the openings of those two."""
    wrong = work.sum((0, 2)).changed(2 * CHUNK_WORDS)
    aggregate = work.aggregate(wrong, seats=(0, 2))
    work.final(aggregate, (0, 2))
    with evm.reverts("OpeningLength"):
        work.challenge(wrong, aggregate, 2)
    assert work.challenge(wrong, aggregate, 2, seats=(0, 2)).named("RoundRefuted")


def test_a_claim_that_became_final_and_was_a_lie_costs_bond_and_stake(evm, work):
    lie, aggregate, author = work.lie()
    evm.travel(CLAIM)
    work.finalise(aggregate)
    receipt = work.challenge(lie, aggregate, 1)
    assert receipt.named("RoundRefuted")[0]["attesters"] == 1 << author
    assert receipt.named("AttemptRefuted")[0]["attempt"] == 0
    work.settle()
    assert work.balance(work.hospitals[author]) == (9 * STAKE - BOND, 0)


# -- a true proof within the window is never refused ------------------------------------------------------------------


def two_lies(world, **changes):
    """Seats 0 and 1 lie in rounds 1 and 2, both in their windows: (work, file, aggregate) of each."""
    first = made(world, rounds=3, **changes)
    file, lie = first.lying_quorum()
    second = first.next()
    other_file, other = second.lying_quorum()
    return (first, file, lie), (second, other_file, other)


def test_a_lie_is_proved_after_a_later_one_was(evm, world):
    """The liars' stakes are gone; the earlier result is undone all the same, and pays them nothing."""
    (first, file, lie), (second, other_file, other) = two_lies(world)
    second.challenge(other_file, other, 1)
    assert world.rounds.getStudy(first.study).undoneFrom == 2
    receipt = first.challenge(file, lie, 1)
    assert receipt.named("RoundRefuted")[0]["attesters"] == 0b011
    assert not receipt.named("Slashed")
    assert world.rounds.getStudy(first.study).undoneFrom == 1
    assert [world.rounds.getSeat(first.study, seat).barredFrom for seat in range(3)] == [1, 1, 0]
    evm.travel(DISPUTE)
    for work, result in ((first, lie), (second, other)):
        for seat in (0, 1):
            with evm.reverts("PayVoid", work.study, work.number, seat):
                work.paid(seat, result)
        assert work.paid(2, result) == (REWARD - 90) // 3


def test_a_lie_is_proved_after_its_attesters_updates_were(evm, world):
    """They strike each other, or a watcher does; whatever is left of their stakes, the result does not stand."""
    study = world.running(4, rounds=1)
    work = Work(world, study, 300)
    for seat in range(3):
        work.submit(seat, work.with_word(seat, 0, 2**30))
    work.submit(3)
    file, lie = work.lying_quorum(seats=(0, 1, 2))
    for seat in range(3):
        work.strike(seat, 1, work.digest(lie), sender=world.operators[0])
    receipt = work.challenge(file, lie, 1)
    assert receipt.named("RoundRefuted")[0]["attesters"] == 0b0111
    assert world.rounds.getRound(study, 1).outcome == REFUTED_OUTCOME
    assert world.rounds.getStudy(study).state == ABORTED
    evm.travel(DISPUTE)
    assert work.paid(3, lie) == (REWARD - 90) // 4


def test_careless_attesters_lose_the_rest_when_the_sum_is_wrong_too(world):
    """First a part for an update that they should not have attested to, then what is left for the lie."""
    work = tainted(world, members=4)
    file, lie = work.lying_quorum(seats=(0, 1, 3))
    work.strike(3, 2, work.digest(lie))
    receipt = work.challenge(file, lie, 1)
    part = STAKE // 5
    assert [event["amount"] for event in receipt.named("Slashed")] == [STAKE - part] * 2
    assert [world.studies.takenOf(work.study, seat) for seat in range(4)] == [STAKE, STAKE, 0, STAKE]


def test_seats_without_a_stake_that_make_a_quorum_of_the_open_round_gain_nothing(evm, world):
    """Their updates of round 1 are proved wrong: the study is over, there is no round for them to lie in."""
    study = world.running(4, rounds=2)
    work = Work(world, study, 300)
    for seat in range(3):
        work.submit(seat, work.with_word(seat, 0, 2**30))
    work.submit(3)
    result = work.aggregate()
    work.final(result, range(3))
    later = filled(Work(world, study, 300, 2), range(4))
    lie = later.aggregate(later.sum().changed(CHUNK_WORDS))
    later.attest(0, lie)
    later.attest(1, lie)
    work.strike(0, 1, work.digest(result))
    with evm.reverts("WrongPhase", study, 2, VOID):
        later.attest(2, lie)


def test_nor_do_they_as_a_part_of_one(evm, world):
    """Two that were left out and struck, two with a stake: a quorum of the next round. Its lie is undone like any other."""
    study = world.running(6, rounds=2, maxHospitals=6)
    work = filled(Work(world, study, 300), range(4))
    for seat in (4, 5):
        work.submit(seat, work.with_word(seat, 0, 2**30))
    result = work.aggregate(seats=range(4))
    work.final(result, (0, 1, 2, 4))
    later = filled(Work(world, study, 300, 2), range(6))
    for seat in (4, 5):
        work.strike(seat, 1, work.digest(result))
    file, lie = later.lying_quorum(seats=(1, 2, 4, 5))
    assert world.rounds.getStudy(study).state == COMPLETED
    receipt = later.challenge(file, lie, 1)
    assert receipt.named("RoundRefuted")[0]["attesters"] == 0b110110
    slashed = [event["account"] for event in receipt.named("Slashed")]
    assert slashed == [world.hospitals[seat].address for seat in (1, 2)]
    evm.travel(DISPUTE)
    for seat in (1, 2, 4, 5):
        with evm.reverts("PayVoid", study, 2, seat):
            later.paid(seat, lie)
    assert later.paid(0, lie) == (REWARD - 90) // 6


def test_a_lying_quorum_leaves_its_victims_pay_alone(evm, world):
    """It left seat 3 out of two rounds; when the first is refuted, seat 3 has lost nothing but these two rounds' pay."""
    works = [made(world, members=4, rounds=3)]
    lies = []
    for _ in range(2):
        work = works[-1]
        file = work.sum((0, 1, 2)).changed(CHUNK_WORDS)
        lies.append((file, work.aggregate(file, seats=(0, 1, 2))))
        work.final(lies[-1][1], (0, 1, 2))
        works.append(work.next())
    works[0].challenge(*lies[0], 1, seats=(0, 1, 2))
    for number in (1, 2):
        with evm.reverts("NothingToRecord", works[0].study, number):
            world.claims.recordAbsences(works[0].study, number)
    evm.travel(DISPUTE)
    released = world.studies.release(works[0].study, 3)
    assert released.named("StakeReleased")[0]["amount"] == STAKE


def test_rounds_before_a_lie_and_the_honest_after_it_are_paid(evm, world):
    """Round 1 true, round 2 a lie of seats 0 and 1, round 3 true upon it."""
    first = made(world, rounds=4)
    truth = first.aggregate()
    first.final(truth, (0, 1))
    second = first.next()
    file, lie = second.lying_quorum()
    third = second.next()
    result = third.aggregate()
    third.final(result, (0, 2))
    fourth = third.next()
    fourth.claim(fourth.leader(), fourth.aggregate())
    second.challenge(file, lie, 1)
    assert world.rounds.standingOf(first.study, 4)[0] == VOID
    with evm.reverts("WrongPhase", first.study, 4, VOID):
        fourth.attest(0, fourth.aggregate())
    fourth.settle()
    evm.travel(DISPUTE)
    part = (REWARD - 90) // 3
    assert [first.paid(seat, truth) for seat in range(3)] == [part + 30, part + 30, part]
    assert second.paid(2, lie) == part
    assert third.paid(2, result) == part + 30
    for work, shown in ((second, lie), (third, result)):
        for seat in (0, 1):
            with evm.reverts("PayVoid", first.study, work.number, seat):
                work.paid(seat, shown)
    world.studies.refund(first.study)
    assert world.free(world.sponsor) == REWARD


def test_lying_costs_also_who_is_in_league_with_the_sponsor_and_the_challenger(evm, world):
    """Three of four and the sponsor lie and prove it themselves: at least half of their stakes is nobody's, and so is their pay."""
    work = made(world, members=4, rounds=1)
    league = [*world.hospitals[:3], world.stranger, world.sponsor]
    before = sum(sum(work.balance(each)) for each in league)
    file, lie = work.lying_quorum(seats=(0, 1, 2))
    work.challenge(file, lie, 1)
    evm.travel(DISPUTE)
    world.studies.refund(work.study)
    for seat in range(4):
        world.studies.release(work.study, seat)
    honest = work.paid(3, lie)
    after = sum(sum(work.balance(each)) for each in league)
    assert before - after == 3 * STAKE - share(3 * STAKE)
    assert work.pot() == REWARD - honest
    assert 3 * STAKE - share(3 * STAKE) >= 3 * STAKE // 2


# -- statistics -------------------------------------------------------------------------------------------------------


def test_the_rounds_before_the_first_final_one_have_the_vectors_of_statistics(evm, world):
    """Another number of chunks: an index is judged by the round's own vectors."""
    study = world.running(3, training=[vector(300)], statistics=[vector(130)], rounds=2)
    work = filled(Work(world, study, 130), range(3))
    file, lie = work.lying_quorum(word=CHUNK_WORDS + 129)
    assert work.challenge(file, lie, 2).named("RoundRefuted")
    study = world.running(3, training=[vector(300)], statistics=[vector(130)], rounds=2)
    work = filled(Work(world, study, 130), range(3))
    truth = work.aggregate()
    work.final(truth, (0, 1))
    later = filled(Work(world, study, 300, 2), range(3))
    file, lie = later.lying_quorum(word=4 * CHUNK_WORDS - 1)
    assert later.challenge(file, lie, 3).named("RoundRefuted")


def test_a_void_round_of_statistics_is_asked_again(evm, world):
    study = world.running(3, training=[vector(300)], statistics=[vector(130)])
    evm.travel(PHASE)
    world.rounds.advance(study)
    work = filled(Work(world, study, 130, 2), range(3))
    file, lie = work.lying_quorum(word=CHUNK_WORDS + 129)
    assert work.challenge(file, lie, 2).named("RoundRefuted")
