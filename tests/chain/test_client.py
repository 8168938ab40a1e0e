"""One interface over the embedded chain and a real node."""

from __future__ import annotations

import time

import pytest

from medfed.chain.calls import Call
from medfed.chain.client import connect
from medfed.chain.keys import new_account
from medfed.chain.sender import Sender
from medfed.errors import ChainUnavailable, ConfigError, ContractRevert, WrongChain
from medfed.types import BlockStamp
from tests.chain.conftest import ETHER, funded
from tests.rig.anvil import free_port


class TestConnect:
    def test_refuses_other_schemes(self):
        """A websocket or a mistyped address is named at once."""
        with pytest.raises(ConfigError, match="http://"):
            connect("ws://127.0.0.1:8545")

    def test_unreachable_rpc(self):
        """No listener: one sentence with host and port, within a second or so."""
        port = free_port()
        begun = time.monotonic()
        with pytest.raises(ChainUnavailable, match=f"127.0.0.1:{port} does not answer"):
            connect(f"http://127.0.0.1:{port}/secret-key", attempts=4).head()
        assert time.monotonic() - begun < 5

    def test_message_hides_the_path(self):
        """RPC addresses carry access keys in their path and user name: no message repeats them."""
        with pytest.raises(ChainUnavailable) as caught:
            connect(f"http://someone:password@127.0.0.1:{free_port()}/v3/key", attempts=1).head()
        assert not {"key", "password", "someone"} & set(str(caught.value).replace("/", " ").split())
        assert "password" not in repr(caught.value.__cause__)

    def test_something_that_is_no_rpc(self, tmp_path):
        """A web server that is not a node is not mistaken for one."""
        from tests.chain.faulty import faulty_proxy

        with faulty_proxy("http://127.0.0.1:1") as faults:
            faults.broken = True
            with pytest.raises(ChainUnavailable, match="check the address"):
                connect(faults.url, attempts=3).head()

    def test_wrong_chain(self, client):
        """Settings for another chain are refused with both numbers."""
        client.require_chain(client.chain_id)
        with pytest.raises(WrongChain, match=f"is chain {client.chain_id}, the settings say 1"):
            client.require_chain(1)


class TestBlocks:
    def test_head_moves_by_mining(self, client):
        """Each mined block is the next one, later or at the same second, with another hash."""
        before = client.head()
        after = client.mine()
        assert after.number == before.number + 1
        assert after.timestamp >= before.timestamp
        assert after.hash != before.hash
        assert client.block(before.number) == before

    def test_travel(self, client):
        """Time moves by what was asked for and goes on from there."""
        before = client.head()
        moved = client.travel(86_400)
        assert 86_400 <= moved.timestamp - before.timestamp < 86_400 + 60
        assert client.mine().timestamp >= moved.timestamp

    def test_missing_block_is_transient(self, client):
        """A block that does not exist yet may exist later."""
        with pytest.raises(ChainUnavailable, match="has no block"):
            client.block(client.head().number + 1000)

    def test_final_by_confirmations(self, client):
        """So many blocks below the head, but never below the genesis block."""
        head = client.mine()
        assert client.final(0) == head
        assert client.final(10**9).number in (0, head.number)
        assert client.finalized().number <= head.number

    def test_genesis(self, client):
        """Chain id and genesis hash identify a chain, and another start is another chain."""
        assert client.genesis_hash == client.block(0).hash
        assert len(client.genesis_hash) == 32
        assert client.is_development


