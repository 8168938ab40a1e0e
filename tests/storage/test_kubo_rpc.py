"""The way to a daemon: what is wrong with it, or between here and there, is one sentence; no answer is unbounded."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from ipfshttpclient import exceptions as foreign

from medfed.errors import ConfigError, ContentMissing, IntegrityError, MedFedError, StoreUnavailable
from medfed.storage import open_store
from medfed.storage.kubo import KuboStore
from medfed.storage.kubo_rpc import KuboRefusal, KuboRpc, rpc_address
from tests.rig.anvil import free_port
from tests.rig.certificates import authority
from tests.storage.behaviour import ABSENT
from tests.storage.replay import exchange, serving

BASE = "/api/v0"


def version(text: str) -> bytes:
    return json.dumps({"Version": text}).encode()


def daemon(text: str = "0.40.1", port: int = 0, **answers):
    """Answers `version` with `text`, everything else with `answers` by command, `_` for `/`: (status, body)."""

    def answer(path, upload):
        command = path.split("?")[0].removeprefix(f"{BASE}/").replace("/", "_")
        known = {"version": (200, version(text)), "swarm_peers": (200, b'{"Peers":null}'), **answers}
        status, body = known.get(command, (404, b"404 page not found"))
        kind = "application/json" if body[:1] in b"{[" else "text/plain"
        return exchange(path, body, status=status, **{"Content-Type": kind})

    return serving(answer, port=port)


def refusal(words: str, status: int = 500):
    return status, json.dumps({"Message": words, "Code": 0, "Type": "error"}).encode()


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("http://127.0.0.1:5001", "/dns/127.0.0.1/tcp/5001/http"),
            ("http://127.0.0.1:5001/", "/dns/127.0.0.1/tcp/5001/http"),
            ("https://kubo.hospital.example", "/dns/kubo.hospital.example/tcp/443/https"),
            ("http://kubo", "/dns/kubo/tcp/80/http"),
            ("http://[::1]:5001", "/dns/::1/tcp/5001/http"),
        ],
    )
    def test_a_url__becomes_what_the_library_wants(self, url, address):
        assert rpc_address(url) == address

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "localhost:5001",
            "ftp://127.0.0.1",
            "/ip4/127.0.0.1/tcp/5001",
            "http://",
            "http://host:port",
            "http://host:99999",
            "http://[::1",
            "http://host/api/v0",
            "http://host?x=1",
        ],
    )
    def test_anything_else__is_told(self, url):
        with pytest.raises(ConfigError, match="is no address of a Kubo daemon; give http://host:port"):
            KuboStore(url)

    def test_a_password__is_not_taken_and_not_repeated(self):
        with pytest.raises(ConfigError, match="holds a password") as caught:
            open_store("kubo:http://user:open-sesame@kubo:5001")
        assert "sesame" not in str(caught.value)

    def test_settings__open_either_kind(self, tmp_path):
        assert isinstance(open_store("kubo:http://127.0.0.1:5001"), KuboStore)
        open_store(f"local:{tmp_path / 'store'}").put(b"file")
        for address in ("", "local:", "kubo:", "s3:bucket", "store"):
            with pytest.raises(ConfigError, match="has to be local:DIRECTORY or kubo:URL"):
                open_store(address)


class TestVersion:
    @pytest.mark.parametrize("text", ["0.30.0", "0.44.0-dev", "0.44.9", "0.37.1"])
    def test_within_the_tested_range__is_taken(self, text):
        with daemon(text) as url:
            assert KuboStore(url).version() == text

    @pytest.mark.parametrize("text", ["0.29.9", "0.45.0", "1.0.0", "0", "", "later"])
    def test_outside_of_it__is_refused_every_time(self, text):
        """Asking again does not get around the check."""
        with daemon(text, pin_ls=(200, b"")) as url:
            store = KuboStore(url)
            for _ in range(2):
                with pytest.raises(
                    ConfigError, match=f"has version {text}; MedFed is tested with 0.30 to 0.44"
                ):
                    store.pins()

    def test_a_daemon_that_comes_later__is_checked_then(self):
        port = free_port()
        store = KuboStore(f"http://127.0.0.1:{port}")
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.pins()
        with daemon("0.12.0", port=port), pytest.raises(ConfigError, match=r"has version 0\.12\.0"):
            store.pins()

    @pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"", b"null", b"\xff\xfe", b'"0.40.0"'])
    def test_something_else_at_the_address__is_told(self, body):
        with (
            serving(lambda path, upload: exchange(path, body)) as url,
            pytest.raises(StoreUnavailable, match="is no Kubo daemon; correct the store setting"),
        ):
            KuboStore(url).version()


class TestFailures:
    """Each failure is a sentence of ours, with the file's name where it is about one."""

    def test_no_daemon(self):
        url = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(
            StoreUnavailable, match=f"{url} cannot be reached; start it or correct the store setting"
        ):
            KuboStore(url).pins()

    def test_no_such_host(self):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            KuboStore("http://kubo.invalid:5001").pins()

    @pytest.mark.parametrize("status", [403, 404, 405, 502])
    def test_closed_or_no_daemon(self, status):
        with (
            daemon(pin_ls=(status, b"go away")) as url,
            pytest.raises(StoreUnavailable, match=f"no Kubo daemon or is closed to us: .*{status}"),
        ):
            KuboStore(url).pins()

    def test_a_refusal__is_in_the_daemons_words(self):
        with (
            daemon(pin_ls=refusal("the disk is on fire")) as url,
            pytest.raises(KuboRefusal, match=r"refused: the disk is on fire\.$") as caught,
        ):
            KuboStore(url).pins()
        assert caught.value.reason == "the disk is on fire"

    def test_a_refusal_of_a_file__names_it(self):
        with (
            daemon(block_get=refusal("the disk is on fire")) as url,
            pytest.raises(StoreUnavailable, match=f"refused {ABSENT}: the disk is on fire"),
        ):
            KuboStore(url).get(ABSENT, 10)

    @pytest.mark.parametrize(
        "words",
        [
            f"block was not found locally (offline): ipld: could not find {ABSENT}",
            f"ipld: could not find {ABSENT}",
            "context deadline exceeded",
            "pin: context deadline exceeded",
        ],
    )
    def test_the_words_for_missing(self, words):
        with daemon(block_get=refusal(words)) as url, pytest.raises(ContentMissing, match=ABSENT):
            KuboStore(url).get(ABSENT, 10)

    def test_unpin__of_what_is_not_pinned__is_no_failure(self):
        with daemon(pin_rm=refusal("not pinned or pinned indirectly")) as url:
            KuboStore(url).unpin(ABSENT)
        with (
            daemon(pin_rm=refusal("pin: lock is held")) as url,
            pytest.raises(StoreUnavailable, match="lock is held"),
        ):
            KuboStore(url).unpin(ABSENT)

    def test_an_offline_daemon__has_nobody_to_ask(self):
        """`ipfs daemon --offline` refuses to list its neighbours."""
        missing = refusal("ipld: could not find it")
        offline = refusal("this command must be run in online mode. Try running 'ipfs daemon' first")
        with daemon(block_get=missing, swarm_peers=offline) as url, pytest.raises(ContentMissing):
            KuboStore(url).get(ABSENT, 10)

    def test_every_failure_of_the_library__has_a_meaning(self):
        """Each class it can raise becomes an error of ours with a sentence; new ones of a new version too."""
        rpc = KuboRpc("http://127.0.0.1:1", 1)
        known = [
            each
            for each in vars(foreign).values()
            if isinstance(each, type) and issubclass(each, foreign.Error)
        ]
        assert len(known) >= 13
        for kind in known:
            error = kind.__new__(kind)
            Exception.__init__(error, "why")
            for cid in (None, ABSENT):
                found = rpc._error(error, cid)
                assert isinstance(found, MedFedError), kind
                assert str(found).endswith("."), kind


