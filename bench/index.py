"""Events per second, read from Anvil, decoded and stored, beside web3's own event reading in the same run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.figure import Figure
from deploy.compile import compile_source
from medfed.chain.calls import Call
from medfed.chain.client import connect
from medfed.chain.codec import Interface
from medfed.chain.events import EventTable
from medfed.chain.index import EventIndex, Source
from medfed.chain.keys import new_account
from medfed.chain.rpc import HttpChain
from medfed.chain.sender import Sender
from medfed.types import Address
from tests.rig.anvil import start_anvil

LIMIT = 25_000
_EVENTS = 50_000
_PER_CALL = 500
_RUNS = 3
_ETHER = 10**18


def measure() -> list[Figure]:
    """The rate from the first request to the last commit, the best of three."""
    record = compile_source("tests/chain/Beacon.sol", "Beacon")
    with tempfile.TemporaryDirectory() as folder, start_anvil(Path(folder), ["--silent"]) as anvil:
        client = connect(anvil.url)
        assert isinstance(client, HttpChain)
        address = _emit(client, record)
        files = (Path(folder) / f"index-{run}.sqlite" for run in range(_RUNS))
        rate = max(_ours(client, record, address, file) for file in files)
        against = {"web3": rate / _theirs(anvil.url, record, address)}
    return [Figure("event index", rate, "events/s", LIMIT, at_least=True, against=against)]


def _emit(client: HttpChain, record: dict[str, Any]) -> Address:
    """Deploy the test contract and let it emit `_EVENTS` events."""
    account = new_account()
    client.set_balance(account.address, 1000 * _ETHER)
    sender = Sender(client, account)
    receipt = sender.send(Call(None, bytes.fromhex(record["bytecode"][2:])))
    assert receipt.contract is not None
    interface = Interface(record["abi"])
    for number in range(_EVENTS // _PER_CALL):
        data = interface.encode("attest", number, 1, _PER_CALL)
        sender.send(Call(receipt.contract, data, gas=5_000_000))
    return receipt.contract


def _ours(client: HttpChain, record: dict[str, Any], address: Address, file: Path) -> float:
    """Events per second of a new index."""
    index = EventIndex(
        file,
        client,
        [Source(address, EventTable("Beacon", record["abi"]))],
        confirmations=0,
    )
    begun = time.perf_counter()
    index.sync()
    return index.count() / (time.perf_counter() - begun)


def _theirs(url: str, record: dict[str, Any], address: Address) -> float:
    """Events per second of `contract.events.X().get_logs`, decoded and not stored, over at most 10,000 events."""
    from web3 import Web3

    contract = Web3(Web3.HTTPProvider(url)).eth.contract(address, abi=record["abi"])
    begun = time.perf_counter()
    found = contract.events.Attested().get_logs(from_block=0, to_block=1 + 10_000 // _PER_CALL)
    return len(found) / (time.perf_counter() - begun)
