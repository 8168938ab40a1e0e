"""A patient's own uses, found in public manifests with the link secret: nobody else can tell which leaf is theirs."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from medfed.chain.calls import Call
from medfed.chain.contracts.payouts import PatientLeaf
from medfed.chain.history import consents, is_permitted
from medfed.chain.index import EventIndex
from medfed.errors import ContentMissing, ContractRevert, IntegrityError, ProtocolError
from medfed.protocol import consent
from medfed.protocol.basis import Basis
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import Update
from medfed.protocol.leaves import Use, cohort_leaf, use_salt
from medfed.protocol.manifest import CohortManifest, is_listed, leaf_counts, manifest_size
from medfed.rounds.federation import Federation
from medfed.rounds.history import (
    Enrolment,
    RoundHistory,
    StudyHistory,
    asked,
    basis_of,
    counted,
    read_round,
    read_study,
    study_ids,
)
from medfed.types import Address, DatasetId, HospitalId, RoundNumber

__all__ = ["Finding", "Pseudonym", "Share", "Stand", "find_all_uses", "find_shares", "find_uses", "own_leaf"]


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """One of a patient's accounts with its link secret, and the dataset that it was made for (0: none is known)."""

    patient: Address
    link_secret: bytes = field(repr=False)
    dataset: DatasetId


class Stand(StrEnum):
    """What a patient's word, or its absence, was to a study in the second that counts."""

    COVERED = "yes"
    """A consent to what the study asked for."""
    ELSEWHERE = "not to this"
    """A consent, and not to what the study asked for."""
    NONE = "none"
    UNOBJECTED = "no objection"
    """None is asked for, as the dataset's basis is another."""
    OBJECTED = "objected"
    UNPERMITTED = "no permit"
    """Of the dataset's issuer, without which nobody counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One round of a study with a dataset, and one of the patient's accounts. `used` is None where the manifest cannot be
    read (`why`).

    `stand` is what the patient's word was in the second that counts (`at`); a round that used the record of somebody who did
    not count was a wrongful use.
    """

    study: int
    round: int
    dataset: DatasetId
    patient: Address
    at: int
    used: bool | None
    basis: Basis
    stand: Stand
    why: str = ""

    @property
    def consented(self) -> bool:
        """Whether the patient counted: by a consent to what the study asked for, or on another basis."""
        return self.stand in (Stand.COVERED, Stand.UNOBJECTED)

    @property
    def wrongful(self) -> bool:
        """Used without counting."""
        return bool(self.used) and not self.consented


@dataclass(frozen=True, slots=True)
class Share:
    """A patient's part of what one round gives to patients. `call` claims it, for the patient's account alone."""

    study: int
    round: int
    amount: int
    """In smallest units."""
    token: Address
    why: str = ""
    """Why it cannot be claimed now."""
    call: Call | None = field(default=None, repr=False)


def find_uses(federation: Federation, pseudonyms: Sequence[Pseudonym], dataset: DatasetId) -> list[Finding]:
    """Every round in which the dataset's hospital submitted, oldest first: whether it used the record of one of these, who are
    one patient."""
    federation.sync()
    return list(_Search(federation, {dataset: pseudonyms}).findings())


def find_all_uses(federation: Federation, pseudonyms: Sequence[Pseudonym]) -> list[Finding]:
    """The rounds, oldest first, that used a record under any of these accounts, or had its consent before now, or cannot be
    read.

    A hospital may have used a record under another number than that of the consent, such as after registering its data
    anew. So each account is looked for in every dataset of the hospitals that had the account's own dataset, or one that
    it ever decided about, or a predecessor or successor of these.
    """
    federation.sync()
    search = _Search(federation, _suspects(federation.index, pseudonyms))
    return [
        finding
        for finding in search.findings()
        if finding.used is not False or search.decided(finding.dataset, finding.patient)
    ]


def find_shares(
    federation: Federation, patient: Address, link_secret: bytes, dataset: DatasetId
) -> list[Share]:
    """What the patient can claim of final rounds that give patients a part, oldest first, and what only later. A round whose
    result was proved wrong since pays patients like any other.

    What was claimed before is not among it, and neither is a round whose manifest cannot be had.
    """
    federation.sync()
    found = (_share(federation, (patient, link_secret), *place) for place in _rounds(federation, {dataset}))
    return [share for share in found if share is not None]


