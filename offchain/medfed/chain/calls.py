"""What goes to a chain and what comes back: calls, transactions, logs, receipts. Values only, no I/O."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address
from eth_utils.crypto import keccak

from medfed.chain import rlp
from medfed.errors import InputError
from medfed.types import Address

__all__ = [
    "Call",
    "Event",
    "Fees",
    "Log",
    "Receipt",
    "Transaction",
    "checksum",
    "create_address",
    "parse_address",
    "text_of",
    "words_of",
]

_MOST_WORDS = 300


@functools.lru_cache(maxsize=65_536)
def checksum(address: bytes | str) -> Address:
    """The EIP-55 form of an address given as 20 bytes or as hex text."""
    return Address(to_checksum_address(address))


def parse_address(text: str) -> Address:
    """An address that a person typed; raises `InputError` for anything else, a wrong checksum included."""
    digits = text.removeprefix("0x")
    plain = digits in (digits.lower(), digits.upper())
    if not is_hex_address(text) or not (plain or is_checksum_address(text)):
        raise InputError(
            f"{text} is not an address: 0x and 40 hex digits; capitals have to be a right checksum."
        )
    return checksum(text)


@dataclass(frozen=True, slots=True)
class Call:
    """A state change that nobody has signed yet. `gas` is a limit known beforehand; None lets the sender estimate.

    `to` is None for a contract creation. `label` names the call for people, e.g. `FederatedRounds.attest`.
    """

    to: Address | None
    data: bytes
    value: int = 0
    gas: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is signed: an EIP-1559 transaction. Amounts in wei."""

    call: Call
    chain_id: int
    nonce: int
    gas: int
    max_fee: int
    tip: int

    def payload(self, *signature: int) -> bytes:
        """The typed envelope (EIP-1559): without a signature what is hashed and signed, with (v, r, s) what is sent."""
        call = self.call
        head = (self.chain_id, self.nonce, self.tip, self.max_fee, self.gas)
        body = (b"" if call.to is None else bytes.fromhex(call.to[2:]), rlp.number(call.value), call.data, ())
        return b"\x02" + rlp.encode([*map(rlp.number, head), *body, *map(rlp.number, signature)])


@dataclass(frozen=True, slots=True)
class Fees:
    """What the next block asks for, in wei per unit of gas: `base` is burnt, `tip` is the usual one for inclusion."""

    base: int
    tip: int


class Log(NamedTuple):
    """One event as the chain stores it. `time` is the block's, in seconds; None where the node does not tell."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    log_index: int
    tx_hash: bytes
    time: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction. `ok` is False when it reverted; `contract` is the address that it created, if any."""

    tx_hash: bytes
    block: int
    block_hash: bytes
    ok: bool
    gas_used: int
    gas_price: int
    contract: Address | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded event. `values` has the arguments by their names in snake_case, structs as mappings."""

    contract: str
    name: str
    values: Mapping[str, Any]
    block: int
    log_index: int
    tx_hash: bytes
    time: int | None

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


def text_of(value: object) -> str:
    """A value as people read it: bytes in hex, long ones cut, structs and lists in full, text as `words_of`."""
    if isinstance(value, (bytes, bytearray)):
        return f"0x{value.hex()}" if len(value) <= 32 else f"0x{value[:32].hex()}… ({len(value)} bytes)"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} {text_of(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    return words_of(value) if isinstance(value, str) else str(value)


def words_of(text: str) -> str:
    """What somebody else says, as a part of one line: at most 300 characters, none of which moves a terminal's cursor."""
    shown = "".join(letter for letter in text if letter.isprintable())
    return shown if len(shown) <= _MOST_WORDS else shown[: _MOST_WORDS - 1] + "…"


def create_address(account: Address, nonce: int) -> Address:
    """Where a contract created by the account's transaction `nonce` stands (CREATE)."""
    return checksum(keccak(rlp.encode([bytes.fromhex(account[2:]), rlp.number(nonce)]))[12:])
