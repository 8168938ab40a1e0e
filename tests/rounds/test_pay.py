"""Pay as Python foresees it and as the contract pays it: equal for every seat, score mode and set left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.protocol.commitments import Aggregate, Update
from medfed.rounds.history import RoundHistory
from medfed.rounds.settle import left_out_pay, pay_of
from medfed.types import RoundNumber, Seat, StudyId
from tests.rig.world import DISPUTE, deploy_world

MEMBERS = 4


@pytest.fixture(scope="module")
def deployed(evm_module):
    return deploy_world(evm_module, MEMBERS)


@pytest.mark.parametrize("mode", [0, 1])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_claims_pay_what_is_foreseen(evm, deployed, mode, data):
    """Weights, rewards, shares and the sets of included and attesting seats are drawn; nothing is paid twice or overdrawn."""
    world, start = replace(deployed, evm=evm), evm.snapshot()
    shares = data.draw(st.tuples(st.integers(0, 2500), st.integers(0, 2500)))
    terms = {"reward_per_round": data.draw(st.integers(1, 10**6)), "score_mode": mode}
    terms |= {"attester_bps": shares[0], "patient_bps": shares[1]}
    weights = data.draw(st.lists(st.integers(1, 100), min_size=MEMBERS, max_size=MEMBERS))
    included = data.draw(st.sampled_from([0b1111, 0b0111, 0b1011, 0b1110]))
    attesters = data.draw(st.permutations(range(MEMBERS)))[: data.draw(st.integers(3, MEMBERS))]
    study = world.running(
        MEMBERS,
        rounds=2,
        cohortStep=1,
        rewardPerRound=terms["reward_per_round"],
        attesterBps=shares[0],
        patientBps=shares[1],
        scoreMode=mode,
    )
    updates = {
        Seat(seat): Update(bytes([seat + 1]) * 32, b"\2" * 32, b"\3" * 32, b"\4" * 32, weight)
        for seat, weight in enumerate(weights)
    }
    for seat, update in updates.items():
        world.rounds.submitUpdate(study, 1, seat, update, sender=world.operators[seat])
    total = sum(weights[seat] for seat in range(MEMBERS) if included >> seat & 1)
    result = Aggregate(b"\5" * 32, b"\6" * 32, b"\7" * 32, included, total)
    for seat in attesters:
        world.rounds.attest(study, 1, seat, result, sender=world.operators[seat])
    digest = result.digest(StudyId(study), RoundNumber(1))
    bitmap = sum(1 << seat for seat in attesters)
    history = RoundHistory(
        study=StudyId(study),
        number=RoundNumber(1),
        opened_at=1,
        closed_at=1,
        updates=updates,
        abstained=frozenset(),
        proposals={digest: result},
        attesters={digest: bitmap},
        attested=bitmap,
        struck=frozenset(),
        final_hash=digest,
        final_at=1,
        void=False,
    )
    reward = terms["reward_per_round"]
    carried = left_out_pay(terms, history, reward, result)
    assert world.rounds.carriedInto(study, 2) == carried
    evm.travel(DISPUTE)
    paid = 0
    for seat, update in updates.items():
        due = pay_of(terms, history, reward, seat)
        if due:
            claimed = world.rounds.claim(study, 1, seat, result, update).named("Claimed")
            assert claimed[0]["amount"] == due
        else:
            with evm.reverts("NothingToClaim", study, 1, seat):
                world.rounds.claim(study, 1, seat, result, update)
        paid += due
    patients = reward * shares[1] // 10_000
    assert 0 <= reward - patients - carried - paid <= MEMBERS + 1
    evm.restore(start)
