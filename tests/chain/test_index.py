"""Every event exactly once, in order, whatever the chain and the RPC do."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medfed.chain.client import connect
from medfed.chain.errors import RangeRefused
from medfed.chain.index import EventIndex
from medfed.chain.keys import new_account
from medfed.chain.sender import Sender
from medfed.errors import ChainUnavailable, InputError, WrongChain
from tests.chain.conftest import funded
from tests.chain.faulty import faulty_proxy
from tests.rig.anvil import start_anvil

ROOT = Path(__file__).parents[2]


@pytest.fixture
def index(client, beacon):
    return EventIndex(None, client, [beacon.source(beacon.born)], confirmations=0)


def places(index, name="Attested"):
    return [(event.block, event.log_index) for event in index.events(name)]


class TestReading:
    def test_values(self, index, client, beacon, sender):
        """Numbers at their limits, addresses, structs, texts: what was emitted is what comes back."""
        update = (b"\x01" * 32, b"\x02" * 32, 2**32 - 1)
        receipt = sender.send(beacon.call("submit", 2**64 - 1, -(2**63), 2**256 - 1, update))
        sender.send(beacon.call("say", "blood pressure, " * 10))
        index.sync()
        [event] = index.events("Submitted")
        assert event.values == {
            "study": 2**64 - 1,
            "hospital": sender.address,
            "offset": -(2**63),
            "large": 2**256 - 1,
            "update": {"cid": b"\x01" * 32, "update_root": b"\x02" * 32, "weight": 2**32 - 1},
        }
        assert (event.block, event.tx_hash) == (receipt.block, receipt.tx_hash)
        assert event.time == client.block(receipt.block).timestamp
        [said] = index.events("Said")
        assert said.values == {"who": sender.address, "text": "blood pressure, " * 10}
        [lit] = index.events("Lit")
        assert lit.values == {"on": True, "tag": b"\x01\x02\x03\x04"}

    def test_same_as_from_the_receipt(self, index, beacon, sender):
        """The bulk path and the one for single receipts decode alike."""
        receipt = sender.send(beacon.call("attest", 3, 1, 70))
        index.sync()
        assert index.events("Attested") == [beacon.events.decode(log) for log in receipt.logs]

    def test_same_as_web3(self, index, anvil, client, beacon, sender):
        """web3, reading the same logs, finds the same values."""
        if client.simulates:
            pytest.skip("web3 reads from a node")
        from web3 import Web3

        receipt = sender.send(beacon.call("attest", 3, 1, 70))
        index.sync()
        contract = Web3(Web3.HTTPProvider(anvil.url)).eth.contract(beacon.address, abi=beacon.abi)
        theirs = contract.events.Attested().get_logs(from_block=receipt.block)
        ours = index.events("Attested")
        assert len(ours) == len(theirs) == 70
        for own, other in zip(ours, theirs, strict=True):
            assert list(own.values.values()) == [
                other["args"][name] for name in ("study", "round", "attesters", "aggregateHash")
            ]
            assert (own.block, own.log_index) == (other["blockNumber"], other["logIndex"])

    def test_filters(self, index, beacon, sender):
        """Selection by values, by fields of structs, by addresses in hex, and up to a block."""
        first = sender.send(beacon.call("attest", 1, 1, 2))
        sender.send(beacon.call("attest", 1, 2, 3))
        sender.send(beacon.call("submit", 5, 0, 0, (b"\x07" * 32, b"\x00" * 32, 9)))
        index.sync()
        assert len(index.events("Attested", study=1)) == 5
        assert len(index.events("Attested", study=1, round=2)) == 3
        assert len(index.events("Attested", study=1, until=first.block)) == 2
        assert len(index.events("Attested", attesters=2)) == 2
        assert len(index.events("Submitted", update_weight=9, hospital=sender.address)) == 1
        assert index.events("Submitted", hospital=new_account().address) == []

    def test_unknown_names(self, index):
        """A mistyped event or value is named, with what there is."""
        with pytest.raises(InputError, match="are called Missing"):
            index.events("Missing")
        with pytest.raises(InputError, match="has no value sutdy to select by; it has aggregate_hash"):
            index.events("Attested", sutdy=1)


class TestSync:
    def test_again_changes_nothing(self, index, beacon, sender):
        """Reading twice keeps each event once; new ones are added."""
        sender.send(beacon.call("attest", 1, 1, 2))
        first = index.sync()
        assert index.sync() == first
        sender.send(beacon.call("attest", 1, 2, 1))
        assert index.sync().number > first.number
        assert len(places(index)) == len(set(places(index))) == 3

    def test_only_final_blocks(self, client, beacon, sender):
        """Events above the confirmed block wait."""
        if client.simulates:
            pytest.skip("every block of the embedded chain is final")
        index = EventIndex(None, client, [beacon.source(beacon.born)], confirmations=3)
        sender.send(beacon.call("attest", 1, 1, 1))
        index.sync()
        assert places(index) == []
        client.mine(3)
        index.sync()
        assert len(places(index)) == 1

    def test_two_indexes_on_one_file(self, client, beacon, sender, tmp_path):
        """Processes that share a file never store an event twice."""
        path = tmp_path / "events.sqlite"
        one, two = (EventIndex(path, client, [beacon.source(beacon.born)], confirmations=0) for _ in range(2))
        sender.send(beacon.call("attest", 1, 1, 2))
        one.sync()
        two.sync()
        sender.send(beacon.call("attest", 1, 1, 2))
        two.sync()
        one.sync()
        assert places(one) == places(two)
        assert len(places(one)) == 4

    def test_file_of_another_chain(self, client, beacon, tmp_path):
        """An index is never mixed from two chains."""
        path = tmp_path / "events.sqlite"
        EventIndex(path, client, [beacon.source(0)], confirmations=0).close()
        with pytest.raises(WrongChain, match="another chain"):
            EventIndex(path, connect("embedded:"), [beacon.source(0)], confirmations=0)

    def test_other_contracts_start_anew(self, client, beacon, sender, tmp_path):
        """When the contracts change, the file is filled again instead of being trusted."""
        path = tmp_path / "events.sqlite"
        sender.send(beacon.call("attest", 1, 1, 2))
        EventIndex(path, client, [beacon.source(beacon.born)], confirmations=0).sync()
        later = client.mine().number
        again = EventIndex(path, client, [beacon.source(later)], confirmations=0)
        again.sync()
        assert places(again) == []


class Refusing:
    """A client whose node lists few blocks at once; all else is the real one's."""

    def __init__(self, client, largest):
        self._client, self.largest, self.asked = client, largest, []

    def __getattr__(self, name):
        return getattr(self._client, name)

    def logs(self, first, last, addresses):
        self.asked.append(last - first + 1)
        if last - first >= self.largest:
            raise RangeRefused("too many")
        return self._client.logs(first, last, addresses)


