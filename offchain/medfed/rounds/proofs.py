"""What `Proofs.sol` takes as proof of a lie, found by looking at the bytes: the first chunk of a vector that cannot be
right, opened with its neighbours in the tree.

Not every lie can be proved. Where bytes are not those of their root, or a model is not the one that follows, no chunk
shows it to a contract: `Unprovable` says so, and an objection keeps it from becoming final.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfed.chain.calls import Call
from medfed.chain.contracts import Proofs
from medfed.errors import ContentMissing, IntegrityError, ProtocolError
from medfed.learning.models import Model, model_bytes
from medfed.learning.rules import aggregator
from medfed.learning.server import next_model
from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, ChunkHasher, leaf_count
from medfed.protocol.cid import cid_from_digest, cid_of, digest_of
from medfed.protocol.commitments import Aggregate, Update, seats_in
from medfed.protocol.layout import Vector, chunk_count_of
from medfed.protocol.openings import Opening, chunk_openings
from medfed.protocol.vector import seal, vector_size
from medfed.rounds.history import Enrolment
from medfed.rounds.recompute import RoundPlace, check_manifest, kept
from medfed.storage import ContentStore
from medfed.types import Seat

__all__ = [
    "AggregateProof",
    "OpenVector",
    "Proof",
    "Unprovable",
    "UpdateProof",
    "challenge",
    "open_vector",
    "recomputed_root",
    "refute_aggregate",
    "refute_update",
]

Words = NDArray[np.uint32]

_BLOCK = 1 << 18
_LONG = "it goes on behind its last chunk"


@dataclass(frozen=True, slots=True)
class OpenVector:
    """All words of a vector's file, header, padding and what lies behind its last chunk included; its tree, and how many
    bytes the file has."""

    words: Words
    tree: ChunkHasher
    length: int

    def opening(self, index: int) -> Opening:
        """Chunk `index` with its proof. Raises `ProtocolError` when the tree has no such leaf."""
        chunk = self.words[index * CHUNK_WORDS : (index + 1) * CHUNK_WORDS].astype(">u4").tobytes()
        return Opening(chunk.ljust(CHUNK_BYTES, b"\0"), self.tree.proof(index))


@dataclass(frozen=True, slots=True)
class UpdateProof:
    """Chunk `index` of a seat's update cannot be right: index 0 is the header."""

    seat: Seat
    update: Update
    index: int
    opening: Opening
    reason: str


