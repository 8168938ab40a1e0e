"""A chain in the process for contract tests: py-evm alone, one block per transaction, time moved by hand.

Snapshots cost nothing, as the state is a root hash in an append-only database. A transaction takes 8 ms.

    vault = evm.deploy("StakeVault", manager, owner)
    receipt = vault.deposit(token, 5, alice, sender=alice)      # sends
    assert receipt.named("Deposited") == [{"account": alice.address, "amount": 5}]
    assert vault.balanceOf(alice) == 5                          # a view: calls, returns the decoded value
    with evm.reverts("InsufficientBalance", alice.address, 6, 5):
        vault.withdraw(token, 6, sender=alice)
"""

from __future__ import annotations

import contextlib
import functools
from collections import namedtuple
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, is_dataclass
from typing import Any

from eth._utils.address import generate_contract_address
from eth.chains.base import MiningChain
from eth.constants import BLANK_ROOT_HASH, POST_MERGE_DIFFICULTY, POST_MERGE_MIX_HASH, POST_MERGE_NONCE
from eth.db import get_db_backend
from eth.vm.forks import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_abi import decode, encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys import keys
from eth_utils import keccak, to_canonical_address, to_checksum_address
from eth_utils.abi import collapse_if_tuple

from deploy.compile import artifact

__all__ = [
    "CHAIN_ID",
    "GENESIS_TIME",
    "Actor",
    "Contract",
    "Event",
    "Evm",
    "Receipt",
    "Revert",
    "decode_value",
]

CHAIN_ID = 31337
GENESIS_TIME = 1_800_000_000
GAS_LIMIT = 60_000_000
GAS = 16_777_216  # what one transaction may use since EIP-7825
ETHER = 10**18
NO_ONE = "0x" + "00" * 20

