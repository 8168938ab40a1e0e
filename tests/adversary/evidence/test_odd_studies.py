"""Odd studies of honest people: none is ever called wrong, live or by a bundle of any block."""

from __future__ import annotations

import contextlib

import pytest

from medfed.rounds.audit import audit_study
from medfed.rounds.bundle import export_bundle, open_bundle
from tests.adversary.evidence.conftest import LIMITS
from tests.nodes.federation import DAY, ETHER, PHASE, account
from tests.nodes.test_revoking import decide


@pytest.fixture
def judged(world, tmp_path):
    """Whether a study is right and proved, by a node and by a bundle of this moment alike; and the bundles made so far, still."""
    made = []

    def judge(study, state=None):
        live = audit_study(world.federation(), study)
        path = tmp_path / f"{len(made)}.medfed"
        export_bundle(world.federation(), study, path, LIMITS, skip_missing=True)
        made.append((path, study))
        for each, number in made:
            with contextlib.closing(open_bundle(each, max_bytes=1 << 40)) as opened:
                report = audit_study(opened.federation, number)
            assert report.proved, report.verdict
        assert live.proved, live.verdict
        assert (live.rounds, live.state, live.bases) == (report.rounds, report.state, report.bases)
        assert state in (None, live.state)
        return live

    return judge


def test_nobody_enrolled_and_the_study_was_given_up(world, judged):
    study = world.post()
    judged(study, "enrolling")
    world.client.travel(PHASE + 1)
    judged(study, "enrolling")
    world.send(world.sponsor, world.contracts.rounds.advance(study))
    world.send(world.sponsor, world.contracts.studies.refund(study))
    judged(study, "aborted")


def test_all_that_can_happen_to_hospitals_in_the_middle(world, three, judged):
    """One is suspended and back, one serves with another operator, one retires its dataset and everybody takes back everything."""
    study = world.opened(*three)
    consortium, consents = world.contracts.consortium, world.contracts.consents
    first, second, third = world.members
    world.run(*three)
    world.send(world.consortium, consortium.suspend(third.id))
    other = account("rotated", first.id)
    world.client.set_balance(other.address, ETHER)
    pledge = consortium.pledge(other, second.id, world.client.head().timestamp + DAY)
    world.run(*three, cycles=2)
    world.send(second.admin, consortium.rotate_operator(second.id, other.address, pledge))
    world.send(first.admin, world.contracts.datasets.retire(first.dataset))
    for number in range(world.patients):
        decide(world, first, number, consents.revoke_all())
    judged(study, "running")
    world.send(world.consortium, consortium.reinstate(third.id))
    for _ in range(3):
        world.client.travel(2 * PHASE)
        world.run(three[0], three[2], cycles=3)
    assert world.study(study).ended
    judged(study)
