"""A patient's wallet: one seed, kept in an encrypted keystore, from which an account for each dataset is derived.

The seed is stored like a private key (Web3 secret storage), so the same tools keep, back up and encrypt it; its file
names no address, as the seed is never used as a key itself. A plain keystore serves as a wallet with one account.
For each account there is a link secret, known to the patient and to one hospital, with which the patient's uses are
found in public manifests.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from pathlib import Path

from medfed.chain.keys import (
    Account,
    account_from_key,
    load_keystore,
    patient_account,
    read_keystore,
    write_keystore,
)

__all__ = ["Wallet", "create_wallet", "is_wallet", "load_wallet"]

_KIND = "medfed"
_WALLET = "patient's wallet"


class Wallet:
    """Accounts and link secrets of one patient (or, in a trial, of many). `repr` shows neither."""

    __slots__ = ("_seed", "_single")

    def __init__(self, seed: bytes, *, single: bool = False) -> None:
        """`single` takes the seed for the key of an only account, as in a plain keystore."""
        self._seed = seed
        self._single = single

    def __repr__(self) -> str:
        return "Wallet()"

    @property
    def single(self) -> bool:
        """Whether every number stands for the same account."""
        return self._single

    def account(self, index: int = 0) -> Account:
        """Account number `index`: a fresh one for each dataset, so that hospitals cannot be linked."""
        return account_from_key(self._seed) if self._single else patient_account(self._seed, index)

    def link_secret(self, index: int = 0) -> bytes:
        """32 bytes for the hospital that holds this account's record, and for nobody else."""
        return hmac.new(self._seed, b"medfed link secret" + struct.pack(">I", index), hashlib.sha256).digest()


def create_wallet(path: Path, password: str, *, seed: bytes | None = None, trial: bool = False) -> Wallet:
    """Encrypt a seed (fresh, unless a 32-byte `seed` is given) into `path`, which must not exist."""
    chosen = seed if seed is not None else secrets.token_bytes(32)
    write_keystore(path, account_from_key(chosen), password, trial=trial, shown={_KIND: _WALLET})
    return Wallet(chosen)


def load_wallet(path: Path, password: str) -> Wallet:
    """Open a wallet or a plain keystore. Raises `KeystoreError` when it is missing, damaged, or the password is wrong."""
    return Wallet(load_keystore(path, password).secret(), single=not is_wallet(path))


def is_wallet(path: Path) -> bool:
    """Whether a keystore file holds a seed, from which an account for each dataset is derived. Raises `KeystoreError`."""
    return read_keystore(path).get(_KIND) == _WALLET
