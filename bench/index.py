"""Events per second, read from Anvil, decoded and stored, beside web3's own event reading in the same run.

    python bench/index.py [--events 50000] [--json FILE]

Prints both rates and their ratio; exits with 1 when ours is below 25,000 events/s.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy.compile import compile_source  # noqa: E402
from medfed.chain.calls import Call  # noqa: E402
from medfed.chain.client import connect  # noqa: E402
from medfed.chain.codec import Interface  # noqa: E402
from medfed.chain.events import EventTable  # noqa: E402
from medfed.chain.index import EventIndex, Source  # noqa: E402
from medfed.chain.keys import new_account  # noqa: E402
from medfed.chain.rpc import HttpChain  # noqa: E402
from medfed.chain.sender import Sender  # noqa: E402
from medfed.types import Address  # noqa: E402
from tests.rig.anvil import start_anvil  # noqa: E402

LIMIT = 25_000
PER_CALL = 500
ETHER = 10**18


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the event index against web3.")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    record = compile_source("tests/chain/Beacon.sol", "Beacon")
    with tempfile.TemporaryDirectory() as folder, start_anvil(Path(folder), ["--silent"]) as anvil:
        client = connect(anvil.url)
        assert isinstance(client, HttpChain)
        address = emit(client, record, options.events)
        figures = {
            "ours": ours(client, record, address, Path(folder)),
            "web3": theirs(anvil.url, record, address),
        }
    return report(figures, options.json)


def emit(client: HttpChain, record: dict, count: int) -> Address:
    """Deploy the test contract and let it emit `count` events."""
    account = new_account()
    client.set_balance(account.address, 1000 * ETHER)
    sender = Sender(client, account)
    receipt = sender.send(Call(None, bytes.fromhex(record["bytecode"][2:])))
    assert receipt.contract is not None
    interface = Interface(record["abi"])
    for number in range(-(-count // PER_CALL)):
        data = interface.encode("attest", number, 1, PER_CALL)
        sender.send(Call(receipt.contract, data, gas=5_000_000))
    return receipt.contract


def ours(client: HttpChain, record: dict, address: Address, folder: Path) -> float:
    """Events per second of the index, from the first request to the last commit."""
    index = EventIndex(
        folder / "index.sqlite",
        client,
        [Source(address, EventTable("Beacon", record["abi"]))],
        confirmations=0,
    )
    begun = time.perf_counter()
    index.sync()
    return index.count() / (time.perf_counter() - begun)


def theirs(url: str, record: dict, address: Address) -> float:
    """Events per second of `contract.events.X().get_logs`, decoded and not stored, over at most 10,000 events."""
    from web3 import Web3

    contract = Web3(Web3.HTTPProvider(url)).eth.contract(address, abi=record["abi"])
    begun = time.perf_counter()
    found = contract.events.Attested().get_logs(from_block=0, to_block=1 + 10_000 // PER_CALL)
    return len(found) / (time.perf_counter() - begun)


def report(figures: dict[str, float], path: Path | None) -> int:
    ratio, share = figures["ours"] / figures["web3"], figures["ours"] / LIMIT
    print(f"index  {figures['ours']:9,.0f} events/s, stored   ({share:.2f} of the limit of {LIMIT:,})")
    print(f"web3   {figures['web3']:9,.0f} events/s, decoded  (ratio {ratio:.1f})")
    if path is not None:
        path.write_text(json.dumps({**figures, "ratio": ratio, "limit": LIMIT}, indent=1) + "\n")
    return 0 if share >= 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
