"""Files of signed consents: what a patient hands to whoever brings it to the chain.

    {"format": "medfed/consents/2", "consents": [{"data": {…}, "terms": {…}, "signature": "0x…"}, …]}

`data` is EIP-712 as `eth_signTypedData_v4` takes it, so that any wallet can sign it and anyone can read what is signed;
`terms` are the same in numbers, as the contract takes them. Who reads a file holds both together.
The file holds no secret; it names an account, and whoever has it may bring it: a consent until its
deadline, a revocation at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from eth_utils.address import is_hex_address

from medfed import durable
from medfed.chain.calls import parse_address
from medfed.chain.contracts.consents import SignedMessage
from medfed.errors import InputError
from medfed.protocol.canonical import parse_json
from medfed.protocol.typed import (
    Domain,
    GrantMessage,
    NarrowMessage,
    RevokeAllMessage,
    RevokeMessage,
    struct_hash,
    typed_data,
)
from medfed.types import Address

__all__ = [
    "LONGEST_SIGNATURE",
    "Signed",
    "entry_of",
    "kind_of",
    "read_signed",
    "signed_of",
    "write_signed",
]

_FORMAT = "medfed/consents/2"
_MOST_BYTES = 64 << 20
LONGEST_SIGNATURE = 4_096
"""Bytes that a relayer brings to the chain; wallets of many owners sign with a few hundred."""
_KINDS: dict[str, type[GrantMessage | NarrowMessage | RevokeMessage | RevokeAllMessage]] = {
    "Grant": GrantMessage,
    "Narrow": NarrowMessage,
    "Revoke": RevokeMessage,
    "RevokeAll": RevokeAllMessage,
}


class _WrongChecksum(ValueError):
    """An address in capitals and small letters that are no right checksum."""


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _address(text: str) -> Address:
    """An address in any spelling. Raises `_WrongChecksum`, and `ValueError` for what is none."""
    if not is_hex_address(text):
        raise ValueError
    try:
        return parse_address(text)
    except InputError:
        raise _WrongChecksum(text) from None


# What is no number.
_READ: dict[str, Callable[[str], Any]] = {"patient": _address, "form": _bytes, "dataset": str}


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed message with the place it was signed for."""

    domain: Domain
    item: SignedMessage


def kind_of(item: SignedMessage) -> str:
    """ "Grant", "Narrow", "Revoke" or "RevokeAll"."""
    return type(item.message).__name__.removesuffix("Message")


def write_signed(path: Path, domain: Domain, items: Sequence[SignedMessage]) -> None:
    """Write messages that were signed for `domain`. Raises `InputError` when the file cannot be written."""
    entries = [entry_of(Signed(domain, item)) for item in items]
    text = json.dumps({"format": _FORMAT, "consents": entries}, indent=1)
    try:
        durable.write(path, text + "\n")
    except OSError as exc:
        raise InputError(f"The file {path} cannot be written: {exc.strerror}.") from None


def entry_of(signed: Signed) -> dict[str, Any]:
    """A message as it stands in a file, in JSON types; `signed_of` reads it again."""
    item = signed.item
    terms = ((field.name, getattr(item.message, field.name)) for field in fields(item.message))
    return {
        "data": typed_data(signed.domain, item.message),
        "terms": {name: _plain(value) for name, value in terms},
        "signature": f"0x{item.signature.hex()}",
    }


def read_signed(path: Path) -> list[Signed]:
    """The messages in a file. Raises `InputError` when it is missing, too long, or not of this form."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name the files in it, one by one or as {path}/*.")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"The file {path} is longer than {_MOST_BYTES >> 20} MiB; split it.")
        found = parse_json(path.read_bytes())
        if found["format"] != _FORMAT:
            raise ValueError
        entries = list(found["consents"])
    except OSError as exc:
        raise InputError(f"The file {path} cannot be read: {exc.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"The file {path} holds no signed consents; `medfed patient sign` makes one."
        ) from None
    return [signed_of(entry, f"{path}, consent {number}") for number, entry in enumerate(entries, 1)]


def signed_of(entry: Any, place: str) -> Signed:
    """The message in an entry of a file; `place` says where it stands. Raises `InputError` for what is none."""
    try:
        data, signature = entry["data"], _bytes(entry["signature"])
        said = data["domain"]
        domain = Domain(said["name"], _whole(said["chainId"]), _address(said["verifyingContract"]))
        kind = _KINDS[data["primaryType"]]
        values = {field.name: entry["terms"][field.name] for field in fields(kind)}
        message = kind(**{name: _READ.get(name, _whole)(value) for name, value in values.items()})
        shown = {name: str(value) for name, value in data["message"].items()}
        shown |= {name: _address(shown[name]) for name in ("patient",) if is_hex_address(shown.get(name))}
    except _WrongChecksum as error:
        raise InputError(
            f"{place} names the address {error}, whose capitals are no right checksum: look whether a letter is wrong, and sign it again."
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{place} is damaged or of an unknown kind; sign it again.") from None
    try:
        said = typed_data(domain, message)["message"]
        struct_hash(message)
    except InputError as error:
        raise InputError(f"{place} cannot be what anybody signed: {error}") from None
    if shown != {name: str(value) for name, value in said.items()}:
        raise InputError(f"{place} shows other terms than it has; sign it again.")
    return Signed(domain, SignedMessage(message, signature))


def _whole(value: object) -> int:
    """A uint as wallets write it. Raises `ValueError`."""
    if not isinstance(value, int) and not (isinstance(value, str) and value.isascii() and value.isdecimal()):
        raise ValueError
    number = int(value)
    if not 0 <= number < 1 << 256:
        raise ValueError
    return number


def _plain(value: object) -> object:
    return f"0x{value.hex()}" if isinstance(value, bytes) else value
