"""A hospital's X25519 key: the public half stands in the consortium, the private half stays in an encrypted file.

The file is Web3 secret storage (version 3, scrypt), like every keystore here, but names a public key and no address, so
that it cannot be taken for the key of an account.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from medfed.chain.keys import account_from_key, read_keystore, unlock, write_keystore
from medfed.errors import InputError, KeystoreError

__all__ = [
    "EncryptionKey",
    "create_encryption_key",
    "load_encryption_key",
    "published_key",
    "save_encryption_key",
]

_FIELD = "x25519"
_BYTES = 32


class EncryptionKey:
    """The private half. `repr` shows the public one only."""

    __slots__ = ("private", "public")

    def __init__(self, secret: bytes) -> None:
        self.private = X25519PrivateKey.from_private_bytes(secret)
        self.public = self.private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"EncryptionKey({self.public.hex()})"


def create_encryption_key(path: Path, password: str, *, trial: bool = False) -> EncryptionKey:
    """Make a new key, encrypt it into `path` (which must not exist) and return it. Raises `KeystoreError`."""
    return save_encryption_key(path, secrets.token_bytes(_BYTES), password, trial=trial)


def save_encryption_key(path: Path, secret: bytes, password: str, *, trial: bool = False) -> EncryptionKey:
    """Encrypt the key of a 32-byte secret into `path`; `trial` as for other keystores. Raises `KeystoreError`."""
    key = EncryptionKey(secret)
    # What encrypts accounts' keys takes any 32 bytes below the order of its curve, which all but one in 2^127 are.
    write_keystore(path, account_from_key(secret), password, trial=trial, shown={_FIELD: key.public.hex()})
    return key


def load_encryption_key(path: Path, password: str) -> EncryptionKey:
    """Open a key's file. Raises `KeystoreError` when it is missing, damaged, or the password is wrong."""
    key = EncryptionKey(unlock(path, password))
    if key.public != published_key(str(path)):
        raise KeystoreError(
            f"The file {path} names another public key than it holds; restore it from a backup."
        )
    return key


def published_key(text: str) -> bytes:
    """The 32 public bytes, given as hexadecimal digits or as a key's file, which needs no password for that.

    Raises `InputError` for anything else, `KeystoreError` for a file that holds no encryption key.
    """
    digits = text.removeprefix("0x")
    if Path(text).is_file():
        digits = str(read_keystore(Path(text)).get(_FIELD, ""))
        if not digits:
            raise KeystoreError(
                f"The file {text} holds no encryption key; make one with `medfed key encryption FILE`."
            )
    try:
        public = bytes.fromhex(digits)
    except ValueError:
        public = b""
    if len(public) != _BYTES or not any(public):
        raise InputError(
            f"{text} is neither the {2 * _BYTES} hexadecimal digits of an X25519 key nor a file with one; "
            "`medfed key encryption FILE` makes one."
        )
    return public
