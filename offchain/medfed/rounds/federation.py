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

__all__ = ["Federation", "open_federation"]


@dataclass(frozen=True)
class Federation:
    """Everything public. Holds no key."""

    client: ChainClient
    contracts: Deployment
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
    chain = client or connect(settings.rpc)
    if settings.chain_id is not None:
        chain.require_chain(settings.chain_id)
    contracts = load(chain, settings.state_dir)
    events = open_index(contracts, index, confirmations=settings.confirmations)
    return Federation(chain, contracts, open_store(settings.store), events)