class TestState:
    def test_balance_and_nonce(self, client):
        """Balances are set to the wei; a fresh account has sent nothing."""
        account = new_account().address
        client.set_balance(account, 3 * ETHER + 1)
        assert client.balance(account) == 3 * ETHER + 1
        assert client.nonce(account) == 0

    def test_code(self, client, beacon):
        """Code where a contract stands, nothing elsewhere."""
        assert client.code(beacon.address)
        assert client.code(new_account().address) == b""

    def test_read_in_the_past(self, client, beacon, sender):
        """A view at an earlier block gives the earlier value, whether named by number or by stamp."""
        first = sender.send(beacon.call("add", 5))
        sender.send(beacon.call("add", 2))
        assert beacon.count(client) == 7
        assert beacon.count(client, first.block) == 5
        stamp = client.block(first.block)
        assert isinstance(stamp, BlockStamp)
        assert beacon.count(client, stamp) == 5

    def test_reads_leave_no_trace(self, client, beacon, sender):
        """Trying a state change returns what it would return and changes nothing."""
        client.read(beacon.call("add", 9), sender=sender.address)
        assert beacon.count(client) == 0

    def test_custom_error(self, client, beacon):
        """A refusal names the call, and carries the error's name and values."""
        with pytest.raises(ContractRevert) as caught:
            client.read(beacon.call("plain"))
        assert str(caught.value) == "A contract refused: in words."
        with pytest.raises(ContractRevert, match=r"Beacon\.panic refused: an assertion failed"):
            client.read(beacon.call("panic"))
        with pytest.raises(ContractRevert, match="does not know") as caught:
            client.read(beacon.call("add", 101))
        assert caught.value.values["data"][4:] == (101).to_bytes(32, "big") + (100).to_bytes(32, "big")

    def test_estimate_is_enough(self, client, beacon, sender):
        """The estimated gas lets the call through; one that would revert has no estimate."""
        gas = client.estimate(beacon.call("add", 1), sender.address)
        assert sender.send(beacon.call("add", 1, gas=gas)).ok
        with pytest.raises(ContractRevert):
            client.estimate(beacon.call("add", 101), sender.address)


class TestTransactions:
    def test_receipt(self, client, beacon, sender):
        """Block, gas, price and events of a mined transaction."""
        receipt = sender.send(beacon.call("say", "hello"))
        assert receipt.ok
        assert receipt.contract is None
        assert client.block(receipt.block).hash == receipt.block_hash
        assert 21_000 < receipt.gas_used < 60_000
        assert receipt.gas_price > 0
        assert [log.log_index for log in receipt.logs] == [0, 1]
        assert client.receipt(receipt.tx_hash) == receipt
        assert client.knows(receipt.tx_hash)

    def test_unknown_receipt(self, client):
        """A transaction nobody sent has no receipt."""
        assert client.receipt(b"\x01" * 32) is None
        assert not client.knows(b"\x01" * 32)

    def test_logs_by_range_and_address(self, client, beacon, sender):
        """Logs come in order, from the range and the contracts asked for."""
        first = sender.send(beacon.call("attest", 1, 1, 3))
        second = sender.send(beacon.call("attest", 2, 1, 2))
        found = client.logs(first.block, second.block, [beacon.address])
        assert [(log.block, log.log_index) for log in found] == sorted(
            (log.block, log.log_index) for log in found
        )
        assert len(found) == 5
        assert len(client.logs(second.block, second.block, [beacon.address])) == 2
        assert client.logs(first.block, second.block, [new_account().address]) == []

    def test_value_travels(self, client, beacon, sender):
        """Ether sent along arrives."""
        call = beacon.call("add", 1)
        sender.send(Call(call.to, call.data, value=77))
        assert client.balance(beacon.address) == 77


@pytest.mark.anvil
def test_a_view_takes_about_a_millisecond(anvil, fresh_beacon):
    """Persistent connections: a hundred simple views in well under a second, whatever else the machine does."""
    client = connect(anvil.url)
    sender = Sender(client, funded(client))
    fresh_beacon.address = sender.send(fresh_beacon.create()).contract
    taken = []
    for _ in range(100):
        begun = time.perf_counter()
        fresh_beacon.count(client)
        taken.append(time.perf_counter() - begun)
    assert sorted(taken)[10] < 0.004