@dataclass(frozen=True, slots=True)
class AggregateProof:
    """Chunk `index` of an aggregate is not what the rule makes of the updates'; index 0 is the header."""

    aggregate: Aggregate
    index: int
    openings: tuple[bytes, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Unprovable:
    """Something is wrong, and there is nothing to show to a contract; `yet`, as bytes that come later may. `vector` is
    whether the root is known to be another than it must be."""

    reason: str
    yet: bool = False
    vector: bool = False


Proof = UpdateProof | AggregateProof


def challenge(proofs: Proofs, place: RoundPlace, proof: Proof, result: bytes = bytes(32)) -> Call:
    """The call that brings a proof to the chain. `result` is the hash of the round's result, where it was final."""
    where = (place.study, place.number)
    if isinstance(proof, UpdateProof):
        shown = (proof.update, proof.index, proof.opening)
        return proofs.challenge_update(*where, proof.seat, shown, result)
    return proofs.challenge_chunk(*where, proof.aggregate, proof.index, proof.openings)


def refute_update(
    store: ContentStore, place: RoundPlace, entry: Enrolment, update: Update, consenting: int | None = None
) -> UpdateProof | Unprovable | None:
    """What is wrong with an update; None when it is right. `consenting` as in `check_manifest`.

    Raises `ContentMissing` or `IntegrityError` while its bytes, or its manifest, cannot be had.
    """
    try:
        opened = open_vector(store, place, update.cid, update.update_root)
        found = _first_wrong(place, entry, update, opened.words)
        if found is not None:
            index, reason = found
            return UpdateProof(entry.seat, update, index, opened.opening(index), reason)
        _check_rest(place, update, opened)
        check_manifest(store, place, entry, update, consenting)
    except ProtocolError as exc:
        return Unprovable(str(exc))
    return None


def refute_aggregate(
    store: ContentStore,
    place: RoundPlace,
    updates: Mapping[Seat, Update],
    aggregate: Aggregate,
    model: Callable[[], Model],
) -> AggregateProof | Unprovable | None:
    """What is wrong with an aggregate of those of `updates` that it includes, in a round that starts from what `model`
    gives, which is asked last; None when it is right.

    The aggregate's own bytes are only asked for when its root is not the one recomputed. Memory holds
    two vectors and one tree, larger sets of vectors in files. Raises `ContentMissing` or `IntegrityError` while an
    update's bytes, or the model, cannot be had.
    """
    included = {seat: updates[seat] for seat in seats_in(aggregate.included)}
    try:
        expected = _recomputed(store, place, included)
    except ProtocolError as exc:
        return Unprovable(f"it includes what cannot be checked: {exc}")
    sealed = seal(place.header(), expected)
    if sealed.root != aggregate.root:
        return _differing(store, place, included, aggregate, expected)
    if digest_of(sealed.cid) != aggregate.cid:
        return Unprovable(f"it names {cid_from_digest(aggregate.cid)}, its bytes have the CID {sealed.cid}")
    try:
        return _wrong_model(place, aggregate, expected, model())
    except ProtocolError as exc:
        return Unprovable(f"the model that the round starts from is none of this study: {exc}")


def recomputed_root(store: ContentStore, place: RoundPlace, included: Mapping[Seat, Update]) -> bytes:
    """The root that an aggregate of these updates must have, as a contract would compute it: whether they are right is
    another matter. Raises as `open_vector`."""
    return seal(place.header(), _recomputed(store, place, included)).root


def open_vector(store: ContentStore, place: RoundPlace, cid: bytes, root: bytes) -> OpenVector:
    """A committed vector's file, taken apart, as far as its tree can reach.

    One that is too short is taken as if it ended in zeros, as its tree is; one that is too long may have leaves beyond the
    last chunk. Raises `ProtocolError` when the bytes are had and are not those of `root`, `ContentMissing` or
    `IntegrityError` while they cannot be had.
    """
    count, name = chunk_count_of(place.vectors), cid_from_digest(cid)
    words, tree, length = np.zeros(count * CHUNK_WORDS, dtype=np.uint32), ChunkHasher(), 0
    beyond: list[Words] = []
    for piece in store.stream(name, CHUNK_BYTES * leaf_count(count)):
        whole = piece.ljust(-(-len(piece) // CHUNK_BYTES) * CHUNK_BYTES, b"\0")
        tree.add(whole)
        found, start = np.frombuffer(whole, dtype=">u4"), length // 4
        inside = max(0, len(words) - start)
        words[start : start + len(found)] = found[:inside]
        if inside < len(found):
            beyond.append(found[inside:].astype(np.uint32))
        length += len(piece)
    tree.add(bytes(max(0, CHUNK_BYTES * count - -(-length // CHUNK_BYTES) * CHUNK_BYTES)))
    if tree.root() != root:
        raise ProtocolError(f"the bytes of {name} have another chunk root than was committed to")
    return OpenVector(np.concatenate([words, *beyond]) if beyond else words, tree, length)


def _check_rest(place: RoundPlace, update: Update, opened: OpenVector) -> None:
    """What every participant checks of an update's bytes and no contract can: length and norm."""
    if opened.length != vector_size(place.spec.size):
        raise ProtocolError(
            f"its file has {opened.length} bytes, it must have {vector_size(place.spec.size)}"
        )
    place.spec.codec.check(_body(opened.words, place), place.spec.rule.coded_weight(update.weight))


def _first_wrong(place: RoundPlace, entry: Enrolment, update: Update, words: Words) -> tuple[int, str] | None:
    """The first chunk that `challengeUpdate` would convict, and why."""
    if not np.array_equal(words[:CHUNK_WORDS], place.header(entry.hospital).words()):
        return 0, "it has another header than its round and hospital ask for"
    start = CHUNK_WORDS
    for vector in place.vectors:
        end = start + vector.chunks * CHUNK_WORDS
        found = _first_beyond(words[start:end], vector, update.weight)
        if found is not None:
            at, reason = found
            return (start + at) // CHUNK_WORDS, reason
        start = end
    if words[start:].any():
        return (start + _first_set(words[start:])) // CHUNK_WORDS, _LONG
    return None


def _first_beyond(words: Words, vector: Vector, weight: int) -> tuple[int, str] | None:
    """The first word of one vector, or of its padding, that an update of this weight may not have, and why."""
    limit, signed = vector.limit(weight), words[: vector.words].view(np.int32)
    for start in range(0, len(signed), _BLOCK):
        block = signed[start : start + _BLOCK]
        beyond = (block > limit) | (block < -limit)
        if beyond.any():
            at = start + int(beyond.argmax())
            return at, f"it has the word {signed[at]}, beyond its bound of {limit}"
    if words[vector.words :].any():
        return len(words) - 1, "its padding is not zero"
    return None


def _recomputed(store: ContentStore, place: RoundPlace, included: Mapping[Seat, Update]) -> Words:
    """What the rule makes of all chunks between the header and the last, their padding included."""
    total = aggregator(place.spec.rule, kept)
    end = CHUNK_WORDS * chunk_count_of(place.vectors)
    for seat, update in included.items():
        opened = open_vector(store, place, update.cid, update.update_root)
        total.add(seat, opened.words[CHUNK_WORDS:end])
    return total.result()


def _differing(
    store: ContentStore,
    place: RoundPlace,
    included: Mapping[Seat, Update],
    aggregate: Aggregate,
    expected: Words,
) -> AggregateProof | Unprovable:
    """The first chunk of the aggregate that is not the expected one."""
    try:
        opened = open_vector(store, place, aggregate.cid, aggregate.root)
    except (ContentMissing, IntegrityError, ProtocolError) as exc:
        reason = f"its root is not that of the updates, and its bytes cannot be shown: {exc}"
        return Unprovable(reason, yet=not isinstance(exc, ProtocolError), vector=True)
    index = _first_difference(opened.words, place, expected)
    own = opened.opening(index)
    if index == 0 or index >= chunk_count_of(place.vectors):
        reason = "its header is not that of the round" if index == 0 else _LONG
        return AggregateProof(aggregate, index, tuple(chunk_openings([], own)), reason)
    if not place.spec.rule.per_chunk:
        reason = f"chunk {index} is wrong, and the study's rule can only be checked as a whole"
        return Unprovable(reason, vector=True)
    del opened
    shown = [
        (update, open_vector(store, place, update.cid, update.update_root).opening(index))
        for update in included.values()
    ]
    reason = f"chunk {index} is not what the rule makes of its {len(shown)} updates"
    return AggregateProof(aggregate, index, tuple(chunk_openings(shown, own)), reason)


def _first_difference(words: Words, place: RoundPlace, expected: Words) -> int:
    if not np.array_equal(words[:CHUNK_WORDS], place.header().words()):
        return 0
    body = words[CHUNK_WORDS:]
    for start in range(0, len(expected), _BLOCK):
        end = min(start + _BLOCK, len(expected))
        differs = body[start:end] != expected[start:end]
        if differs.any():
            return 1 + (start + int(differs.argmax())) // CHUNK_WORDS
    if body[len(expected) :].any():
        return 1 + (len(expected) + _first_set(body[len(expected) :])) // CHUNK_WORDS
    raise ProtocolError("two vectors with the same words have different roots")


def _first_set(words: Words) -> int:
    """The place of the first word that is not zero."""
    return int((words != 0).argmax())


def _wrong_model(place: RoundPlace, aggregate: Aggregate, expected: Words, model: Model) -> Unprovable | None:
    spec, count = place.spec, aggregate.included.bit_count()
    divisor = spec.rule.divisor(count, aggregate.weight)
    following = cid_of(model_bytes(next_model(model, expected[: spec.size], divisor, spec), spec))
    if digest_of(following) == aggregate.model:
        return None
    return Unprovable(f"it names the model {cid_from_digest(aggregate.model)}, from it follows {following}")


def _body(words: Words, place: RoundPlace) -> Words:
    return words[CHUNK_WORDS : CHUNK_WORDS + place.spec.size]
