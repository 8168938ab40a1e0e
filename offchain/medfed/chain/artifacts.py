"""What the compiler made of each contract: ABI, bytecode, settings.

In a wheel these files lie in `medfed/abi`, in a checkout in `abi/` at its root. The same holds for the deployment
parameters (`deploy_params`, `deploy/params`) and the address books of known networks (`deploy_addresses`,
`deploy/addresses`).
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import medfed
from medfed.errors import ConfigError

__all__ = ["Artifact", "artifact", "artifact_names", "resource_folder"]

_IN_CHECKOUT = {"abi": "abi", "deploy_params": "deploy/params", "deploy_addresses": "deploy/addresses"}


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract. `immutables` maps each immutable to the (start, length) places it takes in `runtime`."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    immutables: dict[str, tuple[tuple[int, int], ...]]
    compiler: str

    def is_code(self, code: bytes) -> bool:
        """Whether `code` is the deployed contract's, constructor values aside."""
        places = [place for group in self.immutables.values() for place in group]
        return _blanked(code, places) == _blanked(self.runtime, places)


def resource_folder(name: str) -> Path:
    """The folder of `abi`, `deploy_params` or `deploy_addresses`; raises `ConfigError` when the install lacks it."""
    package = Path(medfed.__file__).resolve().parent
    for folder in (package / name, package.parents[1] / _IN_CHECKOUT[name]):
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"This installation of medfed has no {name} folder; install it again from a complete wheel."
    )


@functools.cache
def artifact_names() -> tuple[str, ...]:
    """Names of all contracts that can be loaded, sorted."""
    return tuple(sorted(path.stem for path in resource_folder("abi").glob("*.json")))


@functools.cache
def artifact(name: str) -> Artifact:
    """The compiled contract `name`; raises `ConfigError` when it is missing or damaged."""
    path = resource_folder("abi") / f"{name}.json"
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise ConfigError(
            f"There is no compiled contract {name} in {path.parent}; run deploy/compile.py."
        ) from exc
    except (KeyError, ValueError) as exc:
        raise ConfigError(f"The compiled contract {path} is damaged; run deploy/compile.py.") from exc


def _blanked(code: bytes, places: list[tuple[int, int]]) -> bytes:
    blank = bytearray(code)
    for start, length in places:
        blank[start : start + length] = bytes(min(length, max(0, len(code) - start)))
    return bytes(blank)


def _parse(record: dict[str, Any]) -> Artifact:
    references: dict[str, Any] = record.get("immutableReferences", {})
    return Artifact(
        name=record["contractName"],
        abi=tuple(record["abi"]),
        bytecode=bytes.fromhex(record["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(record["deployedBytecode"].removeprefix("0x")),
        immutables={
            key: tuple((at["start"], at["length"]) for at in places) for key, places in references.items()
        },
        compiler=record["compiler"]["version"],
    )
