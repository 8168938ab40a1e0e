"""One contested study and its honest bundle, for all falsifications; and a terminal in an empty folder to check them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from medfed.log import configure
from medfed.rounds.bundle import Limits, export_bundle
from medfed.types import StudyId
from tests.adversary.evidence.forger import Forger
from tests.cli.conftest import Terminal
from tests.nodes.federation import World, deploy
from tests.rounds.conftest import ground, three, world  # noqa: F401 - fixtures of the tests here, too
from tests.rounds.trial import contested_study

LIMITS = Limits(1 << 40, 0.0, 1 << 20)


@dataclass
class Played:
    """A study in which everything happened that can be disputed, paid or sold, and a second one that nobody joined."""

    world: World
    study: StudyId
    other: StudyId

    def block_of(self, name: str, **filters) -> int:
        """The first block with such an event."""
        return self.world.index.events(name, **filters)[0].block


@pytest.fixture(scope="session")
def played(tmp_path_factory) -> Played:
    configure("error")
    stage = deploy(tmp_path_factory.mktemp("ground")).world(tmp_path_factory.mktemp("world"), 3)
    study = contested_study(stage)
    other = stage.post()
    stage.index.sync()
    return Played(stage, study, other)


@pytest.fixture(scope="session")
def honest(played, tmp_path_factory):
    path = tmp_path_factory.mktemp("honest") / "study.medfed"
    export_bundle(played.world.federation(), played.study, path, LIMITS)
    return path


@pytest.fixture
def forger(honest, tmp_path) -> Forger:
    return Forger(honest, tmp_path)


@pytest.fixture
def typed(tmp_path) -> Terminal:
    (tmp_path / "empty").mkdir()
    return Terminal(tmp_path / "empty")


@pytest.fixture
def code(typed):
    """The exit code of `medfed verify --bundle`; whatever it is, there is one sentence and no traceback."""

    def run(path, *options) -> int:
        answer = typed("verify", "--bundle", path, *options)
        assert "Traceback" not in answer.err
        return answer.code

    return run
