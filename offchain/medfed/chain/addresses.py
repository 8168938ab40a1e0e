"""Address books: where the contracts of a deployment stand, by chain id and genesis hash.

A restarted development chain has another genesis block and so another book. Books of known networks are part of the
repository and of the wheel (`deploy/addresses/<network>.json`), all others lie in the state directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medfed import durable
from medfed.chain.artifacts import resource_folder
from medfed.chain.client import ChainClient
from medfed.errors import ConfigError
from medfed.protocol.canonical import parse_json
from medfed.types import Address

__all__ = ["AddressBook", "Placed", "book_of", "book_path", "find_book", "read_book", "write_json"]


@dataclass(frozen=True, slots=True)
class Placed:
    """One contract: its address, the block of its creation, and the arguments of its constructor."""

    address: Address
    block: int
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AddressBook:
    """A finished deployment. `block` is the first that can hold an event of it; `parameters` made it."""

    chain_id: int
    genesis: str
    network: str
    deployer: Address
    admin: Address
    version: str
    compiler: str
    block: int
    contracts: Mapping[str, Placed]
    parameters: Mapping[str, Any]
    announced: Address | None = None
    """Who holds the admin's roles beside `admin`, until it takes them over."""

    def write(self, path: Path) -> None:
        """Write the book as one file, whole or not at all."""
        write_json(path, asdict(self))


def book_path(client: ChainClient, state: Path) -> Path:
    """Where the book of the client's chain lies in the state directory."""
    return state / "deployments" / f"{client.chain_id}-{client.genesis_hash.hex()[:16]}.json"


def find_book(client: ChainClient, state: Path) -> tuple[Path, AddressBook] | None:
    """The book of the client's chain, from the state directory or from the shipped ones; None when there is none."""
    own = book_path(client, state)
    candidates = [own] if own.exists() else []
    candidates += sorted(resource_folder("deploy_addresses").glob("*.json"))
    for path in candidates:
        book = read_book(path)
        if (book.chain_id, book.genesis) == (client.chain_id, "0x" + client.genesis_hash.hex()):
            return path, book
    return None


def read_book(path: Path) -> AddressBook:
    """The book in a file; raises `ConfigError` when it is missing or damaged."""
    try:
        return book_of(parse_json(path.read_bytes()))
    except OSError as exc:
        raise ConfigError(f"The address book {path} cannot be read: {exc.strerror}.") from exc
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ConfigError(f"The address book {path} is damaged; restore it, or deploy again.") from exc


def book_of(found: Mapping[str, Any]) -> AddressBook:
    """The book in parsed JSON. Raises what Python raises where something in it is missing or of another type."""
    placed = {
        name: Placed(item["address"], item["block"], tuple(item["arguments"]))
        for name, item in found["contracts"].items()
    }
    return AddressBook(**{**found, "contracts": placed})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
