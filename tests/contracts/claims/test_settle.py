"""`settle`: whose bond comes back, whose is lost, and when."""

from __future__ import annotations

import pytest

from medfed.protocol.commitments import NO_AGGREGATE
from tests.contracts.facts import change, told
from tests.contracts.work import made, rich, share, tainted
from tests.rig.world import BOND, CLAIM, DISPUTE, PHASE, STAKE

SETTLED, REFUTED = 5, 4
CHUNK = 128


@pytest.fixture
def objected(work):
    """A true claim by seat 1 to which a stranger objected; study of three."""
    rich(work.world, work.world.stranger)
    work.claim(1, work.aggregate())
    work.object(work.world.stranger)
    return work


def taken(receipt):
    (event,) = receipt.named("AttemptSettled")
    return event["fromAuthor"], event["fromObjector"]


# -- checks, in their order -------------------------------------------------------------------------------------------


def test_only_a_claim_that_was_made_and_is_not_settled(evm, work):
    with evm.reverts("AttemptUnknown", work.study, 1, 0):
        work.settle()
    vector, lie, _ = work.lie()
    with evm.reverts("AttemptUnknown", work.study, 1, 1):
        work.settle(attempt=1)
    work.challenge(vector, lie, 1)
    work.settle()
    with evm.reverts("AttemptOver", work.study, 1, 0):
        work.settle()


@pytest.mark.parametrize("state", ["pending", "objected"])
def test_not_while_the_round_is_open(evm, work, state):
    truth = work.aggregate()
    work.claim(1, truth)
    if state == "objected":
        work.object(work.operators[0])
    with evm.reverts("NotFinal", work.study, 1, work.digest(truth)):
        work.settle(truth, truth)


def test_what_was_claimed_and_what_became_final_are_shown(evm, objected):
    work, truth = objected, objected.aggregate()
    work.final(truth, (0, 2))
    other = work.aggregate(model=b"\xff" * 32)
    with evm.reverts("AttemptDiffers", work.study, 1, work.digest(other)):
        work.settle(other, truth)
    with evm.reverts("AttemptDiffers", work.study, 1, work.digest(NO_AGGREGATE)):
        work.settle(result=truth)
    with evm.reverts("NotFinal", work.study, 1, work.digest(other)):
        work.settle(truth, other)
    with evm.reverts("BondLocked", work.study, 1, evm.now + DISPUTE):
        work.settle(truth, truth)
    evm.travel(DISPUTE - 1)
    with evm.reverts("BondLocked", work.study, 1, evm.now + 1):
        work.settle(truth, truth)
    evm.travel(1)
    work.settle(truth, truth)


# -- what a claim that was proved wrong costs -------------------------------------------------------------------------


def test_a_refuted_claim_costs_its_author_the_bond_at_once(evm, work):
    """Half of it at most is the challenger's, the rest is nobody's; nothing need be shown any more."""
    rich(work.world, work.world.stranger)
    vector, lie, author = work.lie()
    work.object(work.world.stranger)
    challenger = evm.actors[3]
    work.challenge(vector, lie, 1, sender=challenger)
    with change(work.world, work.study) as changed:
        receipt = work.settle()
    assert changed == {
        "attempt1.0.state": SETTLED,
        f"hospital{author}.locked": STAKE,
        "challenger.free": share(BOND),
        "burnt": BOND - share(BOND),
        "stranger.free": STAKE,
        "stranger.locked": 0,
    }
    assert share(BOND) * 2 <= BOND
    token, hospital = work.world.token.address, work.hospitals[author].address
    assert told(receipt) == [
        (
            "AttemptSettled",
            {"study": work.study, "round": 1, "attempt": 0, "fromAuthor": BOND, "fromObjector": 0},
        ),
        ("Slashed", {"study": work.study, "token": token, "account": hospital, "amount": BOND}),
        ("ChallengerPaid", {"study": work.study, "challenger": challenger.address, "amount": share(BOND)}),
        ("Burnt", {"study": work.study, "token": token, "amount": BOND - share(BOND)}),
        ("Unlocked", {"token": token, "account": work.world.stranger.address, "amount": BOND}),
    ]


def test_what_was_lost_of_the_allowance_stays_used(evm, work):
    vector, lie, author = work.lie()
    work.challenge(vector, lie, 1)
    work.settle()
    used = work.world.vault.allowanceOf(work.hospitals[author], work.world.token).used
    assert used == STAKE + BOND


# -- what the end of the round tells ----------------------------------------------------------------------------------


def test_another_root_over_the_same_set_costs_the_author(evm, work):
    """No chunk need be opened: over one set only one vector is right. Nobody challenged it, so all is burnt."""
    rich(work.world, work.world.stranger)
    lie, truth = work.aggregate(root=b"\xee" * 32), work.aggregate()
    work.claim(1, lie)
    work.object(work.world.stranger)
    work.final(truth, (0, 2))
    evm.travel(DISPUTE)
    with change(work.world, work.study) as changed:
        receipt = work.settle(lie, truth)
    assert taken(receipt) == (BOND, 0)
    assert changed == {
        "attempt1.0.state": SETTLED,
        "hospital1.locked": STAKE,
        "burnt": BOND,
        "stranger.free": STAKE,
        "stranger.locked": 0,
    }


@pytest.mark.parametrize("field", ["model", "cid"])
def test_another_cid_or_model_over_the_same_vector_costs_nobody_honest(evm, objected, field):
    """Nobody can prove these wrong on the chain, so a quorum cannot take an honest author's bond with them."""
    work, claimed = objected, objected.aggregate()
    final = work.aggregate(**{field: b"\xff" * 32})
    work.final(final, (0, 2))
    evm.travel(DISPUTE)
    receipt = work.settle(claimed, final)
    assert taken(receipt) == (0, BOND)
    assert work.balance(work.hospitals[1]) == (9 * STAKE, STAKE)


