"""Several nodes of one chain: one that is down, behind, lying or of another chain is passed over and named."""

from __future__ import annotations

import contextlib
import json

import pytest

from medfed.chain.client import connect
from medfed.chain.errors import RangeRefused
from medfed.chain.index import EventIndex
from medfed.chain.nodes import Nodes
from medfed.chain.rpc import HttpChain
from medfed.chain.sender import Sender
from medfed.errors import ChainUnavailable, ConfigError, ContractRevert, Contradicted, WrongChain
from tests.chain.conftest import funded
from tests.rig.anvil import start_anvil
from tests.rig.liar import lying_node, without

pytestmark = pytest.mark.anvil


@pytest.fixture
def client(anvil):
    """The honest node, asked directly."""
    return connect(anvil.url)


@pytest.fixture
def three(anvil):
    """Three ways to one chain, each of which can be made to lie."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(lying_node(anvil.url)) for _ in range(3)]


@pytest.fixture
def two(three):
    return three[:2]


def nodes(*liars):
    return connect([each.url for each in liars], attempts=1)


def named(found, liar):
    """What is said of one node."""
    return [text for text in found.complaints if liar.url in text]


def one_more(request, result):
    """Calls return a number, which is one too high."""
    return f"0x{int(result, 16) + 1:064x}" if request["method"] == "eth_call" else result


def stuck_at(number):
    """A node whose newest block is this one."""

    def edit(request, result):
        newest = request["method"] == "eth_getBlockByNumber" and request["params"][0] in (
            "latest",
            "finalized",
        )
        return result | {"number": hex(number)} if newest else result

    return edit


def test_one_address_is_asked_as_before(anvil):
    assert isinstance(connect([anvil.url]), HttpChain)
    assert isinstance(connect(anvil.url), HttpChain)


class TestDown:
    def test_another_stands_in(self, client, beacon, two):
        two[0].down = True
        found = nodes(*two)
        assert found.head() == client.head()
        assert (found.chain_id, beacon.count(found)) == (client.chain_id, beacon.count(client))
        assert named(found, two[0])
        assert not named(found, two[1])

    def test_one_that_goes_down_later(self, client, beacon, two):
        found = nodes(*two)
        found.head()
        two[1].down = True
        assert found.head() == client.head()
        assert beacon.count(found) == beacon.count(client)

    def test_nobody_answers(self, two):
        for each in two:
            each.down = True
        with pytest.raises(ChainUnavailable, match="does not answer"):
            nodes(*two).head()

    def test_sending_goes_on(self, client, beacon, two):
        """Each transaction is handed to another node first; one that is down loses none."""
        sender = Sender(nodes(*two), funded(client))
        sender.send(beacon.call("attest", 1, 1, 1))
        two[1].down = True
        for number in (2, 3):
            assert sender.send(beacon.call("attest", number, 1, 1)).ok


class TestBehind:
    def test_it_is_passed_over(self, client, two):
        client.mine(20)
        two[0].edit = stuck_at(client.head().number - 15)
        found = nodes(*two)
        assert found.head() == client.head()
        assert "is behind" in named(found, two[0])[0]

    def test_a_little_is_waited_for(self, client, two):
        """All answers are compared at a block that both have."""
        client.mine(20)
        two[0].edit = stuck_at(client.head().number - 3)
        found = nodes(*two)
        assert found.head() == client.block(client.head().number - 3)
        assert not found.complaints

    def test_of_two_the_one_ahead_may_have_invented_it(self, client, two):
        """Nobody can tell it from one that is up to date beside one that is not: an audit says who was not asked."""
        client.mine(2)
        newest = client.head().number
        invented = {"number": hex(newest + 1000), "hash": "0x" + "77" * 32, "timestamp": "0x77777777"}

        def ahead(request, result):
            if request["method"] != "eth_getBlockByNumber":
                return result
            return invented if request["params"][0] in ("latest", "finalized", invented["number"]) else result

        found = nodes(*two)
        assert "not all were asked" not in found.doubt
        assert not found.unproved
        two[0].edit = ahead
        assert found.head().number == newest + 1000
        assert two[1].url in found.doubt
        assert f"is behind: block {newest}" in found.doubt
        (text,) = found.unproved
        assert f"{two[0].url} is at block {newest + 1000}, " in text
        assert f"{two[1].url} is at block {newest};" in text

    def test_a_head_that_one_invents(self, client, three):
        three[2].edit = stuck_at(client.head().number + 1000)
        assert nodes(*three).head() == client.head()


class TestLying:
    def test_events_left_out_by_the_first(self, client, beacon, sender, two):
        """The block's receipts settle it: the liar is named, and nothing is missing."""
        places = [sender.send(beacon.call("attest", 1, 1, 2)).block for _ in range(3)]
        two[0].edit = without(places[1])
        found = nodes(*two)
        index = EventIndex(None, found, [beacon.source(beacon.born)], confirmations=0)
        index.sync()
        assert sorted({event.block for event in index.events("Attested")}) == places
        assert f"leaves out or invents events of block {places[1]}" in named(found, two[0])[0]
        assert not named(found, two[1])

    def test_all_leave_out_the_same(self, client, beacon, sender, two):
        """What no node tells is not found here; the contracts' counters find it."""
        place = sender.send(beacon.call("attest", 1, 1, 2)).block
        for each in two:
            each.edit = without(place)
        assert nodes(*two).logs(place, place, [beacon.address]) == []

    def test_an_answer_that_two_give_otherwise(self, client, beacon, two):
        """Nobody can say who is right, so that nothing is built on it."""
        two[0].edit = one_more
        with pytest.raises(Contradicted, match=r"differ in Beacon\.count") as caught:
            beacon.count(nodes(*two))
        assert all(each.url in str(caught.value) for each in two)

    def test_of_three_the_two_count(self, client, beacon, three):
        three[0].edit = one_more
        found = nodes(*three)
        assert beacon.count(found) == beacon.count(client)
        assert "another answer than the others" in named(found, three[0])[0]

    def test_another_block_at_the_same_number(self, client, two):
        two[1].edit = lambda request, result: (
            result | {"hash": "0x" + "11" * 32}
            if request["method"] == "eth_getBlockByNumber" and request["params"][0] != "0x0"
            else result
        )
        with pytest.raises(Contradicted, match="differ in block"):
            nodes(*two).head()

    def test_a_revert_is_an_answer(self, client, beacon, two):
        with pytest.raises(ContractRevert):
            nodes(*two).read(beacon.call("plain"))


