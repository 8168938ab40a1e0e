"""Lies that are to be irrefutable, proofs against the honest, and ways to lose less than a proof takes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS
from medfed.protocol.openings import Opening
from tests.adversary.money.purse import loss, stopped, wealth
from tests.contracts.work import Work, filled, made, share, tainted, too_large
from tests.rig.pledges import pledge
from tests.rig.world import DATASET, DISPUTE, PHASE, STAKE, STEPS, vector

REFUTED = 4
GAS = 2**24
TRANSACTION_BYTES = 128 * 1024
SEATS_AT_MOST, ATTEMPTS_AT_MOST = 64, 16


class Split(Work):
    """Work of several vectors: `words` has each padded to whole chunks."""

    sizes = (130, 5, 200)

    def words(self, seat):
        random = np.random.default_rng([self.study, self.number, seat])
        parts = []
        for size in self.sizes:
            part = np.zeros(-(-size // CHUNK_WORDS) * CHUNK_WORDS, np.int32)
            part[:size] = random.integers(-STEPS, STEPS, size)
            parts.append(part)
        return np.concatenate(parts).view(np.uint32)


def split(world, members=3, **changes):
    """A round of several vectors whose Training has closed."""
    vectors = [vector(size) for size in Split.sizes]
    study = world.running(members, **{"training": vectors} | changes)
    words = sum(-(-size // CHUNK_WORDS) * CHUNK_WORDS for size in Split.sizes)
    return filled(Split(world, study, words), range(members))


def test_a_lie_is_not_shielded_by_a_cheaper_guilt(world, evm):
    """A lying quorum has an update in its result struck by a friend, so that its members lose a fifth of their stakes, are
    barred, and the study is over. The proof of the lie is heard all the same, in the last second, and takes what is left."""
    work = tainted(world, members=3, size=130, vector_of=too_large)
    vector_, lie = work.lying_quorum(seats=(0, 1))
    work.strike(2, 2, work.digest(lie), sender=evm.actors[3])
    evm.travel(DISPUTE - 1)
    work.challenge(vector_, lie, 1)
    assert world.rounds.getRound(work.study, 1).outcome == REFUTED
    assert [world.studies.takenOf(work.study, seat) for seat in range(3)] == [STAKE] * 3


def test_a_second_lie_is_not_shielded_by_the_first(world, evm):
    """The same quorum lies in two rounds running; the proof against the first ends the study, and the second still falls, in
    favour of nobody, as nothing is left."""
    work = made(world, size=130, rounds=3)
    first = work.lying_quorum(seats=(0, 1))
    later = work.next()
    second = later.lying_quorum(seats=(1, 2))
    work.challenge(*first, 1)
    later.challenge(*second, 1)
    outcomes = [world.rounds.getRound(work.study, number).outcome for number in (1, 2)]
    assert outcomes == [REFUTED, REFUTED]
    assert [world.studies.takenOf(work.study, seat) for seat in range(3)] == [STAKE] * 3


def test_no_second_of_the_window_is_missing(world, evm):
    """A quorum lies in the study's last round: the proof counts in the window's last second, nothing comes out before it
    closes, and in the next second the proof is too late and stakes are free."""
    work = made(world, size=130, rounds=1)
    vector_, lie = work.lying_quorum()
    evm.travel(DISPUTE - 1)
    for early in (
        lambda: world.studies.release(work.study, 0),
        lambda: world.studies.refund(work.study),
        lambda: work.paid(0, lie),
    ):
        assert stopped(early) in ("NotSettled", "ClaimLocked")
    token = evm.snapshot()
    work.challenge(vector_, lie, 1)
    assert world.studies.takenOf(work.study, 0) == STAKE
    evm.restore(token)
    evm.travel(1)
    with evm.reverts("DisputeClosed"):
        work.challenge(vector_, lie, 1)
    world.studies.release(work.study, 0)


def test_nothing_that_liars_or_the_consortium_do_keeps_a_stake_from_a_proof(world, evm):
    """Before the proof comes the liars withdraw what they can, lower their allowances, rotate keys, hand over and retire the dataset; the
    consortium suspends them, replaces an admin account and pauses the vault."""
    work = made(world, size=130)
    vector_, lie = work.lying_quorum()
    liar, other = world.hospitals[:2]
    world.vault.withdraw(liar, world.token, 9 * STAKE, liar, sender=liar)
    world.vault.setAllowance(liar, world.token, 0, sender=liar)
    world.consortium.rotateOperator(
        other, evm.actors[75], pledge(world.consortium, other, evm.actors[75]), sender=other
    )
    friend = world.hospitals[2]
    world.datasets.offer(1, friend, sender=liar)
    with evm.reverts("DatasetEnrolled", 1, 1):
        world.datasets.accept(1, DATASET, sender=friend)
    world.datasets.retire(1, sender=liar)
    world.consortium.suspend(liar)
    world.vault.pause()
    work.challenge(vector_, lie, 1, sender=evm.actors[3])
    assert [work.balance(account)[1] for account in (liar, other)] == [0, 0]
    assert world.free(evm.actors[3]) == share(2 * STAKE)


@pytest.mark.parametrize("word", [0, 128, 258, 389, 767, 1023])
def test_a_lie_in_any_place_is_refuted(world, evm, word):
    """One word of the result is wrong: in the header, its zeros, a vector, the padding behind a vector, the leaves behind the
    last chunk."""
    work = split(world)
    assert work.chunks == 6
    vector_ = work.sum().changed(word)
    lie = work.aggregate(vector_)
    work.final(lie, (0, 1))
    work.challenge(vector_, lie, word // CHUNK_WORDS)
    assert world.rounds.getRound(work.study, 1).outcome == REFUTED


def test_statistics_and_training_are_not_confused(world, evm):
    """A study has short statistics before its training. Words that the other layout would forbid convict nobody, of a void first
    round, of the next that is still of statistics, and of training; lies in each are refuted."""
    sizes = {"statistics": 130, "training": 300}
    changes = {name: [vector(size)] for name, size in sizes.items()}
    study = world.running(3, rounds=3, maxVoids=1, **changes)
    evm.travel(PHASE)
    world.rounds.advance(study)
    first = filled(Work(world, study, sizes["statistics"], number=2), range(3))
    first.final(first.aggregate(), (0, 1))
    second = filled(Work(world, study, sizes["training"], number=3), range(3))
    for work, wrong in ((first, second), (second, first)):
        for index in range(work.chunks):
            with evm.reverts("ChallengeUnfounded"):
                work.strike(0, index, first.digest(first.aggregate()))
        assert wrong.chunks != work.chunks
    vector_, lie = second.lying_quorum(word=3 * CHUNK_WORDS)
    second.challenge(vector_, lie, 3)
    assert world.rounds.getRound(study, 3).outcome == REFUTED


def test_nobody_honest_is_convicted_by_what_is_somebody_elses(world, evm):
    """A challenger opens true bytes in the wrong place: another seat's, another round's, another study's, a chunk under another
    index, a path that is cut, a chunk that is an inner node's two halves."""
    work = made(world, size=300, rounds=3)
    result = work.aggregate()
    work.final(result, (0, 1))
    later = work.next()
    other = made(world, members=3, size=300)
    opening = work.vectors[0].opening

    def proved(at, seat, update, index, words):
        return stopped(
            lambda: world.proofs.challengeUpdate(
                at.study, at.number, seat, update, work.digest(result), index, words, sender=world.stranger
            )
        )

    first, words = work.updates[0], opening(1).words()
    assert proved(work, 1, first, 0, opening(0).words()) == "UpdateMismatch"
    assert proved(later, 0, first, 0, opening(0).words()) == "UpdateMismatch"
    assert proved(other, 0, first, 0, opening(0).words()) == "UpdateMismatch"
    assert proved(work, 0, first, 3, words) == "ChunkNotProved"
    assert proved(work, 0, first, 1, words[:-1]) == "OpeningLength"
    assert proved(work, 0, first, 1 + work.chunks, words) == "ChunkIndexOutOfRange"
    siblings = [*words[16:], *([bytes(32)] * 14), *words[-2:]]
    assert proved(work, 0, first, 1, siblings[:18]) == "ChunkNotProved"
    for index in range(work.chunks):
        assert proved(work, 0, first, index, opening(index).words()) == "ChallengeUnfounded"
        assert stopped(lambda index=index: work.challenge(work.sum(), result, index)) == "ChallengeUnfounded"


