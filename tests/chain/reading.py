"""Run by test_index until it is killed: reads events block by block, slowly."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from deploy.compile import compile_source
from medfed.chain.client import connect
from medfed.chain.events import EventTable
from medfed.chain.index import EventIndex, Source
from medfed.types import Address


def main(url: str, path: str, address: str, first: str) -> None:
    client = connect(url)
    table = EventTable("Beacon", compile_source("tests/chain/Beacon.sol", "Beacon")["abi"])
    index = EventIndex(Path(path), client, [Source(Address(address), table, int(first))], confirmations=0)
    last = client.head().number
    while index.checkpoint.number < last:
        index.sync(client.block(index.checkpoint.number + 1))
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
