"""A chain behind a JSON-RPC address: Anvil, geth, or any node of a public network.

Connections are kept open. Proxies and a private certificate authority come from the usual environment variables
(HTTPS_PROXY, HTTP_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE) or the system's store. Every
request used here may be repeated without harm: a lost answer is asked for again, `attempts` times with growing pauses.
"""

from __future__ import annotations

import functools
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions

from medfed.chain.calls import Call, Fees, Log, Receipt, checksum, words_of
from medfed.chain.client import BlockLike, ChainClient, missing_block, number_of
from medfed.chain.errors import RangeRefused, RpcError, revert_from
from medfed.chain.sealed import END_OF_TIME, header_from_json, receipt_from_json
from medfed.errors import ChainUnavailable, ConfigError, ContractRevert, MedFedError
from medfed.protocol.canonical import parse_json
from medfed.types import Address, BlockStamp

__all__ = ["HttpChain", "new_pool"]

_RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_LIMIT_CODES = frozenset({-32005, -32016, -32614})
_LIMIT_WORDS = ("limit", "range", "too many", "more than", "response size", "timeout", "timed out")
_BUSY_WORDS = ("indexing is in progress", "rate limit", "too many requests")
_DEVELOPMENT_NODES = ("anvil/", "hardhat", "ethereumjs testrpc", "ganache")
_DEVELOPMENT_IDS = frozenset({1337, 31337})
_DEFAULT_TIP = 1_000_000_000
_PROOFS = 256
"""Storage slots in one request for proofs."""
_BATCH = 100
"""Requests in one exchange; public nodes take a hundred, many no more."""
_FARTHEST = 3_600
"""Seconds that geth --dev travels at once: some 20 ms each."""


