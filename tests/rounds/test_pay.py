"""Pay as Python foresees it and as the contracts pay it: equal for every seat, score mode and set left out; and what a
void round pays from a lost stake."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.chain.contracts.studies import ScoreMode
from medfed.protocol.chunks import chunk_proof, chunk_root
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.header import Header
from medfed.protocol.openings import Opening
from medfed.protocol.phase import quorum_of
from medfed.protocol.vector import vector_bytes
from medfed.rounds.settle import pay_of
from tests.rig.evm import CHAIN_ID
from tests.rig.world import DATASET, DISPUTE, STAKE, STEP, WORDS, deploy_world, earned, nothing
from tests.rounds.histories import final_round, terms, void_round

MEMBERS, RECORDS = 4, DATASET[3]


@pytest.fixture(scope="module")
def deployed(evm_module):
    return deploy_world(evm_module, MEMBERS)


def update_of(seat: int, weight: int, root: bytes = b"\2" * 32) -> Update:
    return Update(bytes([seat + 1]) * 32, root, b"\3" * 32, b"\4" * 32, weight)


@pytest.mark.parametrize("mode", [ScoreMode.WEIGHT, ScoreMode.EQUAL])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_claims_pay_what_is_foreseen(evm, deployed, mode, data):
    """Weights, rewards, shares and the sets of included and attesting seats are drawn, and whether one was suspended and
    could not submit; nothing is burnt, paid twice or overdrawn, and what nobody earns stays in the pot."""
    world, start = replace(deployed, evm=evm), evm.snapshot()
    shares = data.draw(st.tuples(st.integers(0, 2500), st.integers(0, 2500)))
    reward = data.draw(st.integers(1, 10**6))
    asked = terms(reward_per_round=reward, score_mode=mode, attester_bps=shares[0], patient_bps=shares[1])
    away, most = data.draw(st.booleans()), data.draw(st.integers(1, 2 * RECORDS))
    seats, step = range(MEMBERS - away), data.draw(st.integers(1, min(3, most)))
    weights = {seat: step * data.draw(st.integers(1, min(most, RECORDS) // step)) for seat in seats}
    least = quorum_of(len(seats))
    included = data.draw(st.permutations(seats))[: data.draw(st.integers(least, len(seats)))]
    attesters = data.draw(st.permutations(seats))[: data.draw(st.integers(least, len(seats)))]
    study = world.running(
        MEMBERS,
        rounds=2,
        cohortStep=step,
        maxWeight=most,
        rewardPerRound=reward,
        attesterBps=shares[0],
        patientBps=shares[1],
        scoreMode=mode,
    )
    updates = {seat: update_of(seat, weight) for seat, weight in weights.items()}
    for seat, update in updates.items():
        world.rounds.submitUpdate(study, 1, seat, update, sender=world.operators[seat])
    if away:
        keep_away(world, study)
    kept_away = {MEMBERS - 1: min(most, RECORDS) // step * step} if away else {}
    history = final_round(weights, included, attesters, kept_away=kept_away)
    mask, weight = history.result.included, history.result.weight
    result = Aggregate(b"\5" * 32, b"\6" * 32, b"\7" * 32, mask, weight)
    left_out = [updates[seat] for seat in seats if seat not in included]
    for seat in attesters:
        world.attest(study, seat, result, left_out=left_out)
    evm.travel(DISPUTE)
    paid = 0
    for seat, update in updates.items():
        due = pay_of(asked, history, seat)
        claim = [earned(1, result, update)]
        if due:
            claimed = world.payouts.claim(study, seat, claim).named("Claimed")
            assert claimed[0]["amount"] == due
        else:
            with evm.reverts("NothingToClaim", study, 1, seat):
                world.payouts.claim(study, seat, claim)
        paid += due
    assert paid <= reward - asked.pools().patients
    assert world.vault.burntOf(world.token) == 0
    assert world.vault.potOf(study).amount == 2 * reward - paid
    evm.restore(start)


def keep_away(world, study):
    """The last hospital is suspended while the round trains; somebody abstains for it."""
    world.consortium.suspend(world.hospitals[MEMBERS - 1], sender=world.admin)
    world.rounds.abstain(study, 1, MEMBERS - 1, sender=world.stranger)


@pytest.mark.parametrize("mode", [ScoreMode.WEIGHT, ScoreMode.EQUAL])
@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize(
    ("reward", "kept", "won"), [(STAKE // 4, STAKE // 4, STAKE // 4), (9 * STAKE, STAKE // 2, 0)]
)
def test_a_void_round_pays_those_that_remain(evm, deployed, mode, away, reward, kept, won):
    """From half of the stake of one that left, up to the round's reward; the challenger has what is left of that half.
    One that was suspended has a part as well, which nobody gets."""
    world = replace(deployed, evm=evm)
    weights = {0: 80, 1: 40, 2: 24}
    study = world.running(
        3 + away, rounds=2, minHospitals=3, rewardPerRound=reward, scoreMode=mode, maxVoids=0
    )
    if away:
        keep_away(world, study)
    header = Header(CHAIN_ID, world.rounds.address, study, 1, world.hospitals[2].address)
    words = np.full(WORDS, 0x7FFFFFFF, dtype=np.uint32)
    tree = np.frombuffer(vector_bytes(header, words), dtype=">u4").astype(np.uint32)
    updates = {seat: update_of(seat, weight, chunk_root(tree)) for seat, weight in weights.items()}
    for seat, update in updates.items():
        world.rounds.submitUpdate(study, 1, seat, update, sender=world.operators[seat])
    shown = Opening(tree[128:256].astype(">u4").tobytes(), chunk_proof(tree, 1))
    struck = world.proofs.challengeUpdate(
        study, 1, 2, updates[2], bytes(32), 1, shown.words(), sender=world.stranger
    )
    assert [event["amount"] for event in struck.named("Compensated")] == [kept]
    assert sum(event["amount"] for event in struck.named("ChallengerPaid")) == won
    assert world.vault.burntOf(world.token) == STAKE - kept - won >= STAKE // 2
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    asked = terms(reward_per_round=reward, score_mode=mode)
    kept_away = {3: RECORDS // STEP * STEP} if away else {}
    history = void_round({seat: weights[seat] for seat in (0, 1)}, kept, kept_away=kept_away)
    for seat in (0, 1):
        paid = world.payouts.claim(study, seat, [earned(1, nothing(), updates[seat])])
        assert paid.named("Claimed")[0]["amount"] == pay_of(asked, history, seat)
    with evm.reverts("PayVoid", study, 1, 2):
        world.payouts.claim(study, 2, [earned(1, nothing(), updates[2])])
