"""Run by test_relaying: puts signed files into a queue, posts them, and kills itself at the moment named."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from medfed.chain.client import connect
from medfed.chain.consent_file import read_signed
from medfed.chain.deployment import load
from medfed.chain.keys import load_keystore
from medfed.chain.sender import Sender
from medfed.nodes import relaying
from medfed.nodes.decisions import DecisionLog, State
from medfed.rounds.federation import OnChain


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, state: str, folder: str, file: str, moment: str) -> None:
    client = connect(url)
    place = OnChain(client, load(client, Path(state)))
    sender = Sender(client, load_keystore(Path(folder) / "key.json", "pass"), Path(folder) / "sent")
    relayer = relaying.Relayer(place, sender, Path(folder))
    hand_in, receipt, mark, put = client.send_raw, client.receipt, DecisionLog.mark, DecisionLog.put

    def hand_in_and_die(raw: bytes, label: str = "") -> None:
        hand_in(raw, label)
        die()

    def look_and_die(tx_hash: bytes) -> None:
        if receipt(tx_hash) is not None:
            die()

    def mark_until(log: DecisionLog, marks, why: str = "") -> None:
        if marks.get(State.COUNTED) and moment == "not noted":
            die()
        mark(log, marks, why)
        for kind, name in ((State.POSTED, "noted as posted"), (State.COUNTED, "noted as counted")):
            if marks.get(kind) and moment == name:
                die()

    def put_and_die(log: DecisionLog, decisions) -> None:
        put(log, decisions)
        die()

    if moment == "put":
        DecisionLog.put = put_and_die
    elif moment == "signed":
        client.send_raw = die
    elif moment == "handed in":
        client.send_raw = hand_in_and_die
    elif moment == "mined":
        client.receipt = look_and_die
    DecisionLog.mark = mark_until
    relayer.put(read_signed(Path(file)))
    while relayer.execute():
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
