"""A participant's view of a federation: chain, contracts, store, and the event index they are read through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medfed.chain.client import ChainClient, connect
from medfed.chain.deployment import Deployment, load, open_index
from medfed.chain.index import EventIndex
from medfed.config import Settings
from medfed.rounds.census import Census
from medfed.storage import ContentStore, open_store
from medfed.types import BlockStamp

__all__ = ["Federation", "OnChain", "open_federation", "open_on_chain"]


@dataclass(frozen=True)
class OnChain:
    """A chain and its contracts: all that most calls need."""

    client: ChainClient
    contracts: Deployment

    @property
    def name(self) -> str:
        """What tells these contracts from those of other chains, in the names of folders."""
        genesis, contract = self.client.genesis_hash.hex()[:8], self.contracts.rounds.address[2:10]
        return f"{self.client.chain_id}-{genesis}-{contract}"


@dataclass(frozen=True)
class Federation(OnChain):
    """Everything public. Holds no key."""

    store: ContentStore
    index: EventIndex

    @cached_property
    def census(self) -> Census:
        """Reads the index on, and finds what a node left out."""
        return Census(self.contracts, self.index)

    def sync(self) -> BlockStamp:
        """Read up to the newest final block; returns it. Raises `Contradicted` where the contracts keep otherwise, also after all
        was read anew; `ChainUnavailable`."""
        return self.census.sync()


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
