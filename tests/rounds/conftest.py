"""Studies that have ended, to look at from outside: played once for a file, then only read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from medfed.log import configure
from medfed.rounds.cohort import round_cohort
from medfed.rounds.federation import Federation
from medfed.rounds.recompute import RoundPlace
from medfed.rounds.study import fetch_spec
from medfed.types import RoundNumber, StudyId
from tests.nodes.federation import DISPUTE, PATIENTS, World, deploy
from tests.rounds.trial import contested_study, undone_study


@dataclass
class Ended:
    """A settled study of three hospitals and two rounds."""

    world: World
    study: StudyId
    revoked: tuple[int, int]
    """Two patients of the first hospital who were in its first cohort and revoked in that round."""

    @property
    def federation(self) -> Federation:
        return self.world.federation()


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    configure("error")
    return deploy(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def world(ground, tmp_path):
    """Three hospitals, 18 consenting patients each."""
    return ground.world(tmp_path, 3)


@pytest.fixture
def three(world):
    """Their daemons."""
    return [world.hospital(member) for member in world.members]


@pytest.fixture(scope="module")
def ended(ground, tmp_path_factory) -> Ended:
    """Played to the last token; two patients of the first hospital revoke in round 1, after it trained, one of them everything."""
    world = ground.world(tmp_path_factory.mktemp("ended"), 3)
    hospitals = [world.hospital(member) for member in world.members]
    study = world.opened(*hospitals)
    first = world.members[0]
    consents = world.contracts.consents
    revoked = in_first_cohort(world, study)
    world.run(*hospitals)
    assert len(world.round(study, 1).updates) == len(hospitals)
    for index, call in zip(revoked, (consents.revoke(first.dataset), consents.revoke_all()), strict=True):
        patient = first.wallet.account(index)
        world.client.set_balance(patient.address, 10**18)
        world.send(patient, call)
    world.run(*hospitals, cycles=8)
    world.client.travel(DISPUTE + 1)
    world.run(*hospitals, cycles=2)
    world.send(world.sponsor, world.contracts.studies.refund(study))
    world.index.sync()
    return Ended(world, study, revoked)


@pytest.fixture(scope="module")
def contested(ground, tmp_path_factory) -> Ended:
    """A study in which everything happened that can be disputed, paid or sold."""
    world = ground.world(tmp_path_factory.mktemp("contested"), 3)
    return Ended(world, contested_study(world), (0, 0))


@pytest.fixture(scope="module")
def undone(tmp_path_factory) -> Ended:
    """A study whose rounds end in all other ways, by proofs above all; on a chain of its own, as it ends a year later."""
    configure("error")
    world = deploy(tmp_path_factory.mktemp("undone")).world(tmp_path_factory.mktemp("world"), 4)
    return Ended(world, undone_study(world), (0, 0))


def in_first_cohort(world: World, study: StudyId) -> tuple[int, int]:
    """Numbers of two patients whom the first hospital trains with in round 1: a step leaves two of its 18 out."""
    history, first = world.study(study), world.hospital(world.members[0])
    spec = fetch_spec(world.store, history)
    rounds = world.contracts.rounds.address
    place = RoundPlace(world.client.chain_id, rounds, study, RoundNumber(1), spec)
    entry = history.enrolment(first.id)
    cohort = round_cohort(world.index, place, world.round(study, 1), entry, first.holdings)
    listed = {member.patient for member in cohort.members}
    wallet = world.members[0].wallet
    one, other, *_ = (index for index in range(PATIENTS) if wallet.account(index).address in listed)
    return one, other
