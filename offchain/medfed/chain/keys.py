"""Keys: encrypted keystore files, accounts that never show their key, and patients' accounts from one seed.

Keystores are the usual Web3 secret storage (version 3, scrypt), so that any wallet opens them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import struct
from pathlib import Path
from typing import Any

from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from medfed import durable
from medfed.chain.calls import Transaction
from medfed.errors import ConfigError, InputError, KeystoreError
from medfed.protocol.canonical import parse_json
from medfed.types import Address

__all__ = [
    "Account",
    "account_from_key",
    "create_keystore",
    "development_account",
    "load_keystore",
    "new_account",
    "patient_account",
    "read_keystore",
    "read_password",
    "save_keystore",
    "signer_of",
    "unlock",
    "write_keystore",
]

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HARDENED = 1 << 31
_SCRYPT_WORK = 1 << 17
_SCRYPT_WORK_TRIAL = 1 << 12
_NO_SECRET = "development"  # noqa: S105 - such keys protect nothing


class Account:
    """A key that signs. Neither `repr` nor an error message ever shows the key."""

    __slots__ = ("_key", "address")

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.address = Address(key.public_key.to_checksum_address())

    def __repr__(self) -> str:
        return f"Account({self.address})"

    def sign(self, transaction: Transaction) -> tuple[bytes, bytes]:
        """The raw signed transaction and its hash."""
        signature = self._key.sign_msg_hash(keccak(transaction.payload()))
        raw = transaction.payload(signature.v, signature.r, signature.s)
        return raw, keccak(raw)

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v (27 or 28) over a 32-byte digest, such as one of EIP-712; deterministic (RFC 6979)."""
        if len(digest) != 32:
            raise InputError(f"A digest has 32 bytes, not {len(digest)}.")
        plain = self._key.sign_msg_hash(digest).to_bytes()
        return plain[:64] + bytes([plain[64] + 27])

    def secret(self) -> bytes:
        """The 32 bytes behind the account, for a wallet whose keystore holds a seed."""
        return self._key.to_bytes()

    def encrypted(self, password: str, work: int) -> dict[str, Any]:
        """The key as Web3 secret storage; `work` is scrypt's N."""
        from eth_account import Account as EthAccount

        return EthAccount.encrypt(self._key.to_bytes(), password, kdf="scrypt", iterations=work)


def new_account() -> Account:
    """A fresh random key."""
    return account_from_key(secrets.token_bytes(32))


def account_from_key(key: bytes) -> Account:
    """The account of a 32-byte private key."""
    if len(key) != 32 or not 0 < int.from_bytes(key, "big") < _ORDER:
        raise InputError("This is no private key: 32 bytes below the order of secp256k1 are needed.")
    return Account(PrivateKey(key))


def signer_of(digest: bytes, signature: bytes) -> Address | None:
    """Who signed a 32-byte digest with 65 bytes r ‖ s ‖ v; None for what no contract takes for a signature, such as one with a
    high s."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    if not 0 < int.from_bytes(signature[32:64], "big") <= _ORDER // 2:
        return None
    try:
        made = Signature(signature[:64] + bytes([signature[64] - 27]))
        return Address(made.recover_public_key_from_msg_hash(digest).to_checksum_address())
    except (BadSignature, ValidationError):
        return None


def create_keystore(path: Path, password: str, *, trial: bool = False) -> Account:
    """Make a new key, encrypt it into `path` (which must not exist) and return its account."""
    account = new_account()
    save_keystore(path, account, password, trial=trial)
    return account


def save_keystore(path: Path, account: Account, password: str, *, trial: bool = False) -> None:
    """Encrypt the account into `path`, readable by the owner alone; never overwrites.

    `trial` makes a file that opens in milliseconds, for keys that hold nothing of value (demo, tests).
    """
    write_keystore(path, account, password, trial=trial)


def write_keystore(
    path: Path, account: Account, password: str, *, trial: bool, shown: dict[str, str] | None = None
) -> None:
    """As `save_keystore`; `shown` stands in the file in place of the address, for what is no account's key."""
    if not password:
        raise KeystoreError("A keystore needs a password that is not empty.")
    work = _SCRYPT_WORK_TRIAL if trial else _SCRYPT_WORK
    record = account.encrypted(password, work)
    if shown is not None:
        del record["address"]
        record |= shown
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        durable.write(path, json.dumps(record, indent=1) + "\n", mode=durable.PRIVATE, new=True)
    except FileExistsError:
        raise KeystoreError(
            f"The keystore {path} exists already; choose another name or move it away."
        ) from None


