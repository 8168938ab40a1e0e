"""Challenges of one chunk of vectors with ten million words, the commitments made for real."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, chunk_count
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.openings import Opening, chunk_openings
from tests.rig.world import BOND, CLAIM, STAKE, vector

__all__ = ["DEPTH", "HEADER", "INDEX", "WORDS", "Challenge", "claimed"]

WORDS = 10_000_000
DEPTH = chunk_count(WORDS).bit_length()
"""Levels over the header chunk and the words: 17."""
HEADER, INDEX = 0, 40_000
"""The chunks that are opened: the header, and one whose path turns left and right."""
WEIGHT = 80


class Sparse:
    """A vector of which only one chunk is kept: all that lies beside its path is a digest, as it is to a contract."""

    def __init__(self, chunk: bytes, seed: int, index: int) -> None:
        self.chunk = chunk
        self.proof = [hashlib.sha256(f"{seed} {level}".encode()).digest() for level in range(DEPTH)]
        node = hashlib.sha256(chunk).digest()
        for level, sibling in enumerate(self.proof):
            pair = sibling + node if index >> level & 1 else node + sibling
            node = hashlib.sha256(pair).digest()
        self.root = node

    def opening(self) -> Opening:
        return Opening(self.chunk, self.proof)


@dataclass
class Challenge:
    """A lie that is claimed or final, and the call that proves it."""

    world: object
    study: int
    aggregate: Aggregate
    index: int
    openings: list[bytes]

    def call(self) -> bytes:
        return self.world.proofs.encode(
            "challengeChunk", self.study, 1, self.aggregate, self.index, self.openings
        )

    def send(self):
        return self.world.proofs.challengeChunk(
            self.study, 1, self.aggregate, self.index, self.openings, sender=self.world.stranger
        )


def claimed(world, members, rule, *, index=INDEX, final=False):
    """All submit; the aggregate has one wrong chunk; it is claimed, or attested to by everybody."""
    for hospital in world.hospitals[:members]:
        world.vault.deposit(world.token, STAKE + BOND, hospital, sender=world.sponsor)
        world.vault.setAllowance(hospital, world.token, 2**96, sender=hospital)
    study = world.running(
        members,
        maxHospitals=members,
        training=[vector(WORDS, 1000, rule.weighted())],
        rule=rule,
        claimSeconds=CLAIM * 1000,
    )
    random = np.random.default_rng(members)
    # No byte is zero: what a chunk costs in a transaction is the most it can be.
    words = random.integers(1, 256, (members, CHUNK_BYTES), dtype=np.uint8)
    vectors = [Sparse(row.tobytes(), seat, index) for seat, row in enumerate(words)]
    updates = [
        Update(bytes([seat + 1]) * 32, vector.root, b"\x0b" * 32, b"\x0c" * 32, WEIGHT)
        for seat, vector in enumerate(vectors)
    ]
    for seat, update in enumerate(updates):
        world.rounds.submitUpdate(study, 1, seat, update, sender=world.operators[seat])
    wrong = Sparse(random.integers(1, 256, CHUNK_BYTES, dtype=np.uint8).tobytes(), members, index)
    aggregate = Aggregate(b"\xa1" * 32, wrong.root, b"\xa3" * 32, (1 << members) - 1, WEIGHT * members)
    if final:
        for seat in range(members):
            world.rounds.attest(study, 1, seat, aggregate, [], sender=world.operators[seat])
    else:
        leader = world.claims.leaderOf(study, 1)
        world.claims.submitAggregate(study, 1, leader, aggregate, sender=world.operators[leader])
    pairs = zip(updates, vectors, strict=True)
    shown = [] if index == HEADER else [(update, vector.opening()) for update, vector in pairs]
    assert INDEX < 1 + WORDS // CHUNK_WORDS
    return Challenge(world, study, aggregate, index, chunk_openings(shown, wrong.opening()))
