"""A participant's view of a federation: chain, contracts, store, and the event index they are read through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medfed.chain.client import ChainClient, connect
from medfed.chain.deployment import Deployment, load, open_index
from medfed.chain.index import EventIndex
from medfed.config import Settings
from medfed.storage import ContentStore, open_store
from medfed.types import BlockStamp

__all__ = ["Federation", "OnChain", "open_federation", "open_on_chain"]


@dataclass(frozen=True)
class OnChain:
    """A chain and its contracts: all that most calls need."""

    client: ChainClient
    contracts: Deployment


@dataclass(frozen=True)
class Federation(OnChain):
    """Everything public. Holds no key."""

    store: ContentStore
    index: EventIndex

    def sync(self) -> BlockStamp:
        """Read up to the newest final block; returns it."""
        return self.index.sync()


def open_federation(
    settings: Settings, client: ChainClient | None = None, *, index: Path | None = None
) -> Federation:
    """The federation of the settings. Raises `WrongChain`, `ChainUnavailable`, `StoreUnavailable`, `ConfigError`.

    `index` is the event index's file (in memory without one).
    """
    place = open_on_chain(settings, client)
    events = open_index(place.contracts, index, confirmations=settings.confirmations)
    return Federation(place.client, place.contracts, open_store(settings.store), events)


def open_on_chain(settings: Settings, client: ChainClient | None = None) -> OnChain:
    """Chain and contracts of the settings, without store and history. Raises `WrongChain`, `ChainUnavailable`."""
    chain = client or connect(settings.rpc)
    if settings.chain_id is not None:
        chain.require_chain(settings.chain_id)
    return OnChain(chain, load(chain, settings.state_dir, settings.addresses))
