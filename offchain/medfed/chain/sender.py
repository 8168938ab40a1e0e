"""Sends transactions so that each intended state change reaches the chain once, whatever breaks in between.

The life of one call:
1. Take the key's lock; bring what an earlier run left open to its end (found, handed in again, or replaced).
2. If that was this very call, its receipt is the answer: nothing is sent a second time.
3. Try the call against the newest state, so that a revert costs nothing and comes with its reason.
4. Choose nonce and fees, sign, and write the signed bytes to the journal.
5. Hand them in and wait; while they wait too long, sign the same nonce again with a higher fee.

A kill between any two steps leaves a journal from which the next `send` or `recover` goes on: signed bytes are handed
in again, and a nonce can be mined once only.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

from medfed.chain.calls import Call, Fees, Receipt, Transaction
from medfed.chain.client import ChainClient
from medfed.chain.errors import RpcError
from medfed.chain.journal import Entry, Intent, Journal, Signed
from medfed.chain.keys import Account
from medfed.errors import ContractRevert, OutOfFunds, TransactionStuck
from medfed.types import Address

__all__ = ["FeePolicy", "Sender"]

# What nodes (geth, Anvil, Nethermind, Besu, Erigon, Reth) answer to one that they have, or whose nonce is used.
_HARMLESS = (
    "already known",
    "already imported",
    "known transaction",
    "already in mempool",
    "nonce too low",
    "nonce is too low",
)
# What they answer when they will never take it as it is.
_HOPELESS = (
    "underpriced",
    "intrinsic gas",
    "exceeds block gas limit",
    "gas limit too high",
    "exceeds the configured cap",
)
_NO_FUNDS = ("insufficient funds", "insufficient balance", "lack of funds")
_DISPLACED_AFTER = 3.0  # seconds for a node to file the receipt of a transaction whose nonce counts already
_HAND_IN_EVERY = 12.0  # seconds: a node may forget what waits


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """How much to pay, and how long to wait. Times in seconds, `max_fee_cap` in wei per gas (None: no cap).

    After `stuck_after` without a receipt the fee grows by a quarter; after `give_up_after` the caller gets
    `TransactionStuck`, and the next `send` goes on waiting for the same transaction. The gas limit is the estimate and
    `gas_margin_percent` of it, or `least_gas_margin`, whichever is more.
    """

    max_fee_cap: int | None = None
    stuck_after: float = 45.0
    give_up_after: float = 300.0
    poll: float = 0.5
    gas_margin_percent: int = 25
    least_gas_margin: int = 25_000

    def first(self, fees: Fees) -> tuple[int, int]:
        """(max fee, tip) for a first try: twice the base fee leaves room for five full blocks in a row."""
        wanted, least = 2 * fees.base + fees.tip, fees.base + fees.tip
        if self.max_fee_cap is None or wanted <= self.max_fee_cap:
            return wanted, fees.tip
        if least > self.max_fee_cap:
            raise TransactionStuck(
                f"The chain asks for {least} wei per gas and the settings allow {self.max_fee_cap}; "
                "wait for quieter times or raise the cap."
            )
        return self.max_fee_cap, fees.tip

    def bumped(self, old: Signed, fees: Fees) -> tuple[int, int] | None:
        """(max fee, tip) for a replacement, None when the cap forbids one. Nodes ask for at least a tenth more."""
        max_fee = max(old.max_fee * 5 // 4 + 1, 2 * fees.base + fees.tip)
        tip = max(old.tip * 5 // 4 + 1, fees.tip)
        if self.max_fee_cap is not None and max_fee > self.max_fee_cap:
            return None
        return max_fee, min(tip, max_fee)


class Sender:
    """Sends for one key on one chain, one transaction in flight at a time.

    `folder` holds the journal, one file for each chain and key; None keeps it in memory, which is right only for a
    chain that ends with the process. May be shared by threads and by processes.
    """

    def __init__(
        self,
        client: ChainClient,
        account: Account,
        folder: Path | None = None,
        *,
        policy: FeePolicy | None = None,
    ) -> None:
        self._client = client
        self._account = account
        self._policy = policy or FeePolicy()
        self._poll = min(self._policy.poll, 0.003) if client.is_development else self._policy.poll
        self._journal = Journal(None if folder is None else folder / self._file_name())

    @property
    def address(self) -> Address:
        """The account that pays and signs."""
        return self._account.address

    @property
    def client(self) -> ChainClient:
        """The chain that this sender sends to."""
        return self._client

    def send(self, call: Call, *, intent: str | None = None) -> Receipt:
        """Put `call` on the chain and return its receipt.

        A call that was signed before a kill, and whose receipt nobody got, is recognised by its content. With an
        `intent`, a name that the caller uses for nothing else, the receipt is handed out again for ever: a command
        that crashed after this returned can be run again without doing it twice.

        Raises `ContractRevert`, `OutOfFunds`, `TransactionStuck` or `ChainUnavailable`; after the last two, call again
        with the same arguments.
        """
        wanted = Intent(_content(call), named=False) if intent is None else Intent(intent, named=True)
        with self._journal.exclusive():
            self._finish_open()
            entry, receipt = self._earlier(wanted) or self._fresh(call, wanted)
            self._journal.settle(entry, "mined", collected=True)
        if not receipt.ok:
            raise self._reason(entry.call, receipt)
        return receipt

    def recover(self) -> list[Receipt]:
        """Bring what an earlier run left open to its end; `send` of the same call still gets the receipt."""
        with self._journal.exclusive():
            return self._finish_open()

    def outcome(self, intent: str) -> Receipt | None:
        """The receipt of a named intent that was mined, without sending anything."""
        with self._journal.exclusive():
            found = self._earlier(Intent(intent, named=True))
        return None if found is None else found[1]

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    # -- what to send --------------------------------------------------------------------------------------------

    def _file_name(self) -> str:
        chain = f"{self._client.chain_id}-{self._client.genesis_hash.hex()[:8]}"
        return f"sent-{chain}-{self._account.address}.sqlite"

    def _finish_open(self) -> list[Receipt]:
        finished = []
        for entry in self._journal.open_entries():
            receipt = self._drive(entry)
            if receipt is not None:
                self._journal.settle(entry, "mined")
                finished.append(receipt)
        return finished

    def _earlier(self, intent: Intent) -> tuple[Entry, Receipt] | None:
        """The outcome of an earlier run. Void entries count too: what one node refused, another may have mined."""
        for entry in self._journal.candidates(intent):
            receipt = self._mined(entry)
            if receipt is not None:
                return entry, receipt
        return None

    def _fresh(self, call: Call, intent: Intent) -> tuple[Entry, Receipt]:
        limited = changed(call, gas=self._gas(call))
        nonce, fees = self._client.outlook(self.address)
        signed = self._sign(limited, nonce, self._policy.first(fees))
        entry = self._journal.add(intent, nonce, limited, signed)
        receipt = self._drive(entry)
        if receipt is None:
            raise TransactionStuck(
                f"The nonce of {_named(call)} went to another transaction of this key; try again."
            )
        return entry, receipt

    def _gas(self, call: Call) -> int:
        """A gas limit. The call is tried on the way: one that would revert is refused here, with its reason."""
        if self._client.simulates:
            return call.gas or self._client.gas_limit
        if call.gas is not None:
            self._client.read(call, sender=self.address)
            return call.gas
        needed = self._client.estimate(call, self.address)
        # A word that is as it was in the block of the estimate, and another one in the next, costs up to 22,100 gas more.
        return needed + max(needed * self._policy.gas_margin_percent // 100, self._policy.least_gas_margin)

    def _sign(self, call: Call, nonce: int, fees: tuple[int, int]) -> Signed:
        assert call.gas is not None
        raw, tx_hash = self._account.sign(Transaction(call, self._client.chain_id, nonce, call.gas, *fees))
        return Signed(tx_hash, raw, *fees)

    # -- getting it there ----------------------------------------------------------------------------------------

    def _drive(self, entry: Entry) -> Receipt | None:
        """Hand in and wait. None when the nonce was used by something else, so that this entry can never be mined."""
        wait = _Wait(self._policy)
        while True:
            if wait.hand_in_now():
                self._hand_in(entry)
            receipt = self._mined(entry)
            if receipt is not None:
                return receipt
            if wait.displaced(self._client.nonce(self.address) > entry.nonce):
                self._journal.settle(entry, "void")
                return None
            if wait.stuck_now():
                self._replace(entry)
            wait.give_up(entry.call)
            time.sleep(self._poll)

    def _mined(self, entry: Entry) -> Receipt | None:
        for signed in reversed(self._journal.signed(entry)):
            receipt = self._client.receipt(signed.hash)
            if receipt is not None:
                return receipt
        return None

    def _hand_in(self, entry: Entry) -> None:
        try:
            self._client.send_raw(self._journal.signed(entry)[-1].raw, entry.call.label)
        except ContractRevert:
            self._journal.settle(entry, "void", collected=True)
            raise
        except RpcError as exc:
            self._judge(entry, exc)

    def _judge(self, entry: Entry, exc: RpcError) -> None:
        """What a refusal means: nothing, the end of this entry, or a node in trouble."""
        text = exc.detail.lower()
        if _has(text, _HARMLESS):
            return
        signed = self._journal.signed(entry)
        if len(signed) > 1 and "underpriced" in text:
            return  # the earlier form still waits; the next replacement asks for more
        if not _has(text, _HOPELESS + _NO_FUNDS):
            raise exc
        if any(self._client.receipt(form.hash) or self._client.knows(form.hash) for form in signed):
            return
        self._journal.settle(entry, "void")
        if _has(text, _NO_FUNDS):
            raise OutOfFunds(
                f"Account {self.address} cannot pay for {_named(entry.call)}; send it gas money."
            ) from exc
        raise TransactionStuck(f"The chain will not take {_named(entry.call)}: {exc.detail}.") from exc

    def _replace(self, entry: Entry) -> None:
        """Sign the same nonce with a higher fee and hand it in, where the cap allows it."""
        fees = self._policy.bumped(self._journal.signed(entry)[-1], self._client.fees())
        if fees is not None:
            self._journal.add_replacement(entry, self._sign(entry.call, entry.nonce, fees))
            self._hand_in(entry)

    def _reason(self, call: Call, receipt: Receipt) -> ContractRevert:
        """Why a mined transaction reverted: run it again on the state before its block."""
        try:
            self._client.read(call, sender=self.address, block=max(0, receipt.block - 1))
        except ContractRevert as exc:
            return exc
        spent = f"{receipt.gas_used} of {call.gas} gas"
        return ContractRevert(
            f"{_named(call)} reverted when it was mined ({spent}); look at the state and try again.", name=""
        )


class _Wait:
    """The moments of one wait, in seconds of the monotonic clock."""

    def __init__(self, policy: FeePolicy) -> None:
        now = time.monotonic()
        self._policy = policy
        self._hand_in = now
        self._stuck = now + policy.stuck_after
        self._end = now + policy.give_up_after
        self._displaced: float | None = None

    def hand_in_now(self) -> bool:
        due = time.monotonic() >= self._hand_in
        if due:
            self._hand_in = time.monotonic() + _HAND_IN_EVERY
        return due

    def stuck_now(self) -> bool:
        due = time.monotonic() >= self._stuck
        if due:
            self._stuck = time.monotonic() + self._policy.stuck_after
        return due

    def displaced(self, nonce_used: bool) -> bool:
        """Whether the nonce has been used for so long that the receipt, were it ours, would be there."""
        if not nonce_used:
            self._displaced = None
        elif self._displaced is None:
            self._displaced = time.monotonic() + _DISPLACED_AFTER
        return self._displaced is not None and time.monotonic() >= self._displaced

    def give_up(self, call: Call) -> None:
        if time.monotonic() >= self._end:
            raise TransactionStuck(
                f"{_named(call)} was not mined within {self._policy.give_up_after:.0f} s; it still waits."
            )


def _content(call: Call) -> str:
    digest = hashlib.sha256(f"{call.to} {call.value} ".encode() + call.data)
    return f"call {digest.hexdigest()}"


def _named(call: Call) -> str:
    return call.label or (f"a call to {call.to}" if call.to else "a contract creation")


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)
