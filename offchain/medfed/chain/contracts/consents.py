"""The ConsentRegistry."""

from __future__ import annotations

from medfed.chain.contracts.base import Contract

__all__ = ["Consents"]


class Consents(Contract):
    """Calls and views of `ConsentRegistry.sol`."""

    NAME = "ConsentRegistry"
