"""A small contract of the tests' own, and the two kinds of chain that every client has to be right for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deploy.compile import compile_source
from medfed.chain.calls import Call
from medfed.chain.client import ChainClient, connect
from medfed.chain.codec import Interface
from medfed.chain.events import EventTable
from medfed.chain.index import Source
from medfed.chain.keys import Account, new_account
from medfed.chain.sender import Sender
from medfed.types import Address

ETHER = 10**18


class Beacon:
    """Builds calls to the test contract and reads from it."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.abi = record["abi"]
        self.code = bytes.fromhex(record["bytecode"][2:])
        self.interface = Interface(self.abi)
        self.events = EventTable("Beacon", self.abi)
        self.address = Address("")

    def create(self) -> Call:
        return Call(None, self.code, label="Beacon")

    def call(self, function: str, *values: Any, gas: int | None = None) -> Call:
        return Call(
            self.address, self.interface.encode(function, *values), gas=gas, label=f"Beacon.{function}"
        )

    def count(self, client: ChainClient, block: int | None = None) -> int:
        return self.interface.decode("count", client.read(self.call("count"), block=block))

    def source(self, first: int) -> Source:
        return Source(self.address, self.events, first)


@pytest.fixture(scope="session")
def beacon_record() -> dict[str, Any]:
    return compile_source("tests/chain/Beacon.sol", "Beacon")


@pytest.fixture
def fresh_beacon(beacon_record: dict[str, Any]) -> Beacon:
    return Beacon(beacon_record)


def funded(client: ChainClient, ether: int = 100) -> Account:
    """A new account with gas money."""
    account = new_account()
    client.set_balance(account.address, ether * ETHER)
    return account


@pytest.fixture
def embedded() -> ChainClient:
    return connect("embedded:")


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def client(request: pytest.FixtureRequest) -> Iterator[ChainClient]:
    """Both kinds of chain, one after the other."""
    url = "embedded:" if request.param == "embedded" else request.getfixturevalue("anvil").url
    connected = connect(url)
    yield connected
    connected.close()


@pytest.fixture
def sender(client: ChainClient) -> Sender:
    return Sender(client, funded(client))


@pytest.fixture
def beacon(fresh_beacon: Beacon, sender: Sender) -> Beacon:
    """The test contract, deployed by `sender`; `beacon.born` is its block."""
    sender.client.mine()  # what is set by request, Anvil shows as the state of the block before
    receipt = sender.send(fresh_beacon.create())
    assert receipt.contract is not None
    fresh_beacon.address = receipt.contract
    fresh_beacon.born = receipt.block
    return fresh_beacon