def load_keystore(path: Path, password: str) -> Account:
    """Open an encrypted keystore; raises `KeystoreError` when it is missing, damaged, or the password is wrong."""
    return account_from_key(unlock(path, password))


def unlock(path: Path, password: str) -> bytes:
    """The 32 bytes that a keystore holds. Raises as `load_keystore`."""
    from eth_account import Account as EthAccount  # half a second that only keystores need

    record = read_keystore(path)
    try:
        return bytes(EthAccount.decrypt(record, password))
    except (KeyError, TypeError, NotImplementedError) as exc:
        raise KeystoreError(
            f"The keystore {path} is damaged or of an unknown kind; restore it from a backup."
        ) from exc
    except ValueError as exc:
        raise KeystoreError(
            f"The password does not open the keystore {path}; check the password file."
        ) from exc


def read_keystore(path: Path) -> dict[str, Any]:
    """A keystore's record, its secret still encrypted. Raises `KeystoreError` when it is missing or damaged."""
    try:
        record = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise KeystoreError(f"There is no keystore at {path}; create one or correct the setting.") from None
    except OSError as exc:
        raise KeystoreError(f"The keystore {path} cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:
        raise KeystoreError(f"The keystore {path} is not JSON; restore it from a backup.") from exc
    if isinstance(record, dict) and "format" in record and "crypto" not in record:
        raise KeystoreError(
            f"The file {path} is no keystore, but a card or what was signed; name the wallet or the keystore itself."
        )
    if not isinstance(record, dict) or not {"crypto", "Crypto"} & record.keys():
        raise KeystoreError(
            f"The keystore {path} is damaged or of an unknown kind; restore it from a backup."
        )
    return record


def development_account(folder: Path, name: str) -> Account:
    """A key for development chains, made at first use and kept in `folder/keys`. It protects nothing."""
    path = folder / "keys" / f"development-{name}.json"
    if not path.exists():
        return create_keystore(path, _NO_SECRET, trial=True)
    return load_keystore(path, _NO_SECRET)


def read_password(file: Path) -> str:
    """The first line of a password file, without its line end."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        raise ConfigError(f"The password file {file} cannot be read: {exc.strerror}.") from exc
    if not lines or not lines[0]:
        raise ConfigError(f"The password file {file} is empty; put the password into its first line.")
    return lines[0]


def patient_account(seed: bytes, index: int) -> Account:
    """The patient's account number `index`, one for each dataset, so that hospitals cannot link them.

    BIP-32 along m/44'/60'/index', every step hardened: who knows one of these accounts, key included, learns nothing
    about the others. `seed` has 16 to 64 bytes.
    """
    if not 16 <= len(seed) <= 64:
        raise InputError(f"A seed has 16 to 64 bytes, not {len(seed)}.")
    if not 0 <= index < _HARDENED:
        raise InputError(f"An account number lies between 0 and {_HARDENED - 1}, not {index}.")
    digest = hmac.new(b"Bitcoin seed", seed, hashlib.sha512).digest()
    key, chain_code = digest[:32], digest[32:]
    for step in (44, 60, index):
        key, chain_code = _hardened_child(key, chain_code, step)
    return account_from_key(key)


def _hardened_child(key: bytes, chain_code: bytes, index: int) -> tuple[bytes, bytes]:
    """BIP-32, private parent key to private child key, index + 2^31."""
    data = b"\x00" + key + struct.pack(">I", index + _HARDENED)
    digest = hmac.new(chain_code, data, hashlib.sha512).digest()
    offset = int.from_bytes(digest[:32], "big")
    child = (offset + int.from_bytes(key, "big")) % _ORDER
    if offset >= _ORDER or child == 0:  # one in 2^127: BIP-32 says to take the next index
        raise InputError(f"Account number {index} does not exist for this seed; use the next one.")
    return child.to_bytes(32, "big"), digest[32:]
