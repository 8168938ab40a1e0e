"""An audit: every round of a study recomputed from public bytes, with no key and no trust in who computed it first.

Checked for each round: that the commitments on chain are those of the events; each included update's CID, root,
header, range; the sum, its
root, the next model; that two thirds of the submitters attested; each manifest's form, root, weight, and that it is
no longer than the consents
active at its second; every payout. With a hospital's disclosure, the consent behind each leaf. The first difference
ends the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from medfed import __version__
from medfed.chain.contracts import check_rule
from medfed.chain.deployment import compiler_version
from medfed.errors import ContentMissing, Fatal, IntegrityError, ProtocolError
from medfed.learning.models import initial_model, model_bytes
from medfed.protocol.cid import cid_from_digest, cid_of
from medfed.protocol.documents import CohortManifest, Disclosure, StudySpec
from medfed.protocol.phase import quorum_of
from medfed.rounds.federation import Federation
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, consented, read_round, read_study
from medfed.rounds.recompute import RoundPlace, RoundSum, check_manifest
from medfed.rounds.settle import PotBook, pay_of
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of
from medfed.types import Cid, RoundNumber, Seat, StudyId

__all__ = ["Report", "Verdict", "audit_study"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One round: how it ended, what was compared, what could not be."""

    round: int
    state: str
    updates: int
    weight: int
    checks: int
    unchecked: tuple[str, ...] = ()
    difference: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole audit. `difference` is the first one, empty when there is none."""

    study: int
    state: str
    rounds: tuple[Verdict, ...]
    difference: str
    unchecked: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether everything that could be checked is right, and something was."""
        return not self.difference


@dataclass
class _Audit:
    federation: Federation
    study: StudyHistory
    spec: StudySpec
    disclosures: Mapping[str, Disclosure]
    pot: PotBook
    checks: int = 0
    unchecked: list[str] = field(default_factory=list)

    def expect(self, right: bool, otherwise: str) -> None:
        """One comparison."""
        self.checks += 1
        if not right:
            raise ProtocolError(otherwise)


def audit_study(federation: Federation, number: StudyId, disclosures: tuple[Disclosure, ...] = ()) -> Report:
    """Recompute a study. Raises `InputError` for an unknown one, `Transient` when chain or store does not answer."""
    federation.sync()
    study = read_study(federation.index, number)
    versions = {
        "medfed": __version__,
        "compiler": compiler_version(),
        "rounds": federation.contracts.rounds.address,
    }
    try:
        spec = fetch_spec(federation.store, study)
        check_rule(federation.client, spec.rule, study.terms["rule"])
        _check_start(spec)
    except (Fatal, ContentMissing) as exc:
        return Report(number, _state(study), (), f"The study's spec: {exc}", (), versions)
    given = {entry.hospital.lower(): entry for entry in disclosures}
    audit = _Audit(federation, study, spec, given, PotBook(study.terms, _slashes(federation, study)))
    verdicts = tuple(_round(audit, RoundNumber(value)) for value in range(1, study.rounds + 1))
    differences = [
        f"Round {verdict.round}: {verdict.difference}" for verdict in verdicts if verdict.difference
    ]
    differences += _refund(audit)
    return Report(number, _state(study), verdicts, differences[0] if differences else "", _limits(), versions)


def _check_start(spec: StudySpec) -> None:
    found = cid_of(model_bytes(initial_model(spec), spec))
    if found != spec.initial_model_cid:
        raise ProtocolError(
            f"the initial model is {spec.initial_model_cid}, from the seed it comes to {found}"
        )


def _round(audit: _Audit, number: RoundNumber) -> Verdict:
    history = read_round(audit.federation.index, audit.study.study, number)
    audit.checks, audit.unchecked = 0, []
    difference = ""
    try:
        _check_round(audit, history)
    except ProtocolError as exc:
        difference = str(exc)
    except (ContentMissing, IntegrityError) as exc:
        difference = f"bytes that the verdict needs cannot be had: {exc}"
    audit.pot.close(history)
    state = "final" if history.final_at else "void" if history.void else "open"
    return Verdict(
        number, state, len(history.updates), history.weight, audit.checks, tuple(audit.unchecked), difference
    )


def _check_round(audit: _Audit, history: RoundHistory) -> None:
    for seat, update in history.updates.items():
        stored = audit.federation.contracts.rounds.commitment(history.study, history.number, seat)
        audit.expect(
            stored == update.commitment(), f"the commitment of seat {seat} on chain is not that of its event"
        )
    if history.result is None:
        audit.unchecked.append("no result: its updates are not recomputed")
        return
    result = history.result
    place = _place(audit, history)
    included = {seat: update for seat, update in history.updates.items() if result.included >> seat & 1}
    total = RoundSum(place, {entry.seat: entry for entry in audit.study.enrolments})
    total.add(audit.federation.store, included)
    for seat, why in [*total.faults.items(), *total.missing.items()]:
        raise ProtocolError(f"the update of seat {seat}: {why}")
    audit.checks += 4 * len(included)  # CID, root, header and range of each
    model = fetch_model(
        audit.federation.store,
        audit.spec,
        model_cid_of(audit.federation.index, audit.study, audit.spec, history.number),
    )
    found = total.outcome(model).aggregate
    for name in ("cid", "root", "model", "included", "weight"):
        audit.expect(
            getattr(found, name) == getattr(result, name),
            f"the aggregate's {name} is not what the updates come to",
        )
    audit.expect(
        history.final_hash == found.digest(history.study, history.number),
        "the final hash is not that of the aggregate",
    )
    attesters = history.attesters[history.final_hash]
    audit.expect(attesters & ~history.submitted == 0, "somebody attested who had not submitted")
    by_time = audit.federation.index.events("AttemptAccepted", study=history.study, round=history.number)
    enough = by_time or attesters.bit_count() >= quorum_of(len(history.updates))
    audit.expect(bool(enough), "fewer than two thirds attested, and no claim became final by time")
    _published(audit, cid_from_digest(result.cid))
    _check_manifests(audit, history, place)
    _check_pay(audit, history)


