"""The composition root: settings become a chain client, contracts, a store, a sender. Everything is built when first asked for."""

from __future__ import annotations

import functools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfed.errors import ConfigError, InputError, KeystoreError

if TYPE_CHECKING:
    from medfed.chain.client import ChainClient
    from medfed.chain.contracts import Contracts
    from medfed.chain.deployment import Deployment
    from medfed.chain.index import EventIndex
    from medfed.chain.keys import Account
    from medfed.chain.sender import Sender
    from medfed.config import Settings
    from medfed.storage.base import ContentStore
    from medfed.types import Address

__all__ = ["Workspace", "keystore_address", "open_client", "open_workspace", "party", "password", "settings"]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass
class Workspace:
    """One command's view of a federation: where the chain is, which contracts, which store. Owned by the command."""

    settings: Settings
    client: ChainClient
    deployment: Deployment

    @functools.cached_property
    def contracts(self) -> Contracts:
        """Typed wrappers of every contract."""
        return self.deployment.contracts(self.client)

    @functools.cached_property
    def store(self) -> ContentStore:
        """The content store of the settings."""
        from medfed.storage import open_store

        return open_store(self.settings.store)

    @functools.cached_property
    def index(self) -> EventIndex:
        """The event index, read up to the newest final block."""
        from medfed.rounds.federation import open_index

        index = open_index(self.settings, self.client, self.deployment)
        index.sync()
        return index

    def sender(self, account: Account) -> Sender:
        """Sends for `account`; its journal is in the state directory (in memory on the embedded chain)."""
        from medfed.chain.sender import Sender

        folder = None if self.settings.rpc.startswith("embedded:") else self.settings.state_dir / "sent"
        return Sender(self.client, account, folder)


def settings(**overrides: Any) -> Settings:
    """The settings of this call: file, environment, options."""
    from medfed.config import load_settings

    named = os.environ.get("MEDFED_CONFIG")
    here = Path("medfed.toml")
    path = Path(named) if named else here if here.exists() else None
    return load_settings(
        path, os.environ, {key: value for key, value in overrides.items() if value is not None}
    )


def open_client() -> ChainClient:
    """A client for the chain of the settings."""
    from medfed.chain.client import connect

    return connect(settings().rpc)


def open_workspace() -> Workspace:
    """Chain, contracts and store of the settings; raises `WrongChain` when there are no contracts."""
    from medfed.chain import deployment

    chosen = settings()
    client = open_client()
    return Workspace(chosen, client, deployment.load(chosen, client))


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
    """The address that a keystore file is for, read without its password."""
    from medfed.chain.calls import checksum

    try:
        found = json.loads(file.read_text(encoding="utf-8"))["address"]
    except OSError as exc:
        raise KeystoreError(f"The keystore {file} cannot be read: {exc.strerror}.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise KeystoreError(f"The file {file} is not a keystore with an address.") from exc
    return checksum(found if found.startswith("0x") else "0x" + found)


def party(text: str) -> Address:
    """An account given as an address or as the path of its keystore."""
    from medfed.chain.calls import checksum

    if _ADDRESS.fullmatch(text):
        return checksum(text)
    if Path(text).is_file():
        return keystore_address(Path(text))
    raise InputError(f"{text} is neither an address (0x and 40 hex digits) nor a keystore file.")