@contextlib.contextmanager
def talking(reply) -> Iterator[str]:
    """A server that answers `version` as it should, and any other request by handing its socket to `reply`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    asked = connection.recv(65536)
                    if f"{BASE}/version".encode() in asked:
                        body = version("0.40.0")
                        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
                        connection.sendall(head.encode() + body)
                    else:
                        reply(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def hung_up(connection):
    """Wait until the other side gives up."""
    connection.settimeout(20)
    assert connection.recv(1) == b""


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class TestAnswers:
    """What comes back is bounded in time and size before it is used."""

    @pytest.mark.parametrize(
        "beginning",
        [CHUNKED + b"100\r\nonly this", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nonly this"],
        ids=["chunked", "with a length"],
    )
    def test_one_that_breaks_off__names_the_file(self, beginning):
        with (
            talking(lambda connection: connection.sendall(beginning)) as url,
            pytest.raises(StoreUnavailable, match=f"for {ABSENT} broke off"),
        ):
            KuboStore(url).get(ABSENT, 1000)

    def test_one_that_never_begins__is_given_up(self):
        with (
            talking(hung_up) as url,
            pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s"),
        ):
            KuboStore(url, timeout=0.3).get(ABSENT, 1000)

    def test_one_that_stops__is_given_up(self):
        def reply(connection):
            connection.sendall(CHUNKED + b"100\r\nonly this")
            hung_up(connection)

        with talking(reply) as url, pytest.raises(StoreUnavailable, match=f"for {ABSENT} broke off"):
            KuboStore(url, timeout=0.3).get(ABSENT, 1000)

    @pytest.mark.parametrize(
        "head",
        [CHUNKED + b"40000000\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"],
        ids=["one chunk of a gibibyte", "a length of a gibibyte"],
    )
    def test_one_that_is_too_long__is_not_read(self, head):
        """Two mebibytes of it are enough to know; it is not held in memory first."""
        sent = []

        def reply(connection):
            connection.sendall(head)
            for _ in range(1024):
                connection.sendall(bytes(1 << 20))
                sent.append(1)

        with talking(reply) as url:
            store = KuboStore(url)
            store.version()
            tracemalloc.start()
            try:
                with pytest.raises(IntegrityError, match=f"{ABSENT} is refused: its answer is longer"):
                    store.get(ABSENT, 1 << 30)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 16 << 20
        assert len(sent) < 64

    def test_an_error_that_is_too_long__is_cut(self):
        def reply(connection):
            connection.sendall(
                b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n\r\n" + b'{"Message":"'
            )
            for _ in range(1024):
                connection.sendall(b"a" * (1 << 20))

        with talking(reply) as url:
            store = KuboStore(url)
            store.version()
            tracemalloc.start()
            try:
                with pytest.raises(StoreUnavailable):
                    store.get(ABSENT, 1 << 30)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 16 << 20


class TestEnvironment:
    """Proxies and a private authority are those of the environment, as for any program that uses `requests`."""

    @pytest.fixture(autouse=True)
    def bare(self, monkeypatch):
        for name in (
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
        ):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)

    def test_a_proxy__is_used(self, monkeypatch):
        """A host that only the proxy knows can be reached through it."""
        with daemon("0.41.0") as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy)
            assert KuboStore("http://kubo.hospital.invalid:5001").version() == "0.41.0"

    def test_no_proxy__is_honoured(self, monkeypatch):
        with daemon("0.42.0") as url:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
            with pytest.raises(StoreUnavailable, match=r"the proxy does not let it through; .*NO_PROXY"):
                KuboStore(url).version()
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            assert KuboStore(url).version() == "0.42.0"

    def test_a_private_authority__is_trusted_when_named(self, monkeypatch, tmp_path):
        """The certificate counts only for the authority that REQUESTS_CA_BUNDLE names."""
        ours, other = authority(tmp_path / "ours"), authority(tmp_path / "other")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*ours.certificate("127.0.0.1"))

        def answer(path, upload):
            return exchange(path, version("0.43.0"))

        with serving(answer, context) as url:
            for bundle in (None, other.file):
                if bundle:
                    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
                with pytest.raises(StoreUnavailable, match=r"not trusted here; .*REQUESTS_CA_BUNDLE"):
                    KuboStore(url).version()
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours.file))
            assert KuboStore(url).version() == "0.43.0"
