"""What reviewers do: commit, reveal, and have it tallied."""

from __future__ import annotations

from medfed.chain.contracts.payouts import review_hash
from tests.rig.world import DISPUTE, REWARD, update

__all__ = ["HALF", "POOL", "REVIEWED", "SALT", "SHARED", "commit", "paid", "reveal", "reviewed"]

REVIEWED = 2
HALF = DISPUTE // 2
SALT = b"\x5a" * 32
POOL = REWARD // 10
SHARED = REWARD - POOL


def commit(world, study, name, seat, scores, salt=SALT):
    """`name` is the hash of the round's result."""
    hashed = review_hash((study, 1, seat), world.hospitals[seat].address, scores, salt)
    return world.payouts.commitReview(study, 1, seat, name, hashed, sender=world.operators[seat])


def reveal(world, study, name, seat, scores, salt=SALT):
    return world.payouts.revealReview(study, 1, seat, name, scores, salt, sender=world.operators[seat])


def reviewed(world, study, name, scores):
    """Commit, reveal and tally `scores` by seat; leaves the world where claims are unlocked."""
    for seat, said in scores.items():
        commit(world, study, name, seat, said)
    world.evm.travel(HALF)
    for seat, said in scores.items():
        reveal(world, study, name, seat, said)
    world.evm.travel(DISPUTE - HALF)
    return world.payouts.tally(study, 1, name)


def paid(world, study, result, seat):
    return world.claim(study, seat, result, own=update(seat)).named("Claimed")[0]["amount"]
