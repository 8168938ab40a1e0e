"""A patient's card: the account and the link secret that a hospital enters in its register. Private to both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from medfed.chain.calls import parse_address
from medfed.data.private_file import read_private, write_private
from medfed.errors import InputError
from medfed.protocol.canonical import parse_json
from medfed.protocol.leaves import SECRET_BYTES
from medfed.types import Address

__all__ = ["Card", "read_card", "write_card"]

_FORMAT = "medfed/card/1"


@dataclass(frozen=True, slots=True)
class Card:
    """What a patient gives to one hospital."""

    patient: Address
    link_secret: bytes = field(repr=False)


def write_card(path: Path, card: Card) -> None:
    """Write a card that only its owner may read. Raises `ConfigError`."""
    said = {"format": _FORMAT, "patient": card.patient, "link_secret": f"0x{card.link_secret.hex()}"}
    write_private(path, json.dumps(said, indent=1).encode() + b"\n")


def read_card(path: Path) -> Card:
    """A card. Raises `ConfigError` when others can read the file, `InputError` for anything but a card."""
    try:
        said = parse_json(read_private(path))
        if said["format"] != _FORMAT:
            raise ValueError
        secret = bytes.fromhex(said["link_secret"].removeprefix("0x"))
        patient = parse_address(said["patient"])
    except (ValueError, KeyError, TypeError, AttributeError, InputError):
        raise InputError(f"The file {path} is no patient's card; `medfed patient card` makes one.") from None
    if len(secret) != SECRET_BYTES:
        raise InputError(
            f"The link secret in {path} has {len(secret)} bytes, not {SECRET_BYTES}; ask for a new card."
        )
    return Card(patient, secret)
