"""A chain at one block, from a recording: what somebody asked of it once, with the proofs of the answers.

`Recorder` stands between a reader and its chain, holds both at one block and notes what is asked. `RecordedChain`
answers the same questions later, without a node. What it believes comes from one hash alone, that of the newest block:

1. The headers' hashes are recomputed, and each block is the parent of the next.
2. Receipts add up to the root in their block's header, and events are taken from receipts.
3. Calls are run again on the trie nodes and codes that lead down from the newest header's state root.

`Standing` says where a recording falls short of that.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

from eth_utils.crypto import keccak

from medfed.chain import rlp
from medfed.chain.calls import Call, Fees, Log, Receipt, words_of
from medfed.chain.client import BlockLike, ChainClient, number_of
from medfed.chain.errors import RpcError
from medfed.chain.evm import ProvedState
from medfed.chain.sealed import Header, bloom_of, events_in, parse_header
from medfed.errors import ConfigError, ContractRevert, InputError, NotProved, ProtocolError
from medfed.types import Address, BlockStamp

__all__ = ["RecordedChain", "Recorder", "Recording", "Standing"]

_RETURNED, _REVERTED, _CODE = b"", b"\x01", b"\x02"
_WITHOUT_EVENTS = 1000
"""So many blocks whose logsBloom only seems to name a contract are recorded with all receipts, to show that they have
no event of it. A busy chain's blooms are full, and say it of every block."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a recorder has noted, as bytes, each part in one order only. All RLP.

    `headers`: one after the other, ascending. `receipts`: lists of a block's number and its receipts, one after the
    other. `proofs`: the trie nodes and codes, sorted. `answers`: [kind, contract, calldata, answer], sorted; only where
    the node gave no proofs.
    """

    chain_id: int
    genesis: bytes
    newest: BlockStamp
    headers: bytes
    receipts: bytes
    proofs: bytes
    answers: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a recording goes back to the hash of its newest block."""

    headers: int
    gaps: int
    """Places where blocks were left out: what is older is held by the hashes of its own blocks only."""
    uncertain: int
    """Blocks that may hold events which were not recorded, by their logsBloom or because their header is not there."""
    proved: bool
    """Whether calls are run on proved state; else their answers are as they were recorded."""

    @property
    def unproved(self) -> tuple[str, ...]:
        """What does not follow from that hash, a sentence each."""
        told = []
        if not self.proved:
            told.append("contract storage and code are as the node told them, which gave no proofs")
        if self.gaps:
            told.append(
                f"blocks were left out in {self.gaps} places, so that only their own hashes hold the older blocks with events"
            )
        if self.uncertain:
            told.append(f"{self.uncertain} blocks may hold events that were not recorded")
        return tuple(told)


class _Held(ChainClient):
    """A chain at one block. Nothing can be sent, and no account is of interest."""

    is_recorded = True

    def __init__(self, newest: BlockStamp) -> None:
        self._newest = newest

    def head(self) -> BlockStamp:
        return self._newest

    def finalized(self) -> BlockStamp:
        return self._newest

    def final(self, confirmations: int | None = None) -> BlockStamp:  # noqa: ARG002 - it was final when chosen
        return self._newest

    def read(self, call: Call, *, sender: Address | None = None, block: BlockLike = None) -> bytes:
        self._check_held(block)
        if sender is not None or call.to is None or call.value:
            self._refuse()
        return self._answer(call)

    @abstractmethod
    def _answer(self, call: Call) -> bytes: ...

    def _check_held(self, block: BlockLike) -> None:
        if number_of(block) not in (None, self._newest.number):
            raise ConfigError(f"{self.label} is read at block {self._newest.number} only.")

    def estimate(self, call: Call, sender: Address) -> int:  # noqa: ARG002
        self._refuse()

    def balance(self, address: Address, block: BlockLike = None) -> int:  # noqa: ARG002
        self._refuse()

    def nonce(self, address: Address) -> int:  # noqa: ARG002
        self._refuse()

    def fees(self) -> Fees:
        self._refuse()

    def send_raw(self, raw: bytes, label: str = "") -> bytes:  # noqa: ARG002
        self._refuse()

    def receipt(self, tx_hash: bytes) -> Receipt | None:  # noqa: ARG002
        self._refuse()

    def knows(self, tx_hash: bytes) -> bool:  # noqa: ARG002
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigError(f"{self.label} is there to be read: nothing can be sent, and no account looked up.")


