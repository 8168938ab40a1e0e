"""Blocks that prove themselves: a header is what its hash says, receipts are what the header's root says, and events
are taken from receipts.

Values only, no I/O. Formats: Ethereum's yellow paper; EIP-2718 (typed receipts); EIP-1559, 4895, 4844, 4788 and 7685
(what was added to headers).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from medfed.chain import rlp
from medfed.chain.calls import Log
from medfed.errors import ProtocolError
from medfed.types import Address, BlockStamp

__all__ = [
    "END_OF_TIME",
    "NO_TRANSACTION",
    "Header",
    "bloom_of",
    "events_in",
    "header_from_json",
    "parse_header",
    "receipt_from_json",
]

NO_TRANSACTION = bytes(32)
"""Receipts do not name their transactions, so that an event proved by them has none."""

_FIELDS = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
    *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot"),
    "requestsHash",
)
_ALWAYS = 15
_NUMBERS = frozenset(
    (
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
    )
)
_BLOOM_BYTES = 256
_LARGEST_TYPE = 0x7F
END_OF_TIME = 253_402_300_800
"""The first second of the year 10000, which no calendar here reaches."""


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header: `raw` is its RLP, `hash` that of `raw`, the rest is read from it."""

    raw: bytes
    hash: bytes
    parent: bytes
    state_root: bytes
    receipts_root: bytes
    bloom: int
    number: int
    timestamp: int

    @property
    def stamp(self) -> BlockStamp:
        """The block as clients name it."""
        return BlockStamp(self.number, self.hash, self.timestamp)

    def may_hold(self, blooms: Iterable[int]) -> bool:
        """Whether the block may have an event of a contract whose `bloom_of` is given; a no is certain."""
        return any(self.bloom & bloom == bloom for bloom in blooms)


def parse_header(raw: bytes) -> Header:
    """The header in `raw`. Raises `ProtocolError`."""
    fields = rlp.decode(raw)
    if isinstance(fields, bytes) or len(fields) < _ALWAYS:
        raise ProtocolError("A block header has fewer fields than Ethereum's.")
    parent, state, receipts = (_exactly(fields[place], 32) for place in (0, 3, 5))
    number, timestamp = rlp.to_number(fields[8]), rlp.to_number(fields[11])
    if number >= 1 << 53 or timestamp >= END_OF_TIME:
        raise ProtocolError("A block header has a number or a time that no block will ever have.")
    return Header(
        raw=raw,
        hash=keccak(raw),
        parent=parent,
        state_root=state,
        receipts_root=receipts,
        bloom=int.from_bytes(_exactly(fields[6], _BLOOM_BYTES), "big"),
        number=number,
        timestamp=timestamp,
    )


def bloom_of(address: Address) -> int:
    """The three bits that an event of the contract sets in a block's logsBloom."""
    digest = keccak(bytes.fromhex(address[2:]))
    places = (int.from_bytes(digest[at : at + 2], "big") & 2047 for at in (0, 2, 4))
    bloom = 0
    for place in places:
        bloom |= 1 << place
    return bloom


def events_in(header: Header, receipts: Sequence[bytes]) -> list[Log]:
    """All events of a block, in order, from its encoded receipts. Raises `ProtocolError` when they are not its own."""
    if _root(receipts) != header.receipts_root:
        raise ProtocolError(f"The receipts of block {header.number} do not add up to the root in its header.")
    found: list[Log] = []
    for receipt in receipts:
        for address, topics, data in _logs(receipt):
            place = (header.number, header.hash, len(found), NO_TRANSACTION, header.timestamp)
            found.append(Log(address, topics, data, *place))
    return found


def header_from_json(block: Mapping[str, Any]) -> bytes:
    """The RLP of the header that a node tells of. Raises `ProtocolError` when it has another hash than the node says."""
    fields = []
    for name in _FIELDS:
        if block.get(name) is None:
            break
        fields.append(rlp.number(int(block[name], 16)) if name in _NUMBERS else _hex(block[name]))
    raw = rlp.encode(fields)
    if keccak(raw) != _hex(block["hash"]):
        raise ProtocolError(
            f"The header of block {int(block['number'], 16)} has fields that this version does not know; "
            "its hash cannot be recomputed."
        )
    return raw


def receipt_from_json(receipt: Mapping[str, Any]) -> bytes:
    """A receipt that a node tells of, as it stands in the block's tree (EIP-2718)."""
    logs: list[rlp.Item] = [
        [_hex(log["address"]), [_hex(topic) for topic in log["topics"]], _hex(log["data"])]
        for log in receipt["logs"]
    ]
    state = receipt.get("root")
    outcome = rlp.number(int(receipt["status"], 16)) if state is None else _hex(state)
    used = rlp.number(int(receipt["cumulativeGasUsed"], 16))
    kind = int(receipt.get("type", "0x0"), 16)
    return bytes([kind] if kind else []) + rlp.encode([outcome, used, _hex(receipt["logsBloom"]), logs])


def _root(receipts: Sequence[bytes]) -> bytes:
    from trie.hexary import HexaryTrie

    tree = HexaryTrie({})
    for place, receipt in enumerate(receipts):
        tree[rlp.encode(rlp.number(place))] = receipt
    return bytes(tree.root_hash)


def _logs(receipt: bytes) -> Iterable[tuple[bytes, tuple[bytes, ...], bytes]]:
    typed = bool(receipt) and receipt[0] <= _LARGEST_TYPE
    fields = rlp.decode(receipt[1:] if typed else receipt)
    if isinstance(fields, bytes) or len(fields) < 4 or isinstance(fields[3], bytes):
        raise ProtocolError("A receipt has not the form of Ethereum's.")
    for log in fields[3]:
        if isinstance(log, bytes) or len(log) != 3 or isinstance(log[1], bytes):
            raise ProtocolError("An event in a receipt has not the form of Ethereum's.")
        topics = tuple([_exactly(topic, 32) for topic in log[1]])
        if not isinstance(log[2], bytes):
            raise ProtocolError("An event in a receipt has not the form of Ethereum's.")
        yield _exactly(log[0], 20), topics, log[2]


def _exactly(item: rlp.Item, length: int) -> bytes:
    if not isinstance(item, bytes) or len(item) != length:
        raise ProtocolError(f"A field of a block is not the {length} bytes that it should be.")
    return item


def _hex(text: str) -> bytes:
    return bytes.fromhex(text[2:])
