"""Aggregation rules: contracts without storage that check one chunk. A study names one; `learning.rules` has the twins."""

from __future__ import annotations

from collections.abc import Sequence

from medfed.chain.artifacts import artifact
from medfed.chain.calls import Call
from medfed.chain.client import BlockLike, ChainClient
from medfed.chain.contracts.base import Contract, interface_of
from medfed.errors import ProtocolError
from medfed.protocol.documents import RuleSpec
from medfed.types import Address

__all__ = [
    "MedianRule",
    "QuorumOnlyRule",
    "Rule",
    "SumRule",
    "TrimmedMeanRule",
    "check_rule",
    "rule_creation",
]

_CONTRACTS = {
    "sum": "SumRule",
    "median": "MedianRule",
    "trimmed-mean": "TrimmedMeanRule",
    "multi-krum": "QuorumOnlyRule",
    "geometric-median": "QuorumOnlyRule",
}


class Rule(Contract):
    """What every rule answers; by itself, the rule at an address of which nothing more is known."""

    NAME = "SumRule"

    def check_chunk(self, chunks: Sequence[bytes], aggregate: bytes, block: BlockLike = None) -> bool:
        """Whether these 512 bytes are the aggregate's for the updates' chunks. Raises `ContractRevert` where no chunk
        can be checked."""
        return bool(self._view(block, "checkChunk", list(chunks), aggregate))

    def weighted(self, block: BlockLike = None) -> bool:
        """Whether updates count by their weight."""
        return bool(self._view(block, "weighted"))

    def per_chunk(self, block: BlockLike = None) -> bool:
        """Whether `check_chunk` answers."""
        return bool(self._view(block, "perChunk"))


class SumRule(Rule):
    """The word-wise sum modulo 2^32."""


class MedianRule(Rule):
    """The word-wise median."""

    NAME = "MedianRule"


class TrimmedMeanRule(Rule):
    """The word-wise sum without the smallest and the largest."""

    NAME = "TrimmedMeanRule"

    def trim(self, block: BlockLike = None) -> int:
        """How many words are taken away at each end."""
        return int(self._view(block, "TRIM"))


class QuorumOnlyRule(Rule):
    """Multi-Krum or the geometric median, as the study's spec says: no chunk can be checked."""

    NAME = "QuorumOnlyRule"


def rule_creation(rule: RuleSpec) -> Call:
    """The transaction that creates a contract of this rule; anyone may, and one serves all studies that have the rule."""
    name = _CONTRACTS[rule.kind]
    arguments = (rule.trim,) if rule.trim else ()
    data = artifact(name).bytecode + interface_of(name).constructor(*arguments)
    return Call(None, data, label=f"creation of {name}")


def check_rule(client: ChainClient, rule: RuleSpec, address: Address) -> None:
    """Raise `ProtocolError` unless the contract there is this very rule: its code, and what it was made with.

    Whoever takes part in a study whose contract judges by another rule than the spec would lose their stake for honest
    work.
    """
    name = _CONTRACTS[rule.kind]
    made = artifact(name)
    wanted = bytearray(made.runtime)
    for start, length in (place for places in made.immutables.values() for place in places):
        wanted[start : start + length] = rule.trim.to_bytes(length, "big")
    if _executed(client.code(address)) != _executed(bytes(wanted)):
        raise ProtocolError(
            f"The study's spec asks for the rule {rule.kind}, and the contract at {address} is no {name} of this version "
            "with its parameters; do not take part."
        )


def _executed(code: bytes) -> bytes:
    """The code without the compiler's metadata, whose length stands in the last two bytes: it changes with every comment."""
    return code[: -2 - int.from_bytes(code[-2:], "big")]
