"""Puts patients' signed decisions on the chain in batches, so that one that does not count stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from medfed.chain.calls import Call, Receipt
from medfed.chain.contracts.consents import Consents, SignedMessage, Skipped
from medfed.chain.errors import RpcError
from medfed.chain.sender import Sender
from medfed.errors import ContractRevert, TransactionStuck
from medfed.protocol.typed import GrantMessage, NarrowMessage, RevokeAllMessage, RevokeMessage

__all__ = ["BATCH", "post", "single"]

BATCH = 64
"""Decisions in one transaction."""

_GAS_PER_GRANT = 60_000
_GAS_PER_WALLET = 230_000
_GAS_PER_BATCH = 900_000
_STARVED = ("InsufficientGas", "")
"""How an item is skipped that had too little gas; without a name where even the error had none."""


def post(consents: Consents, sender: Sender, items: Sequence[SignedMessage]) -> list[Skipped]:
    """Bring decisions in batches, kind by kind; returns those that did not count, each with its place among `items`."""
    skipped: list[Skipped] = []
    for kind in (GrantMessage, NarrowMessage, RevokeMessage, RevokeAllMessage):
        chosen = [number for number, item in enumerate(items) if type(item.message) is kind]
        for start in range(0, len(chosen), BATCH):
            numbers = chosen[start : start + BATCH]
            found = _post_batch(consents, sender, [items[number] for number in numbers])
            skipped += [replace(item, index=numbers[item.index]) for item in found]
    return sorted(skipped, key=lambda item: item.index)


def single(consents: Consents, item: SignedMessage) -> Call:
    """The call that brings one decision."""
    build: dict[type, Callable[[SignedMessage], Call]] = {
        GrantMessage: consents.grant_by_sig,
        NarrowMessage: consents.narrow_by_sig,
        RevokeMessage: consents.revoke_by_sig,
        RevokeAllMessage: consents.revoke_all_by_sig,
    }
    return build[type(item.message)](item)


def _post_batch(consents: Consents, sender: Sender, batch: list[SignedMessage]) -> list[Skipped]:
    """One batch of one kind. What the chain does not take at once is brought in halves, so that one item stops no other."""
    # A single one is tried first, at the time of the newest block: one that is issued later would seem to come too soon.
    if len(batch) == 1 and batch[0].message.issued_at <= sender.client.head().timestamp:
        return _post_one(consents, sender, batch[0])
    build: dict[type, Callable[[Sequence[SignedMessage]], Call]] = {
        GrantMessage: consents.grant_batch,
        NarrowMessage: consents.narrow_batch,
        RevokeMessage: consents.revoke_batch,
        RevokeAllMessage: consents.revoke_all_batch,
    }
    call = build[type(batch[0].message)](batch)
    try:
        receipt = _send_batch(sender, call, len(batch))
    except (ContractRevert, RpcError, TransactionStuck):
        if len(batch) == 1:
            raise
    else:
        return _feed(consents, sender, batch, consents.skipped(receipt))
    half = len(batch) // 2
    skipped: list[Skipped] = []
    for start, part in ((0, batch[:half]), (half, batch[half:])):
        found = _post_batch(consents, sender, part)
        skipped += [replace(item, index=start + item.index) for item in found]
    return skipped


def _feed(
    consents: Consents, sender: Sender, batch: Sequence[SignedMessage], skipped: Sequence[Skipped]
) -> list[Skipped]:
    """What had too little gas in a batch says nothing about its signature: it is brought alone. Returns what did not count."""
    found: list[Skipped] = []
    for item in skipped:
        starved = item.reason in _STARVED
        again = _post_one(consents, sender, batch[item.index]) if starved else [item]
        found += [replace(each, index=item.index) for each in again]
    return found


def _send_batch(sender: Sender, call: Call, items: int) -> Receipt:
    """Contract wallets may take four times the gas of plain accounts. The gas is told instead of estimated: a wallet's check
    may take more in the block than it took in the estimate."""
    most = sender.client.gas_limit
    try:
        return sender.send(replace(call, gas=min(most, _GAS_PER_BATCH + _GAS_PER_GRANT * items)))
    except ContractRevert as exc:
        if exc.name != "InsufficientGas":
            raise
    return sender.send(replace(call, gas=min(most, _GAS_PER_BATCH + _GAS_PER_WALLET * items)))


def _post_one(consents: Consents, sender: Sender, item: SignedMessage) -> list[Skipped]:
    """A single one goes without the cost of a batch, and one that does not count is not sent at all."""
    try:
        sender.send(single(consents, item))
    except ContractRevert as exc:
        return [Skipped(0, item.message.patient, exc.name)]
    return []
