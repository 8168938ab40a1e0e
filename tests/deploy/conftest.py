"""Chains to deploy on."""

from __future__ import annotations

import pytest

from medfed.chain.client import ChainClient, connect
from medfed.chain.embedded import EmbeddedChain

ETHER = 10**18


class PublicChain(EmbeddedChain):
    """The embedded chain with the standing of a public one."""

    @property
    def is_development(self) -> bool:
        return False


@pytest.fixture
def chain() -> ChainClient:
    return connect("embedded:")


@pytest.fixture
def public_chain() -> PublicChain:
    return PublicChain()
