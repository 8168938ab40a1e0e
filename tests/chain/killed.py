"""Run by test_sender: sends one call and kills itself at the moment named."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from medfed.chain.calls import Call
from medfed.chain.client import connect
from medfed.chain.keys import load_keystore
from medfed.chain.sender import Sender
from medfed.types import Address


def main(url: str, folder: str, to: str, data: str, moment: str) -> None:
    client = connect(url)
    sender = Sender(client, load_keystore(Path(folder) / "key.json", "pass"), Path(folder))
    hand_in, receipt = client.send_raw, client.receipt

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def hand_in_and_die(raw: bytes, label: str = "") -> None:
        hand_in(raw, label)
        die()

    def look_and_die(tx_hash: bytes) -> None:
        receipt(tx_hash)
        die()

    if moment == "signed":
        client.send_raw = die
    elif moment == "handed in":
        client.send_raw = hand_in_and_die
    else:
        client.receipt = look_and_die
    sender.send(Call(Address(to), bytes.fromhex(data)))


if __name__ == "__main__":
    main(*sys.argv[1:])
