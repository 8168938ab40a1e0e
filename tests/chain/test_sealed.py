"""Headers and receipts from every kind of chain: hashes and roots come out as the chain's, events as its logs."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from medfed.chain import rlp
from medfed.chain.sealed import bloom_of, events_in, header_from_json, parse_header
from medfed.errors import ChainUnavailable, ConfigError, ProtocolError
from tests.chain.conftest import funded

ELSEWHERE = "0x00000000000000000000000000000000000000ff"


@pytest.fixture
def lit(beacon, sender, client):
    """A few blocks with events of the test contract, one without; returns their numbers."""
    blocks = [sender.send(beacon.call("attest", 7, value, 2)).block for value in (1, 2, 3)]
    client.mine()
    return range(blocks[0] - 1, client.head().number + 1)


def test_headers_hash_to_their_blocks(client, lit):
    """Number, hash and time are the chain's, and each header names the one before."""
    headers = [parse_header(raw) for raw in client.headers(lit)]
    assert [header.stamp for header in headers] == client.blocks(lit)
    assert all(header.parent == before.hash for before, header in pairwise(headers))


def test_events_are_the_chains(client, lit, beacon):
    """What is taken from receipts is what the node tells, and blocks whose bloom says no have none."""
    found = []
    for header in map(parse_header, client.headers(lit)):
        events = events_in(header, client.block_receipts(header.number))
        own = [log for log in events if log.address == bytes.fromhex(beacon.address[2:])]
        assert header.may_hold([bloom_of(beacon.address)]) or not own
        found += own
    told = client.logs(lit[0], lit[-1], [beacon.address])
    assert found
    assert [log[:6] for log in found] == [log[:6] for log in told]


def test_one_changed_byte_of_a_receipt_is_found(client, lit):
    """In any receipt, at any place; a receipt left out or given twice as well."""
    header = parse_header(client.headers([lit[1]])[0])
    receipts = client.block_receipts(header.number)
    draw = random.Random(3)
    for _ in range(50):
        place = draw.randrange(len(receipts[0]))
        changed = bytearray(receipts[0])
        changed[place] ^= 1 << draw.randrange(8)
        with pytest.raises(ProtocolError, match=f"receipts of block {header.number} do not add up"):
            events_in(header, [bytes(changed), *receipts[1:]])
    for others in ([], receipts * 2):
        with pytest.raises(ProtocolError, match="do not add up"):
            events_in(header, others)


def test_a_block_to_come_has_no_header(client):
    """The node's answer for a block that is not there is no header."""
    with pytest.raises(ChainUnavailable, match="has no block"):
        client.headers([client.head().number + 1000])


def test_headers_of_another_form_are_refused(embedded):
    """Too few fields, a short root, a number with leading zeros."""
    fields = list(rlp.decode(embedded.headers([0])[0]))
    for place, item in ((3, b"\1"), (6, b""), (8, b"\0\1"), (11, [])):
        with pytest.raises(ProtocolError):
            parse_header(rlp.encode([*fields[:place], item, *fields[place + 1 :]]))
    with pytest.raises(ProtocolError, match="fewer fields"):
        parse_header(rlp.encode(fields[:14]))


@pytest.mark.anvil
def test_a_header_that_does_not_hash_is_refused(anvil):
    """A node of another chain may have fields that this version does not know: one sentence, no wrong proof."""
    block = anvil.rpc("eth_getBlockByNumber", "latest", False)
    assert parse_header(header_from_json(block)).hash.hex() == block["hash"][2:]
    with pytest.raises(ProtocolError, match="fields that this version does not know"):
        header_from_json(block | {"gasUsed": "0x7777"})


def test_clients_that_keep_no_blocks_say_so(embedded):
    """The default of a client."""
    base = type(embedded).__mro__[1]
    with pytest.raises(ConfigError, match="cannot show 2 block headers"):
        base.headers(embedded, [1, 2])
    with pytest.raises(ConfigError, match="cannot show the receipts of block 7"):
        base.block_receipts(embedded, 7)


def test_plain_transfers_have_receipts_without_events(client):
    """Blocks of a chain hold more than our contracts'."""
    funded(client)
    header = parse_header(client.headers([client.head().number])[0])
    assert events_in(header, client.block_receipts(header.number)) == []
    assert not header.may_hold([bloom_of(ELSEWHERE)])
