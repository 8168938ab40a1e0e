"""Settings: where they come from, which wins, and what is refused; docs/operations.md lists all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from medfed.config import (
    DaemonSettings,
    HospitalConfig,
    PolicySettings,
    Settings,
    load_hospital,
    load_settings,
)
from medfed.errors import ConfigError
from tests.conftest import ROOT

HOSPITAL = """
name = "St. Elsewhere"
records = "records.csv"
patients = "private/patients.csv"
secret = "secret.hex"
keystore = "/keys/operator.json"
password_file = "password.txt"
"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="medfed.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


class TestSettings:
    def test_defaults(self):
        """Without anything: a node on this machine, nothing beyond it."""
        found = load_settings(None, {})
        assert (found.rpc, found.confirmations, found.chain_id) == (("http://127.0.0.1:8545",), None, None)

    def test_later_ones_win(self, file):
        """An option of a command beats the environment, which beats the file."""
        path = file('rpc = "http://file:1"\nstore = "kubo:http://file:2"\nlog_level = "error"')
        environment = {"MEDFED_STORE": "kubo:http://environment:2", "MEDFED_LOG_LEVEL": "debug"}
        found = load_settings(path, environment, {"log_level": "warning"})
        assert (found.rpc, found.store, found.log_level) == (
            ("http://file:1",),
            "kubo:http://environment:2",
            "warning",
        )

    def test_paths_of_the_file_are_relative_to_it(self, file, tmp_path):
        found = load_settings(file('store = "local:store"\nstate_dir = "state"'), {})
        assert (found.store, found.state_dir) == (f"local:{tmp_path / 'store'}", tmp_path / "state")

    def test_several_nodes(self, file):
        """A list in the file, comma separated in the environment."""
        both = ("https://a", "https://b")
        assert load_settings(file('rpc = ["https://a", "https://b"]'), {}).rpc == both
        assert load_settings(None, {"MEDFED_RPC": "https://a, https://b"}).rpc == both

    def test_an_empty_variable_is_none(self):
        assert load_settings(None, {"MEDFED_RPC": ""}).rpc == ("http://127.0.0.1:8545",)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("rpcs = 1", "Setting rpcs in .*not permitted"),
            ("confirmations = -1", "Setting confirmations"),
            ("max_fee_gwei = 0", "Setting max_fee_gwei"),
            ('log_level = "loud"', "Setting log_level"),
            ("rpc = ", "not valid TOML"),
            ("rpc = []", "Setting rpc"),
        ],
    )
    def test_what_is_wrong_is_named(self, file, text, words):
        with pytest.raises(ConfigError, match=words):
            load_settings(file(text), {})

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_settings(tmp_path / "none.toml", {})

    def test_a_value_is_not_repeated(self, file):
        """A secret that was written into the wrong place does not reach the terminal."""
        with pytest.raises(ConfigError) as caught:
            load_settings(file('chain_id = "hunter2"'), {})
        assert "hunter2" not in str(caught.value)

    def test_settings_do_not_change(self):
        with pytest.raises(ValueError, match="frozen"):
            load_settings(None, {}).rpc = "http://other"


class TestHospital:
    def test_paths_are_relative_to_its_file(self, file, tmp_path):
        found = load_hospital(file(HOSPITAL, "hospital.toml"))
        assert found.records == tmp_path / "records.csv"
        assert found.patients == tmp_path / "private" / "patients.csv"
        assert found.keystore == Path("/keys/operator.json")
        assert found.encryption_key is None

    def test_the_default_policy_allows_nothing(self, file):
        policy = load_hospital(file(HOSPITAL, "hospital.toml")).policy
        assert (policy.sponsors, policy.purposes, policy.largest_stake) == ((), "", 0)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[policy]\nlargest_stake = -1", r"policy\.largest_stake"),
            ("[policy]\nsponsor = []", r"policy\.sponsor "),
            ("[daemon]\npoll_seconds = 0", r"daemon\.poll_seconds"),
            ("[daemon]\nhealthy_seconds = 0", r"daemon\.healthy_seconds"),
            ('dataset = "one"', "Setting dataset"),
        ],
    )
    def test_what_is_wrong_is_named(self, file, text, words):
        with pytest.raises(ConfigError, match=words):
            load_hospital(file(HOSPITAL + text, "hospital.toml"))

    def test_what_is_missing_is_named(self, file):
        with pytest.raises(ConfigError, match="Setting records"):
            load_hospital(file('name = "x"', "hospital.toml"))


class TestDocs:
    def documented(self, heading: str) -> set[str]:
        """The names in the first column of the table under a heading of docs/operations.md."""
        text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
        section = text.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
        return set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))

    @pytest.mark.parametrize(
        ("heading", "model", "sections"),
        [
            ("medfed.toml", Settings, set()),
            ("hospital.toml", HospitalConfig, {"policy", "daemon"}),
            ("hospital.toml, section policy", PolicySettings, set()),
            ("hospital.toml, section daemon", DaemonSettings, set()),
        ],
    )
    def test_every_setting_is_documented(self, heading, model, sections):
        """And none that is not there."""
        assert self.documented(heading) == set(model.model_fields) - sections
