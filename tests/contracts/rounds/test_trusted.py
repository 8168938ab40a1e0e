"""What only other contracts of the deployment may do, and how the deployment is named."""

from __future__ import annotations

import pytest

from tests.contracts.work import made
from tests.rig.world import aggregate

PARTS = ("consortium", "datasets", "consents", "vault", "studies", "claims", "proofs", "payouts", "market")


def calls(world, study):
    """Each such function with arguments that would be right, and whose it is."""
    enrolment = world.rounds.getEnrolment(study)
    return {
        "open": (world.studies, (study + 1, (2, 1, 0, 1, 100, 100, 100, 80), enrolment)),
        "finaliseByTime": (world.claims, (study, 1, 0, aggregate(range(3), 240))),
        "bar": (world.claims, (study, 1, 0b001)),
        "pay": (world.payouts, (study, 1, 0, bytes(32))),
        "strike": (world.proofs, (study, 1, 0, 80, bytes(32))),
        "refute": (world.proofs, (study, 1, bytes(32))),
    }


@pytest.mark.parametrize("name", ["open", "finaliseByTime", "bar", "pay", "strike", "refute"])
def test_each_function_is_one_contracts(evm, world, name):
    study = world.submitted()
    owner, values = calls(world, study)[name]
    others = [getattr(world, part) for part in PARTS if getattr(world, part) is not owner]
    for caller in (*others, world.sponsor, world.admin, world.operators[0], world.stranger):
        with evm.reverts("CallerNotTrusted", caller):
            getattr(world.rounds, name)(*values, sender=caller)


def test_one_address_names_the_whole_deployment(world):
    found = world.rounds.deployment()
    assert found._asdict() == {part: getattr(world, part).address for part in PARTS}


def test_what_is_not_there_is_zero(world):
    assert world.rounds.getStudy(99).state == 0
    assert world.rounds.getSeat(99, 0).dataset == 0
    assert world.rounds.getRound(99, 1).openedAt == 0
    assert (world.rounds.standingOf(99, 1)[0], world.rounds.standingOf(99, 1)[3]) == (0, 0)
    assert world.rounds.hospitalsOf(99, 0) == ()


def test_commitments_come_in_the_order_of_seats(world):
    work = made(world, members=4)
    shown = [work.updates[seat].commitment() for seat in (1, 3)]
    assert list(world.rounds.updatesOf(work.study, 1, 0b1010)) == shown
    assert world.rounds.updatesOf(work.study, 1, 0b10000) == (bytes(32),)