def test_a_true_claim_is_not_refuted_by_fewer_updates(world, evm):
    """A challenger opens the chunks of some of the included updates only, or in another order."""
    work = made(world, size=130)
    truth = work.aggregate()
    work.claim(work.leader(), truth)
    with evm.reverts("OpeningLength"):
        work.challenge(work.sum(), truth, 1, seats=(0, 1))
    openings = work.openings(work.sum(), 1)
    size = (len(openings) - 18) // 3
    turned = [*openings[size : 2 * size], *openings[:size], *openings[2 * size :]]
    with evm.reverts("UpdateNotOpened"):
        world.proofs.challengeChunk(work.study, 1, truth, 1, turned, sender=world.stranger)


class Sparse:
    """A vector of which few chunks are not zero, whatever its length."""

    def __init__(self, chunks, depth):
        self.levels = [{index: hashlib.sha256(chunk).digest() for index, chunk in chunks.items()}]
        self.zeros = [hashlib.sha256(bytes(CHUNK_BYTES)).digest()]
        self.chunks = chunks
        for _ in range(depth):
            zero, below = self.zeros[-1], self.levels[-1]
            at = below.get
            above = {
                index // 2: hashlib.sha256(at(index & ~1, zero) + at(index | 1, zero)).digest()
                for index in below
            }
            self.levels.append(above)
            self.zeros.append(hashlib.sha256(zero + zero).digest())
        self.root = self.levels[-1][0]

    def opening(self, index):
        proof = [
            level.get((index >> height) ^ 1, zero)
            for height, (level, zero) in enumerate(zip(self.levels[:-1], self.zeros, strict=False))
        ]
        return Opening(self.chunks.get(index, bytes(CHUNK_BYTES)), tuple(proof))


