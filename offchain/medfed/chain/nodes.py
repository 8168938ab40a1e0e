"""One chain behind several nodes: who is down or behind is passed over, and what matters is asked of all and compared.

Compared are blocks, events, code, and every call without a sender, all at one block that they share. Events that nodes tell
otherwise are settled by the receipts under the block's hash, so that who left some out is known. Of anything else the
answer of more than half counts; where there is none, `Contradicted` names the nodes. Transactions are handed to one node
after the other until one takes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from medfed.chain.calls import Call, Fees, Log, Receipt
from medfed.chain.client import BlockLike, ChainClient, number_of
from medfed.chain.errors import RangeRefused, RpcError
from medfed.chain.sealed import events_in, parse_header
from medfed.errors import ChainUnavailable, ContractRevert, Contradicted, ProtocolError, WrongChain
from medfed.log import get_logger
from medfed.types import Address, BlockStamp

__all__ = ["Nodes"]

_BEHIND = 8
"""Blocks; a node further behind the newest head is passed over until it has caught up."""
_REST_SECONDS = 15.0
"""For so long a node is not asked that did not answer or is behind."""
_DISTRUST_SECONDS = 600.0
"""For so long one is not asked whose answers were wrong."""
_MOST_BLOCKS = 64
"""Of events that nodes tell otherwise, so many blocks are settled by receipts."""

_Answer = TypeVar("_Answer")


class Nodes(ChainClient):
    """The nodes, in order of preference. Raises `WrongChain` when those that answer are not of one chain."""

    doubt = "where the nodes agree they are taken at their word for the chain"

    def __init__(self, nodes: Sequence[ChainClient]) -> None:
        self._nodes = list(nodes)
        self._resting: dict[ChainClient, float] = {}
        self._met: set[ChainClient] = set()
        self._chain: tuple[int, bytes] | None = None
        self._said: dict[ChainClient, str] = {}
        self._sent = 0
        self.label = " and ".join(node.label for node in nodes)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What was last found wrong with each node."""
        return tuple(self._said.values())

    # -- identity ------------------------------------------------------------------------------------------------

    @property
    def chain_id(self) -> int:
        return self._identity()[0]

    @property
    def genesis_hash(self) -> bytes:
        return self._identity()[1]

    @property
    def is_development(self) -> bool:
        return self._first(lambda node: node.is_development)

    # -- blocks --------------------------------------------------------------------------------------------------

    def head(self) -> BlockStamp:
        return self._newest(lambda node: node.head())

    def finalized(self) -> BlockStamp:
        return self._newest(lambda node: node.finalized())

    def block(self, number: int) -> BlockStamp:
        return self._agreed(f"block {number}", lambda node: node.block(number))

    def blocks(self, numbers: Sequence[int]) -> list[BlockStamp]:
        return self._agreed("blocks", lambda node: node.blocks(numbers))

    # -- state ---------------------------------------------------------------------------------------------------

    def read(self, call: Call, *, sender: Address | None = None, block: BlockLike = None) -> bytes:
        if sender is not None:
            return self._first(lambda node: node.read(call, sender=sender, block=block))
        at = self._shared(block)
        return self._agreed(call.label or "a call", lambda node: node.read(call, block=at))

    def read_all(self, calls: Sequence[Call], *, block: BlockLike = None) -> list[bytes]:
        at = self._shared(block)
        return self._agreed("calls", lambda node: node.read_all(calls, block=at))

    def code(self, address: Address, block: BlockLike = None) -> bytes:
        at = self._shared(block)
        return self._agreed(f"the code at {address}", lambda node: node.code(address, at))

    def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        told = self._ask(lambda node: _listed(node, first, last, addresses))
        by_block = {node: _by_block(logs) for node, logs in told.items()}
        blocks = set[int]().union(*(found.keys() for found in by_block.values()))
        differing = sorted(
            number
            for number in blocks
            if len({repr(found.get(number, [])) for found in by_block.values()}) > 1
        )
        for number in differing[:_MOST_BLOCKS]:
            truth = self._events(number, addresses)
            for node, found in by_block.items():
                if found.get(number, []) != truth and node in told:
                    del told[node]
                    self._distrust(node, f"{node.label} leaves out or invents events of block {number}.")
        if not told or len(differing) > _MOST_BLOCKS:
            raise Contradicted(
                f"{self.label} tell other events of blocks {first} to {last}; ask another node."
            )
        listed = next(iter(told.values()))
        if len({repr([log.time for log in logs]) for logs in told.values()}) > 1:
            # No receipt proves when: the blocks tell, which are compared.
            return [log._replace(time=None) for log in listed]
        return listed

    def _events(self, number: int, addresses: Sequence[Address]) -> list[tuple[object, ...]]:
        """A block's events of the contracts, by its receipts, under the hash that the nodes agree on."""
        agreed = self.block(number).hash

        def proved(node: ChainClient) -> list[Log]:
            try:
                header = parse_header(node.headers([number])[0])
                if header.hash == agreed:
                    return events_in(header, node.block_receipts(number))
            except ProtocolError as exc:
                raise ChainUnavailable(f"{node.label} cannot prove block {number}: {exc}") from exc
            raise ChainUnavailable(f"{node.label} shows another header of block {number}.")

        wanted = {bytes.fromhex(address[2:]) for address in addresses}
        events = [log for log in self._first(proved) if log.address in wanted]
        return _by_block(events).get(number, [])

    # -- transactions --------------------------------------------------------------------------------------------

    def estimate(self, call: Call, sender: Address) -> int:
        return self._first(lambda node: node.estimate(call, sender))

    def balance(self, address: Address, block: BlockLike = None) -> int:
        return self._first(lambda node: node.balance(address, block))

    def nonce(self, address: Address) -> int:
        """The lowest: too low a nonce waits, too high a one would give up what is on its way."""
        return min(self._ask(lambda node: node.nonce(address)).values())

    def fees(self) -> Fees:
        return self._first(lambda node: node.fees())

    @property
    def gas_limit(self) -> int:
        return self._first(lambda node: node.gas_limit)

    def send_raw(self, raw: bytes, label: str = "") -> bytes:
        """Each time another node is the first: one may take a transaction and drop it."""
        up = self._up()
        start = self._sent % len(up)
        self._sent += 1
        return self._first(lambda node: node.send_raw(raw, label), [*up[start:], *up[:start]])

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        for found in self._ask(lambda node: node.receipt(tx_hash)).values():
            if found is not None and self.block(found.block).hash == found.block_hash:
                return found
        return None

    def knows(self, tx_hash: bytes) -> bool:
        return any(self._ask(lambda node: node.knows(tx_hash)).values())

    # -- proofs, and chains for trying things out ----------------------------------------------------------------

    def headers(self, numbers: Sequence[int]) -> list[bytes]:
        return self._first(lambda node: node.headers(numbers))

    def block_receipts(self, number: int) -> list[bytes]:
        return self._first(lambda node: node.block_receipts(number))

    def witness(self, calls: Sequence[Call], accounts: Sequence[Address], block: BlockStamp) -> list[bytes]:
        return self._first(lambda node: node.witness(calls, accounts, block))

    def mine(self, blocks: int = 1) -> BlockStamp:
        return self._first(lambda node: node.mine(blocks))

    def travel(self, seconds: int) -> BlockStamp:
        return self._first(lambda node: node.travel(seconds))

    def set_balance(self, address: Address, wei: int) -> None:
        return self._first(lambda node: node.set_balance(address, wei))

    def close(self) -> None:
        for node in self._nodes:
            node.close()

    # -- asking --------------------------------------------------------------------------------------------------

    def _identity(self) -> tuple[int, bytes]:
        """Chain and genesis. Who does not answer now is looked at when it does."""
        if self._chain is None:
            self._first(lambda node: node.head())
        assert self._chain is not None  # somebody answered
        return self._chain

    def _meet(self, node: ChainClient) -> None:
        """Look at a node when it first answers."""
        if node in self._met:
            return
        found = (node.chain_id, node.genesis_hash)
        self._chain = self._chain or found
        if found != self._chain:
            raise WrongChain(
                f"{node.label} is chain {found[0]} with genesis 0x{found[1].hex()[:8]}…, the other nodes of the rpc setting "
                f"are chain {self._chain[0]} with 0x{self._chain[1].hex()[:8]}…; take out the wrong one."
            )
        self._met.add(node)

    def _up(self) -> list[ChainClient]:
        """Who is asked; everybody when nobody is up."""
        now = time.monotonic()
        return [node for node in self._nodes if self._resting.get(node, 0.0) <= now] or self._nodes

    def _ask(self, question: Callable[[ChainClient], _Answer]) -> dict[ChainClient, _Answer]:
        """What every node says that answers. Raises what the last one raised where none does."""
        answers: dict[ChainClient, _Answer] = {}
        failure = ChainUnavailable(f"{self.label} do not answer; check the addresses, or wait.")
        for node in self._up():
            try:
                self._meet(node)
                answers[node] = question(node)
            except RangeRefused:
                raise
            except ChainUnavailable as exc:
                failure = exc
                self._pass_over(node, str(exc), _REST_SECONDS)
        if not answers:
            raise failure
        return answers

    def _first(
        self, question: Callable[[ChainClient], _Answer], nodes: Sequence[ChainClient] = ()
    ) -> _Answer:
        """What the first node says that answers. One that refuses is no reason not to ask the next."""
        failure = ChainUnavailable(f"{self.label} do not answer; check the addresses, or wait.")
        for node in nodes or self._up():
            try:
                self._meet(node)
                return question(node)
            except ChainUnavailable as exc:
                failure = exc
                if not isinstance(exc, RpcError):
                    self._pass_over(node, str(exc), _REST_SECONDS)
        raise failure

    def _agreed(self, what: str, question: Callable[[ChainClient], _Answer]) -> _Answer:
        """What more than half of those say that answer; a revert is an answer."""
        answers = self._ask(lambda node: _or_revert(node, question))
        groups: dict[str, list[ChainClient]] = {}
        for node, answer in answers.items():
            groups.setdefault(repr(answer), []).append(node)
        most = max(groups.values(), key=len)
        if 2 * len(most) <= len(answers):
            told = " and ".join(group[0].label for group in groups.values())
            raise Contradicted(f"{told} differ in {what}; nothing is done on that, ask one more node.")
        for node in answers.keys() - set(most):
            self._distrust(node, f"{node.label} gives another answer than the others for {what}.")
        found = answers[most[0]]
        if isinstance(found, ContractRevert):
            raise found
        return found

    def _newest(self, question: Callable[[ChainClient], BlockStamp]) -> BlockStamp:
        """The newest block that all of them have who are not behind."""
        heads = {node: head.number for node, head in self._ask(question).items()}
        ahead = sorted(heads.values(), reverse=True)
        newest = ahead[1] if len(ahead) > 2 else ahead[0]  # a single one of three may have invented it
        near = [number for number in heads.values() if abs(number - newest) <= _BEHIND]
        if 2 * len(near) <= len(heads):
            self._doubt_heads({node.label: number for node, number in heads.items()})
        for node, number in heads.items():
            if number + _BEHIND < newest:
                self._pass_over(node, f"{node.label} is behind: block {number} of {newest}.", _REST_SECONDS)
        return self.block(min(number for number in heads.values() if number + _BEHIND >= newest))

    def _doubt_heads(self, heads: dict[str, int]) -> None:
        """No more than half of the nodes stand near the block that is read: it may be invented."""
        told = ", ".join(f"{label} is at block {number}" for label, number in heads.items())
        self.unproved = (f"which node's newest block is the chain's: {told}; ask one more node",)

    def _shared(self, block: BlockLike) -> BlockLike:
        """A block to compare answers at."""
        return self.head() if number_of(block) is None else block

    def _distrust(self, node: ChainClient, why: str) -> None:
        self._pass_over(node, why, _DISTRUST_SECONDS)

    def _pass_over(self, node: ChainClient, why: str, seconds: float) -> None:
        """Ask a node no more for a while; people hear of it once."""
        self._resting[node] = time.monotonic() + seconds
        if self._said.get(node) != why:
            self._said[node] = why
            told = " ".join(self.complaints).rstrip(".")
            self.doubt = f"{type(self).doubt}, and not all were asked all the time: {told}"
            get_logger().warning("node passed over", node=node.label, why=why)


def _or_revert(node: ChainClient, question: Callable[[ChainClient], _Answer]) -> _Answer | ContractRevert:
    try:
        return question(node)
    except ContractRevert as exc:
        return exc


def _listed(node: ChainClient, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
    """A node's events. One that will not even list a single block is passed over: it must not hold up the others."""
    try:
        return node.logs(first, last, addresses)
    except RangeRefused as exc:
        if first < last:
            raise
        raise ChainUnavailable(f"{node.label} does not list the events of block {first}.") from exc


def _by_block(logs: Sequence[Log]) -> dict[int, list[tuple[object, ...]]]:
    """What receipts prove of events: neither transaction nor time."""
    found: dict[int, list[tuple[object, ...]]] = {}
    for log in logs:
        found.setdefault(log.block, []).append(log[:6])
    return found
