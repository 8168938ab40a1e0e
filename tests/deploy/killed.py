"""Run by test_deploy: deploys, and kills itself when step number N has been handed in."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from medfed.chain.client import connect
from medfed.chain.deployer import Deployer, Order
from medfed.chain.keys import load_keystore
from medfed.chain.params import parameters_for
from medfed.chain.sender import Sender


def main(url: str, folder: str, step: str) -> None:
    client, state = connect(url), Path(folder)
    hand_in, left = client.send_raw, iter(range(int(step) - 1, -1, -1))

    def send_raw(raw: bytes, label: str = "") -> bytes:
        tx_hash = hand_in(raw, label)
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return tx_hash

    client.send_raw = send_raw
    sender = Sender(client, load_keystore(state / "key.json", "pass"), state / "sent")
    Deployer(Order(parameters_for(client), state), sender).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
