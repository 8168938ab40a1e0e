"""Copying does not pay: bytes appear when nobody can commit any more, and every vector begins with its hospital's name."""

from __future__ import annotations

import pytest

from medfed.chain.sender import Sender
from medfed.errors import ContractRevert
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.audit import audit_study
from medfed.types import RoundNumber
from tests.nodes.federation import DISPUTE, REWARD

pytestmark = pytest.mark.usefixtures("quiet")

SHARED = REWARD * 9 // 10


def submit(world, study, seat, update, number=1):
    call = world.contracts.rounds.submit_update(study, RoundNumber(number), seat, update)
    return Sender(world.client, world.members[seat].operator).send(call)


def attest_and_claim(world, study, *hospitals):
    """The copier's daemon does the rest honestly: it knows of nothing."""
    world.run(*hospitals, cycles=6)
    world.client.travel(DISPUTE + 1)
    world.run(*hospitals, cycles=3)
    return {
        (event["round"], event["seat"]): event["amount"]
        for event in world.index.events("Claimed", study=study)
    }


def test_who_front_runs_a_root_is_left_out(world, three):
    """The copier commits to the very root, CID and cohort of another before that one's transaction is mined. The victim loses
    nothing; the copier is not in the sum, and has no pay but for attesting."""
    study = world.opened(*three, rounds=1)
    victim, history = three[0], world.round(study, 1)
    entry = world.study(study).enrolment(victim.id)
    update = victim._training._work(world.study(study), entry, history).update
    submit(world, study, 2, update)
    world.run(*three[:2])
    assert world.round(study, 1).updates[2] == world.round(study, 1).updates[0] == update
    paid = attest_and_claim(world, study, *three)
    assert world.round(study, 1).result.included == 0b011
    weights = world.round(study, 1).updates
    total = sum(each.weight for each in weights.values())
    assert paid[1, 0] >= SHARED * update.weight // total
    assert paid.get((1, 2), 0) <= REWARD // 10
    assert audit_study(world.federation(), study).ok


def test_who_publishes_another_s_bytes_again_is_left_out(world, three):
    """In round 2 the copier commits to bytes of round 1 that everybody has: they are another's and of another round."""
    study = world.opened(*three)
    while not world.round(study, 1).final_at:
        world.run(three[2], *three[:2])
    first = world.round(study, 1).updates
    submit(world, study, 2, first[0], number=2)
    paid = attest_and_claim(world, study, *three)
    assert world.round(study, 1).result.included == 0b111
    assert world.round(study, 2).result.included == 0b011
    assert paid[1, 2] >= SHARED // 4
    assert paid.get((2, 2), 0) <= REWARD // 10
    assert audit_study(world.federation(), study).ok


def test_bytes_are_shown_when_nobody_can_commit_any_more(world, three):
    """While one hospital has not acted, the store has nothing of the others; once it has, nobody can submit."""
    study = world.opened(*three, rounds=1)
    world.run(*three[:2], cycles=3)
    files = [
        cid_from_digest(digest)
        for update in world.round(study, 1).updates.values()
        for digest in (update.cid, update.cohort_cid)
    ]
    assert len(files) == 4
    assert not any(world.store.has(cid) for cid in files)
    world.run(three[2])
    world.run(*three[:2])
    assert all(world.store.has(cid) for cid in files)
    with pytest.raises(ContractRevert, match=r"not in the phase|has submitted"):
        submit(world, study, 2, world.round(study, 1).updates[0])
