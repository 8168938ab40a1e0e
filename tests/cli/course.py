"""A study's round moved on by raw calls: what daemons never send can be sent here, and nothing has to be trained."""

from __future__ import annotations

import tomllib
from dataclasses import replace

from medfed.chain.client import connect
from medfed.chain.contracts.payouts import Earned
from medfed.chain.deployment import Deployment, load
from medfed.chain.keys import load_keystore
from medfed.chain.sender import Sender
from medfed.protocol.chunks import ChunkHasher
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.openings import Opening
from tests.cli.conftest import PASSWORD

__all__ = ["AGGREGATE", "FILE", "Course", "broken", "on_chain", "update"]

AGGREGATE = Aggregate(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, 0b111, 48)


FILE = bytes(1024)
"""As long as an update of a logistic model with three features has to be, with a header that is nobody's."""


def broken() -> tuple[bytes, Opening]:
    """The root of `FILE`, and its header opened: no update and no aggregate can look like that."""
    tree = ChunkHasher()
    tree.add(FILE)
    return tree.root(), Opening(FILE[:512], tree.proof(0))


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

    def attest(self, seat, aggregate=AGGREGATE, by=None, left_out=()):
        call = self.at.rounds.attest(self.study, 1, seat, aggregate, left_out)
        return self.sender(by or f"operator-{seat + 1}").send(call)

    def claim(self, seat, aggregate=AGGREGATE):
        call = self.at.payouts.claim(self.study, seat, [Earned(1, update(seat), aggregate)])
        return self.sender("relayer").send(call)

    def strike(self, seat):
        """Seat `seat` commits to a broken update, and the relayer proves it."""
        root, opening = broken()
        wrong = replace(update(seat), update_root=root)
        self.sender(f"operator-{seat + 1}").send(self.at.rounds.submit_update(self.study, 1, seat, wrong))
        call = self.at.proofs.challenge_update(self.study, 1, seat, (wrong, 0, opening))
        return self.sender("relayer").send(call)

    def refute(self, aggregate):
        """The relayer proves an aggregate with a broken root."""
        call = self.at.proofs.challenge_chunk(self.study, 1, aggregate, 0, broken()[1].words())
        return self.sender("relayer").send(call)

    def facts(self):
        return self.medfed.data("study", "show", self.study)

    def shown(self):
        """What people are told, in one line."""
        return " ".join(self.medfed.ok("study", "show", self.study).out.split())

    def travel(self, seconds):
        self.medfed.ok("dev", "travel", seconds)