_BUILT_IN = (
    {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


class _Chain(MiningChain):
    chain_id = CHAIN_ID
    vm_configuration = ((0, PragueVM),)


@dataclass(frozen=True)
class Actor:
    """An account whose key the test holds; may stand wherever a contract takes an address."""

    address: str
    key: bytes

    def sign(self, typed_data: dict[str, Any]) -> bytes:
        """The 65-byte signature (r, s, v) of an EIP-712 message in its JSON form."""
        return bytes(Account.sign_message(encode_typed_data(full_message=typed_data), self.key).signature)

    def sign_digest(self, digest: bytes) -> bytes:
        """The 65-byte signature (r, s, v) of a 32-byte digest, v being 27 or 28."""
        signature = keys.PrivateKey(self.key).sign_msg_hash(digest)
        return signature.to_bytes()[:64] + bytes([27 + signature.v])


@dataclass(frozen=True)
class Event:
    """A decoded log: its name, its arguments by name and the contract that emitted it."""

    name: str
    args: dict[str, Any]
    address: str


@dataclass(frozen=True)
class Receipt:
    """What a transaction did.

    `gas_used` is that of the whole transaction, refunds taken off; `value` is what the function returned.
    """

    gas_used: int
    events: tuple[Event, ...]
    value: Any
    contract: str | None = None

    def named(self, name: str) -> list[dict[str, Any]]:
        """The arguments of each event of this name, in order."""
        return [event.args for event in self.events if event.name == name]


class Revert(Exception):
    """The EVM refused: `name` and `values` of the custom error, or raw `data` where nobody declares it."""

    def __init__(self, name: str, values: tuple[Any, ...], data: bytes) -> None:
        super().__init__(f"{name}{values}")
        self.name, self.values, self.data = name, values, data


class Contract:
    """A deployed contract: its functions are attributes. Views return values, others a transaction's `Receipt`.

    Keyword arguments: `sender` (an `Actor`, or any address or contract, which needs no key), `value` in wei, `gas`.
    An overloaded function is picked by its number of arguments or named as `contract["f(uint256)"]`.
    """

    def __init__(self, evm: Evm, name: str, address: str, abi: Sequence[dict[str, Any]]) -> None:
        self.evm, self.name, self.address, self.abi = evm, name, address, abi

    def __getattr__(self, name: str) -> Any:
        if not any(entry["type"] == "function" and entry["name"] == name for entry in self.abi):
            raise AttributeError(f"{self.name} has no function {name}")
        return functools.partial(self._run, name)

    def __getitem__(self, signature: str) -> Any:
        return functools.partial(self._run, signature)

    def __repr__(self) -> str:
        return f"{self.name}({self.address})"

    def encode(self, function: str, *args: Any) -> bytes:
        """The call data of a function."""
        return _encode_call(self._entry(function, len(args)), args)

    def view(self, function: str, *args: Any, **options: Any) -> Any:
        """The return value of any function, without keeping its effects."""
        entry = self._entry(function, len(args))
        return decode_value(
            entry["outputs"], self.evm.call(self.address, _encode_call(entry, args), **options)
        )

    def _run(self, function: str, *args: Any, **options: Any) -> Any:
        entry = self._entry(function, len(args))
        if entry["stateMutability"] in ("view", "pure"):
            return self.view(function, *args, **options)
        return self.evm.send(self.address, _encode_call(entry, args), outputs=entry["outputs"], **options)

    def _entry(self, function: str, count: int) -> dict[str, Any]:
        functions = [entry for entry in self.abi if entry["type"] == "function"]
        found = [entry for entry in functions if function in (entry["name"], _signature(entry))]
        fitting = [entry for entry in found if len(entry["inputs"]) == count]
        if len(fitting) != 1:
            raise TypeError(
                f"{self.name}.{function} with {count} arguments: {[_signature(entry) for entry in found]}"
            )
        return fitting[0]


class Evm:
    """One EVM whose `actors` 0..199 hold a thousand ether each; transactions are real and signed, one a block."""

    def __init__(self, actors: int = 200) -> None:
        pairs = [keys.PrivateKey(keccak(text=f"MedFed test actor {number}")) for number in range(actors)]
        self.actors = tuple(Actor(pair.public_key.to_checksum_address(), pair.to_bytes()) for pair in pairs)
        self._keys = {actor.address: pair for actor, pair in zip(self.actors, pairs, strict=True)}
        self._chain = _Chain.from_genesis(get_db_backend(), _genesis(), self._allocation())
        self._header = self._chain.get_block().header
        self._root = self._header.state_root
        self._number = 1
        self._reading: tuple[Any, Any] | None = None
        self.now = GENESIS_TIME
        self._errors: dict[bytes, dict[str, Any]] = {}
        self._events: dict[tuple[bytes, int], dict[str, Any]] = {}
        self._know(_BUILT_IN)

    def deploy(self, name: str, *args: Any, sender: Any = None, value: int = 0) -> Contract:
        """Deploy contract `name`, compiled from its present source (mocks too), with these arguments."""
        compiled = artifact(name)
        constructor = next(
            (entry for entry in compiled["abi"] if entry["type"] == "constructor"), {"inputs": []}
        )
        self._know(compiled["abi"])
        code = bytes.fromhex(compiled["bytecode"][2:]) + _encode_args(constructor["inputs"], args)
        receipt = self.send("", code, sender=sender, value=value)
        assert receipt.contract is not None
        return Contract(self, name, receipt.contract, compiled["abi"])

    def at(self, name: str, address: Any) -> Contract:
        """The contract `name` at an address where it already stands."""
        compiled = artifact(name)
        self._know(compiled["abi"])
        return Contract(self, name, _address(address), compiled["abi"])

    def next_address(self, sender: Any = None, ahead: int = 0) -> str:
        """Where `sender` will deploy next, `ahead` transactions later."""
        account = to_canonical_address(_address(sender or self.actors[0]))
        nonce = self._vm().state.get_nonce(account) + ahead
        return to_checksum_address(generate_contract_address(account, nonce))

    def send(
        self,
        to: Any,
        data: bytes = b"",
        *,
        sender: Any = None,
        value: int = 0,
        gas: int = GAS,
        outputs: Any = (),
    ) -> Receipt:
        """Send one transaction in a block of its own; raises `Revert` and keeps nothing when it fails."""
        vm, header = self._vm(), self._pending()
        transaction = self._transaction(vm, to, data, (sender or self.actors[0], value, gas))
        receipt, computation = vm.apply_transaction(header, transaction)
        if computation.is_error:
            raise self._revert(computation)
        vm.state.persist()
        self._root, self._number = vm.state.state_root, self._number + 1
        created = to_checksum_address(computation.msg.storage_address) if not to else None
        value_out = decode_value(outputs, computation.output) if outputs else None
        return Receipt(receipt.gas_used, tuple(map(self._event, receipt.logs)), value_out, created)

    def call(self, to: Any, data: bytes, *, sender: Any = None, value: int = 0, gas: int = GAS) -> bytes:
        """The raw return data of a call, whose effects are dropped; raises `Revert`."""
        vm = self._reading_vm()
        unsigned = self._unsigned(vm, to, data, (sender or self.actors[0], value, gas))
        transaction = SpoofTransaction(
            unsigned, from_=to_canonical_address(_address(sender or self.actors[0]))
        )
        before = vm.state.snapshot()
        computation = vm.state.apply_transaction(transaction)
        vm.state.revert(before)
        if computation.is_error:
            raise self._revert(computation)
        return bytes(computation.output)

    def travel(self, seconds: int) -> int:
        """Move the time of the following blocks; nothing else moves it. Returns the new time."""
        self.now += seconds
        return self.now

    def snapshot(self) -> tuple[bytes, int, int]:
        """A token for `restore`: state and time as they are now."""
        return self._root, self._number, self.now

    def restore(self, token: tuple[bytes, int, int]) -> None:
        """Go back to a snapshot, as often as wanted."""
        self._root, self._number, self.now = token

    @contextlib.contextmanager
    def reverts(self, name: str, *values: Any) -> Iterator[None]:
        """The block must end in the custom error `name`, with exactly these values where any are given."""
        before = self._root
        try:
            yield
        except Revert as revert:
            assert revert.name == name, f"reverted with {revert} instead of {name}{values}"
            assert not values or revert.values == tuple(map(_plain, values)), f"{revert} instead of {values}"
            assert self._root == before, (
                "a statement before the refused one changed the state; move it out of the block"
            )
        else:
            raise AssertionError(f"nothing reverted; expected {name}{values}")

    def balance(self, account: Any) -> int:
        """Wei of an account."""
        return int(self._vm().state.get_balance(to_canonical_address(_address(account))))

    def code(self, account: Any) -> bytes:
        """Deployed code of an account."""
        return bytes(self._vm().state.get_code(to_canonical_address(_address(account))))

    def storage(self, account: Any, slot: int) -> int:
        """One storage word."""
        return int(self._vm().state.get_storage(to_canonical_address(_address(account)), slot))

    def _allocation(self) -> dict[bytes, dict[str, Any]]:
        account = {"balance": 1000 * ETHER, "nonce": 0, "code": b"", "storage": {}}
        return {to_canonical_address(actor.address): dict(account) for actor in self.actors}

    def _pending(self) -> Any:
        """The header of the next block; without a base fee, so that balances in wei move by values only."""
        place = {"block_number": self._number, "timestamp": self.now, "state_root": self._root}
        return self._header.copy(**place, base_fee_per_gas=0)

    def _vm(self) -> Any:
        return self._chain.get_vm(self._pending())

    def _reading_vm(self) -> Any:
        """One for all calls at the same state and time, as what it has read of the state is read once."""
        at = (self._root, self._number, self.now)
        if self._reading is None or self._reading[0] != at:
            self._reading = at, self._vm()
        return self._reading[1]

    def _transaction(self, vm: Any, to: Any, data: bytes, terms: tuple[Any, int, int]) -> Any:
        """Signed by the sender; for one without a key, such as a contract wallet, by another in its name."""
        sender = _address(terms[0])
        unsigned = self._unsigned(vm, to, data, terms)
        if sender in self._keys:
            return unsigned.as_signed_transaction(self._keys[sender])
        signed = unsigned.as_signed_transaction(next(iter(self._keys.values())))
        return SpoofTransaction(signed, sender=to_canonical_address(sender))

    def _unsigned(self, vm: Any, to: Any, data: bytes, terms: tuple[Any, int, int]) -> Any:
        sender, value, gas = terms
        return vm.get_transaction_builder().new_unsigned_dynamic_fee_transaction(
            chain_id=CHAIN_ID,
            nonce=vm.state.get_nonce(to_canonical_address(_address(sender))),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=gas,
            to=to_canonical_address(_address(to)) if to else b"",
            value=value,
            data=data,
            access_list=(),
        )

    def _know(self, abi: Sequence[dict[str, Any]]) -> None:
        for entry in abi:
            if entry["type"] == "error":
                self._errors[keccak(text=_signature(entry))[:4]] = entry
            elif entry["type"] == "event":
                # ERC-20 and ERC-721 have the same Transfer, but for what is indexed.
                indexed = sum(part["indexed"] for part in entry["inputs"])
                self._events[keccak(text=_signature(entry)), indexed] = entry

    def _revert(self, computation: Any) -> Revert:
        data = bytes(computation.output)
        entry = self._errors.get(data[:4])
        if entry is None:
            return Revert(type(computation.error).__name__, (), data)
        return Revert(entry["name"], _values(entry["inputs"], data[4:]), data)

    def _event(self, log: Any) -> Event:
        address = to_checksum_address(log.address)
        topics = [topic.to_bytes(32, "big") for topic in log.topics]
        entry = self._events.get((topics[0], len(topics) - 1)) if topics else None
        if entry is None:
            return Event("?", {"topics": topics, "data": log.data}, address)
        return Event(entry["name"], _event_args(entry["inputs"], topics[1:], log.data), address)


def _genesis() -> dict[str, Any]:
    return {
        "coinbase": b"\0" * 20,
        "difficulty": POST_MERGE_DIFFICULTY,
        "extra_data": b"",
        "gas_limit": GAS_LIMIT,
        "mix_hash": POST_MERGE_MIX_HASH,
        "nonce": POST_MERGE_NONCE,
        "receipt_root": BLANK_ROOT_HASH,
        "timestamp": GENESIS_TIME - 1,
        "transaction_root": BLANK_ROOT_HASH,
    }


def _address(value: Any) -> str:
    return to_checksum_address(getattr(value, "address", value))


def _plain(value: Any) -> Any:
    """Actors and contracts as addresses, dataclasses and lists as tuples, all the way down."""
    if hasattr(value, "address"):
        return value.address
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(astuple(value))
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return value


def _types(inputs: Sequence[dict[str, Any]]) -> list[str]:
    return [collapse_if_tuple(entry) for entry in inputs]


def _signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


def _encode_args(inputs: Sequence[dict[str, Any]], args: Sequence[Any]) -> bytes:
    return encode(
        _types(inputs), [_shaped(entry, _plain(value)) for entry, value in zip(inputs, args, strict=True)]
    )


def _encode_call(entry: dict[str, Any], args: Sequence[Any]) -> bytes:
    return keccak(text=_signature(entry))[:4] + _encode_args(entry["inputs"], args)


def _shaped(entry: dict[str, Any], value: Any) -> Any:
    """A struct given as a dict, in the order of its fields."""
    if entry["type"].startswith("tuple["):
        item = {**entry, "type": "tuple"}
        return [_shaped(item, element) for element in value]
    if entry["type"] == "tuple":
        fields = [value[part["name"]] for part in entry["components"]] if isinstance(value, dict) else value
        return tuple(
            _shaped(part, _plain(field)) for part, field in zip(entry["components"], fields, strict=True)
        )
    return value


@functools.cache
def _struct(names: tuple[str, ...]) -> Any:
    return namedtuple("Struct", names, rename=True)


def _named(entry: dict[str, Any], value: Any) -> Any:
    """Decoded structs as named tuples, addresses in checksum form."""
    if entry["type"].endswith("]"):
        item = {**entry, "type": entry["type"][: entry["type"].rindex("[")]}
        return tuple(_named(item, element) for element in value)
    if entry["type"] == "tuple":
        parts = entry["components"]
        fields = [_named(part, element) for part, element in zip(parts, value, strict=True)]
        return _struct(tuple(part["name"] for part in parts))(*fields)
    return to_checksum_address(value) if entry["type"] == "address" else value


def _values(inputs: Sequence[dict[str, Any]], data: bytes) -> tuple[Any, ...]:
    return tuple(
        _named(entry, value) for entry, value in zip(inputs, decode(_types(inputs), data), strict=True)
    )


def decode_value(outputs: Sequence[dict[str, Any]], data: bytes) -> Any:
    """One return value bare, several as a named tuple, none as None."""
    values = _values(outputs, data)
    if len(values) < 2:
        return values[0] if values else None
    return _struct(tuple(entry["name"] for entry in outputs))(*values)


def _event_args(inputs: Sequence[dict[str, Any]], topics: list[bytes], data: bytes) -> dict[str, Any]:
    indexed = [entry for entry in inputs if entry["indexed"]]
    plain = [entry for entry in inputs if not entry["indexed"]]
    args = {entry["name"]: _topic(entry, topic) for entry, topic in zip(indexed, topics, strict=True)}
    args.update(zip((entry["name"] for entry in plain), _values(plain, data), strict=True))
    return {entry["name"]: args[entry["name"]] for entry in inputs}


def _topic(entry: dict[str, Any], topic: bytes) -> Any:
    """An indexed argument; of a string, bytes, array or struct only the hash is there."""
    hashed = entry["type"] in ("string", "bytes", "tuple") or entry["type"].endswith("]")
    return topic if hashed else _values([entry], topic)[0]