def _share(
    federation: Federation,
    who: tuple[Address, bytes],
    study: StudyHistory,
    entry: Enrolment,
    history: RoundHistory,
) -> Share | None:
    patient, _ = who
    result = history.result
    if result is None or not study.terms.patient_bps or _paid(federation, patient, history):
        return None
    leaf = own_leaf(federation, who, study, entry, history)
    if leaf is None:
        return None
    place, work = (history.study, history.number, entry.seat), (result, history.updates[entry.seat])
    payouts, where = federation.contracts.payouts, (int(history.study), int(history.number))
    token = study.terms.token
    try:
        _, part, whole = payouts.patient_share(place, work, patient, leaf)
    except ContractRevert as exc:
        return Share(*where, 0, token, str(exc))
    amount = study.terms.pools().patients * part // whole
    return Share(*where, amount, token, call=payouts.claim_patient(place, work, leaf)) if amount else None


def own_leaf(
    federation: Federation,
    who: tuple[Address, bytes],
    study: StudyHistory,
    entry: Enrolment,
    history: RoundHistory,
) -> PatientLeaf | None:
    """The patient's leaf in a seat's cohort of a round, with its proof; None where it is in none, or the manifest
    cannot be had. `who` is the account and its link secret."""
    patient, link_secret = who
    use, update = _use(federation, entry, history), history.updates[entry.seat]
    salt = use_salt(link_secret, use)
    try:
        data = federation.store.get(cid_from_digest(update.cohort_cid), _most_bytes(study, update))
        manifest = CohortManifest.from_bytes(data)
    except (ContentMissing, IntegrityError, ProtocolError):
        return None
    index = manifest.index(cohort_leaf(use, patient, salt))
    if index is None:
        return None
    return PatientLeaf(entry.dataset, salt, index, manifest.count, manifest.proof(index))


def _paid(federation: Federation, patient: Address, history: RoundHistory) -> bool:
    events = federation.index.events("PatientPaid", study=history.study, round=history.number)
    return any(event["patient"] == patient for event in events)


def _use(federation: Federation, entry: Enrolment, history: RoundHistory) -> Use:
    rounds = federation.contracts.rounds.address
    return Use(federation.client.chain_id, rounds, history.study, history.number, entry.dataset)


def _rounds(
    federation: Federation, datasets: Container[DatasetId]
) -> Iterator[tuple[StudyHistory, Enrolment, RoundHistory]]:
    """Each round with each seat that submitted one of the datasets; every study and every round is read once."""
    for number in study_ids(federation.index):
        study = read_study(federation.index, number)
        entries = [entry for entry in study.enrolments if entry.dataset in datasets]
        for value in range(1, study.rounds + 1 if entries else 1):
            history = read_round(federation.index, number, RoundNumber(value))
            yield from ((study, entry, history) for entry in entries if entry.seat in history.updates)


