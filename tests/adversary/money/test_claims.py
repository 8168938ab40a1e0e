"""Aggregators, objectors and whoever is in league with them: bonds, windows, eras, settlements."""

from __future__ import annotations

import pytest

from tests.adversary.money.purse import loss, stopped, wealth
from tests.contracts.work import made, rich, share, tainted
from tests.rig.pledges import pledge
from tests.rig.world import ATTEMPTS, BOND, CLAIM, DISPUTE, PHASE, STAKE

FINAL, VOID = 1, 2
GARBAGE = b"\xee" * 32


def test_a_quorum_burns_an_honest_authors_bond_with_a_root_that_nobody_can_open(world, evm):
    """An honest hospital claims the truth; two thirds attest to a random root and publish no bytes. No chunk of it can be
    opened, so it stands, and `settle` takes the honest claim for the lie: over one set only one root is right."""
    work = made(world, size=130)
    author = work.leader()
    before = wealth(world, world.hospitals[author])
    truth, garbage = work.aggregate(), work.aggregate(root=GARBAGE)
    work.claim(author, truth)
    work.final(garbage, [seat for seat in range(3) if seat != author])
    evm.travel(DISPUTE)
    work.settle(truth, garbage)
    lost = loss(world, before, world.hospitals[author])
    assert lost == 0, f"the honest author lost {lost}"


def test_an_update_is_sacrificed_to_save_a_liars_bond(world, evm):
    """A proof against a claim is on its way; a friend of the author has its own update struck first, in favour of a third friend.
    The claim lapses, the proof finds nothing at stake, the bond comes back. With the largest bond that a study may ask for it is
    still not cheaper than to be convicted by a friend, which costs the bond less the challenger's share."""
    bond = STAKE // 2
    with evm.reverts("BondOutOfRange"):
        world.create(bond=bond + 1)
    work = tainted(world, members=4, size=130, bond=bond)
    author, friend = work.leader(), evm.actors[3]
    league = (world.hospitals[author], world.hospitals[3], friend)
    before = wealth(world, *league)
    vector, lie, _ = work.lie()
    work.strike(3, 2, sender=friend)
    with evm.reverts("NothingAtStake"):
        work.challenge(vector, lie, 1)
    work.settle()
    lost = loss(world, before, *league)
    assert lost >= bond - share(bond), f"the league lost {lost}, a conviction costs {bond - share(bond)}"


