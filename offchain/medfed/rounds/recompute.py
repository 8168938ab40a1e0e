"""Recomputing a round from its bytes: each update is fetched and checked once, when it arrives, and aggregated.

Whoever attests and whoever audits runs this. Nothing is taken from anybody but the bytes, and these are what their
CID says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medfed.errors import ContentMissing, IntegrityError, ProtocolError
from medfed.learning.models import Model, model_bytes
from medfed.learning.rules import Aggregator, aggregator
from medfed.learning.server import next_model
from medfed.protocol.cid import cid_from_digest, cid_of, digest_of
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.documents import StudySpec
from medfed.protocol.header import Header
from medfed.protocol.layout import Vector
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.vector import Sealed, check_vector, seal, vector_bytes, vector_size
from medfed.rounds.history import Enrolment
from medfed.storage import ContentStore
from medfed.types import Address, HospitalId, RoundNumber, Seat, StudyId

__all__ = ["Outcome", "RoundPlace", "RoundSum", "check_manifest", "check_update", "check_words", "kept"]

_IN_MEMORY = 1 << 22
"""Most words of an update that is kept in memory; a longer one is kept in a file."""


@dataclass(frozen=True, slots=True)
class RoundPlace:
    """Which round of which study, and how its vectors are headed."""

    chain_id: int
    contract: Address
    study: StudyId
    number: RoundNumber
    spec: StudySpec

    @property
    def vectors(self) -> tuple[Vector, ...]:
        """What an update of the round consists of."""
        return self.spec.vectors

    def header(self, hospital: HospitalId | None = None) -> Header:
        """The header of a hospital's update, or of the aggregate."""
        return Header(self.chain_id, self.contract, self.study, self.number, hospital)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round comes to: what is attested, and the bytes behind it."""

    aggregate: Aggregate
    aggregate_file: bytes = field(repr=False)
    model_file: bytes = field(repr=False)


def check_update(
    store: ContentStore, place: RoundPlace, entry: Enrolment, update: Update, consenting: int | None = None
) -> NDArray[np.uint32]:
    """The words (P,) of one update, once its bytes, root, header, range and manifest are what was committed to.

    Raises `ContentMissing` or `IntegrityError` while the bytes cannot be had, `ProtocolError` when they are had and
    are wrong.
    """
    words = check_words(store, place, entry, update)
    check_manifest(store, place, entry, update, consenting)
    return words


def check_words(
    store: ContentStore, place: RoundPlace, entry: Enrolment, update: Update
) -> NDArray[np.uint32]:
    """`check_update` without the manifest."""
    cid = cid_from_digest(update.cid)
    pieces = store.stream(cid, vector_size(place.spec.size))
    words, root = check_vector(pieces, place.header(entry.hospital), place.spec.size)
    if root != update.update_root:
        raise ProtocolError(f"The update {cid} has another chunk root than its hospital committed to.")
    place.spec.codec.check(words, place.spec.rule.coded_weight(update.weight))
    return words


def check_manifest(
    store: ContentStore, place: RoundPlace, entry: Enrolment, update: Update, consenting: int | None = None
) -> CohortManifest:
    """The cohort manifest of one update, once its form, place, root and weight are right, and it lists no more patients than
    were `consenting` (`history.bound`; None asks for no bound). Raises as `check_update`."""
    cid = cid_from_digest(update.cohort_cid)
    manifest = CohortManifest.from_bytes(store.get(cid, CohortManifest.maximum))
    manifest.check_place(place.study, place.number, entry.dataset)
    if manifest.root() != update.cohort_root:
        raise ProtocolError(f"The cohort manifest {cid} has another root than its hospital committed to.")
    manifest.check_weight(update.weight, place.spec.cohort_step)
    if update.weight > entry.records:
        raise ProtocolError(
            f"Its weight is {update.weight}, more than the {entry.records} records that the seat pinned."
        )
    if consenting is not None and not _is_within(manifest.count, update.weight, consenting, place):
        raise ProtocolError(
            f"Its cohort manifest lists {manifest.count} leaves for a weight of {update.weight}, and {consenting} patients consented."
        )
    return manifest


def _is_within(leaves: int, weight: int, consenting: int, place: RoundPlace) -> bool:
    """Whether so many patients make so many leaves, filled up to a step, and that weight."""
    return weight <= consenting and leaves < consenting + place.spec.cohort_step


@dataclass
class RoundSum:
    """The aggregate of a round so far. Owned by one participant.

    For the sum it keeps one vector, however many hospitals there are; other rules need all of them at once.
    """

    place: RoundPlace
    entries: Mapping[Seat, Enrolment]
    consenting: Mapping[Seat, int] = field(default_factory=dict)
    """By seat, how many patients consented (`history.bound`); a seat that is not named is asked for no bound."""
    weights: dict[Seat, int] = field(default_factory=dict)
    """Weight by seat of what is in it."""
    faults: dict[Seat, str] = field(default_factory=dict)
    """Why an update can never be in it."""
    missing: dict[Seat, str] = field(default_factory=dict)
    """Why an update is not in it yet."""
    _updates: Aggregator = field(init=False)

    def __post_init__(self) -> None:
        self._updates = aggregator(self.place.spec.rule, kept)

    def add(
        self,
        store: ContentStore,
        updates: Mapping[Seat, Update],
        tell: Callable[[Seat, str], object] | None = None,
    ) -> None:
        """Fetch, check and add what is not in it yet. What is missing may come later; what is wrong stays out."""
        for seat, update in sorted(updates.items()):
            if seat in self.weights or seat in self.faults:
                continue
            try:
                most = self.consenting.get(seat)
                words = check_update(store, self.place, self.entries[seat], update, most)
            except (ContentMissing, IntegrityError) as exc:
                self._miss(seat, str(exc), tell)
            except ProtocolError as exc:
                self.faults[seat] = str(exc)
                self.missing.pop(seat, None)
                if tell is not None:
                    tell(seat, str(exc))
            else:
                self.include(seat, update.weight, words)
                del words  # so that it is gone when the next one is fetched

    def sealed(self) -> Sealed:
        """CID and chunk root of the aggregate's file. Raises `ProtocolError` when nothing was added."""
        return seal(self.place.header(), self.words())

    def words(self) -> NDArray[np.uint32]:
        """The aggregate (P,) of what was added. Raises `ProtocolError` when nothing was."""
        if not self.weights:
            raise ProtocolError(f"Round {self.place.number} has no update to add up.")
        return self._updates.result()

    def outcome(self, model: Model) -> Outcome:
        """The aggregate of what was added, and the model that follows from it."""
        spec, header, words = self.place.spec, self.place.header(), self.words()
        sealed = seal(header, words)
        included = sum(1 << seat for seat in self.weights)
        weight = sum(self.weights.values())
        divisor = spec.rule.divisor(len(self.weights), weight)
        model_file = model_bytes(next_model(model, words, divisor, spec), spec)
        aggregate = Aggregate(
            digest_of(sealed.cid), sealed.root, digest_of(cid_of(model_file)), included, weight
        )
        return Outcome(aggregate, vector_bytes(header, words), model_file)

    def include(self, seat: Seat, weight: int, words: NDArray[np.uint32]) -> None:
        """Add an update that is checked; the aggregate may keep `words` as its own."""
        self._updates.add(seat, words)
        self.weights[seat] = weight
        self.missing.pop(seat, None)

    def _miss(self, seat: Seat, why: str, tell: Callable[[Seat, str], object] | None) -> None:
        if self.missing.get(seat) != why and tell is not None:
            tell(seat, why)
        self.missing[seat] = why


def kept(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The words, in a temporary file without a name where they are many: it goes when they do."""
    if len(words) <= _IN_MEMORY:
        return words
    with tempfile.TemporaryFile(prefix="medfed-") as file:
        mapped = np.memmap(file, dtype=np.uint32, mode="w+", shape=words.shape)
    mapped[:] = words
    return mapped
