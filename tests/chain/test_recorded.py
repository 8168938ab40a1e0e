"""A recording answers as the chain did, and nothing that hashes can show is taken on its word."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from medfed.chain import rlp
from medfed.chain.calls import Call
from medfed.chain.client import ChainClient
from medfed.chain.index import EventIndex
from medfed.chain.recorded import RecordedChain, Recorder
from medfed.errors import ConfigError, ContractRevert, InputError, MedFedError, NotProved, ProtocolError
from tests.chain.conftest import funded

MANY = 1 << 20


@pytest.fixture
def lit(client, beacon, sender):
    """Events in some blocks, none in others, a value stored; returns the newest block."""
    for value in (1, 2, 3):
        sender.send(beacon.call("attest", 7, value, 2))
        client.mine(3)
    sender.send(beacon.call("add", 5))
    return client.head()


class Made:
    """A recording of the test contract, and what is needed to open it."""

    def __init__(self, client, beacon, newest, most=MANY):
        self.recorder = Recorder(client, newest)
        self.beacon, self.first = beacon, beacon.born - 1
        self.recorder.read(beacon.call("count"))
        self.recorder.code(beacon.address)
        with pytest.raises(ContractRevert):
            self.recorder.read(beacon.call("panic"))
        self.recorder.logs(0, newest.number, [beacon.address])
        self.recording = self.recorder.recording([beacon.address], self.first, most)

    def opened(self, **changes):
        chain = RecordedChain(replace(self.recording, **changes))
        chain.hear([self.beacon.address])
        return chain


@pytest.fixture
def made(client, beacon, lit):
    return Made(client, beacon, lit)


@pytest.fixture
def unproved(client, beacon, lit, monkeypatch):
    """Of a node that gives no proofs."""
    monkeypatch.setattr(client, "witness", lambda *asked: ChainClient.witness(client, *asked))
    return Made(client, beacon, lit)


def blocks_of(recording):
    return [raw for _, raw in rlp.items(recording.headers)]


class TestAnswers:
    def test_are_the_chains(self, made, client, beacon, lit):
        """Identity, blocks, events, calls and code, all at the block of the recording."""
        opened = made.opened()
        assert (opened.chain_id, opened.genesis_hash) == (client.chain_id, client.genesis_hash)
        assert opened.head() == opened.finalized() == opened.final(5) == lit
        numbers = range(made.first, lit.number + 1)
        assert opened.blocks(numbers) == client.blocks(numbers)
        assert beacon.count(opened) == beacon.count(client) == 5
        assert opened.read_all([beacon.call("count")], block=lit) == [client.read(beacon.call("count"))]
        assert opened.code(beacon.address) == client.code(beacon.address)
        told = client.logs(0, lit.number, [beacon.address])
        assert [log[:6] for log in opened.logs(0, lit.number, [beacon.address])] == [log[:6] for log in told]

    def test_are_proved(self, made):
        """Nothing is missing, and not one answer of the node was kept."""
        standing = made.opened().standing
        assert (standing.gaps, standing.uncertain, standing.proved) == (0, 0, True)
        assert made.recording.answers == rlp.encode([])

    def test_reverts_are_repeated(self, made, unproved, beacon):
        for each in (made, unproved):
            with pytest.raises(ContractRevert):
                each.opened().read(beacon.call("panic"))

    def test_fill_an_event_index(self, made, beacon, client, lit):
        """As the chain does, in one go."""
        source = beacon.source(beacon.born)
        filled = EventIndex(None, made.opened(), [source], confirmations=0)
        assert filled.sync() == lit
        straight = EventIndex(None, client, [source], confirmations=0)
        straight.sync(lit)
        values = [[event.values for event in index.events("Attested")] for index in (filled, straight)]
        assert values[0] == values[1] != []
        for index in (filled, straight):
            index.close()

    def test_do_not_change_with_the_chain(self, made, client, beacon, lit):
        """What happened after the block is not seen by a recorder either."""
        client.mine()
        assert made.recorder.head() == lit
        assert made.recorder.recording([beacon.address], made.first, MANY) == made.recording


class TestRefusals:
    def test_another_block_is_not_read(self, made, beacon, lit):
        with pytest.raises(ConfigError, match=f"is read at block {lit.number} only"):
            made.opened().read(beacon.call("count"), block=lit.number - 1)

    def test_nothing_is_sent(self, made, beacon):
        opened, account = made.opened(), beacon.address
        asks = (
            lambda: opened.send_raw(b""),
            lambda: opened.estimate(beacon.call("count"), account),
            lambda: opened.balance(account),
            lambda: opened.nonce(account),
            opened.fees,
            lambda: opened.receipt(bytes(32)),
            lambda: opened.knows(bytes(32)),
            lambda: opened.read(Call(None, b"")),
            lambda: opened.read(beacon.call("count"), sender=account),
        )
        for ask in asks:
            with pytest.raises(ConfigError, match="nothing can be sent"):
                ask()

    def test_a_question_that_nobody_asked_is_one_sentence(self, made, unproved, beacon, client, lit):
        """With proofs as without: the recording is called too short, not the chain wrong."""
        stranger = funded(client).address
        only_code = made.opened(proofs=rlp.encode([client.code(beacon.address)]))
        for opened, what in ((unproved.opened(), "does not hold"), (only_code, "has no proof of")):
            with pytest.raises(NotProved, match=f"{what} the code at .* export it anew"):
                opened.code(stranger)
        with pytest.raises(NotProved, match=r"has no proof of what Beacon\.count reads"):
            beacon.count(only_code)
        with pytest.raises(NotProved, match=r"does not hold Beacon\.plain"):
            unproved.opened().read(beacon.call("plain"))
        with pytest.raises(InputError, match=f"does not hold block {lit.number + 1}"):
            made.opened().block(lit.number + 1)


class TestForgeries:
    def test_one_flipped_bit_never_changes_an_answer(self, made, beacon):
        """In headers, receipts or proofs, anywhere: refused on opening, or when the answer is asked for."""
        draw = random.Random(5)
        right = made.opened()
        answers = (beacon.count(right), right.code(beacon.address), right.logs(0, MANY, [beacon.address]))
        for name in ("headers", "receipts", "proofs") * 40:
            changed = bytearray(getattr(made.recording, name))
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
            try:
                opened = made.opened(**{name: bytes(changed)})
                found = (beacon.count(opened), opened.code(beacon.address))
            except MedFedError:
                continue
            assert (*found, opened.logs(0, MANY, [beacon.address])) == answers
            assert name == "proofs"  # of which not every node is needed for these answers

    def test_a_block_of_another_chain_is_found(self, made):
        """In place of one of this chain: the next one does not follow it."""
        blocks = blocks_of(made.recording)
        fields = list(rlp.decode(blocks[3]))
        fields[12] = b"elsewhere"
        forged = b"".join([*blocks[:3], rlp.encode(fields), *blocks[4:]])
        with pytest.raises(ProtocolError, match="is not the one that block"):
            made.opened(headers=forged)

    def test_the_newest_hash_binds(self, made, lit):
        """Another hash, number or time of the newest block; a header after it; none at all."""
        changes = {"hash": bytes(32)}, {"number": lit.number + 1}, {"timestamp": lit.timestamp + 1}
        for change in changes:
            with pytest.raises(ProtocolError, match="last header is not that of block"):
                made.opened(newest=replace(lit, **change))
        blocks = blocks_of(made.recording)
        with pytest.raises(ProtocolError, match="last header is not"):
            made.opened(headers=b"".join(blocks[:-1]))
        with pytest.raises(ProtocolError, match="is not in its place"):
            made.opened(headers=b"".join([*blocks, blocks[-1]]))

    def test_left_out_blocks_and_receipts_are_counted(self, made):
        """They cannot be told from none, so the standing says so."""
        blocks = blocks_of(made.recording)
        standing = made.opened(headers=b"".join([*blocks[:2], *blocks[4:]]), receipts=b"").standing
        assert (standing.gaps, standing.headers) == (1, len(blocks) - 2)
        assert standing.uncertain >= 2 + 2

    def test_receipts_without_their_block_are_refused(self, made, lit):
        receipts = rlp.encode([rlp.number(lit.number + 9), []])
        with pytest.raises(ProtocolError, match="have no header"):
            made.opened(receipts=receipts)
        for malformed in (b"\1", rlp.encode([b"\1"]), rlp.encode([b"\1", b"\1"])):
            with pytest.raises(ProtocolError, match="have not the form"):
                made.opened(receipts=malformed)

    def test_the_genesis_is_checked_where_it_is_there(self, client, beacon, lit):
        recorder = Recorder(client, lit)
        recording = replace(recorder.recording([beacon.address], 0, MANY), genesis=bytes(32))
        with pytest.raises(ProtocolError, match="another genesis than its block 0"):
            RecordedChain(recording)

    def test_what_stood_before_the_first_block_is_proved_or_told(self, made, client, beacon):
        """A recording that begins later shows by its own state that the contract stood there already."""
        with pytest.raises(NotProved):
            made.opened().code(beacon.address, made.first)
        made.recorder.code(beacon.address, made.first)
        whole = made.recorder.recording([beacon.address], made.first, MANY)
        assert made.opened(proofs=whole.proofs).code(beacon.address, made.first) == b""
        made.recorder.code(beacon.address, made.first + 1)
        later = made.recorder.recording([beacon.address], made.first + 1, MANY)
        cut = made.opened(proofs=later.proofs, headers=later.headers)
        assert cut.code(beacon.address, made.first + 1) == client.code(beacon.address)

    def test_without_proofs_nobody_knows_what_stood_before(self, unproved, beacon):
        with pytest.raises(NotProved, match=f"no proof of what stood in block {unproved.first}"):
            unproved.opened().code(beacon.address, unproved.first)


class TestLess:
    def test_a_long_chain_is_recorded_where_it_matters(self, client, beacon, lit):
        """Beyond a number of blocks, only those with events: all events are there, and the gaps are counted."""
        less = Made(client, beacon, lit, most=3)
        standing = less.opened().standing
        assert (standing.gaps, standing.uncertain) == (4, 1 + 3 * 3)
        found = less.opened().logs(0, lit.number, [beacon.address])
        assert len(found) == len(client.logs(0, lit.number, [beacon.address]))

    def test_without_proofs_the_standing_says_so(self, unproved, beacon, client):
        """The answers are then the node's own."""
        opened = unproved.opened()
        assert not opened.standing.proved
        assert beacon.count(opened) == beacon.count(client)
        assert opened.code(beacon.address) == client.code(beacon.address)
        with pytest.raises(ProtocolError, match="answer has not the form"):
            unproved.opened(answers=rlp.encode([[b"\1"]]))
        for malformed in (b"\1", rlp.encode([[[], b"", b"", b""]])):
            with pytest.raises(ProtocolError, match=r"nested deeper|not the one list"):
                unproved.opened(answers=malformed)

    def test_a_node_that_tells_other_events_than_its_receipts_is_refused(
        self, client, beacon, lit, monkeypatch
    ):
        """A recording is not made of what contradicts itself."""
        told = client.logs
        monkeypatch.setattr(client, "logs", lambda *asked: told(*asked)[1:])
        with pytest.raises(ProtocolError, match="tells other events of block"):
            Made(client, beacon, lit)
