"""FederatedRounds."""

from __future__ import annotations

from medfed.chain.contracts.base import Contract

__all__ = ["Rounds"]


class Rounds(Contract):
    """Calls and views of `FederatedRounds.sol`."""

    NAME = "FederatedRounds"