def test_one_that_lists_not_even_a_block(client, beacon, sender, three):
    """Ranges shrink for a node that refuses them; at one block it is the node that is left out."""
    block = sender.send(beacon.call("attest", 1, 1, 1)).block
    honest = three[0].answer

    def refuse(body):
        asked = json.loads(body)
        if isinstance(asked, dict) and asked["method"] == "eth_getLogs":
            return json.dumps({"id": asked["id"], "error": {"code": -32005, "message": "limit"}}).encode()
        return honest(body)

    three[0].answer = refuse
    found = nodes(*three)
    with pytest.raises(RangeRefused):
        found.logs(block - 1, block, [beacon.address])
    assert found.logs(block, block, [beacon.address]) == client.logs(block, block, [beacon.address])
    assert named(found, three[0])


def test_an_event_told_twice(client, beacon, sender, two):
    sender.send(beacon.call("attest", 1, 1, 1))
    two[0].edit = lambda request, result: result * 2 if request["method"] == "eth_getLogs" else result
    index = EventIndex(None, connect(two[0].url, attempts=1), [beacon.source(beacon.born)], confirmations=0)
    with pytest.raises(ChainUnavailable, match="twice"):
        index.sync()
    assert index.count() == 0


def test_a_damaged_index_is_named(client, beacon, tmp_path):
    file = tmp_path / "index.sqlite"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigError, match="delete it"):
        EventIndex(file, client, [beacon.source(beacon.born)], confirmations=0)


def test_a_node_of_another_chain(two, tmp_path):
    with start_anvil(tmp_path, ["--silent", "--chain-id", "4711"]) as other:
        found = connect([two[0].url, other.url], attempts=1)
        with pytest.raises(WrongChain, match=r"is chain 4711 .* take out the wrong one"):
            found.head()


def test_both_are_named_together(two):
    found = nodes(*two)
    assert isinstance(found, Nodes)
    assert all(each.url in found.label for each in two)