def test_a_league_that_convicts_itself_has_at_most_half_back(world, evm):
    """A lie is claimed twice by two friends, and proved by a third: both bonds are lost, and more than half of each is burnt."""
    work, friend = made(world, members=4, size=130), evm.actors[3]
    vector, lie, first = work.lie()
    work.object(work.operators[(first + 1) % 4])
    evm.travel(PHASE // 2)
    second = (first + 2) % 4
    league = (world.hospitals[first], world.hospitals[second], friend)
    before = wealth(world, *league)
    work.claim(second, lie)
    work.challenge(vector, lie, 1, sender=friend)
    for attempt in (0, 1):
        work.settle(attempt=attempt)
    assert loss(world, before, *league) == 2 * (BOND - share(BOND)) >= BOND
    assert [world.rounds.getSeat(work.study, seat).barredFrom for seat in (first, second)] == [1, 1]


def test_an_objection_is_not_turned_against_the_truth(world, evm):
    """A stranger objects to a lie; before it is mined a friend of the liar has objected for free, and the truth is claimed. What
    comes late names a claim that is no longer pending, and locks nothing."""
    rich(world, world.stranger)
    work = made(world, members=4, size=130)
    _, _, liar = work.lie()
    work.object(work.operators[(liar + 1) % 4])
    truth = work.aggregate()
    work.claim(work.leader(), truth)
    with evm.reverts("NoAttemptPending"):
        world.claims.object(work.study, 1, 0, sender=world.stranger)
    evm.travel(CLAIM)
    work.finalise(truth)
    assert work.balance(world.stranger) == (STAKE, 0)


def test_a_second_free_objection_is_not_had_by_another_key(world, evm):
    """A hospital objects for free, rotates its operator, and objects with the new one."""
    work = made(world, members=4, size=130)
    first = work.leader()
    work.claim(first, work.aggregate())
    seat = (first + 1) % 4
    work.object(work.operators[seat])
    evm.travel(PHASE // 2)
    work.claim((first + 2) % 4, work.aggregate())
    world.consortium.rotateOperator(
        world.hospitals[seat],
        evm.actors[75],
        pledge(world.consortium, world.hospitals[seat], evm.actors[75]),
        sender=world.hospitals[seat],
    )
    with evm.reverts("FreeBalanceTooSmall"):
        work.object(evm.actors[75])


def test_an_author_that_objects_to_itself_saves_no_bond(world, evm):
    """It claims garbage and withdraws it by its own free objection before anybody has looked; the quorum's result shows what it
    was."""
    work = made(world, size=130)
    author = work.leader()
    before = wealth(world, world.hospitals[author])
    garbage, truth = work.aggregate(root=GARBAGE), work.aggregate()
    work.claim(author, garbage)
    work.object(work.operators[author])
    work.final(truth, [seat for seat in range(3) if seat != author])
    evm.travel(DISPUTE)
    work.settle(garbage, truth)
    assert loss(world, before, world.hospitals[author]) == BOND


def test_a_liars_bond_is_not_settled_by_another_rounds_result(world, evm):
    """The author shows results that say nothing about its claim: another round's, one that is not final, its own claim; and
    what it did not claim."""
    work = made(world, size=130, rounds=2)
    lie, truth = work.aggregate(root=GARBAGE), work.aggregate()
    author = work.leader()
    work.claim(author, lie)
    work.object(work.operators[(author + 1) % 3])
    work.final(truth, [seat for seat in range(3) if seat != author])
    later = work.next()
    other = later.aggregate()
    later.final(other, (0, 1))
    evm.travel(DISPUTE)
    for claimed, result, refusal in (
        (lie, other, "NotFinal"),
        (lie, lie, "NotFinal"),
        (truth, truth, "AttemptDiffers"),
        (other, truth, "AttemptDiffers"),
    ):
        with evm.reverts(refusal):
            work.settle(claimed, result)
    with evm.reverts("AttemptUnknown"):
        later.settle(lie, other)
    work.settle(lie, truth)
    assert world.vault.burntOf(world.token) == BOND


def test_strangers_and_sponsors_do_not_void_rounds_for_nothing(world, evm):
    """A sponsor's friend, no hospital, objects to the only claim there is, so that the round ends void and the sponsor has its
    reward back: that costs the bond each time, and the claim's author nothing."""
    rich(world, world.stranger)
    work = made(world, size=130, maxVoids=0, maxAttempts=1)
    author = work.leader()
    league = (world.sponsor, world.stranger)
    honest = wealth(world, world.hospitals[author])
    before = wealth(world, *league)
    work.claim(author, work.aggregate())
    work.object(world.stranger)
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    work.settle()
    assert loss(world, before, *league) == BOND
    assert wealth(world, world.hospitals[author]) == honest


def test_garbage_claims_hold_a_round_no_longer_than_the_study_said(world, evm):
    """A league uses up every claim, each in the last second of what the one before holds, objects to each in the last second of
    its window, then sacrifices an update and begins anew."""
    work = tainted(world, members=4, size=130)
    closed = evm.now
    evm.travel(PHASE - 1)

    def waste(authors):
        for author in authors:
            work.claim(author, work.aggregate(root=GARBAGE, seats=sorted(work.vectors)))
            evm.travel(CLAIM - 1)
            work.object(work.operators[(author + 1) % len(authors)])
            held = work.contest().heldUntil
            evm.travel(held - 1 - evm.now)

    waste((0, 1, 2))
    work.strike(3, 2)
    del work.vectors[3]
    evm.travel(work.contest().heldUntil - 1 - evm.now)
    waste((0, 1, 2))
    with evm.reverts("AttemptsExhausted"):
        work.claim(0, work.aggregate())
    evm.travel(work.contest().heldUntil - evm.now)
    world.rounds.advance(work.study)
    left = 1
    assert evm.now <= closed + PHASE + (left + 1) * ATTEMPTS * 2 * CLAIM + left * CLAIM


def test_a_proof_against_a_claim_leaves_the_honest_their_time(world, evm):
    """A liar has its pending claim proved wrong by a friend in the second in which the round could end, so that nobody has time
    to attest: the others still have a claim's window, and end the round."""
    work = made(world, size=130)
    evm.travel(PHASE - 1)
    vector, lie, author = work.lie()
    evm.travel(CLAIM - 1)
    work.challenge(vector, lie, 1, sender=evm.actors[3])
    evm.travel(CLAIM - 1)
    with evm.reverts("NothingToAdvance"):
        world.rounds.advance(work.study)
    honest = [seat for seat in range(3) if seat != author]
    work.final(work.aggregate(), honest)
    assert world.rounds.getRound(work.study, 1).outcome == FINAL


@pytest.mark.parametrize("late", [-1, 0])
def test_window_and_acceptance_share_no_second(world, evm, late):
    """In the last second of the window an objection counts and acceptance does not; in the next it is the other way round."""
    work = made(world, size=130)
    truth, author = work.aggregate(), work.leader()
    work.claim(author, truth)
    evm.travel(CLAIM + late)
    other = work.operators[(author + 1) % 3]
    found = [stopped(lambda: work.finalise(truth)), stopped(lambda: work.object(other))]
    assert found == (["ClaimWindowOpen", None] if late else [None, "NoAttemptPending"])


def test_one_hospital_that_serves_its_bytes_to_one_only_stops_no_round_that_takes_claims(world, evm):
    """It lets one honest hospital fetch its update and keeps it from the others until they have attested without it, so that no
    aggregate has two thirds, and objects to the first claim. The second claim ends the round."""
    work = made(world, members=4, size=130)
    work.attest(0, work.aggregate())
    for seat in (1, 2):
        work.attest(seat, work.aggregate(seats=(0, 1, 2)))
    evm.travel(PHASE // 2)
    work.claim(1, work.aggregate())
    work.object(work.operators[3])
    work.claim(2, work.aggregate())
    with evm.reverts("FreeBalanceTooSmall"):
        work.object(work.operators[3])
    evm.travel(CLAIM)
    work.finalise(work.aggregate())
    assert world.rounds.getRound(work.study, 1).outcome == FINAL


def test_an_honest_objector_to_a_lie_keeps_its_bond_whatever_the_liars_do_to_their_own_round(world, evm):
    """A stranger objects to a lie. The league tries to make that objection a wrong one: a friend attests to the lie, the
    author's friend claims the same root with another model, an update of theirs is sacrificed."""
    rich(world, world.stranger)
    work = tainted(world, members=4, size=130)
    _, lie, author = work.lie()
    work.object(world.stranger)
    work.attest(3, lie)
    evm.travel(PHASE // 2)
    second = next(seat for seat in range(3) if seat != author)
    twin = work.aggregate(root=lie.root, model=b"\x77" * 32)
    work.claim(second, twin)
    work.object(work.operators[3 - author - second])
    work.strike(3, 2, sender=evm.actors[3])
    assert stopped(lambda: work.settle(lie)) is None
    assert work.balance(world.stranger) == (STAKE, 0)
