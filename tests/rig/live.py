"""The chain of `tests.rig.evm` on Anvil, where gas is that of whole transactions under today's rules of Ethereum."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from eth._utils.address import generate_contract_address
from eth_utils import to_canonical_address, to_checksum_address

from tests.rig.anvil import AnvilProcess
from tests.rig.evm import GAS, Evm, Receipt, decode_value

__all__ = ["FREE", "LiveEvm"]

FREE = ("--silent", "--auto-impersonate", "--block-base-fee-per-gas", "0")
"""Options of an Anvil on which anyone sends, without a key and without ether."""


class LiveEvm(Evm):
    """An `Evm` on an Anvil started with `FREE`. Time is Anvil's own, a refused transaction raises its words."""

    def __init__(self, anvil: AnvilProcess) -> None:
        super().__init__()
        self._rpc = anvil.rpc
        self._see()

    def next_address(self, sender: Any = None, ahead: int = 0) -> str:
        account = _text(sender or self.actors[0])
        nonce = int(self._rpc("eth_getTransactionCount", account, "latest"), 16)
        return to_checksum_address(generate_contract_address(to_canonical_address(account), nonce + ahead))

    def send(
        self,
        to: Any,
        data: bytes = b"",
        *,
        sender: Any = None,
        value: int = 0,
        gas: int = GAS,
        outputs: Any = (),
    ) -> Receipt:
        """Send one transaction in a block of its own; its value is what the same call returned just before."""
        request = self._request(to, data, sender, value, gas)
        value_out = decode_value(outputs, self._ask(request)) if outputs else None
        receipt = self._rpc("eth_sendTransactionSync", request)
        assert receipt["status"] == "0x1", self._ask(request)
        self._see()
        events = tuple(self._event(_log(entry)) for entry in receipt["logs"])
        created = to_checksum_address(receipt["contractAddress"]) if not to else None
        return Receipt(int(receipt["gasUsed"], 16), events, value_out, created)

    def call(self, to: Any, data: bytes, *, sender: Any = None, value: int = 0, gas: int = GAS) -> bytes:
        return self._ask(self._request(to, data, sender, value, gas))

    def travel(self, seconds: int) -> int:
        self._rpc("evm_increaseTime", seconds)
        self._rpc("evm_mine")
        return self._see()

    def _ask(self, request: dict[str, str]) -> bytes:
        return bytes.fromhex(self._rpc("eth_call", request, "latest")[2:])

    def _request(self, to: Any, data: bytes, sender: Any, value: int, gas: int) -> dict[str, str]:
        target = {"to": _text(to)} if to else {}
        terms = {
            "from": _text(sender or self.actors[0]),
            "value": hex(value),
            "gas": hex(gas),
            "gasPrice": "0x0",
        }
        return {**terms, **target, "data": "0x" + data.hex()}

    def _see(self) -> int:
        self.now = int(self._rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        return self.now


def _text(account: Any) -> str:
    return str(getattr(account, "address", account))


def _log(entry: dict[str, Any]) -> Any:
    topics = [int(topic, 16) for topic in entry["topics"]]
    return SimpleNamespace(address=entry["address"], topics=topics, data=bytes.fromhex(entry["data"][2:]))
