"""Runs a call on a state of py-evm and forgets what it changed; and a state that is known by proofs alone.

A `ProvedState` needs no node: it is made of the trie nodes and the code that some calls touch, each found by its hash,
from the state root of a block header down. Whatever it answers is what the chain would, or it says that it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth.constants import ZERO_ADDRESS, ZERO_HASH32
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.exceptions import VMError
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague import PragueVM
from eth.vm.interrupt import EVMMissingData
from eth.vm.message import Message
from eth_typing import Address as RawAddress
from eth_typing import BlockNumber
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException
from trie.exceptions import InvalidNode, MissingTrieNode

from medfed.chain.calls import Call, checksum, create_address
from medfed.chain.errors import revert_from
from medfed.chain.sealed import Header
from medfed.errors import ContractRevert, NotProved
from medfed.types import Address

__all__ = ["CREATION", "ProvedState", "ReadState", "raw_address", "refusal", "run_call"]

CREATION = RawAddress(b"")
"""The target of a call that creates a contract."""

_GAS = 1 << 24
_NO_STATE = (
    EVMMissingData,
    MissingTrieNode,
    InvalidNode,
    ValidationError,
    RLPException,
    LookupError,
    TypeError,
    ValueError,
)
"""What py-evm raises where trie nodes are missing, and where what stands under their hashes is none: whoever invents a state
root may put anything under it."""


def run_call(state: Any, call: Call, sender: Address | None, gas: int) -> Any:
    """The computation of `call` with at most `gas`; the state is then as before. Raises `ContractRevert`."""
    message = _message(state, call, sender, gas)
    context = state.get_transaction_context_class()(gas_price=0, origin=message.sender)
    state.lock_changes()
    snapshot = state.snapshot()
    try:
        computation = _run(state, message, context)
    finally:
        state.revert(snapshot)
    if computation.is_error:
        raise refusal(computation, call.label)
    return computation


def refusal(computation: Any, label: str) -> ContractRevert:
    """The exception for a computation that failed."""
    output = bytes(computation.output)
    error: VMError = computation.error
    if output or type(error).__name__ == "Revert":
        return revert_from(output, label)
    return ContractRevert(f"{label or 'A contract'} failed in the EVM: {type(error).__name__}.", name="")


def raw_address(address: Address) -> RawAddress:
    """An address as py-evm takes it."""
    return RawAddress(bytes.fromhex(address[2:]))


_STATE: Any = PragueVM.get_state_class()


class ReadState(_STATE):  # type: ignore[misc]
    """A state to read from. py-evm's own puts system contracts into it first, which other chains may lack."""

    def set_system_contracts(self) -> None:
        """Nothing is put anywhere."""


class ProvedState:
    """The state after the block of `header`, as far as `known` (nodes of its tries, and codes, each by its keccak256)
    shows it."""

    def __init__(self, header: Header, chain_id: int, known: Mapping[bytes, bytes]) -> None:
        context = ExecutionContext(
            coinbase=ZERO_ADDRESS,
            timestamp=header.timestamp,
            block_number=BlockNumber(header.number),
            difficulty=0,
            mix_hash=ZERO_HASH32,
            gas_limit=_GAS,
            prev_hashes=(),
            chain_id=chain_id,
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )
        self._state = ReadState(AtomicDB(MemoryDB(dict(known))), context, header.state_root)

    def read(self, call: Call) -> bytes:
        """What `call` returns. Raises `ContractRevert`, and `NotProved` where a proof is missing."""
        try:
            return bytes(run_call(self._state, call, None, call.gas or _GAS).output)
        except _NO_STATE as exc:
            raise _unproved(f"what {call.label or 'a call'} reads") from exc

    def code(self, address: Address) -> bytes:
        """The code of a contract. Raises `NotProved` where a proof is missing."""
        try:
            return bytes(self._state.get_code(raw_address(address)))
        except _NO_STATE as exc:
            raise _unproved(f"the code at {address}") from exc


def _unproved(what: str) -> NotProved:
    return NotProved(
        f"The recording has no proof of {what}; check it with the version that made it, or export it anew."
    )


def _message(state: Any, call: Call, sender: Address | None, gas: int) -> Message:
    origin = ZERO_ADDRESS if sender is None else raw_address(sender)
    if call.to is not None:
        target = raw_address(call.to)
        return Message(gas, target, origin, call.value, call.data, state.get_code(target))
    place = create_address(checksum(origin), state.get_nonce(origin))
    return Message(gas, CREATION, origin, call.value, b"", call.data, create_address=raw_address(place))


def _run(state: Any, message: Message, context: Any) -> Any:
    if message.is_create:
        return state.computation_class.apply_create_message(state, message, context)
    return state.computation_class.apply_message(state, message, context)
