"""Settings as values: read once at the rim from a TOML file and the environment, then handed down.

Nothing else reads the environment, and nothing happens on import. A secret is never a setting: settings name the
file it is in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from platformdirs import user_state_path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from medfed.errors import ConfigError

__all__ = [
    "Confirmed",
    "DaemonSettings",
    "HospitalConfig",
    "PolicySettings",
    "Settings",
    "load_hospital",
    "load_settings",
]

ENVIRONMENT_PREFIX = "MEDFED_"
_FILES = ("records", "review_records", "patients", "secret", "keystore", "password_file", "encryption_key")

_Model = TypeVar("_Model", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _listed(value: Any) -> Any:
    """A comma separated text as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(_Section):
    """Where the federation is. Every field can be set in `medfed.toml` or as MEDFED_<NAME> in the environment."""

    rpc: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = (
        "http://127.0.0.1:8545",
    )
    """The chain: http(s)://… or embedded:. Several addresses, as a list or comma separated, are nodes of one chain: one stands in
    for the other, and what matters is asked of all and compared."""
    store: str = "local:store"
    """The content store: local:DIRECTORY or kubo:URL."""
    state_dir: Path = Field(default_factory=lambda: user_state_path("medfed"))
    """Journals, event indexes, address books of development chains."""
    addresses: Path | None = None
    """Where the contracts are, as `medfed deploy` wrote it; needed for a deployment that somebody else made and that
    is not shipped with this version."""
    chain_id: int | None = None
    """Refuse any other chain."""
    confirmations: Annotated[int, Field(ge=0)] | None = None
    """Blocks below the head that count as final; without it the node's finalized tag (0 on development chains)."""
    max_fee_gwei: Annotated[float, Field(gt=0)] | None = None
    """Never pay more per gas."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What a daemon's log leaves out: all below this."""
    log_format: Literal["console", "json"] = "console"
    """console for people, json for programs."""


class Confirmed(_Section):
    """What the hospital has looked at and confirms for one study."""

    study: Annotated[int, Field(ge=1)]
    """Its number."""
    codes: str
    """Of RS, GS, MOR, TS, US, PS, IS: the conditions with a parameter that the study meets, e.g. "IS,US"."""
    because: Annotated[str, Field(min_length=1)]
    """What was looked at, in words for whoever asks."""


class PolicySettings(_Section):
    """What the hospital allows before anything is trained. The defaults allow nothing."""

    sponsors: tuple[str, ...] = ()
    """Sponsors' addresses; "*" stands for any."""
    purposes: str = ""
    """What studies may ask for, as for a consent, e.g. "HMB" or "GRU,NPU"."""
    disease: Annotated[int, Field(ge=0, lt=1 << 24)] = 0
    """The disease that disease specific studies (DS) may be about; 0 for none."""
    confirms: tuple[Confirmed, ...] = ()
    """Study by study: `[[policy.confirms]]` with `study`, `codes` such as "IS,US" and `because`. A study that names one of RS, GS,
    MOR, TS, US, PS, IS is refused unless this confirms it."""
    models: tuple[str, ...] = ("logistic", "mlp")
    """Kinds of models."""
    smallest_cohort: Annotated[int, Field(ge=1)] = 16
    """Patients; a smaller cohort abstains even where the study would take it."""
    largest_stake: Annotated[int, Field(ge=0)] = 0
    """Smallest units of the study's token."""
    largest_bond: Annotated[int, Field(ge=0)] | None = None
    """Smallest units that a claim of a round's result without a quorum may put at stake; as much as a stake unless set, 0
    for no claims. A right claim never loses its bond."""
    approval: bool = False
    """Whether a person has to approve each study, with its ethics number (`medfed hospital policy --approve`)."""
    enrol: bool = True
    """Take a seat in every study that all of this allows; else only in those that a person enrols in."""
    reviews: bool = True
    """Score the updates of others in studies that pay by reviews. The scores are public, and say a little about the
    records they were made with."""


class DaemonSettings(_Section):
    """How the daemon runs."""

    metrics: str = ""
    """host:port of /healthz and /metrics; empty for none. Keep it on loopback."""
    healthy_seconds: Annotated[float, Field(gt=0)] = 600.0
    """/healthz says no when the last successful cycle is older; longer than your longest training."""
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """How often a real network is asked for its newest block; development chains are asked every 20 ms."""
    low_ether: Annotated[float, Field(ge=0)] = 0.05
    """Warn when the operator has less ether for gas."""
    clock_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Warn when chain and wall clock are further apart (not on development chains)."""
    keep_updates_days: Annotated[int, Field(ge=0, le=36_500)] = 365
    """Days after a study is settled for which its updates stay pinned, so that anybody can still verify it; less where this hospital
    made a bundle of it (`medfed hospital bundle`). Spec, manifests and final model stay for good."""


class HospitalConfig(_Section):
    """One hospital's own file: its data, its key, its policy. Paths are relative to that file."""

    name: str
    """What its log lines call the hospital."""
    records: Path
    """The dataset as CSV."""
    patients: Path
    """The register of patients, mode 0600."""
    secret: Path
    """32 bytes in hex, mode 0600: hides record commitments and fillers."""
    keystore: Path
    """The operator's key, encrypted."""
    password_file: Path
    """Its first line opens the keystore and the encryption key."""
    encryption_key: Path | None = None
    """The private half of the key that the consortium lists, encrypted (`medfed key encryption`)."""
    label: str = "label"
    """The column of the records to predict, 0 or 1."""
    date_column: str = ""
    """The column of the records' clinical dates (2021-05-30, or the year alone); empty where there is none. A patient may consent
    for data of some years only: a record trains if its year is among them, one without a date never then."""
    review_records: Path | None = None
    """Records as CSV that never train, to review updates with; their patients have to have agreed to that. Without
    them the records of each round's own cohort are used, which say less: the hospital's own update knows them."""
    dataset: int | None = None
    """Its number on chain, once it is registered."""
    policy: PolicySettings = PolicySettings()
    daemon: DaemonSettings = DaemonSettings()


def load_settings(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from a file, then the environment, then `overrides`; later ones win. Raises `ConfigError`.

    A relative store, state directory or address book of the file is relative to the file.
    """
    values: dict[str, Any] = _read(path) if path is not None else {}
    if path is not None:
        _anchor(values, path.resolve().parent)
    for name in Settings.model_fields:
        text = environment.get(ENVIRONMENT_PREFIX + name.upper())
        if text:
            values[name] = text
    values |= overrides or {}
    return _build(Settings, values, path)


def load_hospital(path: Path) -> HospitalConfig:
    """A hospital's file, its paths made absolute. Raises `ConfigError`."""
    config = _build(HospitalConfig, _read(path), path)
    base = path.resolve().parent
    places = {name: base / getattr(config, name) for name in _FILES if getattr(config, name) is not None}
    return config.model_copy(update=places)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"The file {path} cannot be read: {exc.strerror}.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"The file {path} is not valid TOML: {exc}.") from exc


def _anchor(values: dict[str, Any], base: Path) -> None:
    store = values.get("store")
    if isinstance(store, str) and store.startswith("local:"):
        values["store"] = f"local:{base / store.removeprefix('local:')}"
    for name in ("state_dir", "addresses"):
        if isinstance(values.get(name), str):
            values[name] = base / values[name]


def _build(model: type[_Model], values: Mapping[str, Any], path: Path | None) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"Setting {place} in {path or 'the environment'}: {first['msg']}.") from None