_MOST_BYTES = 256 << 20
"""Of an answer, unpacked: a quarter of a million events, or all receipts of the largest blocks."""
_TIMES = 4
"""An answer that has begun is read for at most so many times as long as its beginning is waited for."""
_PIECE = 1 << 20
_MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer raises that has not the form that it should have."""

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def _understood(
    method: Callable[Concatenate[HttpChain, _Arguments], _Answer],
) -> Callable[Concatenate[HttpChain, _Arguments], _Answer]:
    """`method`, raising `ChainUnavailable` where the node's answer has not the form that it should have."""

    @functools.wraps(method)
    def asked(self: HttpChain, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        try:
            return method(self, *args, **kwargs)
        except _MISSHAPEN as exc:
            raise ChainUnavailable(
                f"{self.label} answered something that is no Ethereum JSON-RPC; ask another node."
            ) from exc

    return asked


class HttpChain(ChainClient):
    """JSON-RPC over HTTP. Safe to share between threads."""

    def __init__(self, url: str, *, timeout: float = 30.0, attempts: int = 6) -> None:
        self._url = url
        self._seconds = timeout
        self._timeout = urllib3.Timeout(connect=5.0, read=timeout)
        self._attempts = max(1, attempts)
        self._chain_id: int | None = None
        self._genesis: bytes | None = None
        self._node: str | None = None
        self._block_gas: int | None = None
        parts = urlsplit(url)
        self._headers = _headers(parts.username, parts.password)
        self._pool = new_pool(parts.scheme, parts.hostname or "")
        # Paths and user names of RPC addresses are often secret keys: people see host and port only.
        self.label = f"The RPC at {parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"

    # -- identity ------------------------------------------------------------------------------------------------

    @property
    @_understood
    def chain_id(self) -> int:
        if self._chain_id is None:
            self._chain_id = int(self.request("eth_chainId"), 16)
        return self._chain_id

    @property
    @_understood
    def genesis_hash(self) -> bytes:
        if self._genesis is None:
            self._genesis = self.block(0).hash
        return self._genesis

    @property
    @_understood
    def is_development(self) -> bool:
        if self._node is None:
            self._node = str(self.request("web3_clientVersion")).lower()
        return self._node.startswith(_DEVELOPMENT_NODES) or self.chain_id in _DEVELOPMENT_IDS

    # -- blocks --------------------------------------------------------------------------------------------------

    @_understood
    def head(self) -> BlockStamp:
        return _stamp(self.request("eth_getBlockByNumber", "latest", False))

    @_understood
    def block(self, number: int) -> BlockStamp:
        found = self.request("eth_getBlockByNumber", hex(number), False)
        if found is None:
            raise missing_block(self.label, number)
        return _stamp(found)

    @_understood
    def blocks(self, numbers: Sequence[int]) -> list[BlockStamp]:
        found = self.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        for number, item in zip(numbers, found, strict=True):
            if item is None:
                raise missing_block(self.label, number)
        return [_stamp(item) for item in found]

    @_understood
    def finalized(self) -> BlockStamp:
        try:
            found = self.request("eth_getBlockByNumber", "finalized", False)
        except RpcError:  # geth before its first finalized block says so by an error
            found = None
        return _stamp(found) if found else self.block(0)

    # -- state ---------------------------------------------------------------------------------------------------

    @_understood
    def read(self, call: Call, *, sender: Address | None = None, block: BlockLike = None) -> bytes:
        tag = _tag(block) if block is not None or sender is None else self._upcoming()
        answer: str = self.request("eth_call", _fields(call, sender), tag, label=call.label)
        return bytes.fromhex(answer[2:])

    @_understood
    def read_all(self, calls: Sequence[Call], *, block: BlockLike = None) -> list[bytes]:
        tag, answers = _tag(block), []
        for start in range(0, len(calls), _BATCH):
            part = [("eth_call", [_fields(call, None), tag]) for call in calls[start : start + _BATCH]]
            answers += self.batch(part)
        return [bytes.fromhex(answer[2:]) for answer in answers]

    @property
    @_understood
    def gas_limit(self) -> int:
        """A transaction may have no more than a block takes: geth --dev makes small ones."""
        if self._block_gas is None:
            self._block_gas = int(self.request("eth_getBlockByNumber", "latest", False)["gasLimit"], 16)
        return min(super().gas_limit, self._block_gas)

    @_understood
    def estimate(self, call: Call, sender: Address) -> int:
        answer: str = self.request(
            "eth_estimateGas", _fields(call, sender), self._upcoming(), label=call.label
        )
        return int(answer, 16)

    def _upcoming(self) -> str:
        """The state on which a call is tried before it is sent. geth --dev mines only what is sent, and its newest block
        keeps its old time: a deadline that has passed by the wall has passed in its pending block alone."""
        return "pending" if self.is_development and self._is_geth() else "latest"

    def _is_geth(self) -> bool:
        return self._node is not None and self._node.startswith("geth")

    @_understood
    def code(self, address: Address, block: BlockLike = None) -> bytes:
        return bytes.fromhex(self.request("eth_getCode", address, _tag(block))[2:])

    @_understood
    def balance(self, address: Address, block: BlockLike = None) -> int:
        return int(self.request("eth_getBalance", address, _tag(block)), 16)

    @_understood
    def nonce(self, address: Address) -> int:
        return int(self.request("eth_getTransactionCount", address, "latest"), 16)

    @_understood
    def fees(self) -> Fees:
        head = self.request("eth_getBlockByNumber", "latest", False)
        try:
            tip = int(self.request("eth_maxPriorityFeePerGas"), 16)
        except RpcError:
            tip = _DEFAULT_TIP
        return Fees(base=int(head.get("baseFeePerGas", "0x0"), 16), tip=tip)

    @_understood
    def outlook(self, address: Address) -> tuple[int, Fees]:
        wanted: list[tuple[str, list[Any]]] = [
            ("eth_getTransactionCount", [address, "latest"]),
            ("eth_getBlockByNumber", ["latest", False]),
            ("eth_maxPriorityFeePerGas", []),
        ]
        try:
            count, head, tip = self.batch(wanted)
        except RpcError:  # a node that suggests no tip
            return super().outlook(address)
        return int(count, 16), Fees(base=int(head.get("baseFeePerGas", "0x0"), 16), tip=int(tip, 16))

    # -- transactions --------------------------------------------------------------------------------------------

    @_understood
    def send_raw(self, raw: bytes, label: str = "") -> bytes:
        answer: str = self.request("eth_sendRawTransaction", "0x" + raw.hex(), label=label)
        return bytes.fromhex(answer[2:])

    @_understood
    def receipt(self, tx_hash: bytes) -> Receipt | None:
        found = self.request("eth_getTransactionReceipt", "0x" + tx_hash.hex())
        return None if found is None or found.get("blockNumber") is None else _receipt(found)

    @_understood
    def knows(self, tx_hash: bytes) -> bool:
        return self.request("eth_getTransactionByHash", "0x" + tx_hash.hex()) is not None

    @_understood
    def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        wanted = {"fromBlock": hex(first), "toBlock": hex(last), "address": list(addresses)}
        try:
            found = self.request("eth_getLogs", wanted)
        except (RpcError, _TooLong) as exc:
            if isinstance(exc, _TooLong) or _is_limit(exc):
                raise RangeRefused(f"{self.label} will not list blocks {first} to {last} at once.") from exc
            raise
        return [_log(item) for item in found]

    @_understood
    def headers(self, numbers: Sequence[int]) -> list[bytes]:
        found = []
        for start in range(0, len(numbers), _BATCH):
            part = numbers[start : start + _BATCH]
            asked = self.batch([("eth_getBlockByNumber", [hex(number), False]) for number in part])
            if None in asked:
                raise missing_block(self.label, part[asked.index(None)])
            found += [header_from_json(block) for block in asked]
        return found

    @_understood
    def block_receipts(self, number: int) -> list[bytes]:
        found = self.request("eth_getBlockReceipts", hex(number))
        if found is None:
            raise missing_block(self.label, number)
        return [receipt_from_json(receipt) for receipt in found]

    @_understood
    def witness(self, calls: Sequence[Call], accounts: Sequence[Address], block: BlockStamp) -> list[bytes]:
        slots: dict[str, set[str]] = {account.lower(): set() for account in accounts}
        for entry in self._touched(calls, hex(block.number)):
            slots.setdefault(entry["address"].lower(), set()).update(entry["storageKeys"])
        nodes: set[bytes] = set()
        for account, keys in slots.items():
            nodes.add(self.code(Address(account), block))
            wanted = sorted(keys)
            for start in range(0, max(1, len(wanted)), _PROOFS):
                part = wanted[start : start + _PROOFS]
                proof = self.request("eth_getProof", account, part, hex(block.number))
                shown = [proof["accountProof"], *(item["proof"] for item in proof["storageProof"])]
                nodes.update(bytes.fromhex(node[2:]) for path in shown for node in path)
        return sorted(nodes)

    def _touched(self, calls: Sequence[Call], tag: str) -> Iterable[dict[str, Any]]:
        """Accounts and storage slots that calls look at. Anvil tells none of a call that reverts."""
        asked = [("eth_createAccessList", [_fields(call, None), tag]) for call in calls]
        for start in range(0, len(asked), _BATCH):
            part = asked[start : start + _BATCH]
            try:
                answers = self.batch(part)
            except ContractRevert:
                answers = [
                    answer for method, params in part for answer in self._unless_reverted(method, params)
                ]
            for answer in answers:
                yield from answer["accessList"]

    def _unless_reverted(self, method: str, params: list[Any]) -> list[Any]:
        try:
            return [self.request(method, *params)]
        except ContractRevert:
            return []

    # -- development chains --------------------------------------------------------------------------------------

    def mine(self, blocks: int = 1) -> BlockStamp:
        if not self.is_development:
            return super().mine(blocks)
        if self._is_geth():
            for _ in range(blocks):
                self._spend(self._bank, 0)
            return self.head()
        self._once("evm_mine" if blocks == 1 else "anvil_mine", *([] if blocks == 1 else [hex(blocks)]))
        return self.head()

    def travel(self, seconds: int) -> BlockStamp:
        if not self.is_development:
            return super().travel(seconds)
        if self._is_geth():
            return self._travel_by_blocks(seconds)
        # Not evm_increaseTime: it counts from the wall clock, which blocks a second apart may have left behind.
        self._once("evm_setNextBlockTimestamp", self.head().timestamp + seconds)
        return self.mine()

    def set_balance(self, address: Address, wei: int) -> None:
        if not self.is_development:
            return super().set_balance(address, wei)
        if self._is_geth():
            return self._send_unlocked(address, wei)
        self.request("anvil_setBalance", address, hex(wei))
        return None

    def _send_unlocked(self, address: Address, wei: int) -> None:
        """What geth --dev has instead: one unlocked account with all the ether there is."""
        missing = wei - self.balance(address)
        if missing > 0:
            self._spend(address, missing)

    def _travel_by_blocks(self, seconds: int) -> BlockStamp:
        """geth --dev has no call that moves time, but each of its blocks is a second later than the one before."""
        if seconds > _FARTHEST:
            raise ConfigError(
                f"{self.label} is geth, whose time moves by a second a block: {seconds} s are too many, wait for them, "
                f"or travel by {_FARTHEST} s at a time."
            )
        head = self.head()
        end = head.timestamp + seconds
        while head.timestamp < end:
            head = self.mine()
        return head

    @cached_property
    def _bank(self) -> Address:
        return Address(self.request("eth_accounts")[0])

    def _spend(self, target: Address, wei: int) -> None:
        """By the unlocked account of geth --dev, in a block of its own."""
        sent = self._once("eth_sendTransaction", {"from": self._bank, "to": target, "value": hex(wei)})
        while self.receipt(bytes.fromhex(sent[2:])) is None:
            time.sleep(0.002)

    # -- transport -----------------------------------------------------------------------------------------------

    def request(self, method: str, *params: Any, label: str = "") -> Any:
        """The result of one JSON-RPC request, tried again while the transport fails.

        Raises `ChainUnavailable`, `RpcError` (the node's own refusal) or `ContractRevert`.
        """
        return _result(self.label, self._exchange(_body(0, method, params), self._attempts), label)

    def batch(self, calls: Iterable[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of many requests sent as one."""
        bodies = [_body(number, method, params) for number, (method, params) in enumerate(calls)]
        if not bodies:
            return []
        answers = self._exchange(bodies, self._attempts)
        if not isinstance(answers, list):
            return [self.request(body["method"], *body["params"]) for body in bodies]
        by_id = {answer["id"]: answer for answer in answers}
        return [_result(self.label, by_id.get(body["id"]), "") for body in bodies]

    def _once(self, method: str, *params: Any) -> Any:
        """For requests that must not be repeated when the answer is lost."""
        return _result(self.label, self._exchange(_body(0, method, params), 1), "")

    def _exchange(self, body: object, attempts: int) -> Any:
        for attempt in range(1, attempts + 1):
            try:
                return self._post(body)
            except _Lost as exc:
                if attempt == attempts:
                    raise ChainUnavailable(
                        f"{self.label} does not answer ({exc}); check the address, or wait."
                    ) from exc
                time.sleep(min(2.0, 0.02 * 2**attempt) * (0.5 + random.random() / 2))
        raise AssertionError("unreachable")

    def _post(self, body: object) -> Any:
        text = json.dumps(body)
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=text,
                headers=self._headers,
                timeout=self._timeout,
                retries=False,
                preload_content=False,
            )
            data = self._whole(answer)
        except exceptions.LocationValueError as exc:
            raise ChainUnavailable(f"{self.label} cannot be used; check the address.") from exc
        except exceptions.HTTPError as exc:
            raise _Lost(_reason(exc)) from exc
        if answer.status in _RETRIED_STATUS:
            raise _Lost(f"HTTP status {answer.status}")
        return self._parse(answer.status, data)

    def _whole(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """All bytes of an answer, unpacked, within bounds. The connection goes back, or is closed when it is not read to its end."""
        data, end = bytearray(), time.monotonic() + _TIMES * self._seconds
        try:
            while piece := answer.read1(_PIECE, decode_content=True):
                data += piece
                if len(data) > _MOST_BYTES:
                    raise _TooLong(
                        f"{self.label} answers with more than {_MOST_BYTES} bytes; ask another node."
                    )
                if time.monotonic() > end:
                    raise _Lost("an answer that does not end")
        except BaseException:
            answer.close()
            raise
        answer.release_conn()
        return bytes(data)

    def _parse(self, status: int, data: bytes) -> Any:
        try:
            parsed = parse_json(data)
        except ValueError as exc:
            raise _Lost(f"HTTP status {status} without JSON") from exc
        if not isinstance(parsed, (dict, list)):
            raise _Lost("an answer that is no JSON-RPC")
        if isinstance(parsed, dict) and _is_busy(parsed.get("error")):
            raise _Lost(words_of(str(parsed["error"]["message"])))
        return parsed

    def close(self) -> None:
        self._pool.clear()


class _TooLong(ChainUnavailable):
    """An answer that is longer than any that is needed."""


class _Lost(MedFedError):
    """An exchange that may be repeated; never leaves this module."""


def _headers(user: str | None, password: str | None) -> dict[str, str]:
    plain = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    if user is None:
        return plain
    return plain | urllib3.make_headers(basic_auth=f"{unquote(user)}:{unquote(password or '')}")


def new_pool(scheme: str, host: str) -> urllib3.PoolManager:
    """Connections by the environment's proxy and certificate settings, read once."""
    named = (os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"))
    bundle = next((path for path in named if path), None)
    proxy = None if proxy_bypass(host) else getproxies().get(scheme)
    if proxy is None:
        return urllib3.PoolManager(maxsize=8, ca_certs=bundle)
    return urllib3.ProxyManager(proxy, maxsize=8, ca_certs=bundle)


def _reason(exc: exceptions.HTTPError) -> str:
    if isinstance(exc, exceptions.SSLError):
        return "its TLS certificate is not trusted"
    if isinstance(exc, exceptions.ProxyError):
        return "the proxy refuses"
    return "no answer in time" if isinstance(exc, exceptions.TimeoutError) else "no connection"


def _body(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _result(who: str, answer: Any, label: str) -> Any:
    if isinstance(answer, dict) and "result" in answer:
        return answer["result"]
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        raise ChainUnavailable(f"{who} answered something that is no JSON-RPC; check the address.")
    code, detail = int(error.get("code", 0)), str(error.get("message", ""))
    if code == 3 or "revert" in detail.lower():
        raise revert_from(_revert_data(error.get("data")), label)
    raise RpcError(f"{who} refused: {words_of(detail)} (code {code}).", code=code, detail=detail)


def _revert_data(data: Any) -> bytes:
    """Nodes give the revert data as hex text, or within an object."""
    if isinstance(data, dict):
        data = data.get("data", data.get("result"))
    if not isinstance(data, str) or not data.startswith("0x"):
        return b""
    return bytes.fromhex(data[2:])


def _is_busy(error: Any) -> bool:
    """Whether the node says that it will know soon. It must not be taken for a node that does not know."""
    return isinstance(error, dict) and any(word in str(error.get("message")).lower() for word in _BUSY_WORDS)


def _is_limit(exc: RpcError) -> bool:
    return exc.code in _LIMIT_CODES or any(word in exc.detail.lower() for word in _LIMIT_WORDS)


def _tag(block: BlockLike) -> str:
    number = number_of(block)
    return "latest" if number is None else hex(number)


def _fields(call: Call, sender: Address | None) -> dict[str, str]:
    fields = {"data": "0x" + call.data.hex()}
    if call.to is not None:
        fields["to"] = call.to
    if sender is not None:
        fields["from"] = sender
    if call.value:
        fields["value"] = hex(call.value)
    if call.gas is not None:
        fields["gas"] = hex(call.gas)
    return fields


def _stamp(block: dict[str, Any]) -> BlockStamp:
    return BlockStamp(_count(block["number"]), bytes.fromhex(block["hash"][2:]), _second(block["timestamp"]))


def _count(text: str) -> int:
    """A number of blocks, events or seconds, which an index can keep."""
    number = int(text, 16)
    if not 0 <= number < 1 << 63:
        raise ValueError(f"{number} is no place on a chain")
    return number


def _second(text: str) -> int:
    """A time that a calendar reaches."""
    if (second := _count(text)) >= END_OF_TIME:
        raise ValueError(f"{second} is no second of any block")
    return second


def _log(item: dict[str, Any]) -> Log:
    time_text = item.get("blockTimestamp")
    return Log(
        bytes.fromhex(item["address"][2:]),
        tuple([bytes.fromhex(topic[2:]) for topic in item["topics"]]),
        bytes.fromhex(item["data"][2:]),
        _count(item["blockNumber"]),
        bytes.fromhex(item["blockHash"][2:]),
        _count(item["logIndex"]),
        bytes.fromhex(item["transactionHash"][2:]),
        _second(time_text) if time_text else None,
    )


def _receipt(found: dict[str, Any]) -> Receipt:
    created = found.get("contractAddress")
    return Receipt(
        tx_hash=bytes.fromhex(found["transactionHash"][2:]),
        block=_count(found["blockNumber"]),
        block_hash=bytes.fromhex(found["blockHash"][2:]),
        ok=int(found["status"], 16) == 1,
        gas_used=int(found["gasUsed"], 16),
        gas_price=int(found.get("effectiveGasPrice", "0x0"), 16),
        contract=checksum(created) if created else None,
        logs=tuple(_log(item) for item in found["logs"]),
    )
