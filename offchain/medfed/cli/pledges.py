"""The file with an operator's word that it serves a hospital, which the hospital sends to the consortium. No secret."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medfed import durable
from medfed.chain.calls import parse_address
from medfed.chain.contracts.consortium import Pledge
from medfed.errors import InputError
from medfed.protocol.canonical import parse_json
from medfed.types import Address, HospitalId

__all__ = ["PledgeFile", "is_pledge", "read_pledge", "write_pledge"]

_FORMAT = "medfed/pledge/1"
_LARGEST = 4096
_SIGNATURE_BYTES = 65


@dataclass(frozen=True, slots=True)
class PledgeFile:
    """Whose word it is, for which hospital."""

    hospital: HospitalId
    operator: Address
    pledge: Pledge


def write_pledge(path: Path, said: PledgeFile) -> None:
    """Write the file. Raises `InputError` where there is one."""
    fields = asdict(said) | asdict(said.pledge) | {"signature": f"0x{said.pledge.signature.hex()}"}
    del fields["pledge"]
    try:
        durable.write(path, json.dumps({"format": _FORMAT, **fields}, indent=1) + "\n", new=True)
    except OSError as exc:
        raise InputError(f"The file {path} cannot be written: {exc.strerror}.") from exc


def is_pledge(path: Path) -> bool:
    """Whether a file says that it is a pledge; a keystore does not."""
    said = _read(path)
    return isinstance(said, dict) and said.get("format") == _FORMAT


def read_pledge(path: Path) -> PledgeFile:
    """Raises `InputError` for anything but a pledge. Whether its signature is right, the contract judges."""
    said = _read(path)
    try:
        signature, deadline = bytes.fromhex(said["signature"].removeprefix("0x")), said["deadline"]
        if (
            said["format"] != _FORMAT
            or len(signature) != _SIGNATURE_BYTES
            or not (type(deadline) is int and 0 <= deadline < 1 << 40)
        ):
            raise ValueError
        hospital, operator = parse_address(said["hospital"]), parse_address(said["operator"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"The file {path} is no operator's pledge; `medfed hospital pledge` makes one."
        ) from None
    return PledgeFile(HospitalId(hospital), operator, Pledge(deadline, signature))


def _read(path: Path) -> Any:
    """What the file holds; None where that is not JSON, or too much."""
    try:
        with path.open("rb") as file:
            return parse_json(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
