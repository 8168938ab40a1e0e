"""What the wrappers share: a contract is an address with an ABI; changes are built as `Call`, views are read."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from medfed.chain.artifacts import artifact
from medfed.chain.calls import Call, Event, Log, Receipt
from medfed.chain.client import BlockLike, ChainClient
from medfed.chain.codec import Interface
from medfed.chain.events import EventTable
from medfed.types import Address

__all__ = ["Contract", "events_of", "interface_of"]


@functools.cache
def interface_of(name: str) -> Interface:
    """The ABI of contract `name`, ready to encode and decode."""
    return Interface(artifact(name).abi)


@functools.cache
def events_of(name: str) -> EventTable:
    """The events of contract `name`, ready to decode."""
    return EventTable(name, artifact(name).abi)


class Contract:
    """One deployed contract. State changes return a `Call` for a `Sender`; views take the `block` to read at."""

    NAME: ClassVar[str]
    """The contract's name in abi/."""

    def __init__(self, client: ChainClient, address: Address) -> None:
        self.client = client
        self.address = address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    @property
    def interface(self) -> Interface:
        """The contract's ABI."""
        return interface_of(self.NAME)

    def authority(self, block: BlockLike = None) -> Address:
        """The AccessManager that a managed contract obeys."""
        return Address(self._view(block, "authority"))

    def asking(self, function: str, *values: Any) -> Call:
        """The call of a view, to be read together with others."""
        return self._change(function, *values)

    def events(self, receipt: Receipt) -> list[Event]:
        """This contract's events in a receipt, in order."""
        return self.decode_logs(receipt.logs)

    def decode_logs(self, logs: Iterable[Log]) -> list[Event]:
        """This contract's events among `logs`, in order."""
        own = bytes.fromhex(self.address[2:])
        decoded = (events_of(self.NAME).decode(log) for log in logs if log.address == own)
        return [event for event in decoded if event is not None]

    def _change(self, function: str, *values: Any, gas: int | None = None) -> Call:
        data = self.interface.encode(function, *values)
        return Call(self.address, data, gas=gas, label=f"{self.NAME}.{function.partition('(')[0]}")

    def _view(self, block: BlockLike, function: str, *values: Any) -> Any:
        call = self._change(function, *values)
        return self.interface.decode(function, self.client.read(call, block=block))

    def _views(self, block: BlockLike, function: str, values: Iterable[Sequence[Any]]) -> list[Any]:
        """One view for many arguments."""
        calls = [self._change(function, *each) for each in values]
        return [
            self.interface.decode(function, answer) for answer in self.client.read_all(calls, block=block)
        ]

    def _event(self, receipt: Receipt, name: str) -> Event:
        """The one event `name` that a successful call always emits."""
        return next(event for event in self.events(receipt) if event.name == name)
