"""A patient's own uses, found in public manifests with the link secret: nobody else can tell which leaf is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medfed.errors import ContentMissing, IntegrityError, ProtocolError
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.commitments import Update
from medfed.protocol.documents import CohortManifest
from medfed.protocol.leaves import Use, cohort_leaf, use_salt
from medfed.rounds.federation import Federation
from medfed.rounds.history import Enrolment, RoundHistory, consented, read_round, read_study, study_ids
from medfed.types import Address, DatasetId, RoundNumber

__all__ = ["Finding", "find_uses"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One round of a study with the patient's dataset. `used` is None where the manifest cannot be read (`why`).

    `consented` says whether the consent to the study's purposes was active in the second that counts (`at`); a round
    that used the record without it was a wrongful use.
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


def find_uses(
    federation: Federation, patient: Address, link_secret: bytes, dataset: DatasetId
) -> list[Finding]:
    """Every round in which the dataset's hospital submitted, oldest first: whether it used the patient's record."""
    federation.sync()
    return [
        _look(federation, (patient, link_secret), entry, history)
        for entry, history in _rounds(federation, dataset)
    ]


def _rounds(federation: Federation, dataset: DatasetId) -> Iterator[tuple[Enrolment, RoundHistory]]:
    for number in study_ids(federation.index):
        study = read_study(federation.index, number)
        for entry in study.enrolments:
            if entry.dataset != dataset:
                continue
            for value in range(1, study.rounds + 1):
                history = read_round(federation.index, number, RoundNumber(value))
                if entry.seat in history.updates:
                    yield entry, history


def _look(
    federation: Federation, who: tuple[Address, bytes], entry: Enrolment, history: RoundHistory
) -> Finding:
    patient, link_secret = who
    purposes = read_study(federation.index, history.study).terms["purposes"]
    at = history.opened_at - 1
    agreed = patient in consented(federation.index, entry.dataset, purposes, at)
    place = (int(history.study), int(history.number), at)
    rounds = federation.contracts.rounds.address
    use = Use(federation.client.chain_id, rounds, history.study, history.number, entry.dataset)
    leaf = cohort_leaf(use, patient, use_salt(link_secret, use))
    try:
        used = f"0x{leaf.hex()}" in _manifest(federation, history.updates[entry.seat]).leaves
    except (ContentMissing, IntegrityError, ProtocolError) as exc:
        return Finding(*place, None, agreed, str(exc))
    return Finding(*place, used, agreed)


def _manifest(federation: Federation, update: Update) -> CohortManifest:
    cid = cid_from_digest(update.cohort_cid)
    return CohortManifest.from_bytes(federation.store.get(cid, CohortManifest.maximum))