class Recorder(_Held):
    """`inner` at one block, noting what is asked of it."""

    def __init__(self, inner: ChainClient, newest: BlockStamp) -> None:
        super().__init__(newest)
        self.label = inner.label
        self._inner = inner
        self._calls: dict[tuple[Address, bytes], Call] = {}
        self._answers: dict[tuple[bytes, Address, bytes], bytes] = {}
        self._blocks: set[int] = set()
        self._before: dict[int, set[Address]] = {}

    @property
    def chain_id(self) -> int:
        return self._inner.chain_id

    @property
    def genesis_hash(self) -> bytes:
        return self._inner.genesis_hash

    @property
    def is_development(self) -> bool:
        return self._inner.is_development

    def block(self, number: int) -> BlockStamp:
        return self._inner.block(number)

    def blocks(self, numbers: Sequence[int]) -> list[BlockStamp]:
        return self._inner.blocks(numbers)

    def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        found = self._inner.logs(first, last, addresses)
        self._blocks.update(log.block for log in found)
        return found

    def code(self, address: Address, block: BlockLike = None) -> bytes:
        number = number_of(block)
        if (
            number is not None and number < self._newest.number
        ):  # of the block before the first, see `check_start`
            self._before.setdefault(number, set()).add(address)
            return self._inner.code(address, number)
        self._check_held(block)
        return self._keep(_CODE, Call(address, b""), self._inner.code(address, self._newest))

    def read_all(self, calls: Sequence[Call], *, block: BlockLike = None) -> list[bytes]:
        self._check_held(block)
        answers = self._inner.read_all(calls, block=self._newest)
        return [self._keep(_RETURNED, call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _answer(self, call: Call) -> bytes:
        try:
            return self._keep(_RETURNED, call, self._inner.read(call, block=self._newest))
        except ContractRevert as exc:
            self._keep(_REVERTED, call, str(exc).encode())
            raise

    def _keep(self, kind: bytes, call: Call, answer: bytes) -> bytes:
        assert call.to is not None  # `read` refuses creations
        self._answers[kind, call.to, call.data] = answer
        if kind != _CODE:
            self._calls[call.to, call.data] = call
        return answer

    def recording(self, addresses: Sequence[Address], first: int, most: int) -> Recording:
        """All that was asked, with the blocks from `first` on; beyond `most` blocks, only those with events.

        Raises `ConfigError` and `ProtocolError` for a chain whose blocks cannot be proved.
        """
        kept = self._kept(addresses, first, most)
        proofs = self._proofs(kept[self._newest.number])
        proofs = sorted({*proofs, *self._older(kept)}) if proofs else []
        return Recording(
            chain_id=self.chain_id,
            genesis=self.genesis_hash,
            newest=self._newest,
            headers=b"".join(header.raw for header in kept.values()),
            receipts=b"".join(self._receipts(kept, addresses)),
            proofs=rlp.encode(proofs),
            answers=rlp.encode([] if proofs else self._as_recorded()),
        )

    def _kept(self, addresses: Sequence[Address], first: int, most: int) -> dict[int, Header]:
        last = self._newest.number
        numbers: Iterable[int] = range(first, last + 1)
        if last - first >= most:
            numbers = sorted({first, last} | self._blocks)
        headers = {header.number: header for header in map(parse_header, self._inner.headers([*numbers]))}
        if headers[last].hash != self._newest.hash:
            raise ProtocolError(f"Block {last} changed while it was recorded; export again.")
        blooms = [bloom_of(address) for address in addresses]
        seeming = {number for number, header in headers.items() if header.may_hold(blooms)} - self._blocks
        self._blocks |= seeming if len(seeming) <= _WITHOUT_EVENTS else set()
        return headers

    def _receipts(self, kept: Mapping[int, Header], addresses: Sequence[Address]) -> Iterator[bytes]:
        for number in sorted(self._blocks):
            receipts = self._inner.block_receipts(number)
            told = self._inner.logs(number, number, addresses)
            found = _of(addresses, events_in(kept[number], receipts))
            if [log[:6] for log in found] != [log[:6] for log in told]:
                raise ProtocolError(
                    f"{self.label} tells other events of block {number} than its receipts hold."
                )
            yield rlp.encode([rlp.number(number), receipts])

    def _proofs(self, newest: Header) -> list[bytes]:
        """Empty where the node gives none (public ones seldom do for old blocks), or too few for all that was asked."""
        codes = sorted({address for kind, address, _ in self._answers if kind == _CODE})
        calls = [self._calls[key] for key in sorted(self._calls)]
        try:
            nodes = self._inner.witness(calls, codes, self._newest)
            state = ProvedState(newest, self.chain_id, {keccak(node): node for node in nodes})
            return nodes if all(self._follows(state, *key) for key in self._answers) else []
        except (ConfigError, RpcError, NotProved):
            return []

    def _older(self, kept: Mapping[int, Header]) -> set[bytes]:
        """Proofs of the codes that were asked for at older blocks; of those, few nodes keep the state."""
        nodes: set[bytes] = set()
        for number in self._before.keys() & kept.keys():
            with contextlib.suppress(ConfigError, RpcError):
                nodes.update(self._inner.witness([], sorted(self._before[number]), kept[number].stamp))
        return nodes

    def _follows(self, state: ProvedState, kind: bytes, address: Address, data: bytes) -> bool:
        """Whether an answer that the node gave comes out on proved state as well."""
        if kind == _CODE:
            return state.code(address) == self._answers[kind, address, data]
        try:
            return state.read(self._calls[address, data]) == self._answers.get((_RETURNED, address, data))
        except ContractRevert:
            return kind == _REVERTED

    def _as_recorded(self) -> list[rlp.Item]:
        return [
            [kind, bytes.fromhex(address[2:]), data, answer]
            for (kind, address, data), answer in sorted(self._answers.items())
        ]


class RecordedChain(_Held):
    """The chain of a recording, as far as it goes. Raises `ProtocolError` for what is wrong with it.

    It has no events before it is told whose to `hear`: that follows from its state.
    """

    label = "The recording"
    first_range = 1 << 60  # blocks between those that were recorded are unknown
    is_development = False  # a recording cannot show it

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording.newest)
        number, digest = recording.newest.number, recording.newest.hash.hex()
        self.doubt = (
            f"whether this is the chain that you mean: its block {number} has to have the hash 0x{digest}"
        )
        self._recording = recording
        self._headers = _headers(recording)
        self.first = min(self._headers)
        if self.first == 0 and self._headers[0].hash != recording.genesis:
            raise ProtocolError("The recording names another genesis than its block 0.")
        self._logs: list[Log] = []
        self._answers = _answers(recording)
        self._states = _states(self._headers, recording)
        if self._states and self._answers:
            raise ProtocolError("The recording has answers beside its proofs, which nobody would look at.")
        self.standing = _standing(self._headers, (), {}, proved=bool(self._states))

    def hear(self, addresses: Sequence[Address]) -> None:
        """Take the events of these contracts from the receipts; `standing` then counts what may lack. Raises
        `ProtocolError`."""
        events = {number: _of(addresses, logs) for number, logs in _receipts(self._recording, self._headers)}
        self._logs = [log for number in sorted(events) for log in events[number]]
        self.standing = _standing(self._headers, addresses, events, proved=bool(self._states))
        self.unproved = self.standing.unproved

    @property
    def chain_id(self) -> int:
        return self._recording.chain_id

    @property
    def genesis_hash(self) -> bytes:
        return self._recording.genesis

    def block(self, number: int) -> BlockStamp:
        if number not in self._headers:
            raise InputError(f"{self.label} does not hold block {number}; export it anew.")
        return self._headers[number].stamp

    def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        return [log for log in _of(addresses, self._logs) if first <= log.block <= last]

    def code(self, address: Address, block: BlockLike = None) -> bytes:
        number = number_of(block)
        if number == self.first < self._newest.number:
            if not self._states:
                raise NotProved(f"{self.label} has no proof of what stood in block {number}.")
            return self._states[number].code(address)
        self._check_held(block)
        if not self._states:
            return self._recorded(_CODE, address, b"", f"the code at {address}")[1]
        return self._states[self._newest.number].code(address)

    def _answer(self, call: Call) -> bytes:
        if self._states:
            return self._states[self._newest.number].read(call)
        assert call.to is not None  # `read` refuses creations
        kind, answer = self._recorded(_RETURNED, call.to, call.data, call.label or "a call")
        if kind == _REVERTED:
            raise ContractRevert(words_of(answer.decode(errors="replace")), name="")
        return answer

    def _recorded(self, kind: bytes, address: Address, data: bytes, what: str) -> tuple[bytes, bytes]:
        """Kind and value of an answer that was recorded without proof."""
        place = bytes.fromhex(address[2:])
        for found in (kind, _REVERTED):
            if (found, place, data) in self._answers:
                return found, self._answers[found, place, data]
        raise NotProved(
            f"{self.label} does not hold {what}; check it with the version that made it, or export it anew."
        )


def _of(addresses: Sequence[Address], logs: Iterable[Log]) -> list[Log]:
    wanted = {bytes.fromhex(address[2:]) for address in addresses}
    return [log for log in logs if log.address in wanted]


def _headers(recording: Recording) -> dict[int, Header]:
    """Headers by number, ascending, each the parent of the next, up to the newest."""
    headers = [parse_header(raw) for _, raw in rlp.items(recording.headers, 1)]
    for before, header in pairwise(headers):
        if header.number <= before.number:
            raise ProtocolError(f"Block {header.number} is not in its place in the recording.")
        if header.number == before.number + 1 and header.parent != before.hash:
            raise ProtocolError(f"Block {before.number} is not the one that block {header.number} follows.")
    if not headers or headers[-1].stamp != recording.newest:
        raise ProtocolError(f"The recording's last header is not that of block {recording.newest.number}.")
    return {header.number: header for header in headers}


def _receipts(recording: Recording, headers: Mapping[int, Header]) -> Iterator[tuple[int, list[Log]]]:
    """Number and events of every block whose receipts were recorded."""
    last = -1
    for item, _ in rlp.items(recording.receipts, 2):
        if isinstance(item, bytes) or len(item) != 2 or isinstance(item[1], bytes):
            raise ProtocolError("The receipts of a block have not the form that they should have.")
        number, receipts = rlp.to_number(item[0]), [*map(_bytes, item[1])]
        if number <= last or number not in headers:
            raise ProtocolError(f"The receipts of block {number} have no header, or are not in their place.")
        yield number, events_in(headers[number], receipts)
        last = number


def _answers(recording: Recording) -> dict[tuple[bytes, bytes, bytes], bytes]:
    found: dict[tuple[bytes, bytes, bytes], bytes] = {}
    for item in rlp.inside(recording.answers, 1):
        if isinstance(item, bytes) or len(item) != 4:
            raise ProtocolError("A recorded answer has not the form that it should have.")
        kind, address, data, answer = map(_bytes, item)
        if (kind, address, data) in found or len(address) != 20:
            raise ProtocolError("A recorded answer is there twice, or is that of no contract.")
        found[kind, address, data] = answer
    return found


def _states(headers: Mapping[int, Header], recording: Recording) -> dict[int, ProvedState]:
    """The state after the newest block, and after the first, by block; nothing where there are no proofs."""
    nodes = [*map(_bytes, rlp.inside(recording.proofs, 0))]
    if any(before >= node for before, node in pairwise(nodes)):  # what repeats costs time and proves nothing
        raise ProtocolError("The recording's proofs are not sorted, or one is there twice.")
    known = {keccak(node): node for node in nodes}
    ends = {min(headers), max(headers)} if nodes else set()
    return {number: ProvedState(headers[number], recording.chain_id, known) for number in ends}


def _standing(
    headers: Mapping[int, Header], addresses: Sequence[Address], shown: Mapping[int, object], *, proved: bool
) -> Standing:
    blooms = [bloom_of(address) for address in addresses]
    between = [after - before - 1 for before, after in pairwise(headers)]
    seeming = [
        number for number, header in headers.items() if number not in shown and header.may_hold(blooms)
    ]
    return Standing(
        headers=len(headers),
        gaps=sum(1 for count in between if count),
        uncertain=len(seeming) + sum(between),
        proved=proved,
    )


def _bytes(item: rlp.Item) -> bytes:
    if not isinstance(item, bytes):
        raise ProtocolError("A value of the recording has not the form that it should have.")
    return item
