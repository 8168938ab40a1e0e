"""ERC-20 tokens, and the one that development chains get."""

from __future__ import annotations

from medfed.chain.calls import Call
from medfed.chain.client import BlockLike
from medfed.chain.coin import Coin
from medfed.chain.contracts.base import Contract
from medfed.protocol.typed import Domain
from medfed.types import Address

__all__ = ["Token"]


class Token(Contract):
    """An ERC-20. Only the development token has an open `mint`. Amounts are in the token's smallest unit."""

    NAME = "DevelopmentToken"

    def mint(self, account: Address, amount: int) -> Call:
        """Development chains only: new tokens for anyone."""
        return self._change("mint", account, amount)

    def approve(self, spender: Address, amount: int) -> Call:
        """Let `spender` draw up to `amount`."""
        return self._change("approve", spender, amount)

    def transfer(self, receiver: Address, amount: int) -> Call:
        """Send tokens."""
        return self._change("transfer", receiver, amount)

    def balance(self, account: Address, block: BlockLike = None) -> int:
        """The account's tokens."""
        return int(self._view(block, "balanceOf", account))

    def allowance(self, owner: Address, spender: Address, block: BlockLike = None) -> int:
        """What `spender` may still draw from `owner`."""
        return int(self._view(block, "allowance", owner, spender))

    def decimals(self, block: BlockLike = None) -> int:
        """Digits after the point when people write amounts."""
        return int(self._view(block, "decimals"))

    def symbol(self, block: BlockLike = None) -> str:
        """The token's short name."""
        return str(self._view(block, "symbol"))

    def coin(self) -> Coin:
        """How its amounts are written."""
        return Coin(self.address, self.symbol(), self.decimals())

    def nonce(self, owner: Address, block: BlockLike = None) -> int:
        """The number that the owner's next permission (ERC-2612) has to carry."""
        return int(self._view(block, "nonces", owner))

    def domain(self, block: BlockLike = None) -> Domain:
        """Where permissions are signed for (ERC-5267)."""
        _, name, version, chain_id, contract, _, _ = self._view(block, "eip712Domain")
        return Domain(name, chain_id, Address(contract), version)
