"""A patient's wallet: one seed, kept in an encrypted keystore, from which an account for each dataset is derived.

The seed is stored like a private key (Web3 secret storage), so the same tools keep, back up and encrypt it; it is never
used as a key itself. For each account there is a link secret, known to the patient and to one hospital, with which
the patient's uses are found in public manifests.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from pathlib import Path

from medfed.chain.keys import Account, account_from_key, load_keystore, patient_account, save_keystore

__all__ = ["Wallet", "create_wallet", "load_wallet"]


class Wallet:
    """Accounts and link secrets of one patient (or, in a trial, of many). `repr` shows neither."""

    __slots__ = ("_seed",)

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def __repr__(self) -> str:
        return "Wallet()"

    def account(self, index: int = 0) -> Account:
        """Account number `index`: a fresh one for each dataset, so that hospitals cannot be linked."""
        return patient_account(self._seed, index)

    def link_secret(self, index: int = 0) -> bytes:
        """32 bytes for the hospital that holds this account's record, and for nobody else."""
        return hmac.new(self._seed, b"medfed link secret" + struct.pack(">I", index), hashlib.sha256).digest()


def create_wallet(path: Path, password: str, *, seed: bytes | None = None, trial: bool = False) -> Wallet:
    """Encrypt a seed (fresh, unless a 32-byte `seed` is given) into `path`, which must not exist."""
    chosen = seed if seed is not None else secrets.token_bytes(32)
    save_keystore(path, account_from_key(chosen), password, trial=trial)
    return Wallet(chosen)


def load_wallet(path: Path, password: str) -> Wallet:
    """Open a wallet; raises `KeystoreError` when it is missing, damaged, or the password is wrong."""
    return Wallet(load_keystore(path, password).secret())