class TestRanges:
    @pytest.mark.parametrize("largest", [1, 3])
    def test_shrink_until_the_node_answers(self, client, beacon, sender, largest):
        """A node that refuses large ranges is asked for smaller ones, down to single blocks, and nothing is missed."""
        for _ in range(4):
            sender.send(beacon.call("attest", 1, 1, 1))
            client.mine(2)
        refusing = Refusing(client, largest)
        index = EventIndex(None, refusing, [beacon.source(beacon.born)], confirmations=0)
        assert index.sync() == client.head()
        assert len(places(index)) == 4
        assert max(refusing.asked) > largest >= min(refusing.asked)

    def test_node_that_refuses_everything(self, client, beacon, sender):
        """When even one block is too much, the caller hears of it instead of waiting for ever."""
        sender.send(beacon.call("attest", 1, 1, 1))
        index = EventIndex(None, Refusing(client, 0), [beacon.source(beacon.born)], confirmations=0)
        with pytest.raises(RangeRefused):
            index.sync()


@pytest.mark.anvil
class TestReorganisation:
    def test_goes_back_to_the_common_block(self, fresh_beacon, tmp_path):
        """Events of an abandoned branch disappear, those of the new one appear, each once; what lies below stays."""
        with start_anvil(tmp_path, ["--silent"]) as anvil:
            client = connect(anvil.url)
            sender = Sender(client, funded(client))
            born = sender.send(fresh_beacon.create())
            fresh_beacon.address = born.contract
            index = EventIndex(
                tmp_path / "i.sqlite", client, [fresh_beacon.source(born.block)], confirmations=0
            )
            sender.send(fresh_beacon.call("attest", 1, 1, 2))
            index.sync()
            snapshot = anvil.rpc("evm_snapshot")
            sender.send(fresh_beacon.call("attest", 2, 1, 3))
            sender.send(fresh_beacon.call("attest", 2, 2, 1))
            index.sync()
            assert len(places(index)) == 6
            assert anvil.rpc("evm_revert", snapshot)
            client.travel(1000)
            Sender(client, funded(client)).send(fresh_beacon.call("attest", 3, 1, 5))
            index.sync()
            assert index.checkpoint == client.head()
            assert [event["study"] for event in index.events("Attested")] == [1] * 2 + [3] * 5

    def test_a_shorter_chain(self, fresh_beacon, tmp_path):
        """A chain that became shorter than the checkpoint is followed back."""
        with start_anvil(tmp_path, ["--silent"]) as anvil:
            client = connect(anvil.url)
            sender = Sender(client, funded(client))
            born = sender.send(fresh_beacon.create())
            fresh_beacon.address = born.contract
            snapshot = anvil.rpc("evm_snapshot")
            sender.send(fresh_beacon.call("attest", 1, 1, 2))
            client.mine(5)
            index = EventIndex(None, client, [fresh_beacon.source(born.block)], confirmations=0)
            index.sync()
            anvil.rpc("evm_revert", snapshot)
            assert index.sync() == client.head()
            assert places(index) == []