class _Search:
    """Looks for accounts in the datasets where each could be."""

    def __init__(self, federation: Federation, suspects: Mapping[DatasetId, Sequence[Pseudonym]]) -> None:
        self._federation = federation
        self._suspects = suspects
        self._patients = {who.patient for found in suspects.values() for who in found}
        self._words = functools.cache(self._read_words)

    def findings(self) -> Iterator[Finding]:
        """What each round says, oldest first."""
        for place in _rounds(self._federation, self._suspects):
            yield from self._look(*place)

    def decided(self, dataset: DatasetId, patient: Address) -> bool:
        """Whether the account ever granted, narrowed or revoked a consent for the dataset."""
        return any(
            event.patient == patient and not isinstance(event, consent.AllRevoked)
            for event in self._words(dataset)
        )

    def _look(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> Iterator[Finding]:
        """One finding for each account that is listed, else one for each that decided about the dataset, else for its own."""
        suspects, used, why = self._suspects[entry.dataset], None, ""
        shown = [who for who in suspects if self.decided(entry.dataset, who.patient)] or suspects[:1]
        try:
            listed = self._listed(study, entry, history)
            used, shown = bool(listed), listed or shown
        except (ContentMissing, IntegrityError, ProtocolError) as exc:
            why = str(exc)
        at = history.opened_at - 1
        for who in shown:
            basis = basis_of(self._federation.index, entry.dataset)
            stand = self._stand(study, entry, history, who.patient, basis)
            place = int(history.study), int(history.number), entry.dataset, who.patient
            yield Finding(*place, at, used, basis, stand, why)

    def _stand(
        self, study: StudyHistory, entry: Enrolment, history: RoundHistory, patient: Address, basis: Basis
    ) -> Stand:
        """What the account's word was to a round; of consents only those are replayed that are the patient's."""
        index, at = self._federation.index, history.opened_at - 1
        if basis is not Basis.CONSENT:
            if patient in counted(index, entry, study.terms, history, [patient]):
                return Stand.UNOBJECTED
            lacks = basis is Basis.PERMIT and not is_permitted(index, entry.dataset, study.study, at)
            return Stand.UNPERMITTED if lacks else Stand.OBJECTED
        until = (event for event in self._words(entry.dataset) if event.at <= at)
        state = consent.replay(until, patient, entry.dataset)
        if consent.is_active(state, asked(index, entry, study.terms), at):
            return Stand.COVERED
        return Stand.ELSEWHERE if consent.stands(state, at) else Stand.NONE

    def _listed(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> list[Pseudonym]:
        """Whom the manifest lists, by the chunks in which they would stand; each chunk is read once."""
        use, update = _use(self._federation, entry, history), history.updates[entry.seat]
        cid, most = cid_from_digest(update.cohort_cid), _most_bytes(study, update)
        piece = functools.cache(lambda chunk: self._federation.store.piece(cid, chunk, most))

        def is_in(who: Pseudonym) -> bool:
            leaf = cohort_leaf(use, who.patient, use_salt(who.link_secret, use))
            return is_listed(leaf, update.weight, piece)

        return [who for who in self._suspects[entry.dataset] if is_in(who)]

    def _read_words(self, dataset: DatasetId) -> list[consent.Event]:
        return [
            event for event in consents(self._federation.index, dataset) if event.patient in self._patients
        ]


def _suspects(index: EventIndex, pseudonyms: Iterable[Pseudonym]) -> dict[DatasetId, list[Pseudonym]]:
    """For each dataset the accounts that could be in it, its own first."""
    owners: dict[DatasetId, HospitalId] = {}
    first: dict[DatasetId, DatasetId] = {}
    for event in index.events("DatasetRegistered"):
        owners[event["dataset"]] = event["hospital"]
        first[event["dataset"]] = first.get(event["predecessor"], event["dataset"])
    holders: defaultdict[DatasetId, set[HospitalId]] = defaultdict(set)
    for dataset, owner in owners.items():
        holders[first[dataset]].add(owner)
    decided = _decided(index)
    found: defaultdict[DatasetId, list[Pseudonym]] = defaultdict(list)
    for who in pseudonyms:
        known = first.keys() & {who.dataset, *decided[who.patient]}
        hospitals = {owner for dataset in known for owner in holders[first[dataset]]}
        for dataset, owner in owners.items():
            if owner in hospitals:
                found[dataset].append(who)
    return {dataset: sorted(each, key=lambda who: who.dataset != dataset) for dataset, each in found.items()}


def _decided(index: EventIndex) -> defaultdict[Address, set[DatasetId]]:
    """The datasets that each account ever decided about."""
    found: defaultdict[Address, set[DatasetId]] = defaultdict(set)
    for name in ("Granted", "Narrowed", "Revoked"):
        for event in index.events(name, contract="ConsentRegistry"):
            found[event["patient"]].add(event["dataset_id"])
    return found


def _most_bytes(study: StudyHistory, update: Update) -> int:
    """The most that the manifest of an update of this weight can have."""
    most = leaf_counts(update.weight, study.terms.cohort_step)[-1]
    return min(manifest_size(most), CohortManifest.maximum)