def test_no_study_is_too_large_for_a_proof(world, evm):
    """A sponsor posts the longest updates there can be, eight vectors of 2^32 - 1 words. A lie in the last chunk is still refuted,
    and for 64 hospitals the transaction stays below what a chain takes, in bytes and in gas."""
    words = 2**32 - 1
    vectors = [vector(words, 1)] * 8
    chunks = 1 + 8 * 2**25
    depth = (chunks - 1).bit_length()
    gas = {}
    for members in (2, 4):
        work = Work(world, world.running(members, training=vectors), words)
        for seat in range(members):
            work.submit(seat, Sparse({0: work.header(seat).chunk()}, depth))
        wrong = b"\0\0\0\1".ljust(CHUNK_BYTES, b"\0")
        lie = Sparse({0: work.header().chunk(), chunks - 1: wrong}, depth)
        result = work.aggregate(lie)
        work.final(result, range(-(-2 * members // 3)))
        shown = [(work.updates[seat], work.vectors[seat].opening(chunks - 1)) for seat in range(members)]
        opened = [
            word
            for update, opening in shown
            for word in (update.update_root, _rest(update), *opening.words())
        ]
        opened += lie.opening(chunks - 1).words()
        receipt = world.proofs.challengeChunk(work.study, 1, result, chunks - 1, opened)
        gas[members] = receipt.gas_used
        assert world.rounds.getRound(work.study, 1).outcome == REFUTED
    each = (gas[4] - gas[2]) / 2
    data = 32 * (SEATS_AT_MOST * (2 + 16 + depth) + 16 + depth + 12)
    assert data < TRANSACTION_BYTES
    assert max(gas[4] + (SEATS_AT_MOST - 4) * each, 21_000 + 40 * data) < GAS


def _rest(update):
    from eth_hash.auto import keccak

    fields = (update.cid, update.cohort_cid, update.cohort_root, update.weight.to_bytes(32, "big"))
    return keccak(b"".join(fields))


def test_old_claims_do_not_make_a_proof_too_dear(world, evm):
    """A league makes garbage claims in era after era, which a proof has to pass by. At most sixteen in each of 63 eras, all of
    them together cost less than a transaction has beside the dearest proof."""
    costs = []
    for attempts in (0, 2):
        work = tainted(world, members=4, size=130, maxAttempts=4)
        evm.travel(PHASE // 2)
        for author in range(attempts):
            work.claim(author, work.aggregate(root=b"\xee" * 32))
            work.object(work.operators[author + 1])
        work.strike(3, 2)
        del work.vectors[3]
        vector_, lie = work.lying_quorum(seats=(0, 1))
        costs.append(work.challenge(vector_, lie, 1).gas_used)
    each = (costs[1] - costs[0]) / 2
    dearest = 5_300_000  # a trimmed mean or a median of 64 updates, and taking 64 stakes
    assert 0 < each * ATTEMPTS_AT_MOST * (SEATS_AT_MOST - 1) + dearest < GAS


def test_a_lying_quorum_has_no_cheaper_way_out_than_to_convict_itself(world, evm):
    """What a proof by a friend costs two liars, and what every other order of guilt costs them: a friend's update in the result
    struck first, the same after the proof."""
    costs = {}
    for order in ("proof", "strike, proof", "proof, strike"):
        token = evm.snapshot()
        work = tainted(world, members=3, size=130)
        league = (*world.hospitals[:2], evm.actors[3])
        before = wealth(world, *league)
        vector_, lie = work.lying_quorum(seats=(0, 1))
        steps = {
            "proof": lambda work=work, vector_=vector_, lie=lie: work.challenge(
                vector_, lie, 1, sender=evm.actors[3]
            ),
            "strike": lambda work=work, lie=lie: work.strike(2, 2, work.digest(lie), sender=evm.actors[4]),
        }
        for step in order.split(", "):
            steps[step]()
        costs[order] = loss(world, before, *league)
        evm.restore(token)
    assert costs["proof"] == 2 * STAKE - share(2 * STAKE)
    assert min(costs.values()) == costs["proof"]
