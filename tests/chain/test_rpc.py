"""The way to the node: proxies, private certificate authorities, batches, and what nodes answer."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import ssl
import subprocess
import time
import urllib.request
from http.server import BaseHTTPRequestHandler

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from medfed.chain.client import connect
from medfed.chain.errors import RangeRefused, RpcError
from medfed.chain.rpc import HttpChain
from medfed.chain.sender import Sender
from medfed.errors import ChainUnavailable, ConfigError, ContractRevert
from tests.chain.conftest import funded
from tests.rig import server
from tests.rig.anvil import free_port


@contextlib.contextmanager
def serving(answer, context=None):
    """A local HTTP server that answers each POST with `answer(handler, body)`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            out = answer(self, body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, *_: object) -> None:
            pass

    with server.serving(Handler, context) as port:
        yield port


def reply(**content):
    return lambda handler, body: json.dumps(
        {"jsonrpc": "2.0", "id": json.loads(body)["id"], **content}
    ).encode()


def certificate(folder):
    """A private authority and a certificate by it for the loopback address; returns the server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


@pytest.fixture
def plain_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


class TestEnvironment:
    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_private_authority(self, plain_environment, tmp_path, name):
        """A node behind a hospital's own certificate authority is reached when that is named, and only then."""
        with serving(reply(result="0x7a69"), certificate(tmp_path)) as port:
            url = f"https://localhost:{port}"
            with pytest.raises(ChainUnavailable, match="certificate is not trusted"):
                assert connect(url, attempts=1).chain_id
            plain_environment.setenv(name, str(tmp_path / "ca.pem"))
            assert connect(url, attempts=1).chain_id == 31337

    def test_proxy(self, plain_environment):
        """With a proxy named, the request goes to it, with the node's address in full."""
        asked = []

        def answer(handler, body):
            asked.append(handler.path)
            return reply(result="0x1")(handler, body)

        with serving(answer) as port:
            plain_environment.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
            assert connect("http://node.example:8545/rpc", attempts=1).chain_id == 1
        assert asked == ["http://node.example:8545/rpc"]

    def test_no_proxy(self, plain_environment):
        """Hosts that are excepted are asked directly."""
        with serving(reply(result="0x1")) as port:
            plain_environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
            plain_environment.setenv("NO_PROXY", "127.0.0.1")
            assert connect(f"http://127.0.0.1:{port}", attempts=1).chain_id == 1

    def test_user_and_password(self, plain_environment):
        """Access data in the address become a header."""
        seen = []

        def answer(handler, body):
            seen.append(handler.headers["Authorization"])
            return reply(result="0x1")(handler, body)

        with serving(answer) as port:
            assert connect(f"http://me:pass%20word@127.0.0.1:{port}", attempts=1).chain_id == 1
        assert seen == ["Basic bWU6cGFzcyB3b3Jk"]


