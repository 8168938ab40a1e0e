"""Parameters: every shipped file is good, every bound is kept."""

from __future__ import annotations

import pytest

from medfed.chain.params import network_names, parameters_for, read_parameters
from medfed.errors import ConfigError, WrongChain

GOOD = """
chain_ids = [5]
tokens = ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"]

[vault]
exit_delay_seconds = 100

[rounds]
min_phase_seconds = 10
min_dispute_seconds = 100

[disputes]
miss_slash_bps = 10000
challenger_bps = 5000

[rewards]
sweep_delay_seconds = 15552000
"""


@pytest.mark.parametrize("name", ["consortium", "development", "sepolia"])
def test_shipped_networks(name):
    """Each shipped file is within its bounds; only development has a chain where anything goes."""
    parameters = read_parameters(name)
    assert parameters.network == name
    assert parameters.development == (name == "development")
    assert name in network_names()


def test_a_file_of_ones_own(tmp_path):
    """A file is read like a shipped network, at the very bounds too."""
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    parameters = read_parameters(path)
    assert (parameters.network, parameters.disputes.miss_slash_bps) == ("mine", 10_000)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("exit_delay_seconds = 100", "exit_delay_seconds = 7776001", "vault.exit_delay_seconds"),
        ("exit_delay_seconds = 100", "exit_delay_seconds = -1", "vault.exit_delay_seconds"),
        ("exit_delay_seconds = 100", "exit_delay_seconds = 99", "min_dispute_seconds must not exceed"),
        ("min_phase_seconds = 10", "min_phase_seconds = 0", "rounds.min_phase_seconds"),
        ("miss_slash_bps = 10000", "miss_slash_bps = 10001", "disputes.miss_slash_bps"),
        ("miss_slash_bps = 10000", "", "disputes.miss_slash_bps"),
        ("miss_slash_bps", "miss_slash", "disputes.miss_slash"),
        ("challenger_bps = 5000", "challenger_bps = 5001", "disputes.challenger_bps"),
        ("sweep_delay_seconds = 15552000", "sweep_delay_seconds = 15551999", "rewards.sweep_delay_seconds"),
        ("1BeAed", "1BeAEd", "is not an address"),
        ("[vault]", "[vault", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, where):
    """A value out of bounds, missing, misspelt or of the wrong kind is refused by its name."""
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=where):
        read_parameters(path)


def test_unknown_network():
    """A network that is not shipped is refused with those that are."""
    with pytest.raises(ConfigError, match="consortium, development, sepolia"):
        read_parameters("mainnet")


def test_by_chain(chain, public_chain):
    """A development chain finds its parameters; a chain that none are shipped for has to be told."""
    assert parameters_for(chain).network == "development"
    with pytest.raises(WrongChain, match="not a development chain"):
        parameters_for(public_chain).require(public_chain)
