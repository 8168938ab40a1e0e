"""EIP-712 messages: what patients and operators sign, as typed data for a wallet and as the digest that is signed.

    message = GrantMessage(patient, dataset, purposes, expiry_day, issued_at, deadline)
    data = typed_data(consent_domain(chain_id, registry), message)
    signature = Account.sign_typed_data(key, full_message=data).signature

A domain names the chain and the contract, so a message for one counts nowhere else. A patient signs a consent's terms in
words (`wording`), which any wallet shows; the message has them as numbers too. The type strings stand in
`ConsentRegistry.sol`, `Consortium.sol` and `FederatedRounds.sol`; `tests/vectors/typed_consent.json` holds the patients' ones
together.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from eth_hash.auto import keccak

from medfed.errors import InputError
from medfed.protocol import wording
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, StudyId

__all__ = [
    "AttestationMessage",
    "Domain",
    "GrantMessage",
    "Message",
    "NarrowMessage",
    "PermitMessage",
    "RevokeAllMessage",
    "RevokeMessage",
    "ServiceMessage",
    "compact",
    "consent_domain",
    "consortium_domain",
    "dataset_words",
    "digest",
    "encode_type",
    "rounds_domain",
    "struct_hash",
    "typed_data",
]


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a message counts: one contract on one chain. All of MedFed's domains have version "1"; tokens' may not."""

    name: str
    chain_id: int
    contract: Address
    version: str = "1"


@dataclass(frozen=True, slots=True)
class GrantMessage:
    """A patient consents. Times are seconds of chain time; the expiry is a day since 1970 or `consent.NO_EXPIRY`. The window
    and the form are those of `consent.Details`, `dataset` what the chain calls the dataset (`Datasets.describe`); empty for
    one that has neither title nor hospital's name."""

    patient: Address
    dataset_id: DatasetId
    purposes: int
    expiry_day: int
    data_from: int
    data_until: int
    form: bytes
    issued_at: int
    deadline: int
    dataset: str = ""


@dataclass(frozen=True, slots=True)
class NarrowMessage:
    """A patient reduces a consent to this."""

    patient: Address
    dataset_id: DatasetId
    purposes: int
    expiry_day: int
    data_from: int
    data_until: int
    form: bytes
    issued_at: int
    deadline: int
    dataset: str = ""


@dataclass(frozen=True, slots=True)
class RevokeMessage:
    """A patient ends a consent. It has no deadline: it only ends what was signed before it."""

    patient: Address
    dataset_id: DatasetId
    issued_at: int


@dataclass(frozen=True, slots=True)
class RevokeAllMessage:
    """A patient ends every consent."""

    patient: Address
    issued_at: int


@dataclass(frozen=True, slots=True)
class AttestationMessage:
    """A hospital's operator has recomputed a round's aggregate and found this hash (32 bytes)."""

    study: StudyId
    round: RoundNumber
    aggregate_hash: bytes


@dataclass(frozen=True, slots=True)
class ServiceMessage:
    """An account agrees to be the hospital's operator; `deadline` in seconds."""

    hospital: HospitalId
    deadline: int


@dataclass(frozen=True, slots=True)
class PermitMessage:
    """A token's owner lets `spender` draw `value` (ERC-2612); `deadline` in seconds."""

    owner: Address
    spender: Address
    value: int
    nonce: int
    deadline: int


Message = (
    GrantMessage
    | NarrowMessage
    | RevokeMessage
    | RevokeAllMessage
    | AttestationMessage
    | ServiceMessage
    | PermitMessage
)

_CONSENT = (
    ("patient", "address"),
    ("dataset", "string"),
    ("uses", "string"),
    ("data", "string"),
    ("form", "bytes28"),
    ("until", "string"),
    ("issuedAt", "uint32"),
    ("deadline", "uint32"),
)
# Class -> the struct's name, and names and types of its members in their order.
_STRUCTS: dict[type[Message], tuple[str, tuple[tuple[str, str], ...]]] = {
    GrantMessage: ("Grant", _CONSENT),
    NarrowMessage: ("Narrow", _CONSENT),
    RevokeMessage: (
        "Revoke",
        (("patient", "address"), ("datasetId", "uint32"), ("issuedAt", "uint32")),
    ),
    RevokeAllMessage: ("RevokeAll", (("patient", "address"), ("issuedAt", "uint32"))),
    AttestationMessage: (
        "Attestation",
        (("study", "uint64"), ("round", "uint16"), ("aggregateHash", "bytes32")),
    ),
    ServiceMessage: ("Service", (("hospital", "address"), ("deadline", "uint40"))),
    PermitMessage: (
        "Permit",
        (
            ("owner", "address"),
            ("spender", "address"),
            ("value", "uint256"),
            ("nonce", "uint256"),
            ("deadline", "uint256"),
        ),
    ),
}
_DOMAIN = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def consent_domain(chain_id: int, contract: Address) -> Domain:
    """The domain of a `ConsentRegistry`."""
    return Domain("MedFed ConsentRegistry", chain_id, contract)


