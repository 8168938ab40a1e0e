"""One interface to a chain: an RPC (`HttpChain`) or the EVM in this process (`EmbeddedChain`).

`connect` picks by address: `http://...`, `https://...` or `embedded:`. Every transport failure becomes
`ChainUnavailable`, every revert a `ContractRevert` with its values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from medfed.chain.calls import Call, Fees, Log, Receipt
from medfed.errors import ChainUnavailable, ConfigError, WrongChain
from medfed.types import Address, BlockStamp

__all__ = ["BlockLike", "ChainClient", "connect", "missing_block", "number_of"]

BlockLike = BlockStamp | int | None
"""A block to read at: its stamp, its number, or None for the newest."""


class ChainClient(ABC):
    """A chain to read from and to send to.

    `simulates` says that `send_raw` itself refuses a transaction that would revert, with its reason and without a
    trace on the chain, so that nobody needs to try it first. `label` names the chain in messages.
    """

    simulates = False
    label = "the chain"
    doubt = "the node is taken at its word for the chain: ask a node of your own, or several"
    """What whoever reads through this client cannot know."""
    unproved: tuple[str, ...] = ()
    """What of this client's answers may be invented although it says that it proves them, a sentence each."""
    is_recorded = False
    """Whether this is a chain as somebody read it once: asked again, it says the same."""
    first_range = 512
    """For how many blocks to ask at first when events are read on; what a node refuses is asked for in parts."""

    @property
    @abstractmethod
    def chain_id(self) -> int:
        """The chain's number (EIP-155)."""

    @property
    @abstractmethod
    def genesis_hash(self) -> bytes:
        """The hash of block 0. A development chain that was started anew has another one."""

    @abstractmethod
    def head(self) -> BlockStamp:
        """The newest block."""

    @abstractmethod
    def block(self, number: int) -> BlockStamp:
        """Block `number`; raises `ChainUnavailable` while the node does not have it."""

    def blocks(self, numbers: Sequence[int]) -> list[BlockStamp]:
        """Many blocks at once."""
        return [self.block(number) for number in numbers]

    @abstractmethod
    def finalized(self) -> BlockStamp:
        """The newest block that the node calls finalized; block 0 where it names none."""

    def final(self, confirmations: int | None = None) -> BlockStamp:
        """The newest block to build on: `confirmations` below the head, or by the `finalized` tag when None."""
        if confirmations is None:
            return self.finalized()
        head = self.head()
        return head if confirmations == 0 else self.block(max(0, head.number - confirmations))

    @abstractmethod
    def read(self, call: Call, *, sender: Address | None = None, block: BlockLike = None) -> bytes:
        """What `call` returns at `block`, without a transaction; raises `ContractRevert`."""

    def read_all(self, calls: Sequence[Call], *, block: BlockLike = None) -> list[bytes]:
        """`read` of many calls, in few exchanges where the chain is behind a network."""
        return [self.read(call, block=block) for call in calls]

    def call(self, to: Address, data: bytes, block: BlockLike = None) -> bytes:
        """`read` of plain calldata."""
        return self.read(Call(to, data), block=block)

    @abstractmethod
    def estimate(self, call: Call, sender: Address) -> int:
        """Gas that is enough for `call` now; raises `ContractRevert` when it would revert."""

    @abstractmethod
    def code(self, address: Address, block: BlockLike = None) -> bytes:
        """The code at `address`; empty where there is no contract."""

    @abstractmethod
    def balance(self, address: Address, block: BlockLike = None) -> int:
        """The account's ether, in wei."""

    @abstractmethod
    def nonce(self, address: Address) -> int:
        """How many transactions of the account are mined."""

    @abstractmethod
    def fees(self) -> Fees:
        """What the next block asks for."""

    def outlook(self, address: Address) -> tuple[int, Fees]:
        """(nonce, fees): all that the next transaction of `address` needs to know."""
        return self.nonce(address), self.fees()

    @property
    def gas_limit(self) -> int:
        """More gas than any call of MedFed takes; a transaction may have 2^24 (EIP-7825)."""
        return 1 << 24

    @abstractmethod
    def send_raw(self, raw: bytes, label: str = "") -> bytes:
        """Hand in a signed transaction; returns its hash. Handing in the same one again is harmless."""

    @abstractmethod
    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """The receipt, or None while the transaction is not mined."""

    @abstractmethod
    def knows(self, tx_hash: bytes) -> bool:
        """Whether the node has the transaction, mined or waiting."""

    @abstractmethod
    def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        """All events of `addresses` in blocks `first` to `last`, in order.

        Raises `RangeRefused` when the node wants a smaller range.
        """

    def headers(self, numbers: Sequence[int]) -> list[bytes]:
        """The RLP of blocks' headers, whose keccak256 is the block's hash. Raises `ConfigError` where none are kept."""
        raise ConfigError(f"{self.label} cannot show {len(numbers)} block headers.")

    def block_receipts(self, number: int) -> list[bytes]:
        """All receipts of a block as they stand in its tree (EIP-2718). Raises `ConfigError` where none are kept."""
        raise ConfigError(f"{self.label} cannot show the receipts of block {number}.")

    def witness(self, calls: Sequence[Call], accounts: Sequence[Address], block: BlockStamp) -> list[bytes]:
        """Trie nodes and codes with which the calls, and the accounts' codes, at `block` are found again from its state
        root. Raises `ConfigError` where none are kept, `RpcError` where the node gives no proofs."""
        raise ConfigError(
            f"{self.label} cannot prove {len(calls)} calls to {len(accounts)} contracts at block {block.number}."
        )

    def require_chain(self, chain_id: int) -> None:
        """Raise `WrongChain` unless this is chain `chain_id`."""
        if self.chain_id != chain_id:
            raise WrongChain(
                f"{self.label} is chain {self.chain_id}, the settings say {chain_id}; correct one of them."
            )

    @property
    @abstractmethod
    def is_development(self) -> bool:
        """Whether this chain is for trying things out: Anvil, geth --dev or the embedded one."""

    def mine(self, blocks: int = 1) -> BlockStamp:
        """Mine empty blocks now (development chains only); returns the new head."""
        raise ConfigError(
            f"{self.label} is not a development chain: blocks cannot be mined by request ({blocks})."
        )

    def travel(self, seconds: int) -> BlockStamp:
        """Move chain time forward and mine a block there (development chains only); returns the new head."""
        raise ConfigError(f"{self.label} is not a development chain: time cannot be moved by {seconds} s.")

    def set_balance(self, address: Address, wei: int) -> None:
        """Give an account exactly this much ether (development chains only)."""
        raise ConfigError(f"{self.label} is not a development chain: send {wei} wei to {address} by hand.")

    @property
    def complaints(self) -> Sequence[str]:
        """What is wrong with nodes that others stand in for; one sentence each."""
        return ()

    def close(self) -> None:  # noqa: B027 - most clients hold nothing
        """Let go of connections."""


