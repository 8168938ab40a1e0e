"""`challengeUpdate`: updates on trial: wrong headers, words out of bounds, padding; and what becomes of the round."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS
from medfed.protocol.vector import vector_bytes
from tests.contracts.facts import change, told
from tests.contracts.work import LIMIT, WEIGHT, VectorFile, Work, filled, share, tainted, too_large
from tests.rig.world import BOND, CLAIM, DISPUTE, PHASE, REWARD, STAKE, vector

AGGREGATING, FINAL, VOID, TAINTED, REFUTED = 4, 5, 6, 7, 8
FINAL_OUTCOME, VOID_OUTCOME, TAINTED_OUTCOME, REFUTED_OUTCOME = 1, 2, 3, 4
RUNNING, COMPLETED, ABORTED = 2, 3, 4
BAD = 2
PART = STAKE // 5


# -- checks, in their order -------------------------------------------------------------------------------------------


def show(work, seat, update, index, opening):
    return work.world.proofs.challengeUpdate(
        work.study, 1, seat, update, bytes(32), index, opening, sender=work.world.stranger
    )


def test_the_update_shown_is_the_one_committed_to(evm, work):
    opening = work.vectors[0].opening(1).words()
    for seat, update in (
        (0, replace(work.updates[0], weight=WEIGHT - 8)),
        (0, replace(work.updates[0], cohort_root=bytes(32))),
        (1, work.updates[0]),
        (3, work.updates[0]),
        (255, work.updates[0]),
    ):
        with evm.reverts("UpdateMismatch", work.study, 1, seat):
            show(work, seat, update, 1, opening)


def test_an_opening_is_bound_to_root_place_and_length(evm, world):
    work = tainted(world)
    opening, own = work.vectors[BAD].opening(2).words(), work.updates[BAD]
    for index in (4, 2**32 - 1):
        with evm.reverts("ChunkIndexOutOfRange", index, 4):
            show(work, BAD, own, index, opening)
    for length in (0, 17, 19):
        with evm.reverts("OpeningLength", length, 18):
            show(work, BAD, own, 2, [*opening, bytes(32)][:length])
    for index, forged in (
        (1, opening),
        (2, [*opening[:-1], bytes(32)]),
        (2, [bytes(32), *opening[1:]]),
    ):
        with evm.reverts("ChunkNotProved", own.update_root, index):
            show(work, BAD, own, index, forged)


@pytest.mark.parametrize("size", [1, 128, 129, 300, 400])
def test_an_honest_update_stands_in_every_leaf(evm, world, size):
    work = filled(Work(world, world.running(training=[vector(size)]), size), range(3))
    for index in range(1 << (work.chunks - 1).bit_length()):
        with evm.reverts("ChallengeUnfounded", work.study, 1, index):
            work.strike(0, index)


@pytest.mark.parametrize("value", [LIMIT, -LIMIT])
def test_a_word_at_its_bound_stands(evm, world, value):
    work = tainted(world, lambda work, seat: work.with_word(seat, 299, value))
    with evm.reverts("ChallengeUnfounded", work.study, 1, 3):
        work.strike(BAD, 3)


def test_an_update_is_struck_once(evm, world):
    work = tainted(world)
    work.strike(BAD, 2)
    with evm.reverts("AlreadyStruck", work.study, 1, BAD):
        work.strike(BAD, 2)


def test_of_a_round_that_was_final_the_result_is_named(evm, world):
    work = tainted(world)
    result = work.aggregate()
    work.final(result, (0, 1))
    other = work.aggregate(model=b"\xff" * 32)
    for name in (bytes(32), work.digest(other)):
        with evm.reverts("NotFinal", work.study, 1, name):
            work.strike(BAD, 2, name)
    assert work.strike(BAD, 2, work.digest(result)).named("UpdateStruck")


@pytest.mark.parametrize("end", ["final", "void"])
def test_nothing_is_struck_once_the_window_of_the_round_has_closed(evm, world, end):
    work = tainted(world)
    result = work.aggregate()
    if end == "final":
        work.final(result, (0, 1))
    else:
        evm.travel(PHASE)
        world.rounds.advance(work.study)
    closes = evm.now + DISPUTE
    evm.travel(DISPUTE - 1)
    token = evm.snapshot()
    assert work.strike(BAD, 2, work.digest(result)).named("UpdateStruck")
    evm.restore(token)
    evm.travel(1)
    with evm.reverts("DisputeClosed", work.study, 1, closes):
        work.strike(BAD, 2, work.digest(result))


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [LIMIT + 1, -LIMIT - 1, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("place", [0, 127, 128, 299])
def test_a_word_beyond_its_bound_is_seen(world, place, value):
    work = tainted(world, lambda work, seat: work.with_word(seat, place, value))
    assert work.strike(BAD, 1 + place // CHUNK_WORDS).named("UpdateStruck")


@pytest.mark.parametrize("place", [300, 383])
def test_padding_is_zero(world, place):
    work = tainted(world, lambda work, seat: work.with_word(seat, place, 1))
    assert work.strike(BAD, 3).named("UpdateStruck")


@pytest.mark.parametrize("leaf", [5, 6, 7])
def test_what_lies_beyond_the_last_chunk_is_zero(world, leaf):
    """A root that no vector of this length has is seen by the leaf that should be zeros."""
    work = tainted(world, lambda work, seat: work.honest(seat).changed(CHUNK_WORDS * leaf), size=400)
    for index in range(5):
        with work.world.evm.reverts("ChallengeUnfounded", work.study, 1, index):
            work.strike(BAD, index)
    assert work.strike(BAD, leaf).named("UpdateStruck")


@pytest.mark.parametrize("what", ["hospital", "nobody", "round", "study", "filling"])
def test_a_header_names_its_hospital_and_place(world, what):
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
        return VectorFile(heads[what] + vector_bytes(header, work.words(seat))[CHUNK_BYTES:])

    work = tainted(world, wrong)
    assert work.strike(BAD, 0).named("UpdateStruck")


def test_a_rule_without_weights_bounds_every_word_alike(evm, world):
    """The median's words are of weight 1, whatever weight the update is paid for."""
    terms = {"rule": evm.deploy("MedianRule"), "training": [vector(300, 100_000, False)]}
    work = tainted(world, lambda work, seat: work.with_word(seat, 0, 100_001), **terms)
    with evm.reverts("ChallengeUnfounded", work.study, 1, 1):
        work.strike(0, 1)
    assert work.strike(BAD, 1).named("UpdateStruck")