def consortium_domain(chain_id: int, contract: Address) -> Domain:
    """The domain of a `Consortium`."""
    return Domain("MedFed Consortium", chain_id, contract)


def rounds_domain(chain_id: int, contract: Address) -> Domain:
    """The domain of a `FederatedRounds`."""
    return Domain("MedFed FederatedRounds", chain_id, contract)


def typed_data(domain: Domain, message: Message) -> dict[str, Any]:
    """The message in the JSON form of EIP-712, for wallets and for eth-account's `full_message`."""
    name, _ = _STRUCTS[type(message)]
    return {
        "types": {
            "EIP712Domain": [{"name": field, "type": kind} for field, kind in _DOMAIN],
            name: [{"name": field, "type": kind} for field, kind, _ in _members(message)],
        },
        "primaryType": name,
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        },
        "message": {field: _json(value) for field, _, value in _members(message)},
    }


def digest(domain: Domain, message: Message) -> bytes:
    """The 32 bytes that are signed (EIP-712). Raises `InputError` for a value outside its type."""
    separator = keccak(
        keccak(_DOMAIN_TYPE)
        + keccak(domain.name.encode())
        + keccak(domain.version.encode())
        + _word("uint256", domain.chain_id)
        + _word("address", domain.contract)
    )
    return keccak(b"\x19\x01" + separator + struct_hash(message))


def compact(signature: bytes) -> tuple[bytes, bytes]:
    """65 bytes r, s, v as r and vs (ERC-2098)."""
    head = signature[32] | (0x80 if signature[64] in (1, 28) else 0)
    return signature[:32], bytes([head]) + signature[33:64]


def struct_hash(message: Message) -> bytes:
    """EIP-712's hashStruct of a message."""
    words = (_word(kind, value) for _, kind, value in _members(message))
    return keccak(keccak(encode_type(type(message)).encode()) + b"".join(words))


def encode_type(kind: type[Message]) -> str:
    """The struct's type string, e.g. "RevokeAll(address patient,uint32 issuedAt)"."""
    name, members = _STRUCTS[kind]
    return f"{name}({','.join(f'{each} {member}' for member, each in members)})"


def dataset_words(message: GrantMessage | NarrowMessage) -> str:
    """What the patient was shown as the dataset. Raises `InputError` for a number that none has."""
    unnamed = wording.dataset(message.dataset_id)
    return message.dataset or unnamed


def _members(message: Message) -> list[tuple[str, str, Any]]:
    """(Solidity name, type, value) of each member."""
    _, members = _STRUCTS[type(message)]
    values = (
        _in_words(message)
        if isinstance(message, GrantMessage | NarrowMessage)
        else [getattr(message, field.name) for field in fields(message)]
    )
    return [(name, kind, value) for (name, kind), value in zip(members, values, strict=True)]


def _in_words(message: GrantMessage | NarrowMessage) -> list[Any]:
    """What a wallet shows of a consent."""
    return [
        message.patient,
        dataset_words(message),
        wording.uses(message.purposes),
        wording.window(message.data_from, message.data_until),
        message.form,
        wording.until(message.expiry_day),
        message.issued_at,
        message.deadline,
    ]


def _json(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _word(kind: str, value: Any) -> bytes:
    """The 32 bytes of one value, of a text those of its hash."""
    if kind == "string":
        return keccak(_utf8(value))
    if kind == "address":
        return bytes(12) + _address(value)
    if kind.startswith("bytes"):
        size = int(kind.removeprefix("bytes"))
        if len(value) != size:
            raise InputError(f"A {kind} has {size} bytes, not {len(value)}.")
        return bytes(value).ljust(32, b"\0")
    if not 0 <= value < 1 << int(kind.removeprefix("uint")):
        raise InputError(f"{value} does not fit a {kind}.")
    return int(value).to_bytes(32, "big")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{text!r} is no text that a wallet can show; give Unicode without surrogates."
        ) from None


def _address(value: str) -> bytes:
    try:
        raw = bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 20:
        raise InputError(f"{value!r} is no address; give 0x and 40 hexadecimal digits.")
    return raw
