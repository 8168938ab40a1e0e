"""Each intended state change reaches the chain once, whatever breaks in between."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medfed.chain.calls import Call, Fees
from medfed.chain.client import connect
from medfed.chain.journal import Intent, Journal, Signed
from medfed.chain.keys import create_keystore, new_account
from medfed.chain.sender import FeePolicy, Sender
from medfed.errors import ChainUnavailable, ContractRevert, OutOfFunds, TransactionStuck
from tests.chain.conftest import ETHER, funded
from tests.chain.faulty import faulty_proxy
from tests.rig.anvil import start_anvil

QUICK = FeePolicy(stuck_after=0.3, give_up_after=20, poll=0.01)
HOLD = """
import pathlib, sys, time
from medfed.chain.journal import Journal
with Journal(pathlib.Path(sys.argv[1])).exclusive():
    print("held", flush=True)
    time.sleep(60)
"""


class TestSend:
    def test_receipt_and_effect(self, client, beacon, sender):
        """The call has its effect once, and the nonce grows by one."""
        before = client.nonce(sender.address)
        assert sender.send(beacon.call("add", 5)).ok
        assert beacon.count(client) == 5
        assert client.nonce(sender.address) == before + 1

    def test_same_call_twice_is_two_calls(self, client, beacon, sender):
        """Without a name, a call whose receipt was handed out may be sent again."""
        first, second = sender.send(beacon.call("add", 5)), sender.send(beacon.call("add", 5))
        assert first.tx_hash != second.tx_hash
        assert beacon.count(client) == 10

    def test_same_intent_is_one_call(self, client, beacon, sender):
        """With a name, the receipt is handed out again and nothing is sent."""
        first = sender.send(beacon.call("add", 5), intent="once")
        second = sender.send(beacon.call("add", 5), intent="once")
        assert first == second
        assert beacon.count(client) == 5

    def test_revert_costs_nothing(self, client, beacon, sender):
        """A call that would revert is refused with its reason before it is sent, also with a gas limit given."""
        before = client.nonce(sender.address), client.balance(sender.address)
        for gas in (None, 200_000):
            with pytest.raises(ContractRevert):
                sender.send(beacon.call("add", 101, gas=gas))
        assert (client.nonce(sender.address), client.balance(sender.address)) == before

    def test_goes_on_after_a_revert(self, client, beacon, sender):
        """A refused call blocks nothing."""
        with pytest.raises(ContractRevert):
            sender.send(beacon.call("add", 101))
        sender.send(beacon.call("add", 1))
        assert beacon.count(client) == 1

    def test_without_gas_money(self, client, beacon):
        """An empty account is named, with what to do; after a gift the same call goes through."""
        sender = Sender(client, new_account())
        with pytest.raises((OutOfFunds, ContractRevert)):
            sender.send(beacon.call("add", 1, gas=100_000))
        client.set_balance(sender.address, ETHER)
        assert sender.send(beacon.call("add", 1, gas=100_000)).ok
        assert beacon.count(client) == 1

    def test_two_threads_one_key(self, client, beacon, tmp_path):
        """Senders of one key take turns: every call is mined once, none is lost."""
        if client.simulates:
            pytest.skip("the embedded chain belongs to one thread")
        account = funded(client)
        senders = [Sender(client, account, tmp_path) for _ in range(2)]
        threads = [
            threading.Thread(target=lambda own=own: [own.send(beacon.call("add", 1)) for _ in range(5)])
            for own in senders
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert beacon.count(client) == 10

    def test_journal_keeps_no_key(self, client, beacon, tmp_path):
        """What lies on disk is signed transactions, never the key."""
        account = funded(client)
        Sender(client, account, tmp_path).send(beacon.call("add", 1))
        [path] = tmp_path.glob("*.sqlite")
        assert account.address in path.name
        key = account.secret()
        assert key not in path.read_bytes()
        assert key.hex().encode() not in path.read_bytes()


class TestFees:
    def test_twice_the_base_fee(self):
        """Room for a base fee that doubles."""
        assert FeePolicy().first(Fees(base=10, tip=3)) == (23, 3)

    def test_cap(self):
        """A cap lowers the offer; below what the chain asks for now, sending waits."""
        assert FeePolicy(max_fee_cap=15).first(Fees(base=10, tip=3)) == (15, 3)
        with pytest.raises(TransactionStuck, match="allow 12"):
            FeePolicy(max_fee_cap=12).first(Fees(base=10, tip=3))

    @pytest.mark.parametrize("old", [(0, 0), (1, 1), (100, 7), (10**12, 10**9)])
    def test_replacements_satisfy_nodes(self, old):
        """A replacement raises both fees by at least a tenth, as nodes demand."""
        max_fee, tip = FeePolicy().bumped(Signed(b"", b"", *old), Fees(base=1, tip=1))
        assert max_fee * 10 >= old[0] * 11
        assert tip * 10 >= old[1] * 11 or tip == max_fee
        assert max_fee > old[0]

    def test_no_replacement_above_the_cap(self):
        """The cap holds for replacements too."""
        assert FeePolicy(max_fee_cap=110).bumped(Signed(b"", b"", 100, 1), Fees(base=1, tip=1)) is None


@pytest.mark.anvil
class TestStuck:
    def test_replaced_with_a_higher_fee(self, fresh_beacon, tmp_path):
        """What waits too long is signed again with the same nonce and a higher fee; one of the two is mined."""
        with start_anvil(tmp_path, ["--silent", "--no-mining"]) as anvil:
            client = connect(anvil.url)
            sender = Sender(client, funded_and_mined(client), tmp_path, policy=QUICK)
            waiting = threading.Thread(target=mine_after_a_replacement, args=(anvil, tmp_path))
            waiting.start()
            receipt = sender.send(fresh_beacon.create())
            waiting.join()
            assert receipt.ok
            forms = journal_rows(tmp_path, "SELECT hash, max_fee FROM signed ORDER BY rowid")
            assert len(forms) >= 2
            assert [fee for _, fee in forms] == sorted(fee for _, fee in forms)
            assert receipt.tx_hash in [tx_hash for tx_hash, _ in forms]
            assert client.nonce(sender.address) == 1

    def test_gives_up_and_goes_on(self, fresh_beacon, tmp_path):
        """After the longest wait the caller hears of it; the same call later gets the same transaction."""
        with start_anvil(tmp_path, ["--silent", "--no-mining"]) as anvil:
            client = connect(anvil.url)
            account = funded_and_mined(client)
            impatient = FeePolicy(stuck_after=60, give_up_after=0.2, poll=0.01)
            with pytest.raises(TransactionStuck, match="still waits"):
                Sender(client, account, tmp_path, policy=impatient).send(fresh_beacon.create())
            client.mine()
            receipt = Sender(client, account, tmp_path, policy=impatient).send(fresh_beacon.create())
            assert receipt.ok
            assert client.nonce(account.address) == 1

    def test_displaced_nonce(self, fresh_beacon, tmp_path):
        """When another wallet with the same key used the nonce, the caller is told, and nothing hangs."""
        with start_anvil(tmp_path, ["--silent", "--no-mining"]) as anvil:
            client = connect(anvil.url)
            account = funded_and_mined(client)
            impatient = FeePolicy(stuck_after=60, give_up_after=0.1, poll=0.01)
            with pytest.raises(TransactionStuck):
                Sender(client, account, tmp_path, policy=impatient).send(fresh_beacon.create())
            [(first,)] = journal_rows(tmp_path, "SELECT hash FROM signed")
            anvil.rpc("anvil_dropTransaction", "0x" + first.hex())
            with pytest.raises(TransactionStuck):
                Sender(client, account, policy=impatient).send(Call(account.address, b"", gas=30_000))
            client.mine()
            anvil.rpc("evm_setAutomine", True)
            receipt = Sender(client, account, tmp_path, policy=QUICK).send(fresh_beacon.create())
            assert receipt.contract is not None
            assert client.nonce(account.address) == 2


@pytest.mark.anvil
class TestFaults:
    def test_every_second_request_fails(self, anvil, fresh_beacon, tmp_path):
        """Requests that get lost before the node, after it, or come back broken: each call is mined exactly once."""
        direct = connect(anvil.url)
        account = funded(direct)
        with faulty_proxy(anvil.url) as faults:
            sender = Sender(connect(faults.url, attempts=6), account, tmp_path, policy=QUICK)
            fresh_beacon.address = persist(sender, fresh_beacon.create()).contract
            for _ in range(10):
                persist(sender, fresh_beacon.call("add", 1))
            assert faults.bad >= 20
        assert fresh_beacon.count(direct) == 10
        assert direct.nonce(account.address) == 11

    def test_node_goes_away_in_the_middle(self, anvil, fresh_beacon, tmp_path):
        """An outage surfaces as `ChainUnavailable`; calling again afterwards completes the one intended change."""
        direct = connect(anvil.url)
        account = funded(direct)
        fresh_beacon.address = Sender(direct, account).send(fresh_beacon.create()).contract
        with faulty_proxy(anvil.url) as faults:
            sender = Sender(connect(faults.url, attempts=2), account, tmp_path, policy=QUICK)
            faults.broken = True
            with pytest.raises(ChainUnavailable):
                sender.send(fresh_beacon.call("add", 1))
            faults.broken = False
            persist(sender, fresh_beacon.call("add", 1))
        assert fresh_beacon.count(direct) == 1


@pytest.mark.anvil
class TestKill:
    @pytest.mark.parametrize("moment", ["signed", "handed in", "mined"])
    def test_killed_between_signing_and_receipt(self, anvil, fresh_beacon, tmp_path, moment):
        """SIGKILL after signing, after handing in, or before the receipt is noted; run again, the call is done once.

        What was handed in the node mines in its own time."""
        client = connect(anvil.url)
        account = create_keystore(tmp_path / "key.json", "pass", trial=True)
        client.set_balance(account.address, ETHER)
        fresh_beacon.address = Sender(client, funded(client)).send(fresh_beacon.create()).contract
        program = [sys.executable, str(Path(__file__).with_name("killed.py")), anvil.url, str(tmp_path)]
        call = fresh_beacon.call("add", 3)
        killed = subprocess.run([*program, call.to, call.data.hex(), moment], timeout=60)
        assert killed.returncode == -signal.SIGKILL
        if moment == "mined":
            assert fresh_beacon.count(client) == 3
        elif moment == "signed":
            assert fresh_beacon.count(client) == 0
        receipt = Sender(client, account, tmp_path, policy=QUICK).send(call)
        assert receipt.ok
        assert fresh_beacon.count(client) == 3
        assert client.nonce(account.address) == 1

    def test_recover_brings_it_to_its_end(self, anvil, fresh_beacon, tmp_path):
        """`recover` hands in what a killed process had signed, before anything new is decided."""
        client = connect(anvil.url)
        account = create_keystore(tmp_path / "key.json", "pass", trial=True)
        client.set_balance(account.address, ETHER)
        fresh_beacon.address = Sender(client, funded(client)).send(fresh_beacon.create()).contract
        call = fresh_beacon.call("add", 3)
        program = [sys.executable, str(Path(__file__).with_name("killed.py")), anvil.url, str(tmp_path)]
        subprocess.run([*program, call.to, call.data.hex(), "signed"], timeout=60)
        sender = Sender(client, account, tmp_path, policy=QUICK)
        [receipt] = sender.recover()
        assert sender.recover() == []
        assert sender.send(call) == receipt
        assert fresh_beacon.count(client) == 3


class TestJournal:
    def test_large_value_survives(self, tmp_path):
        """Amounts beyond 64 bits come back as they were."""
        journal = Journal(tmp_path / "j.sqlite")
        call = Call(None, b"\x01", value=10**21, gas=5, label="x")
        journal.add(Intent("a", named=True), 7, call, Signed(b"h", b"r", 2, 1))
        [entry] = Journal(tmp_path / "j.sqlite").open_entries()
        assert entry.call == call
        assert entry.nonce == 7

    def test_lock_is_let_go_by_a_kill(self, tmp_path):
        """A killed process does not keep others from sending."""
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                HOLD,
                str(tmp_path / "j.sqlite"),
            ],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with Journal(tmp_path / "j.sqlite").exclusive():
            pass


def funded_and_mined(client):
    account = new_account()
    client.set_balance(account.address, 100 * ETHER)
    client.mine()
    return account


def persist(sender, call):
    """Send as a daemon does: after a transient failure, the same call again in the next cycle."""
    for _ in range(50):
        try:
            return sender.send(call)
        except (ChainUnavailable, TransactionStuck):
            time.sleep(0.01)
    raise AssertionError("the call never went through")


def journal_rows(folder, sql):
    [path] = folder.glob("sent-*.sqlite")
    database = sqlite3.connect(path)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def mine_after_a_replacement(anvil, folder):
    while not list(folder.glob("sent-*.sqlite")) or len(journal_rows(folder, "SELECT hash FROM signed")) < 2:
        time.sleep(0.02)
    anvil.rpc("evm_mine")
