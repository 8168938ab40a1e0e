"""Commands that talk to a chain, a store and their files, and train nothing, load neither torch nor web3."""

from __future__ import annotations

import pytest

from medfed.chain.client import connect
from medfed.cli.demo.scenario import prepare
from tests.meta.test_startup import loaded
from tests.rig.anvil import start_anvil


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The demo up to its first round, with settings for commands."""
    folder = tmp_path_factory.mktemp("lightness")
    with start_anvil(folder, ["--silent"]) as anvil:
        store = f"local:{folder / 'store'}"
        prepare(connect(anvil.url), store, folder, (3, 1, 7), lambda _: None)
        settings = f'rpc = "{anvil.url}"\nstore = "{store}"\nstate_dir = "."\nconfirmations = 0\n'
        (folder / "medfed.toml").write_text(settings, encoding="utf-8")
        yield folder


@pytest.mark.anvil
@pytest.mark.parametrize(
    "command",
    [
        "deploy --json",
        "consortium list",
        "dataset list",
        "study list",
        "study show 1",
        "study template {folder}/study.toml",
        "patient status {nobody} 1",
        "patient keygen {folder}/wallet.json --trial --password-file {site}/password.txt",
        "key new {folder}/key.json --trial --password-file {site}/password.txt",
        "hospital policy --hospital {site}/hospital.toml",
        "hospital preview 1 --hospital {site}/hospital.toml",
        "verify --study 1 --json",
        "dev fund {nobody}",
    ],
    ids=lambda command: " ".join(command.split()[:2]),
)
def test_commands_that_do_not_train_are_light(place, command):
    """Torch takes two seconds and hundreds of megabytes, web3 a second."""
    words = {"folder": place, "site": place / "hospital-1", "nobody": "0x" + "12" * 20}
    arguments = [word.format(**words) for word in command.split()]
    assert loaded("--config", str(place / "medfed.toml"), *arguments) == "LOADED []"
