"""A whole chain inside this process: py-evm on eth-tester's development genesis. One thread, in memory, gone at exit.

Signed transactions go straight to the EVM: eth-tester's layers of request checking cost more than most transactions.
Each transaction gets a block of its own; one that would revert gets none: `send_raw` raises its `ContractRevert` and
the chain stays as it was. Block times follow the wall clock plus what `travel` added, and grow by at least one second
per block, so that a busy chain runs ahead of the wall.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Sequence
from typing import Any

from eth.db.accesslog import KeyAccessLoggerAtomicDB
from eth.exceptions import HeaderNotFound
from eth_tester import PyEVMBackend
from eth_utils.exceptions import ValidationError

from medfed.chain import rlp
from medfed.chain.calls import Call, Fees, Log, Receipt, checksum
from medfed.chain.client import BlockLike, ChainClient, missing_block, number_of
from medfed.chain.errors import RpcError
from medfed.chain.evm import CREATION, ReadState, raw_address, refusal, run_call
from medfed.errors import ConfigError, ContractRevert
from medfed.types import Address, BlockStamp

__all__ = ["EmbeddedChain"]

_TIP = 1_000_000_000


class EmbeddedChain(ChainClient):
    """A development chain that needs no other program. Use it from one thread only."""

    simulates = True
    label = "The embedded chain"

    def __init__(self, *, genesis_time: int | None = None) -> None:
        _require_coincurve()
        start = int(time.time()) if genesis_time is None else genesis_time
        # Random bytes tell this chain from another that was started in the same second.
        extra = secrets.token_bytes(16)
        parameters = PyEVMBackend.generate_genesis_params({"timestamp": start, "extra_data": extra})
        self._chain: Any = PyEVMBackend(genesis_parameters=parameters).chain
        self._offset = start - int(time.time())
        self._receipts: dict[bytes, Receipt] = {}
        self._logs: list[Log] = []
        self._head = _stamp(self._chain.get_canonical_head())
        self._genesis = self._head.hash
        self._reader: tuple[int, Any] | None = None

    # -- identity and blocks -------------------------------------------------------------------------------------

    @property
    def chain_id(self) -> int:
        return int(self._chain.chain_id)

    @property
    def genesis_hash(self) -> bytes:
        return self._genesis

    @property
    def is_development(self) -> bool:
        return True

    def head(self) -> BlockStamp:
        return self._head

    def block(self, number: int) -> BlockStamp:
        return _stamp(self._header(number))

    def finalized(self) -> BlockStamp:
        return self._head  # nothing can undo a block of this chain

    def final(self, confirmations: int | None = None) -> BlockStamp:  # noqa: ARG002 - every block is final
        return self._head

    # -- state ---------------------------------------------------------------------------------------------------

    def read(self, call: Call, *, sender: Address | None = None, block: BlockLike = None) -> bytes:
        return bytes(self._try(call, sender, block).output)

    def estimate(self, call: Call, sender: Address) -> int:
        self._try(call, sender, None)
        return self.gas_limit  # gas is free here, and a limit has to be enough, not close

    def code(self, address: Address, block: BlockLike = None) -> bytes:
        return bytes(self._state(block).get_code(raw_address(address)))

    def balance(self, address: Address, block: BlockLike = None) -> int:
        return int(self._state(block).get_balance(raw_address(address)))

    def nonce(self, address: Address) -> int:
        return int(self._state(None).get_nonce(raw_address(address)))

    def fees(self) -> Fees:
        return Fees(base=int(self._chain.header.base_fee_per_gas), tip=_TIP)

    # -- transactions --------------------------------------------------------------------------------------------

    def send_raw(self, raw: bytes, label: str = "") -> bytes:
        self._tick()
        transaction = self._chain.get_transaction_builder().decode(raw)
        tx_hash = bytes(transaction.hash)
        if tx_hash not in self._receipts:
            self._apply(transaction, label)
        return tx_hash

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        return self._receipts.get(tx_hash)

    def knows(self, tx_hash: bytes) -> bool:
        return tx_hash in self._receipts

    def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        wanted = {raw_address(address) for address in addresses}
        return [log for log in self._logs if first <= log.block <= last and log.address in wanted]

    def headers(self, numbers: Sequence[int]) -> list[bytes]:
        found = (self._header(number) for number in numbers)
        return [rlp.encode(type(header).serialize(header)) for header in found]

    def block_receipts(self, number: int) -> list[bytes]:
        self._header(number)
        block = self._chain.get_canonical_block_by_number(number)
        return [bytes(receipt.encode()) for receipt in block.get_receipts(self._chain.chaindb)]

    def witness(self, calls: Sequence[Call], accounts: Sequence[Address], block: BlockStamp) -> list[bytes]:
        seen = KeyAccessLoggerAtomicDB(self._chain.chaindb.db, log_missing_keys=False)
        vm = self._chain.get_vm(self._header(block.number))
        state = ReadState(seen, vm.state.execution_context, vm.state.state_root)
        for account in accounts:
            state.get_code(raw_address(account))
        for call in calls:
            with contextlib.suppress(ContractRevert):
                run_call(state, call, None, call.gas or self.gas_limit)
        return [bytes(seen[key]) for key in sorted(seen.keys_read)]

    # -- development ---------------------------------------------------------------------------------------------

    def mine(self, blocks: int = 1) -> BlockStamp:
        for _ in range(blocks):
            self._tick()
            self._mine()
        return self._head

    def travel(self, seconds: int) -> BlockStamp:
        self._offset = self._head.timestamp + seconds - int(time.time())
        return self.mine()

    def set_balance(self, address: Address, wei: int) -> None:
        vm = self._chain.get_vm(self._chain.header)
        vm.state.set_balance(raw_address(address), wei)
        vm.state.persist()
        self._chain.header = self._chain.header.copy(state_root=vm.state.state_root)
        self.mine()

    # -- the EVM -------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Set the time of the block to come."""
        self._chain.set_header_timestamp(max(self._head.timestamp + 1, int(time.time()) + self._offset))

    def _mine(self) -> Any:
        block = self._chain.mine_block(mix_hash=self._head.hash, blob_gas_used=0)
        self._head = _stamp(block.header)
        self._reader = None
        return block

    def _apply(self, transaction: Any, label: str) -> None:
        chain = self._chain
        vm = chain.get_vm(chain.header)
        block = vm.get_block()
        try:
            receipt, computation = vm.apply_transaction(block.header, transaction)
        except ValidationError as exc:
            raise RpcError(f"{self.label} refused: {exc}.", code=-32000, detail=_in_words(str(exc))) from exc
        if computation.is_error:
            raise refusal(computation, label)
        vm.state.persist()
        header = vm.add_receipt_to_header(block.header, receipt).copy(state_root=vm.state.state_root)
        chain.header = vm.set_block_transactions_and_withdrawals(
            block, header, (transaction,), (receipt,)
        ).header
        self._file(self._mine(), transaction, receipt, computation)

    def _file(self, block: Any, transaction: Any, receipt: Any, computation: Any) -> None:
        """Keep what `receipt` and `logs` answer from."""
        stamp, tx_hash = self._head, bytes(transaction.hash)
        logs = tuple(
            Log(
                bytes(log.address),
                tuple([topic.to_bytes(32, "big") for topic in log.topics]),
                bytes(log.data),
                stamp.number,
                stamp.hash,
                index,
                tx_hash,
                stamp.timestamp,
            )
            for index, log in enumerate(receipt.logs)
        )
        created = checksum(bytes(computation.msg.storage_address)) if transaction.to == CREATION else None
        price = block.header.base_fee_per_gas + min(_TIP, transaction.max_priority_fee_per_gas)
        self._receipts[tx_hash] = Receipt(
            tx_hash, stamp.number, stamp.hash, True, int(block.header.gas_used), price, created, logs
        )
        self._logs.extend(logs)

    def _try(self, call: Call, sender: Address | None, block: BlockLike) -> Any:
        """Run `call` on the state of `block` and forget what it changed."""
        return run_call(self._state(block), call, sender, call.gas or self.gas_limit)

    def _state(self, block: BlockLike) -> Any:
        """The state after `block`; that of the head is kept, its caches make the next read faster."""
        number = number_of(block)
        if number is None:
            number = self._head.number
        if self._reader is None or self._reader[0] != number:
            self._reader = (number, self._chain.get_vm(self._header(number)).state)
        return self._reader[1]

    def _header(self, number: int) -> Any:
        if number > self._head.number:
            raise missing_block(self.label, number)
        try:
            return self._chain.get_canonical_block_header_by_number(number)
        except HeaderNotFound as exc:
            raise missing_block(self.label, number) from exc


def _in_words(text: str) -> str:
    """py-evm's refusals in the words that nodes use."""
    if "nonce" in text.lower():
        return f"nonce too low: {text}"
    if "afford" in text.lower() or "balance" in text.lower():
        return f"insufficient funds: {text}"
    return text


def _require_coincurve() -> None:
    try:
        import coincurve  # noqa: F401 - eth-keys picks it up by itself
    except ImportError as exc:
        raise ConfigError(
            "The embedded chain needs the package coincurve, without which signatures are four times slower; "
            "install it with `pip install coincurve`."
        ) from exc


def _stamp(header: Any) -> BlockStamp:
    return BlockStamp(int(header.block_number), bytes(header.hash), int(header.timestamp))
