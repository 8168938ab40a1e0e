"""Rounds with real vectors: headers, chunk trees and proofs as the protocol makes them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from medfed.protocol.chunks import CHUNK_WORDS, ChunkHasher
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.header import Header
from medfed.protocol.openings import Opening, chunk_openings
from medfed.protocol.vector import vector_bytes
from tests.contracts.rounds.conftest import deployed, world
from tests.rig.evm import CHAIN_ID
from tests.rig.world import STEPS, World

__all__ = ["WEIGHT", "Vector", "Work", "deployed", "filled", "made", "world"]

WEIGHT = 80


class Vector:
    """The file of a vector, its root, and any chunk of it opened."""

    def __init__(self, data: bytes) -> None:
        self.data, self.tree = data, ChunkHasher()
        self.tree.add(data)
        self.root = self.tree.root()

    def opening(self, index: int) -> Opening:
        return Opening(self.data[512 * index : 512 * (index + 1)], self.tree.proof(index))

    def changed(self, word: int) -> Vector:
        """The same file with one word more by one; the header's words count too."""
        data = bytearray(self.data)
        at = 4 * word
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + 1 & 0xFFFFFFFF).to_bytes(4, "big")
        return Vector(bytes(data))


@dataclass
class Work:
    """A round whose Training has closed: every seat's update, and the true aggregate of them."""

    world: World
    study: int
    size: int
    number: int = 1
    vectors: dict[int, Vector] = field(default_factory=dict)
    updates: dict[int, Update] = field(default_factory=dict)
    sum: Vector | None = None

    def header(self, seat=None):
        hospital = None if seat is None else self.world.hospitals[seat].address
        return Header(CHAIN_ID, self.world.rounds.address, self.study, self.number, hospital)

    def words(self, seat):
        """Words of an honest update, as its bound allows."""
        random = np.random.default_rng([self.study, self.number, seat])
        limit = WEIGHT * STEPS
        return random.integers(-limit, limit, self.size, endpoint=True).astype(np.int32).view(np.uint32)

    def submit(self, seat, vector=None):
        vector = vector or Vector(vector_bytes(self.header(seat), self.words(seat)))
        self.vectors[seat] = vector
        self.updates[seat] = Update(bytes([seat + 1]) * 32, vector.root, b"\x0b" * 32, b"\x0c" * 32, WEIGHT)
        return self.world.rounds.submitUpdate(
            self.study, self.number, seat, self.updates[seat], sender=self.world.operators[seat]
        )

    def true_sum(self):
        words = [
            np.frombuffer(v.data[512:], ">u4")[: self.size].astype(np.uint32) for v in self.vectors.values()
        ]
        return Vector(vector_bytes(self.header(), np.sum(words, axis=0, dtype=np.uint32)))

    def aggregate(self, vector=None, **changes):
        """The aggregate over everybody, of the true sum unless told otherwise."""
        vector = vector or self.sum
        values = {
            "cid": b"\xa1" * 32,
            "root": vector.root,
            "model": b"\xa3" * 32,
            "included": sum(1 << seat for seat in self.vectors),
            "weight": WEIGHT * len(self.vectors),
        }
        return Aggregate(**(values | changes))

    def openings(self, vector, index, seats=None):
        seats = sorted(self.vectors) if seats is None else seats
        shown = [(self.updates[seat], self.vectors[seat].opening(index)) for seat in seats] if index else []
        return chunk_openings(shown, vector.opening(index))

    def claim(self, seat, aggregate, **options):
        return self.world.disputes.submitAggregate(
            self.study, self.number, seat, aggregate, sender=self.world.operators[seat], **options
        )

    def leader(self):
        return self.world.disputes.leaderOf(self.study, self.number)

    def lie(self, word=CHUNK_WORDS):
        """A pending attempt with one wrong word, by the leader: its vector, aggregate and author."""
        vector, author = self.sum.changed(word), self.leader()
        aggregate = self.aggregate(vector)
        self.claim(author, aggregate)
        return vector, aggregate, author

    def challenge(self, vector, aggregate, index, **options):
        options = {"sender": self.world.stranger} | options
        openings = self.openings(vector, index)
        return self.world.disputes.challengeChunk(
            self.study, self.number, aggregate, index, openings, **options
        )

    def attest(self, seat, aggregate):
        return self.world.rounds.attest(
            self.study, self.number, seat, aggregate, sender=self.world.operators[seat]
        )

    def finalised(self, aggregate, seats):
        for seat in seats:
            self.attest(seat, aggregate)

    def attempt(self, number=0):
        return self.world.disputes.getAttempt(self.study, self.number, number)

    def contest(self):
        return self.world.disputes.getContest(self.study, self.number)

    def balance(self, account):
        found = self.world.vault.balanceOf(account, self.world.token)
        return found.free, found.locked

    def pot(self):
        return self.world.vault.potOf(self.study).amount

    def next(self):
        """The round that opened after this one, with its updates."""
        return filled(Work(self.world, self.study, self.size, self.number + 1), sorted(self.vectors))


def filled(work, seats):
    for seat in seats:
        work.submit(seat)
    work.sum = work.true_sum()
    return work


def made(world, members=3, size=300, **changes):
    """A round of `members` hospitals with true updates, Training closed."""
    study = world.running(members, words=size, **changes)
    return filled(Work(world, study, size), range(members))


@pytest.fixture
def work(world):
    """Three hospitals, vectors of 300 words: a header and three chunks, the last one padded."""
    return made(world)