def test_each_vector_has_its_own_bound_and_padding(evm, world):
    """Three vectors in five chunks: of 5 words and weighted, of 130 and not, of 128; each word judged by its own."""
    parts = [vector(5, 3), vector(130, 200, False), vector(128, 7)]
    starts, limits = (128, 256, 512), (3 * WEIGHT, 200, 7 * WEIGHT)
    ends = (128 + 5, 256 + 130, 640)

    def file(work, changes):
        words = bytearray(work.header(0).chunk() + bytes(4 * CHUNK_BYTES))
        for place, value in changes.items():
            words[4 * place : 4 * place + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")
        return VectorFile(bytes(words))

    for part in range(3):
        for place, value, right in (
            (starts[part], limits[part], True),
            (starts[part], -limits[part] - 1, False),
            (ends[part] - 1, -limits[part], True),
            (ends[part] - 1, limits[part] + 1, False),
            (ends[part], 1, False),
        ):
            if place == 640:
                continue  # the last vector fills its chunk
            work = Work(world, world.running(2, training=parts, maxHospitals=2, stake=2, bond=1), 512)
            work.submit(0, file(work, {place: value}))
            if right:
                with evm.reverts("ChallengeUnfounded", work.study, 1, place // 128):
                    work.strike(0, place // 128)
            else:
                assert work.strike(0, place // 128).named("UpdateStruck")


# -- an open round ----------------------------------------------------------------------------------------------------


def test_in_an_open_round_the_author_loses_its_stake_and_the_update_leaves_the_set(evm, world):
    work = tainted(world, members=4)
    work.attest(0, work.aggregate())
    challenger = evm.actors[3]
    with change(world, work.study) as changed:
        receipt = work.strike(3, 2, sender=challenger)
    assert changed == {
        "round1.submitted": 0b0111,
        "round1.totalWeight": 3 * WEIGHT,
        "round1.attested": 0,
        "absence1.struck": 0b1000,
        "seat3.barredFrom": 1,
        "seat3.taken": STAKE,
        "lost": 0b1000,
        "contest1.era": 1,
        "contest1.heldUntil": evm.now + CLAIM,
        "hospital3.locked": 0,
        "challenger.free": share(STAKE),
        "burnt": STAKE - share(STAKE),
    }
    token, hospital = world.token.address, world.hospitals[3].address
    at = {"study": work.study, "round": 1}
    assert told(receipt) == [
        ("UpdateRefuted", at | {"challenger": challenger.address, "seat": 3, "index": 2}),
        ("UpdateStruck", at | {"seat": 3, "weight": WEIGHT}),
        ("StakeLost", at | {"seats": 0b1000}),
        ("Slashed", {"study": work.study, "token": token, "account": hospital, "amount": STAKE}),
        ("ChallengerPaid", {"study": work.study, "challenger": challenger.address, "amount": share(STAKE)}),
        ("Burnt", {"study": work.study, "token": token, "amount": STAKE - share(STAKE)}),
    ]


def test_also_while_training_is_open(evm, world):
    work = Work(world, world.running(), 300)
    work.submit(BAD, too_large(work, BAD))
    work.strike(BAD, 2)
    filled(work, (0, 1))
    assert world.rounds.standingOf(work.study, 1)[0] == AGGREGATING
    work.final(work.aggregate(seats=(0, 1)), (0, 1))
    assert world.rounds.standingOf(work.study, 1)[0] == FINAL


def test_claims_over_it_lapse_unharmed_and_the_contest_begins_anew(evm, world):
    """The bonds come back at once, nobody is barred, and each may claim and object once more."""
    work = tainted(world, members=4)
    author = work.leader()
    work.claim(author, work.aggregate())
    work.object(work.operators[0])
    second = work.leader()
    work.claim(second, work.aggregate())
    work.strike(3, 2)
    contest = work.contest()
    assert (contest.count, contest.used, contest.era) == (2, 0, 1)
    assert (contest.authors, contest.objectors) == (0, 0)
    for number in range(2):
        assert work.settle(attempt=number).named("AttemptSettled")[0]["fromAuthor"] == 0
    rest = work.aggregate(seats=(0, 1, 2))
    work.claim(work.leader(), rest)
    work.object(work.operators[0])
    evm.travel(PHASE // 2)
    work.claim(work.leader(), rest)
    evm.travel(CLAIM)
    work.finalise(rest)
    assert world.rounds.standingOf(work.study, 1)[0] == FINAL


def test_a_change_of_the_set_does_not_shorten_what_a_claim_holds(evm, world):
    work = tainted(world, members=4)
    work.claim(work.leader(), work.aggregate())
    held = work.contest().heldUntil
    evm.travel(CLAIM // 2)
    work.strike(3, 2)
    assert work.contest().heldUntil == max(held, evm.now + CLAIM)


def test_an_attacker_who_gives_up_seat_after_seat_holds_a_round_for_a_bounded_time(evm, world):
    """Each wrong update costs a stake and holds the round for one window; nobody honest loses a token."""
    work = filled(Work(world, world.running(4), 300), (0, 1))
    for seat in (2, 3):
        work.submit(seat, too_large(work, seat))
    honest = [work.balance(world.hospitals[seat]) for seat in (0, 1)]
    evm.travel(PHASE - 1)
    closed = evm.now + 1
    work.strike(2, 2)
    evm.travel(CLAIM - 1)
    work.strike(3, 2)
    evm.travel(CLAIM)
    world.rounds.advance(work.study)
    assert evm.now <= closed + 2 * CLAIM
    assert [work.balance(world.hospitals[seat]) for seat in (0, 1)] == honest


def test_bonds_and_stakes_are_counted_apart(evm, world):
    """A struck author still has its bond back: what was locked for it was never the stake."""
    work = tainted(world, members=4)
    evm.travel(PHASE // 2)
    work.claim(3, work.aggregate())
    work.strike(3, 2)
    work.settle()
    assert work.balance(world.hospitals[3]) == (9 * STAKE, 0)
    assert world.vault.allowanceOf(world.hospitals[3], world.token).used == STAKE
    assert BOND > 0


# -- too few are left -------------------------------------------------------------------------------------------------


def short(world, reward=REWARD, **changes):
    """Every hospital is needed, all have published, and the last one's update is wrong."""
    return tainted(world, members=4, minHospitals=4, rewardPerRound=reward, **changes)


@pytest.mark.parametrize("reward", [30, 70, 900])
def test_those_who_remain_are_paid_from_the_stake_up_to_the_rounds_reward(evm, world, reward):
    """From half of it, before the challenger's share: the other half is burnt, whoever are friends."""
    work = short(world, reward)
    challenger = evm.actors[3]
    with change(world, work.study) as changed:
        receipt = work.strike(3, 2, sender=challenger)
    kept = min(STAKE // 2, reward)
    paid = min(share(STAKE), STAKE // 2 - kept)
    found = {name: changed.get(name, 0) for name in ("compensation1", "challenger.free", "burnt")}
    assert found == {
        "compensation1": kept,
        "challenger.free": paid,
        "burnt": STAKE - kept - paid,
    }
    assert changed["pot"] == 2 * reward + kept
    assert changed["hospital3.locked"] == 0
    compensated = {"study": work.study, "round": 1, "amount": kept}
    assert receipt.named("Compensated") == [compensated]
    assert receipt.named("Kept") == [{"study": work.study, "amount": kept}]
    world.rounds.advance(work.study)
    evm.travel(DISPUTE)
    assert [work.paid(seat) for seat in range(3)] == [kept // 3] * 3
    with evm.reverts("PayVoid", work.study, 1, 3):
        work.paid(3)


def test_a_sponsor_with_one_hospital_pays_for_what_it_voids(evm, world):
    """It strikes its own update by itself when all the others are public: the league loses half of the stake at least."""
    work = short(world, reward=90, maxVoids=0)
    league = [world.sponsor, world.stranger, world.hospitals[3]]
    before = sum(sum(work.balance(each)) for each in league) + 2 * 90
    work.strike(3, 2)
    world.rounds.advance(work.study)
    evm.travel(DISPUTE)
    world.studies.refund(work.study)
    assert sum(work.paid(seat) for seat in range(3)) == STAKE // 2 // 3 * 3
    for seat in range(4):
        world.studies.release(work.study, seat)
    assert sum(sum(work.balance(each)) for each in league) == before - STAKE


def test_only_from_what_is_left_of_the_stake(evm, world):
    """An absence has worn it off; nothing is made up from elsewhere."""
    study = world.running(4, minHospitals=4, maxVoids=3)
    for seat in range(3):
        world.submit(study, seat)
    evm.travel(PHASE)
    world.claims.recordAbsences(study, 1)
    world.rounds.advance(study)
    work = filled(Work(world, study, 300, 2), range(3))
    work.submit(3, too_large(work, 3))
    receipt = work.strike(3, 2)
    half = (STAKE - PART) // 2
    assert receipt.named("Compensated")[0]["amount"] == half
    assert not receipt.named("ChallengerPaid")
    assert receipt.named("Burnt")[0]["amount"] == half


def test_not_where_updates_were_not_due_yet(world):
    """While Training is open nobody has published; whoever is struck then has nobody's work."""
    work = filled(Work(world, world.running(4, minHospitals=3), 300), (0, 1))
    work.submit(2, too_large(work, 2))
    receipt = work.strike(2, 2)
    assert not receipt.named("Compensated")
    assert receipt.named("ChallengerPaid")[0]["amount"] == share(STAKE)


def test_not_where_enough_are_left_or_too_few_were_there(evm, world):
    work = tainted(world, members=4, minHospitals=3)
    assert not work.strike(3, 2).named("Compensated")
    other = Work(world, world.running(4, minHospitals=3), 300)
    other.submit(0)
    other.submit(1, too_large(other, 1))
    evm.travel(PHASE)
    assert not other.strike(1, 2).named("Compensated")


def test_once_in_a_round(evm, world):
    """A second wrong update of the same round is like any other; it has no part of the first one's compensation."""
    work = filled(Work(world, world.running(4, minHospitals=4), 300), (0, 1))
    for seat in (2, 3):
        work.submit(seat, too_large(work, seat))
    work.strike(3, 2)
    receipt = work.strike(2, 2)
    assert not receipt.named("Compensated")
    assert receipt.named("ChallengerPaid")[0]["amount"] == share(STAKE)
    world.rounds.advance(work.study)
    evm.travel(DISPUTE)
    assert [work.paid(seat) for seat in (0, 1)] == [STAKE // 4] * 2


def test_one_proved_wrong_after_the_void_has_no_part_of_it(evm, world):
    """It was in the set that was left; its part is nobody's."""
    work = filled(Work(world, world.running(4, minHospitals=4, maxVoids=0), 300), (0, 1))
    for seat in (2, 3):
        work.submit(seat, too_large(work, seat))
    work.strike(3, 2)
    world.rounds.advance(work.study)
    work.strike(2, 2)
    evm.travel(DISPUTE)
    assert [work.paid(seat) for seat in (0, 1)] == [STAKE // 2 // 3] * 2
    with evm.reverts("PayVoid", work.study, 1, 2):
        work.paid(2)


# -- a round that was final -------------------------------------------------------------------------------------------


def test_an_included_update_that_is_wrong_undoes_the_result(evm, world):
    """One sacrificed update does not make any vector the result. Attesters lose a part, and nobody has a share of that."""
    work = tainted(world, members=4)
    result = work.aggregate()
    work.final(result, (0, 1, 3))
    challenger = evm.actors[3]
    evm.travel(5)
    with change(world, work.study) as changed:
        receipt = work.strike(3, 2, work.digest(result), sender=challenger)
    assert changed == {
        "round1.outcome": TAINTED_OUTCOME,
        "round2.outcome": VOID_OUTCOME,
        "absence1.struck": 0b1000,
        "study.state": ABORTED,
        "study.undoneFrom": 1,
        "study.endedAt": evm.now,
        "lost": 0b1000,
        "seat0.barredFrom": 1,
        "seat1.barredFrom": 1,
        "seat3.barredFrom": 1,
        "seat0.taken": PART,
        "seat1.taken": PART,
        "seat3.taken": STAKE,
        "hospital0.locked": STAKE - PART,
        "hospital1.locked": STAKE - PART,
        "hospital3.locked": 0,
        "challenger.free": share(STAKE),
        "burnt": STAKE - share(STAKE) + 2 * PART,
    }
    token, at = world.token.address, {"study": work.study, "round": 1}
    own = {"study": work.study, "token": token}
    assert told(receipt) == [
        ("UpdateRefuted", at | {"challenger": challenger.address, "seat": 3, "index": 2}),
        ("UpdateStruck", at | {"seat": 3, "weight": WEIGHT}),
        ("RoundTainted", at | {"aggregateHash": work.digest(result), "attesters": 0b1011}),
        ("RoundVoid", {"study": work.study, "round": 2}),
        ("StudyAborted", {"study": work.study}),
        ("StakeLost", at | {"seats": 0b1000}),
        ("Slashed", own | {"account": world.hospitals[3].address, "amount": STAKE}),
        ("ChallengerPaid", {"study": work.study, "challenger": challenger.address, "amount": share(STAKE)}),
        ("Burnt", own | {"amount": STAKE - share(STAKE)}),
        ("CarelessSlashed", at | {"seats": 0b0011}),
        *(("Slashed", own | {"account": world.hospitals[seat].address, "amount": PART}) for seat in (0, 1)),
        ("Burnt", own | {"amount": 2 * PART}),
    ]
    evm.travel(DISPUTE)
    assert work.paid(2, result) == (REWARD - 90) // 4
    for seat in (0, 1, 3):
        with evm.reverts("PayVoid", work.study, 1, seat):
            work.paid(seat, result)


def test_also_of_a_study_that_had_completed(evm, world):
    """Its model is not registered for sale."""
    work = tainted(world, rounds=1)
    result = work.aggregate()
    work.final(result, (0, 1))
    work.strike(BAD, 2, work.digest(result))
    assert world.rounds.getStudy(work.study).state == ABORTED
    evm.travel(DISPUTE)
    with evm.reverts("StudyNotCompleted", work.study, ABORTED):
        world.market.register(work.study, result)


def test_one_that_was_left_out_costs_its_author_alone(world):
    """The result has nothing of it, and stands."""
    work = tainted(world)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1))
    receipt = work.strike(BAD, 2, work.digest(result))
    assert [event["account"] for event in receipt.named("Slashed")] == [world.hospitals[BAD].address]
    assert not receipt.named("RoundTainted")
    assert world.rounds.standingOf(work.study, 1)[0] == FINAL
    assert world.rounds.getStudy(work.study).state == RUNNING
    assert world.rounds.getSeat(work.study, BAD).barredFrom == 1


def test_one_proved_wrong_in_a_round_that_ended_void(evm, world):
    """Nobody attested to anything; its author is slashed, and pays nobody a compensation."""
    work = tainted(world, members=4, minHospitals=4)
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    receipt = work.strike(3, 2)
    assert [event["amount"] for event in receipt.named("Slashed")] == [STAKE]
    assert not receipt.named("Compensated")
    assert world.rounds.getStudy(work.study).state == RUNNING
    with evm.reverts("SeatBarred", work.study, 3):
        world.submit(work.study, 3, number=2)


@pytest.mark.parametrize("first", ["update", "result"])
def test_the_updates_of_an_undone_result_are_still_struck(evm, world, first):
    """Whatever was proved before: each wrong update costs its author what is left of its stake."""
    work = filled(Work(world, world.running(4, rounds=1), 300), (0, 1))
    for seat in (2, 3):
        work.submit(seat, too_large(work, seat))
    file, lie = work.lying_quorum(seats=(0, 1, 3))
    if first == "update":
        work.strike(3, 2, work.digest(lie))
        again = work.strike(2, 2, work.digest(lie))
    else:
        work.challenge(file, lie, 1)
        again = work.strike(2, 2, work.digest(lie))
        nothing = work.strike(3, 2, work.digest(lie))
        assert not nothing.named("Slashed")
        assert nothing.named("UpdateStruck")
    assert [event["amount"] for event in again.named("Slashed")] == [STAKE]
    assert not again.named("RoundTainted")
    assert not again.named("CarelessSlashed")
    assert world.rounds.getRound(work.study, 1).outcome == (
        TAINTED_OUTCOME if first == "update" else REFUTED_OUTCOME
    )


def test_a_careless_attester_loses_no_more_than_it_has(evm, world):
    """Five absences took all of its stake."""
    study = world.running(4, rounds=2, maxVoids=9)
    for number in range(1, 6):
        for seat in (1, 2, 3):
            world.submit(study, seat, number)
        evm.travel(PHASE)
        world.claims.recordAbsences(study, number)
        evm.travel(PHASE)
        world.rounds.advance(study)
    work = filled(Work(world, study, 300, 6), range(3))
    work.submit(3, too_large(work, 3))
    result = work.aggregate()
    work.final(result, (0, 1, 2))
    receipt = work.strike(3, 2, work.digest(result))
    amounts = {event["account"]: event["amount"] for event in receipt.named("Slashed")}
    assert amounts[world.hospitals[0].address] == 0
    assert amounts[world.hospitals[1].address] == PART
    assert world.studies.takenOf(study, 0) == STAKE


# -- one seat, several rounds -----------------------------------------------------------------------------------------


def test_a_stake_is_lost_once(world):
    """Wrong in two rounds: the second update leaves its set too, and costs nothing more."""
    work = tainted(world)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1))
    second = filled(Work(world, work.study, 300, 2), (0, 1))
    second.submit(BAD, too_large(second, BAD))
    work.strike(BAD, 2, work.digest(result))
    receipt = second.strike(BAD, 2)
    assert receipt.named("UpdateStruck")
    assert not receipt.named("Slashed")
    assert world.rounds.getSeat(work.study, BAD).barredFrom == 1


def test_a_seat_is_barred_from_the_first_round_in_which_it_was_wrong(world):
    work = tainted(world)
    result = work.aggregate(seats=(0, 1))
    work.final(result, (0, 1))
    second = filled(Work(world, work.study, 300, 2), (0, 1))
    second.submit(BAD, too_large(second, BAD))
    second.strike(BAD, 2)
    assert world.rounds.getSeat(work.study, BAD).barredFrom == 2
    work.strike(BAD, 2, work.digest(result))
    assert world.rounds.getSeat(work.study, BAD).barredFrom == 1


def test_a_struck_seat_earns_nothing_in_the_open_round_not_even_its_own_stake(evm, world):
    """Fault of round 1; a large weight in round 2, whose pot has nothing of what was slashed."""
    work = filled(Work(world, world.running(4, rounds=2, minHospitals=2), 300), range(3))
    work.submit(3, too_large(work, 3))
    first = work.aggregate(seats=(0, 1, 2))
    work.final(first, (0, 1, 2))
    second = Work(world, work.study, 300, 2)
    for seat in range(3):
        second.submit(seat, weight=8)
    second.submit(3, weight=96)
    work.strike(3, 2, work.digest(first))
    result = second.aggregate()
    second.final(result, (0, 1, 2))
    evm.travel(DISPUTE)
    with evm.reverts("PayVoid", work.study, 2, 3):
        second.paid(3, result)
    with evm.reverts("PayVoid", work.study, 2, 3):
        world.payouts.shareOf(work.study, 2, 3, result, second.updates[3])
    assert second.paid(0, result) == ((REWARD - 90) * 8 * 4 + 90 * 120) // (120 * 4)
    assert world.rounds.getStudy(work.study).state == COMPLETED
    assert world.rounds.getRound(work.study, 2).outcome == FINAL_OUTCOME


def test_a_struck_attester_has_no_part_of_the_attesters_pay(evm, world):
    """It had attested to the result that leaves it out; three submitters have a part each for that, not four."""
    work = tainted(world, members=4, rounds=1, attesterBps=5000)
    result = work.aggregate(seats=(0, 1, 2))
    work.attest(3, result)
    work.attest(0, result)
    work.strike(3, 2)
    world.rounds.attestHash(work.study, 1, 1, work.digest(result), sender=world.operators[1])
    assert world.rounds.getStudy(work.study).state == COMPLETED
    evm.travel(DISPUTE)
    part = REWARD // 2 // 3
    assert [work.paid(seat, result) for seat in range(3)] == [part + REWARD // 2 // 3] * 2 + [part]