def connect(rpc: str | Sequence[str], *, timeout: float = 30.0, attempts: int = 6) -> ChainClient:
    """The client for `rpc`: `embedded:`, an http(s) RPC address, or several of those for one chain.

    A request is given `timeout` seconds and tried `attempts` times with growing pauses before `ChainUnavailable`; twice where
    other nodes stand in.
    """
    urls = [rpc] if isinstance(rpc, str) else list(rpc)
    if len(urls) > 1:
        from medfed.chain.nodes import Nodes

        return Nodes([connect(url, timeout=timeout, attempts=min(2, attempts)) for url in urls])
    (url,) = urls
    if url.startswith("embedded:"):
        from medfed.chain.embedded import EmbeddedChain

        return EmbeddedChain()
    if url.startswith(("http://", "https://")):
        from medfed.chain.rpc import HttpChain

        return HttpChain(url, timeout=timeout, attempts=attempts)
    raise ConfigError("The rpc setting has to start with http://, https:// or embedded:.")


def number_of(block: BlockLike) -> int | None:
    """The block number behind a `BlockLike`, None for the newest."""
    return block.number if isinstance(block, BlockStamp) else block


def missing_block(label: str, number: int) -> ChainUnavailable:
    """The error for a block that a node does not have (yet)."""
    return ChainUnavailable(f"{label} has no block {number} yet; it may still be syncing.")
