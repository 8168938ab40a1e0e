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
from medfed.protocol.vector import vector_bytes
from medfed.rounds.settle import left_out_burnt, pay_of
from tests.rig.evm import CHAIN_ID
from tests.rig.world import DISPUTE, STAKE, WORDS, deploy_world, earned, nothing
from tests.rounds.histories import final_round, terms, void_round

MEMBERS = 4


@pytest.fixture(scope="module")
def deployed(evm_module):
    return deploy_world(evm_module, MEMBERS)


def update_of(seat: int, weight: int, root: bytes = b"\2" * 32) -> Update:
    return Update(bytes([seat + 1]) * 32, root, b"\3" * 32, b"\4" * 32, weight)


@pytest.mark.parametrize("mode", [ScoreMode.WEIGHT, ScoreMode.EQUAL])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_claims_pay_what_is_foreseen(evm, deployed, mode, data):
    """Weights, rewards, shares and the sets of included and attesting seats are drawn; what left-out updates would have
    had is burnt, nothing is paid twice or overdrawn."""
    world, start = replace(deployed, evm=evm), evm.snapshot()
    shares = data.draw(st.tuples(st.integers(0, 2500), st.integers(0, 2500)))
    reward = data.draw(st.integers(1, 10**6))
    asked = terms(reward_per_round=reward, score_mode=mode, attester_bps=shares[0], patient_bps=shares[1])
    weights = dict(enumerate(data.draw(st.lists(st.integers(1, 100), min_size=MEMBERS, max_size=MEMBERS))))
    included = data.draw(st.sets(st.integers(0, MEMBERS - 1), min_size=2))
    attesters = data.draw(st.permutations(range(MEMBERS)))[: data.draw(st.integers(3, MEMBERS))]
    study = world.running(
        MEMBERS,
        rounds=2,
        cohortStep=1,
        rewardPerRound=reward,
        attesterBps=shares[0],
        patientBps=shares[1],
        scoreMode=mode,
    )
    updates = {seat: update_of(seat, weight) for seat, weight in weights.items()}
    for seat, update in updates.items():
        world.rounds.submitUpdate(study, 1, seat, update, sender=world.operators[seat])
    history = final_round(weights, included, attesters)
    mask, weight = history.result.included, history.result.weight
    result = Aggregate(b"\5" * 32, b"\6" * 32, b"\7" * 32, mask, weight)
    left_out = [updates[seat] for seat in range(MEMBERS) if seat not in included]
    for seat in attesters:
        world.attest(study, seat, result, left_out=left_out)
    burnt = left_out_burnt(asked, history)
    assert world.vault.burntOf(world.token) == burnt
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
    assert 0 <= reward - asked.pools().patients - burnt - paid <= MEMBERS + 1
    evm.restore(start)


@pytest.mark.parametrize("mode", [ScoreMode.WEIGHT, ScoreMode.EQUAL])
@pytest.mark.parametrize(("reward", "kept"), [(STAKE // 4, STAKE // 4), (9 * STAKE, STAKE)])
def test_a_void_round_pays_those_that_remain(evm, deployed, mode, reward, kept):
    """From the stake of one that left, up to the round's reward."""
    world = replace(deployed, evm=evm)
    weights = {0: 80, 1: 40, 2: 24}
    study = world.running(
        3, rounds=2, minHospitals=3, maxHospitals=3, rewardPerRound=reward, scoreMode=mode, maxVoids=0
    )
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
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    asked = terms(reward_per_round=reward, score_mode=mode)
    history = void_round({seat: weights[seat] for seat in (0, 1)}, kept)
    for seat in (0, 1):
        paid = world.payouts.claim(study, seat, [earned(1, nothing(), updates[seat])])
        assert paid.named("Claimed")[0]["amount"] == pay_of(asked, history, seat)
    with evm.reverts("PayVoid", study, 1, 2):
        world.payouts.claim(study, 2, [earned(1, nothing(), updates[2])])
