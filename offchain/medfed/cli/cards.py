"""A patient's card: the account and the link secret that a hospital enters in its register, and the dataset that they are for.
Private to both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from medfed.chain.calls import parse_address
from medfed.data.private_file import read_private, write_private
from medfed.errors import InputError
from medfed.protocol.canonical import parse_json
from medfed.protocol.leaves import SECRET_BYTES
from medfed.types import Address, DatasetId

__all__ = ["Card", "is_card", "read_card", "write_card"]

_DATASETS = 1 << 32
_LARGEST = 4_096
_FORMAT = "medfed/card/2"


@dataclass(frozen=True, slots=True)
class Card:
    """What a patient gives to one hospital."""

    patient: Address
    link_secret: bytes = field(repr=False)
    dataset: DatasetId


def write_card(path: Path, card: Card) -> None:
    """Write a card that only its owner may read. Raises `ConfigError`."""
    secret = f"0x{card.link_secret.hex()}"
    said = {"format": _FORMAT, "dataset": card.dataset, "patient": card.patient, "link_secret": secret}
    write_private(path, json.dumps(said, indent=1).encode() + b"\n")


def is_card(path: Path) -> bool:
    """Whether a file says that it is a card; a keystore does not."""
    try:
        with path.open("rb") as file:
            said = parse_json(file.read(_LARGEST))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("format") == _FORMAT


def read_card(path: Path) -> Card:
    """A card. Raises `ConfigError` when others can read the file, `InputError` for anything but a card."""
    try:
        said = parse_json(read_private(path))
        if said["format"] != _FORMAT:
            raise ValueError
        secret = bytes.fromhex(said["link_secret"].removeprefix("0x"))
        patient = parse_address(said["patient"])
        dataset = said["dataset"]
        if type(dataset) is not int or not 0 < dataset < _DATASETS:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, InputError):
        raise InputError(f"The file {path} is no patient's card; `medfed patient card` makes one.") from None
    if len(secret) != SECRET_BYTES:
        raise InputError(
            f"The link secret in {path} has {len(secret)} bytes, not {SECRET_BYTES}; ask for a new card."
        )
    return Card(patient, secret, DatasetId(dataset))
