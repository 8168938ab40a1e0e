"""The composition root of commands: settings become a federation, keystores become senders."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfed.errors import ConfigError, InputError, KeystoreError

if TYPE_CHECKING:
    from medfed.chain.client import ChainClient
    from medfed.chain.keys import Account
    from medfed.chain.sender import Sender
    from medfed.chain.wallet import Wallet
    from medfed.config import Settings
    from medfed.rounds.federation import Federation, OnChain
    from medfed.types import Address

__all__ = [
    "keystore_address",
    "open_account",
    "open_chain",
    "open_client",
    "open_federation",
    "open_sender",
    "open_wallet",
    "party",
    "password",
    "settings",
]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_GWEI = 10**9


def settings(**overrides: Any) -> Settings:
    """The settings of this call: file, environment, options."""
    from medfed.config import load_settings

    named = os.environ.get("MEDFED_CONFIG")
    here = Path("medfed.toml")
    path = Path(named) if named else here if here.exists() else None
    given = {key: value for key, value in overrides.items() if value is not None}
    return load_settings(path, os.environ, given)


def open_client() -> ChainClient:
    """A client for the chain of the settings. Raises `WrongChain` when the settings name another chain id."""
    from medfed.chain.client import connect

    chosen = settings()
    client = connect(chosen.rpc)
    if chosen.chain_id is not None:
        client.require_chain(chosen.chain_id)
    return client


def open_chain() -> OnChain:
    """Chain and contracts of the settings; reads no history and asks no store."""
    from medfed.rounds.federation import open_on_chain

    return open_on_chain(settings())


def open_federation() -> Federation:
    """Chain, contracts, store and event index of the settings, read up to the newest final block."""
    from medfed.rounds.federation import open_federation as build

    chosen = settings()
    chosen.state_dir.mkdir(parents=True, exist_ok=True)
    federation = build(chosen, index=chosen.state_dir / "index.sqlite")
    federation.sync()
    return federation


def open_sender(place: OnChain, account: Account, folder: Path | None = None) -> Sender:
    """Sends for `account`, for the highest fee of the settings at most; its journal is in `folder`, else in the state
    directory."""
    from medfed.chain.sender import FeePolicy, Sender

    chosen = settings()
    cap = None if chosen.max_fee_gwei is None else int(chosen.max_fee_gwei * _GWEI)
    journal = folder or chosen.state_dir / "sent"
    return Sender(place.client, account, journal, policy=FeePolicy(max_fee_cap=cap))


def open_account(keystore: Path, password_file: Path | None) -> Account:
    """The key in an encrypted file. Raises `KeystoreError` for a wrong password, and for a file with a seed."""
    from medfed.chain.keys import load_keystore

    keystore_address(keystore)
    return load_keystore(keystore, password(password_file))


def open_wallet(keystore: Path, password_file: Path | None) -> Wallet:
    """A patient's wallet, or a plain keystore as one. Raises `KeystoreError` for a wrong password."""
    from medfed.chain.wallet import load_wallet

    return load_wallet(keystore, password(password_file))


def password(file: Path | None) -> str:
    """The keystore password: from the file, else asked for at the terminal."""
    import getpass
    import sys

    from medfed.chain.keys import read_password

    if file is not None:
        return read_password(file)
    if not sys.stdin.isatty():
        raise ConfigError("No password: give --password-file or set MEDFED_PASSWORD_FILE.")
    return getpass.getpass("Keystore password: ")


def keystore_address(file: Path) -> Address:
    """The address that a keystore file is for, read without its password. Raises `KeystoreError`."""
    from medfed.chain.calls import checksum
    from medfed.chain.keys import read_keystore

    found = str(read_keystore(file).get("address", "")).removeprefix("0x")
    if not _ADDRESS.fullmatch(f"0x{found}"):
        raise KeystoreError(
            f"The file {file} is no account's keystore; wallets and encryption keys have commands of their own."
        )
    return checksum(f"0x{found}")


def party(text: str) -> Address:
    """An account given as an address or as the path of its keystore. Raises `InputError`, `KeystoreError`."""
    from medfed.chain.calls import parse_address

    if Path(text).is_file():
        return keystore_address(Path(text))
    if not text.startswith("0x"):
        raise InputError(f"{text} is neither an address (0x and 40 hex digits) nor a keystore file.")
    return parse_address(text)
