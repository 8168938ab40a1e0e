"""A hospital's cohort of one round: who counted, by the dataset's basis, in the second before the round opened, less who
objected before the hospital trained. A manifest may be shorter than what counted in that second; no rule makes it longer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from medfed.chain.contracts.consents import Consents
from medfed.chain.index import EventIndex
from medfed.data.cohort import Cohort, CohortTerms, build_cohort
from medfed.data.commitments import records_root
from medfed.data.dataset import Dataset
from medfed.data.patients import Register
from medfed.errors import DataError, IntegrityError
from medfed.protocol.basis import Basis, counting
from medfed.protocol.consent import Details, State
from medfed.protocol.leaves import Use
from medfed.rounds.history import Enrolment, LineageBook, RoundHistory, asked_of_line, counted, pinned
from medfed.rounds.recompute import RoundPlace
from medfed.types import Address, DatasetId

__all__ = ["Holdings", "check_pinned", "committed_cohort", "held_cohort", "round_cohort"]


@dataclass(frozen=True)
class Holdings:
    """What a hospital keeps to itself."""

    dataset: Dataset = field(repr=False)
    register: Register = field(repr=False)
    filler_secret: bytes = field(repr=False)

    @cached_property
    def records_root(self) -> bytes:
        """What the records commit to."""
        return records_root(self.dataset, self.filler_secret)


def check_pinned(index: EventIndex, entry: Enrolment, holdings: Holdings) -> None:
    """Raise `DataError` unless the records are those of the version that the seat pinned."""
    info = pinned(index, entry)
    if info is None or info.records_root != holdings.records_root:
        raise DataError(
            f"The records are not those of dataset {entry.dataset}, version {entry.version}, which this seat pinned: that has "
            f"{entry.records} records, the file {len(holdings.dataset)}. Restore the file, and the secret it was committed with."
        )


def round_cohort(
    index: EventIndex, place: RoundPlace, history: RoundHistory, entry: Enrolment, holdings: Holdings
) -> Cohort | None:
    """The cohort by the consents of the second before the round opened, or None when the hospital has to abstain. The same
    whenever it is asked for again."""
    this = _Round(index, place, history, entry, holdings)
    return this.cohort(this.active)


def held_cohort(
    index: EventIndex,
    consents: Consents,
    place: RoundPlace,
    history: RoundHistory,
    entry: Enrolment,
    holdings: Holdings,
) -> Cohort | None:
    """The cohort without the patients who have taken their consent back since, by what the contract keeps now, not by events.

    Raises `IntegrityError` where the contract keeps other consents of the hospital's patients than the events tell of.
    """
    this = _Round(index, place, history, entry, holdings)
    patients = sorted(this.patients)
    kept = [consents.states(patients, dataset) for dataset in this.datasets]
    states = dict(zip(patients, zip(*kept, strict=True), strict=True))
    untold = [patient for patient, found in states.items() if this.is_untold(patient, found)]
    if untold:
        raise IntegrityError(
            f"{consents.client.label} leaves events out or invents them: of the consents of {len(patients)} patients, the "
            f"contract keeps {len(untold)} otherwise. Nothing is trained on that; ask another node."
        )
    return this.cohort(this.standing(states))


def committed_cohort(
    index: EventIndex, place: RoundPlace, history: RoundHistory, entry: Enrolment, holdings: Holdings
) -> Cohort | None:
    """The cohort that the seat's update in `history` commits to; None when records and register make none of its root."""
    this, root = _Round(index, place, history, entry, holdings), history.updates[entry.seat].cohort_root
    found = (this.cohort(standing) for standing in this.later())
    return next((cohort for cohort in found if cohort and cohort.manifest().root() == root), None)


class _Round:
    """Who consents to one round, of a hospital's own patients."""

    def __init__(
        self,
        index: EventIndex,
        place: RoundPlace,
        history: RoundHistory,
        entry: Enrolment,
        holdings: Holdings,
    ) -> None:
        self._index, self._history, self._entry = index, history, entry
        self._spec, self._holdings = place.spec, holdings
        self._book = LineageBook(index, entry.dataset)
        self._requests = asked_of_line(index, entry, place.spec, self._book.datasets)
        self._at = history.opened_at - 1
        use = Use(place.chain_id, place.contract, place.study, place.number, entry.dataset)
        cap = min(place.spec.codec_spec.max_weight, entry.records)
        self._terms = CohortTerms(use, place.spec.cohort_step, cap, holdings.filler_secret)

    @property
    def datasets(self) -> tuple[DatasetId, ...]:
        """Those whose words count, newest first."""
        return self._book.datasets

    @cached_property
    def active(self) -> dict[Address, Details]:
        """The hospital's patients who counted when the second before the round had ended, with their consents' details."""
        patients = self._holdings.register.patients
        return counted(self._index, self._entry, self._spec, self._history, patients)

    def cohort(self, standing: Mapping[Address, Details]) -> Cohort | None:
        """Of those who are active, the ones whose consent stands."""
        return build_cohort(self._holdings.dataset, self._holdings.register, standing, self._terms)

    @property
    def patients(self) -> Iterable[Address]:
        """Those whose words decide: all that are enlisted; without a permit, where it takes one, nobody's."""
        needs_none = self._book.basis is not Basis.PERMIT
        return self._holdings.register.patients if needs_none else self.active

    def is_untold(self, patient: Address, states: Sequence[State]) -> bool:
        """Whether the events tell otherwise of the patient: of who counts by what the chain kept before the round; of what changed
        since, up to where they were read, by its words, which hold the hash of those before them."""
        if _changed(states) <= self._at:
            return self._counting(states, self._at) != self.active.get(patient)
        read_until = self._index.checkpoint.timestamp
        return any(
            (kept.word.posted_at <= read_until and kept.word != told.word)
            or (kept.revoke_all.posted_at <= read_until and kept.revoke_all != told.revoke_all)
            for kept, told in zip(states, self._newest.states(patient), strict=True)
        )

    @cached_property
    def _newest(self) -> LineageBook:
        """After all events that were read."""
        book = LineageBook(self._index, self._entry.dataset)
        book.replay(self._index.checkpoint.timestamp)
        return book

    def standing(self, states: Mapping[Address, Sequence[State]]) -> dict[Address, Details]:
        """Those who are active without who has said since that this study has them no more, by what the chain keeps of some; a
        consent that was changed since is about what both are about."""
        found = dict(self.active)
        for patient, kept in states.items():
            if patient not in found or _changed(kept) <= self._at:
                continue
            details = self._counting(kept, _changed(kept))
            if details is None:
                del found[patient]
            else:
                found[patient] = found[patient].within(details)
        return found

    def _counting(self, states: Sequence[State], at: int) -> Details | None:
        return counting(self._book.basis, states, self._requests, at)

    def later(self) -> Iterator[dict[Address, Details]]:
        """Who counted by the events: when the round opened, and after each later change of that."""
        book, known = LineageBook(self._index, self._entry.dataset), self.active
        yield known
        later = book.later(self._at)
        touched = self.active.keys() & {event.patient for event in later}
        for at in sorted({event.at for event in later}):
            book.replay(at)
            standing = self.standing({patient: book.states(patient) for patient in touched})
            if standing != known:
                known = standing
                yield standing


def _changed(states: Sequence[State]) -> int:
    """When the chain heard of the patient's last decision."""
    return max(max(state.word.posted_at, state.revoke_all.posted_at) for state in states)
