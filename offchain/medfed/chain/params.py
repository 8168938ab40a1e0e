"""The parameters of a deployment: one TOML file per network, every value bounded.

A network is chosen by name, by a file of one's own, or by the chain's id. What the contracts check themselves is
checked here first, so that a mistake costs no gas.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from medfed.chain.artifacts import resource_folder
from medfed.chain.calls import parse_address
from medfed.chain.client import ChainClient
from medfed.errors import ConfigError, InputError, WrongChain
from medfed.types import Address

__all__ = [
    "Parameters",
    "StudiesParameters",
    "VaultParameters",
    "network_names",
    "parameters_for",
    "read_parameters",
]

_DAY = 86_400
_LONGEST = 90 * _DAY


def _address(value: str) -> Address:
    try:
        return parse_address(value)
    except InputError as exc:
        raise ValueError(str(exc)) from exc


_Account = Annotated[str, AfterValidator(_address)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VaultParameters(_Section):
    """Of the StakeVault."""

    challenger_bps: int = Field(ge=0, le=5_000)
    """The challenger's share of what a proof slashes, in 1/10,000."""


class StudiesParameters(_Section):
    """Of Studies."""

    min_phase_seconds: int = Field(ge=1, le=_LONGEST)
    """The shortest Training and Aggregating phase, and window of a claim, that a study may ask for."""
    min_dispute_seconds: int = Field(ge=0, le=_LONGEST)
    """The shortest time between a round's end and its pay."""
    slash_bps: int = Field(ge=0, le=10_000)
    """The share of a stake that one absence, or one careless attestation, costs, in 1/10,000."""


class Parameters(_Section):
    """All that a deployment is told. `chain_ids` empty means any chain that is chosen by name."""

    network: str
    chain_ids: tuple[int, ...] = ()
    development: bool = False
    """Whether this is for trying things out: plain updates are fine, and there is a token that anyone may mint."""
    tokens: tuple[_Account, ...] = ()
    """ERC-20s to allow for stakes and rewards from the start."""
    consortium: _Account | None = None
    """Who admits hospitals; the admin where not given."""
    pauser: _Account | None = None
    """Who may pause; the admin where not given."""
    vault: VaultParameters
    studies: StudiesParameters

    def require(self, client: ChainClient) -> None:
        """Raise `WrongChain` when these parameters are for other chains than the client's."""
        if self.chain_ids and client.chain_id not in self.chain_ids:
            wanted = ", ".join(map(str, self.chain_ids))
            raise WrongChain(
                f"The parameters of network {self.network} are for chain {wanted}, "
                f"{client.label} is chain {client.chain_id}; choose another network or another RPC."
            )
        if self.development and not client.is_development:
            raise WrongChain(
                f"{client.label} is not a development chain; the network {self.network} is for such chains only."
            )


def network_names() -> list[str]:
    """The networks that parameters are shipped for."""
    return sorted(path.stem for path in resource_folder("deploy_params").glob("*.toml"))


def read_parameters(source: str | Path) -> Parameters:
    """The parameters of a shipped network, or of a file; raises `ConfigError` naming the line or value at fault."""
    path = source if isinstance(source, Path) else resource_folder("deploy_params") / f"{source}.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        known = ", ".join(network_names())
        raise ConfigError(
            f"There are no parameters at {path}; name a file, or one of the networks {known}."
        ) from exc
    except ValueError as exc:
        raise ConfigError(f"The parameters in {path} are not TOML: {exc}.") from exc
    try:
        return Parameters(**{"network": path.stem, **found})
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "a combination"
        raise ConfigError(f"The parameters in {path} are wrong at {where}: {first['msg']}.") from exc


def parameters_for(client: ChainClient) -> Parameters:
    """The shipped parameters for the client's chain; raises `ConfigError` when there are none."""
    shipped = [read_parameters(name) for name in network_names()]
    for parameters in shipped:
        if client.chain_id in parameters.chain_ids or (parameters.development and client.is_development):
            return parameters
    raise ConfigError(
        f"No parameters are shipped for chain {client.chain_id}; "
        f"name a network ({', '.join(network_names())}) or a file."
    )
