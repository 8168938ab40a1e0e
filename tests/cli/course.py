"""A study's round moved on by raw calls: what daemons never send can be sent here, and nothing has to be trained."""

from __future__ import annotations

import tomllib

from medfed.chain.client import connect
from medfed.chain.deployment import Deployment, load
from medfed.chain.keys import load_keystore
from medfed.chain.sender import Sender
from medfed.protocol.commitments import Aggregate, Update
from tests.cli.conftest import PASSWORD

__all__ = ["AGGREGATE", "Course", "on_chain", "update"]

AGGREGATE = Aggregate(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, 0b111, 48)


def update(seat: int, weight: int = 16, cohort: bytes = b"\x05" * 32) -> Update:
    return Update(bytes([seat]) * 32, b"\x04" * 32, cohort, b"\x06" * 32, weight)


def on_chain(medfed) -> Deployment:
    rpc = tomllib.loads((medfed.folder / "medfed.toml").read_text())["rpc"]
    return load(connect(rpc), medfed.folder / "state")


class Course:
    """A study with three hospitals, seat n - 1 being hospital n's."""

    def __init__(self, medfed, number):
        self.medfed, self.study = medfed, number
        self.at = on_chain(medfed)

    def sender(self, name) -> Sender:
        account = load_keystore(self.medfed.folder / f"{name}.json", PASSWORD)
        return Sender(self.at.client, account, self.medfed.folder / "state" / "sent")

    def submit(self, seat, weight=16, by=None, cohort=b"\x05" * 32):
        call = self.at.rounds.submit_update(self.study, 1, seat, update(seat, weight, cohort))
        return self.sender(by or f"operator-{seat + 1}").send(call)

    def attest(self, seat, aggregate=AGGREGATE, by=None):
        call = self.at.rounds.attest(self.study, 1, seat, aggregate)
        return self.sender(by or f"operator-{seat + 1}").send(call)

    def claim(self, seat, aggregate=AGGREGATE):
        call = self.at.rounds.claim(self.study, 1, seat, (aggregate, update(seat)))
        return self.sender("relayer").send(call)

    def travel(self, seconds):
        self.medfed.ok("dev", "travel", seconds)
