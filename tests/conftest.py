"""Fixtures and reports of the whole suite."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.rig.anvil import AnvilProcess
    from tests.rig.evm import Evm

ROOT = Path(__file__).resolve().parent.parent

# A failure in CI can be seen again here, so inputs there follow from the test; at home they are new each time.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=5000)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write measured figures to tests/snapshots"
    )


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches the code under test."""
    for name in [name for name in os.environ if name.startswith("MEDFED_") and name != "MEDFED_SHARED_DATA"]:
        monkeypatch.delenv(name)


@pytest.fixture
def update_snapshots(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-snapshots"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Sample data that lies beside the repository or where MEDFED_SHARED_DATA says; skips when absent."""
    path = Path(os.environ.get("MEDFED_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no shared data at {path}; set MEDFED_SHARED_DATA")
    return path


@pytest.fixture(scope="session")
def evm_session() -> Evm:
    """The in-process chain of the whole run; use `evm` in tests and `evm_module` in module fixtures."""
    from tests.rig.evm import Evm

    return Evm()


@pytest.fixture(scope="module")
def evm_module(evm_session: Evm) -> Iterator[Evm]:
    """The chain for what a test file deploys once; everything is undone after the file."""
    token = evm_session.snapshot()
    yield evm_session
    evm_session.restore(token)


@pytest.fixture
def evm(evm_module: Evm) -> Iterator[Evm]:
    """The chain as the file's fixtures left it; everything is undone after the test."""
    token = evm_module.snapshot()
    yield evm_module
    evm_module.restore(token)


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilProcess]:
    """One Anvil for all tests of this process; those that stop or restart one call `start_anvil`."""
    from tests.rig.anvil import start_anvil

    with start_anvil(tmp_path_factory.mktemp("anvil"), ["--silent", "--accounts", "64"]) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by fixture what needs Anvil, and skip what needs a Kubo daemon where none is installed."""
    absent = pytest.mark.skip(reason="the program `ipfs` is not on PATH")
    for item in items:
        if "anvil" in getattr(item, "fixturenames", ()):
            item.add_marker("anvil")
        if item.get_closest_marker("kubo") and shutil.which("ipfs") is None:
            item.add_marker(absent)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say whether the content store was tried against a real daemon: a skip is easily overlooked."""
    passed = sum(
        "kubo" in report.keywords for report in terminalreporter.getreports("passed") if report.when == "call"
    )
    if passed:
        terminalreporter.write_line(f"Kubo: {passed} tests ran against a real daemon.")
    elif shutil.which("ipfs") is None:
        terminalreporter.write_line(
            "Kubo: no daemon tests ran, as `ipfs` is not on PATH; replayed exchanges only."
        )
    else:
        terminalreporter.write_line("Kubo: no daemon tests were selected.")