@pytest.mark.anvil
class TestFaults:
    def test_every_second_request_fails(self, anvil, fresh_beacon, tmp_path):
        """With half of the exchanges lost or broken, every block is indexed exactly once."""
        direct = connect(anvil.url)
        sender = Sender(direct, funded(direct))
        born = sender.send(fresh_beacon.create())
        fresh_beacon.address = born.contract
        with faulty_proxy(anvil.url) as faults:
            client = connect(faults.url)
            index = EventIndex(
                tmp_path / "i.sqlite", client, [fresh_beacon.source(born.block)], confirmations=0
            )
            for number in range(10):
                sender.send(fresh_beacon.call("attest", number, 1, 3))
                try_until(index)
            assert faults.bad >= 20
        assert [event["study"] for event in index.events("Attested")] == [
            at for at in range(10) for _ in range(3)
        ]
        assert len(set(places(index))) == 30

    def test_killed_while_reading(self, anvil, fresh_beacon, tmp_path):
        """SIGKILL during a sync: rows and checkpoint agree, and reading on completes the index."""
        client = connect(anvil.url)
        sender = Sender(client, funded(client))
        born = sender.send(fresh_beacon.create())
        fresh_beacon.address = born.contract
        for number in range(30):
            sender.send(fresh_beacon.call("attest", number, 1, 100, gas=3_000_000))
        path = tmp_path / "i.sqlite"
        program = [sys.executable, str(Path(__file__).with_name("reading.py")), anvil.url, str(path)]
        child = subprocess.Popen(
            [*program, fresh_beacon.address, str(born.block)], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        wait_for_rows(path)
        child.send_signal(signal.SIGKILL)
        child.wait()
        index = EventIndex(path, client, [fresh_beacon.source(born.block)], confirmations=0)
        upto = index.checkpoint.number
        assert len(places(index)) == 100 * (upto - born.block)
        assert upto < born.block + 30
        index.sync()
        assert len(set(places(index))) == len(places(index)) == 3000


def try_until(index):
    for _ in range(50):
        try:
            index.sync()
            return
        except ChainUnavailable:
            pass
    raise AssertionError("the index never caught up")


def wait_for_rows(path):
    for _ in range(3000):
        try:
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                if database.execute('SELECT count(*) FROM "Beacon_Attested"').fetchone()[0] > 500:
                    return
            finally:
                database.close()
        except sqlite3.OperationalError:
            pass
        time.sleep(0.01)
    raise AssertionError("the child never wrote a row")
