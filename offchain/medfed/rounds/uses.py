"""A patient's own uses, found in public manifests with the link secret: nobody else can tell which leaf is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from medfed.chain.calls import Call
from medfed.chain.contracts.payouts import PatientLeaf
from medfed.errors import ContentMissing, ContractRevert, IntegrityError, ProtocolError
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import Update
from medfed.protocol.leaves import Use, cohort_leaf, use_salt
from medfed.protocol.manifest import CohortManifest, is_listed, leaf_counts, manifest_size
from medfed.rounds.federation import Federation
from medfed.rounds.history import (
    Enrolment,
    RoundHistory,
    StudyHistory,
    counted,
    read_round,
    read_study,
    study_ids,
)
from medfed.types import Address, DatasetId, RoundNumber

__all__ = ["Finding", "Share", "find_shares", "find_uses", "own_leaf"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One round of a study with the patient's dataset. `used` is None where the manifest cannot be read (`why`).

    `consented` says whether the consent to what the study asks for was active, or the patient counted on
    another basis, in the second that counts (`at`); a round that used the record without it was a wrongful use.
    """

    study: int
    round: int
    at: int
    used: bool | None
    consented: bool
    why: str = ""

    @property
    def wrongful(self) -> bool:
        """Used without consent."""
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


def find_uses(
    federation: Federation, patient: Address, link_secret: bytes, dataset: DatasetId
) -> list[Finding]:
    """Every round in which the dataset's hospital submitted, oldest first: whether it used the patient's record."""
    federation.sync()
    return [_look(federation, (patient, link_secret), *place) for place in _rounds(federation, dataset)]


def find_shares(
    federation: Federation, patient: Address, link_secret: bytes, dataset: DatasetId
) -> list[Share]:
    """What the patient can claim of final rounds that give patients a part, oldest first, and what only later. A round whose
    result was proved wrong since pays patients like any other.

    What was claimed before is not among it, and neither is a round whose manifest cannot be had.
    """
    federation.sync()
    found = (_share(federation, (patient, link_secret), *place) for place in _rounds(federation, dataset))
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
    federation: Federation, dataset: DatasetId
) -> Iterator[tuple[StudyHistory, Enrolment, RoundHistory]]:
    for number in study_ids(federation.index):
        study = read_study(federation.index, number)
        for entry in study.enrolments:
            if entry.dataset != dataset:
                continue
            for value in range(1, study.rounds + 1):
                history = read_round(federation.index, number, RoundNumber(value))
                if entry.seat in history.updates:
                    yield study, entry, history


def _look(
    federation: Federation,
    who: tuple[Address, bytes],
    study: StudyHistory,
    entry: Enrolment,
    history: RoundHistory,
) -> Finding:
    patient, link_secret = who
    at = history.opened_at - 1
    agreed = patient in counted(federation.index, entry, study.terms, history, [patient])
    place = (int(history.study), int(history.number), at)
    use = _use(federation, entry, history)
    leaf = cohort_leaf(use, patient, use_salt(link_secret, use))
    try:
        used = _is_used(federation, study, history.updates[entry.seat], leaf)
    except (ContentMissing, IntegrityError, ProtocolError) as exc:
        return Finding(*place, None, agreed, str(exc))
    return Finding(*place, used, agreed)


def _is_used(federation: Federation, study: StudyHistory, update: Update, leaf: bytes) -> bool:
    """Whether the manifest lists the leaf, by the chunk in which it would stand."""
    cid, most = cid_from_digest(update.cohort_cid), _most_bytes(study, update)
    return is_listed(leaf, update.weight, lambda chunk: federation.store.piece(cid, chunk, most))


def _most_bytes(study: StudyHistory, update: Update) -> int:
    """The most that the manifest of an update of this weight can have."""
    most = leaf_counts(update.weight, study.terms.cohort_step)[-1]
    return min(manifest_size(most), CohortManifest.maximum)