class TestAnswers:
    @pytest.mark.parametrize(
        "error",
        [
            {"code": -32005, "message": "query returned more than 10000 results"},
            {"code": -32602, "message": "block range is too large"},
            {"code": -32000, "message": "request timed out"},
        ],
    )
    def test_refused_ranges(self, plain_environment, error):
        """The words in which nodes refuse large ranges are understood, so that the index asks for less."""
        with serving(reply(error=error)) as port, pytest.raises(RangeRefused):
            connect(f"http://127.0.0.1:{port}", attempts=1).logs(0, 10, [])

    def test_other_errors_carry_the_nodes_words(self, plain_environment):
        """What the node says is kept, with its code."""
        with serving(reply(error={"code": -32601, "message": "no such method"})) as port:
            with pytest.raises(RpcError, match="refused: no such method") as caught:
                connect(f"http://127.0.0.1:{port}", attempts=1).head()
            assert (caught.value.code, caught.value.detail) == (-32601, "no such method")

    @pytest.mark.parametrize("data", ["0x", None, {"data": "0x"}])
    def test_reverts_without_data(self, plain_environment, data):
        """A revert without a reason is still a revert."""
        error = {"code": 3, "message": "execution reverted", "data": data}
        with (
            serving(reply(error=error)) as port,
            pytest.raises(ContractRevert, match="refused without a reason"),
        ):
            connect(f"http://127.0.0.1:{port}", attempts=1).call("0x" + "00" * 20, b"")

    @pytest.mark.parametrize("text", [b"5", b'"x"', b"{}", b'{"id": 0}', b"[]"])
    def test_no_json_rpc(self, plain_environment, text):
        """Something that answers, and is no node, is named as such."""
        with (
            serving(lambda handler, body: text) as port,
            pytest.raises(ChainUnavailable, match="check the address"),
        ):
            connect(f"http://127.0.0.1:{port}", attempts=1).head()

    def test_a_node_that_will_know_soon(self, plain_environment):
        """A node that is still filing its transactions is asked again; its word is no \"not found\"."""
        answers = iter(
            [
                {"error": {"code": -32000, "message": "transaction indexing is in progress"}},
                {"result": None},
            ]
        )

        def answer(handler, body):
            return reply(**next(answers))(handler, body)

        with serving(answer) as port:
            assert connect(f"http://127.0.0.1:{port}", attempts=2).receipt(bytes(32)) is None
        assert next(answers, None) is None

    def test_a_node_without_batches(self, plain_environment, anvil):
        """A node that answers batches with an error is asked one by one."""

        def answer(handler, body):
            if isinstance(json.loads(body), list):
                return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}'
            request = urllib.request.Request(anvil.url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.read()

        with serving(answer) as port:
            client = connect(f"http://127.0.0.1:{port}", attempts=1)
            assert isinstance(client, HttpChain)
            head = client.head()
            assert client.blocks([0, head.number])[1] == head

    def test_a_slow_node(self, plain_environment):
        """A node that takes longer than the time limit is given up, with the reason."""
        slow = serving(lambda handler, body: time.sleep(1) or b"{}")
        with slow as port, pytest.raises(ChainUnavailable, match="no answer in time"):
            connect(f"http://127.0.0.1:{port}", attempts=1, timeout=0.2).head()

    def test_a_public_chain_is_not_moved(self, plain_environment):
        """Time and blocks of a chain that is not for development are never touched."""

        def answer(handler, body):
            method = json.loads(body)["method"]
            results = {"web3_clientVersion": "Geth/v1.17", "eth_chainId": "0x1"}
            return reply(result=results[method])(handler, body)

        with serving(answer) as port:
            client = connect(f"http://127.0.0.1:{port}", attempts=1)
            assert not client.is_development
            for refused in (client.mine, lambda: client.travel(5), lambda: client.set_balance("0x", 1)):
                with pytest.raises(ConfigError, match="not a development chain"):
                    refused()


@pytest.mark.skipif(shutil.which("geth") is None, reason="the program `geth` is not on PATH")
def test_geth(fresh_beacon, tmp_path):
    """geth's development chain: deploy, send, read, refuse, index, as on the others."""
    from medfed.chain.index import EventIndex

    port = free_port()
    options = [
        "--dev",
        "--http",
        "--http.port",
        str(port),
        "--datadir",
        str(tmp_path / "geth"),
        "--ipcdisable",
    ]
    options += ["--port", "0", "--nodiscover", "--authrpc.port", str(free_port()), "--verbosity", "1"]
    with subprocess.Popen(["geth", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as node:
        try:
            client = connect(f"http://127.0.0.1:{port}", attempts=12)
            sender = Sender(client, funded(client, 10), tmp_path)
            born = sender.send(fresh_beacon.create())
            fresh_beacon.address = born.contract
            sender.send(fresh_beacon.call("add", 4))
            assert fresh_beacon.count(client) == 4
            with pytest.raises(ContractRevert, match="does not know"):
                sender.send(fresh_beacon.call("add", 101))
            sender.send(fresh_beacon.call("attest", 1, 1, 3))
            index = EventIndex(None, client, [fresh_beacon.source(born.block)], confirmations=0)
            index.sync()
            assert len(index.events("Attested")) == 3
            assert client.is_development
            before = client.head()
            assert client.travel(30).timestamp >= before.timestamp + 30
            assert client.mine(2).number >= before.number + 32
            with pytest.raises(ConfigError, match="a second a block"):
                client.travel(86_400)
            client.close()
        finally:
            node.terminate()
