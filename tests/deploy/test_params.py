"""Parameters: every shipped file is good, every bound is kept."""

from __future__ import annotations

import pytest

from medfed.chain.params import network_names, parameters_for, read_parameters
from medfed.errors import ConfigError, WrongChain

GOOD = """
chain_ids = [5]
tokens = ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"]

[vault]
challenger_bps = 5000

[studies]
min_phase_seconds = 10
min_dispute_seconds = 7776000
slash_bps = 10000
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
    assert (parameters.network, parameters.studies.slash_bps) == ("mine", 10_000)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("challenger_bps = 5000", "challenger_bps = 5001", "vault.challenger_bps"),
        ("challenger_bps = 5000", "challenger_bps = -1", "vault.challenger_bps"),
        ("min_phase_seconds = 10", "min_phase_seconds = 0", "studies.min_phase_seconds"),
        ("_seconds = 7776000", "_seconds = 7776001", "studies.min_dispute_seconds"),
        ("slash_bps = 10000", "slash_bps = 10001", "studies.slash_bps"),
        ("slash_bps = 10000", "", "studies.slash_bps"),
        ("slash_bps", "slash", "studies.slash"),
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