def _published(audit: _Audit, cid: Cid) -> None:
    """Whether the sum can still be fetched; it is not needed, as it was recomputed."""
    if not audit.federation.store.has(cid):
        audit.unchecked.append(f"the published sum {cid} is not in this store")


def _check_manifests(audit: _Audit, history: RoundHistory, place: RoundPlace) -> None:
    entries = {entry.seat: entry for entry in audit.study.enrolments}
    for seat, update in history.updates.items():
        entry = entries[seat]
        try:
            manifest = check_manifest(audit.federation.store, place, entry, update)
        except (ContentMissing, IntegrityError) as exc:
            audit.unchecked.append(f"the manifest of seat {seat}: {exc}")
            continue
        step = audit.spec.cohort_step
        active = consented(audit.federation.index, entry.dataset, audit.spec.purposes, history.opened_at - 1)
        audit.expect(
            update.weight <= len(active) and len(manifest.leaves) < len(active) + step,
            f"the manifest of seat {seat} lists more patients than the {len(active)} who consented",
        )
        audit.expect(
            update.weight <= entry.records, f"the weight of seat {seat} is above its pinned record count"
        )
        _check_disclosure(audit, history, entry, (manifest, update.weight))


def _check_disclosure(
    audit: _Audit, history: RoundHistory, entry: Enrolment, shown: tuple[CohortManifest, int]
) -> None:
    disclosure = audit.disclosures.get(entry.hospital.lower())
    if disclosure is None:
        audit.unchecked.append(
            f"which consent stands behind each leaf of seat {entry.seat}: needs its disclosure"
        )
        return
    if (disclosure.chain_id, disclosure.contract.lower()) != (
        audit.federation.client.chain_id,
        audit.federation.contracts.rounds.address.lower(),
    ):
        raise ProtocolError(f"the disclosure of {entry.hospital} is for another chain or contract")
    patients = disclosure.patients(*shown, audit.spec.cohort_step)
    active = {
        patient.lower()
        for patient in consented(
            audit.federation.index, entry.dataset, audit.spec.purposes, history.opened_at - 1
        )
    }
    without = sum(patient.lower() not in active for patient in patients)
    audit.expect(
        not without,
        f"{without} patients of seat {entry.seat} had not consented at second {history.opened_at - 1}",
    )


def _check_pay(audit: _Audit, history: RoundHistory) -> None:
    reward = audit.pot.reward(history.number)
    for event in audit.federation.index.events("Claimed", study=history.study, round=history.number):
        seat = Seat(event["seat"])
        due = pay_of(audit.study.terms, history, reward, seat)
        audit.expect(event["amount"] == due, f"seat {seat} was paid {event['amount']}, its due is {due}")


def _slashes(federation: Federation, study: StudyHistory) -> dict[int, int]:
    """What slashed tokens added to each round's reward; to the sponsor's refund under number 0."""
    carried: dict[int, int] = {}
    for event in federation.index.events("Forfeited", study=study.study):
        carried[event["round"]] = carried.get(event["round"], 0) + event["amount"]
    return carried


def _refund(audit: _Audit) -> Iterator[str]:
    index, study = audit.federation.index, audit.study
    refuted = [event["round"] for event in index.events("RoundRefuted", study=study.study)]
    following = min(refuted, default=study.rounds + 1)
    finals = sum(event["round"] < following for event in index.events("RoundFinal", study=study.study))
    due = study.terms["reward_per_round"] * (study.terms["rounds"] - finals)
    due += audit.pot.carried.get(following, 0)
    for event in index.events("Refunded", study=study.study):
        forfeited = sum(
            slash["amount"]
            for slash in index.events("Forfeited", study=study.study, round=0)
            if (slash.block, slash.log_index) < (event.block, event.log_index)
        )
        if event["amount"] != due + forfeited:
            yield f"The sponsor was refunded {event['amount']}, the due is {due + forfeited}"


def _limits() -> tuple[str, ...]:
    return (
        "training on records that are not listed, and invented patients, cannot be seen from public data",
        "how an update was trained is not recomputed: only the hospital has the records",
    )


def _place(audit: _Audit, history: RoundHistory) -> RoundPlace:
    rounds = audit.federation.contracts.rounds.address
    return RoundPlace(audit.federation.client.chain_id, rounds, history.study, history.number, audit.spec)


def _state(study: StudyHistory) -> str:
    return study.ended or ("running" if study.rounds else "enrolling")
