"""A node that answers with anything but what was asked: each time one sentence, in bounded time and memory."""

from __future__ import annotations

import gzip
import json
import time

import pytest

from medfed.chain import rpc
from medfed.chain.calls import Call
from medfed.chain.errors import RangeRefused
from medfed.chain.rpc import HttpChain
from medfed.errors import ChainUnavailable, ProtocolError
from tests.chain.test_rpc import serving

ACCOUNT = "0x" + "11" * 20
QUESTIONS = {
    "head": lambda node: node.head(),
    "block": lambda node: node.block(1),
    "blocks": lambda node: node.blocks([1, 2]),
    "logs": lambda node: node.logs(1, 2, [ACCOUNT]),
    "code": lambda node: node.code(ACCOUNT),
    "read": lambda node: node.read(Call(ACCOUNT, b"")),
    "read_all": lambda node: node.read_all([Call(ACCOUNT, b"")] * 2),
    "headers": lambda node: node.headers([1]),
    "receipts": lambda node: node.block_receipts(1),
    "balance": lambda node: node.balance(ACCOUNT),
    "chain_id": lambda node: node.chain_id,
    "witness": lambda node: node.witness([Call(ACCOUNT, b"")], [ACCOUNT], rpc.BlockStamp(1, bytes(32), 1)),
}
BLOCK = {"number": "0x1", "hash": "0x" + "11" * 32, "timestamp": "0x1"}
SHAPES = [
    5,
    True,
    [[]],
    [{}],
    {"number": "0x1"},
    BLOCK | {"hash": "0xzz"},
    BLOCK | {"timestamp": "0x" + "f" * 80},
    BLOCK | {"timestamp": hex(253_402_300_800)},
]


def result(value):
    """A node whose every result is `value`."""

    def answer(_, body):
        asked = json.loads(body)
        many = [
            {"id": each["id"], "result": value} for each in (asked if isinstance(asked, list) else [asked])
        ]
        return json.dumps(many if isinstance(asked, list) else many[0]).encode()

    return answer


def raw(data):
    return lambda *_: data


def node_at(port, timeout=5.0):
    return HttpChain(f"http://127.0.0.1:{port}", attempts=1, timeout=timeout)


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_results_of_another_shape(shape):
    with serving(result(shape)) as port:
        for question in QUESTIONS.values():
            with pytest.raises((ChainUnavailable, ProtocolError)):
                question(node_at(port))


@pytest.mark.parametrize(
    "error",
    [
        {"code": "abc", "message": "x"},
        {"code": None, "message": None},
        {"code": 3, "data": "0xzz"},
        {"code": 3, "data": "0x1"},
        {"code": float("inf")},
    ],
)
def test_errors_of_another_shape(error):
    with serving(raw(json.dumps({"error": error}).encode())) as port, pytest.raises(ChainUnavailable):
        node_at(port).head()


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"result":' * 100_000,
        b"[1,2]",
        b'[{"id":[]},{"id":{}}]',
        b"[null]",
        b'{"result":' + b"9" * 5000 + b"}",
        b'{"result":NaN}',
        b"\xff",
    ],
    ids=range(8),
)
def test_bytes_that_are_no_answer(data):
    """Brackets, too: the parser recurses on the C stack, and would end the process where py-evm is loaded."""
    import eth.vm.forks.prague  # noqa: F401 - lifts the recursion limit

    with serving(raw(data)) as port:
        for question in (QUESTIONS["head"], QUESTIONS["blocks"]):
            with pytest.raises(ChainUnavailable):
                question(node_at(port))


def test_words_of_a_node_stay_on_their_line():
    words = {"code": -1, "message": "\x1b]0;owned\x07\x1b[2J\x9b\u202e\nEverything is right." + "y" * 100_000}
    with (
        serving(raw(json.dumps({"error": words}).encode())) as port,
        pytest.raises(ChainUnavailable) as caught,
    ):
        node_at(port).head()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_an_answer_that_unpacks_to_more_than_is_read(monkeypatch):
    """Of events, fewer are asked for."""
    monkeypatch.setattr(rpc, "_MOST_BYTES", 4 << 20)
    packed = gzip.compress(b'{"result":"' + b"0" * (64 << 20) + b'"}')

    def bomb(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(packed)))
        handler.end_headers()
        handler.wfile.write(packed)
        handler.close_connection = True
        return b""

    with serving(bomb) as port:
        with pytest.raises(ChainUnavailable, match="more than"):
            node_at(port).head()
        with pytest.raises(RangeRefused):
            node_at(port).logs(1, 2, [])


def test_an_answer_that_never_ends():
    def drip(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)
        return b""

    with serving(drip) as port:
        begun = time.monotonic()
        with pytest.raises(ChainUnavailable, match="does not end"):
            node_at(port, timeout=0.2).head()
        assert time.monotonic() - begun < 3
