"""Rounds with real vectors: headers, chunk trees and proofs as the protocol makes them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, ChunkHasher
from medfed.protocol.commitments import NO_AGGREGATE, Aggregate, Update, seats_in
from medfed.protocol.header import Header
from medfed.protocol.openings import Opening, chunk_openings
from medfed.protocol.vector import vector_bytes
from tests.rig.evm import CHAIN_ID
from tests.rig.world import CHALLENGER_BPS, STAKE, STEPS, World, vector

__all__ = ["LIMIT", "WEIGHT", "VectorFile", "Work", "filled", "made", "rich", "share", "tainted", "too_large"]

WEIGHT = 80
LIMIT = WEIGHT * STEPS
"""The largest word of an update."""


def share(amount):
    """What a challenger has of what was slashed."""
    return amount * CHALLENGER_BPS // 10_000


class VectorFile:
    """The file of a vector, its root, and any leaf of its tree opened."""

    def __init__(self, data: bytes) -> None:
        self.data, self.tree = data, ChunkHasher()
        self.tree.add(data)
        self.root = self.tree.root()

    def opening(self, index: int) -> Opening:
        chunk = self.data[CHUNK_BYTES * index : CHUNK_BYTES * (index + 1)]
        return Opening(chunk.ljust(CHUNK_BYTES, b"\0"), self.tree.proof(index))

    def changed(self, word: int) -> VectorFile:
        """The same file with one word more by one; the header's words count too."""
        data = bytearray(self.data.ljust(4 * (word + 1), b"\0"))
        at = 4 * word
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + 1 & 0xFFFFFFFF).to_bytes(4, "big")
        return VectorFile(bytes(data.ljust(-(-len(data) // CHUNK_BYTES) * CHUNK_BYTES, b"\0")))


@dataclass
class Work:
    """A round whose Training has closed: every seat's update, and the true aggregate of them."""

    world: World
    study: int
    size: int
    number: int = 1
    vectors: dict[int, VectorFile] = field(default_factory=dict)
    updates: dict[int, Update] = field(default_factory=dict)

    @property
    def operators(self):
        return self.world.operators

    @property
    def hospitals(self):
        return self.world.hospitals

    def header(self, seat=None):
        hospital = None if seat is None else self.world.hospitals[seat].address
        return Header(CHAIN_ID, self.world.rounds.address, self.study, self.number, hospital)

    def words(self, seat):
        """Words of an honest update, as its bound allows."""
        random = np.random.default_rng([self.study, self.number, seat])
        return random.integers(-LIMIT, LIMIT, self.size, endpoint=True).astype(np.int32).view(np.uint32)

    def honest(self, seat):
        return VectorFile(vector_bytes(self.header(seat), self.words(seat)))

    def with_word(self, seat, place, value):
        """A seat's honest vector with one word set, by its place after the header."""
        data = bytearray(self.honest(seat).data)
        at = CHUNK_BYTES + 4 * place
        data[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")
        return VectorFile(bytes(data))

    def submit(self, seat, vector=None, weight=WEIGHT):
        vector = vector or self.honest(seat)
        self.vectors[seat] = vector
        self.updates[seat] = Update(bytes([seat + 1]) * 32, vector.root, b"\x0b" * 32, b"\x0c" * 32, weight)
        return self.world.rounds.submitUpdate(
            self.study, self.number, seat, self.updates[seat], sender=self.operators[seat]
        )

    def sum(self, seats=None):
        """The true sum of some updates, of all unless told."""
        seats = self.vectors if seats is None else seats
        words = [
            np.frombuffer(self.vectors[seat].data[CHUNK_BYTES:], ">u4")[: self.size].astype(np.uint32)
            for seat in seats
        ]
        return VectorFile(vector_bytes(self.header(), np.sum(words, axis=0, dtype=np.uint32)))

    def aggregate(self, vector=None, seats=None, **changes):
        """The aggregate over some updates, of all and of their true sum unless told otherwise."""
        seats = sorted(self.vectors if seats is None else seats)
        values = {
            "cid": b"\xa1" * 32,
            "root": (vector or self.sum(seats)).root,
            "model": b"\xa3" * 32,
            "included": sum(1 << seat for seat in seats),
            "weight": sum(self.updates[seat].weight for seat in seats),
        }
        return Aggregate(**(values | changes))

    def digest(self, aggregate):
        return aggregate.digest(self.study, self.number)

    def openings(self, vector, index, seats=None):
        """What a challenge of an aggregate's chunk shows."""
        seats = sorted(self.vectors if seats is None else seats)
        shown = [(self.updates[seat], self.vectors[seat].opening(index)) for seat in seats]
        return chunk_openings(shown if 0 < index < self.chunks else [], vector.opening(index))

    @property
    def chunks(self):
        return 1 + -(-self.size // CHUNK_WORDS)

    def leader(self):
        return self.world.claims.leaderOf(self.study, self.number)

    def claim(self, seat, aggregate):
        """An aggregator's claim."""
        return self.world.claims.submitAggregate(
            self.study, self.number, seat, aggregate, sender=self.operators[seat]
        )

    def lie(self, word=CHUNK_WORDS):
        """A pending attempt with one wrong word, by the leader: its vector, aggregate and author."""
        vector, author = self.sum().changed(word), self.leader()
        aggregate = self.aggregate(vector)
        self.claim(author, aggregate)
        return vector, aggregate, author

    def object(self, sender, attempt=None):
        """Object to an attempt, the newest unless told."""
        attempt = max(self.contest().count - 1, 0) if attempt is None else attempt
        return self.world.claims.object(self.study, self.number, attempt, sender=sender)

    def finalise(self, aggregate):
        return self.world.claims.finalise(self.study, self.number, aggregate, sender=self.world.stranger)

    def settle(self, claimed=NO_AGGREGATE, result=NO_AGGREGATE, attempt=0):
        return self.world.claims.settle(
            self.study, self.number, attempt, claimed, result, sender=self.world.stranger
        )

    def challenge(self, vector, aggregate, index, seats=None, sender=None):
        """Judge a chunk of an aggregate."""
        openings = self.openings(vector, index, seats)
        return self.world.proofs.challengeChunk(
            self.study, self.number, aggregate, index, openings, sender=sender or self.world.stranger
        )

    def strike(self, seat, index, result=bytes(32), sender=None):
        """Judge a chunk of an update. `result` is the hash of the round's result where it was final."""
        opening = self.vectors[seat].opening(index).words()
        shown = (self.updates[seat], result, index, opening)
        return self.world.proofs.challengeUpdate(
            self.study, self.number, seat, *shown, sender=sender or self.world.stranger
        )

    def attest(self, seat, aggregate):
        submitted = self.world.rounds.getRound(self.study, self.number).submitted
        left_out = [self.updates[place] for place in seats_in(submitted & ~aggregate.included)]
        return self.world.rounds.attest(
            self.study, self.number, seat, aggregate, left_out, sender=self.operators[seat]
        )

    def final(self, aggregate, seats):
        for seat in seats:
            self.attest(seat, aggregate)

    def lying_quorum(self, seats=(0, 1), word=CHUNK_WORDS):
        """A final result with one wrong word: its vector and aggregate."""
        vector = self.sum().changed(word)
        aggregate = self.aggregate(vector)
        self.final(aggregate, seats)
        return vector, aggregate

    def paid(self, seat, result=NO_AGGREGATE):
        """Claim a seat's pay for the round; by a stranger."""
        shown = [{"round": self.number, "aggregate": result, "update": self.updates[seat]}]
        receipt = self.world.payouts.claim(self.study, seat, shown, sender=self.world.stranger)
        return sum(event["amount"] for event in receipt.named("Claimed"))

    def attempt(self, number=0):
        return self.world.claims.getAttempt(self.study, self.number, number)

    def contest(self):
        return self.world.claims.getContest(self.study, self.number)

    def balance(self, account):
        found = self.world.vault.balanceOf(account, self.world.token)
        return found.free, found.locked

    def pot(self):
        return self.world.vault.potOf(self.study).amount

    def next(self, seats=None):
        """The round that opened after this one, with updates of these seats, or of the same."""
        seats = sorted(self.vectors) if seats is None else seats
        return filled(Work(self.world, self.study, self.size, self.number + 1), seats)


def filled(work, seats):
    for seat in seats:
        work.submit(seat)
    return work


def made(world, members=3, size=300, steps=STEPS, **changes):
    """A round of `members` hospitals with true updates, Training closed."""
    weighted = changes.get("rule", world.rule).weighted()
    study = world.running(members, **{"training": [vector(size, steps, weighted)]} | changes)
    return filled(Work(world, study, size), range(members))


def too_large(work, seat):
    """An update with one word beyond its bound, in chunk 2."""
    return work.with_word(seat, 130, LIMIT + 1)


def tainted(world, vector_of=too_large, members=3, size=300, **changes):
    """A round in which the last seat committed to what `vector_of` makes; its Training has closed."""
    study = world.running(members, **{"training": [vector(size)]} | changes)
    work = filled(Work(world, study, size), range(members - 1))
    work.submit(members - 1, vector_of(work, members - 1))
    return work


def rich(world, account, amount=STAKE):
    """An account with tokens in the vault."""
    world.vault.deposit(world.token, amount, account, sender=world.sponsor)
    return account