def test_who_objected_to_what_became_final_loses_the_bond(evm, objected):
    work, truth = objected, objected.aggregate()
    work.final(truth, (0, 2))
    evm.travel(DISPUTE)
    with change(work.world, work.study) as changed:
        receipt = work.settle(truth, truth)
    assert taken(receipt) == (0, BOND)
    assert changed == {
        "attempt1.0.state": SETTLED,
        "hospital1.free": 9 * STAKE,
        "hospital1.locked": STAKE,
        "hospital1.used": STAKE,
        "stranger.locked": 0,
        "burnt": BOND,
    }


def test_a_result_over_another_set_says_nothing_about_a_claim(evm, objected):
    """The quorum left an update out; claim and objection may both have been right."""
    work, claimed = objected, objected.aggregate()
    result = work.aggregate(seats=(0, 2))
    work.final(result, (0, 2))
    evm.travel(DISPUTE)
    assert taken(work.settle(claimed, result)) == (0, 0)


def test_a_submitters_free_objection_costs_it_nothing(evm, work):
    truth = work.aggregate()
    work.claim(1, truth)
    work.object(work.operators[2])
    work.final(truth, (0, 2))
    evm.travel(DISPUTE)
    assert taken(work.settle(truth, truth)) == (0, 0)


def test_a_claim_that_became_the_result_is_free_when_claims_unlock(evm, work):
    truth = work.aggregate()
    work.claim(1, truth)
    evm.travel(CLAIM)
    work.finalise(truth)
    evm.travel(DISPUTE)
    receipt = work.settle(truth, truth)
    hospital = work.hospitals[1].address
    assert told(receipt)[1:] == [
        ("Unlocked", {"token": work.world.token.address, "account": hospital, "amount": BOND})
    ]


def test_what_a_refuted_result_says_is_not_believed(evm, objected):
    """An honest claim against which a lying quorum decided has its bond back, its objector too."""
    work, honest = objected, objected.aggregate()
    vector, lie = work.lying_quorum(seats=(0, 2))
    work.challenge(vector, lie, 1, sender=evm.actors[3])
    evm.travel(DISPUTE)
    assert taken(work.settle(honest, lie)) == (0, 0)
    assert work.balance(work.hospitals[1])[1] == STAKE
    assert work.balance(work.world.stranger) == (STAKE, 0)


def test_nor_what_a_tainted_one_says(evm, world):
    work = tainted(world, members=4)
    honest, other = work.aggregate(), work.aggregate(root=b"\xee" * 32)
    author = work.leader()
    work.claim(author, honest)
    work.object(work.operators[(author + 1) % 4])
    work.final(other, [seat for seat in range(4) if seat != author])
    work.strike(3, 2, work.digest(other))
    evm.travel(DISPUTE)
    assert taken(work.settle(honest, other)) == (0, 0)


# -- void rounds and changed sets -------------------------------------------------------------------------------------


def test_a_stranger_whose_objection_left_the_round_void_without_a_proof_loses_its_bond(evm, objected):
    """Voiding a round costs an outsider its bond, and the author nothing."""
    work = objected
    evm.travel(PHASE)
    work.world.rounds.advance(work.study)
    with change(work.world, work.study) as changed:
        receipt = work.settle()
    assert taken(receipt) == (0, BOND)
    assert changed == {
        "attempt1.0.state": SETTLED,
        "hospital1.free": 9 * STAKE,
        "hospital1.locked": STAKE,
        "hospital1.used": STAKE,
        "stranger.locked": 0,
        "burnt": BOND,
    }


def test_unless_the_proof_comes_after_the_end(evm, work):
    """As long as nobody settled, a lie that left a round void can be proved, and whoever objected to it was right."""
    rich(work.world, work.world.admin)
    vector, lie, _ = work.lie()
    work.object(work.world.admin)
    evm.travel(PHASE)
    work.world.rounds.advance(work.study)
    work.challenge(vector, lie, 1)
    assert taken(work.settle()) == (BOND, 0)
    assert work.balance(work.world.admin) == (STAKE, 0)


def test_all_is_returned_where_the_set_changed(evm, world):
    """At once: what was claimed and objected over the old set was about nothing any more."""
    work = tainted(world, members=4)
    rich(world, world.stranger)
    author = work.leader()
    work.claim(author, work.aggregate())
    work.object(world.stranger)
    work.strike(3, 2)
    assert taken(work.settle()) == (0, 0)
    assert work.balance(world.stranger)[1] == 0


def test_all_is_returned_where_a_proof_of_another_round_ended_the_study(evm, world):
    """The open round had no time to come to an end of its own."""
    work = made(world, rounds=3)
    rich(world, world.admin)
    vector, lie = work.lying_quorum()
    later = work.next()
    later.claim(later.leader(), later.aggregate())
    later.object(world.admin)
    work.challenge(vector, lie, 1)
    assert taken(later.settle()) == (0, 0)
    assert later.balance(world.admin) == (STAKE, 0)


def test_a_claim_that_nobody_objected_to_comes_back_from_a_void_round(evm, work):
    """Nobody handed it in, so it was not the result: that is no lie."""
    work.claim(1, work.aggregate())
    evm.travel(PHASE)
    work.world.rounds.advance(work.study)
    assert taken(work.settle()) == (0, 0)
