"""What commands do, one function each; the demo calls these and nothing else, so no step of the protocol is the
demo's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medfed.chain.calls import Receipt
from medfed.chain.contracts import rule_creation
from medfed.chain.contracts.consents import SignedMessage
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.contracts.rounds import ScoreMode, StudyTerms
from medfed.chain.deployment import Deployment
from medfed.chain.keys import Account
from medfed.chain.sender import Sender
from medfed.data.commitments import records_root
from medfed.data.csv_source import load_csv
from medfed.data.patients import load_register
from medfed.data.private_file import load_or_create_secret
from medfed.data.quality import quality_report
from medfed.errors import InputError
from medfed.learning.models import complete_study
from medfed.protocol import purposes as duo
from medfed.protocol.canonical import canonical_json
from medfed.protocol.cid import digest_of
from medfed.protocol.documents import RuleSpec, StudyDraft
from medfed.protocol.typed import GrantMessage, consent_domain, digest
from medfed.rounds.federation import Federation
from medfed.types import Address, Cid, DatasetId, HospitalId, StudyId

__all__ = [
    "BATCH",
    "Offer",
    "admit",
    "create_study",
    "deposit",
    "register_dataset",
    "relay",
    "sign_grant",
]

BATCH = 64
"""Consents in one transaction."""

_GAS_PER_GRANT = 60_000
_GAS_PER_BATCH = 400_000
_SIGNATURE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Offer:
    """What a sponsor offers beside the spec. Amounts in smallest units, times in seconds, shares in 1/10,000.

    `bond` None is the stake. Where the spec's rule cannot be checked chunk by chunk, `max_attempts` is 0 whatever it says.
    `score_mode` is weight, equal or reviewed.
    """

    reward_per_round: int
    stake: int
    enrol_seconds: int
    min_hospitals: int
    max_voids: int = 2
    training_seconds: int = 3600
    aggregating_seconds: int = 3600
    dispute_seconds: int = 3600
    attester_bps: int = 1000
    claim_seconds: int = 3600
    max_attempts: int = 4
    bond: int | None = None
    score_mode: str = "weight"
    patient_bps: int = 0
    sponsor_fee_bps: int = 1000


def admit(
    federation: Federation,
    sender: Sender,
    hospital: HospitalId,
    operator: Address,
    *,
    key: bytes,
    metadata: Mapping[str, str],
) -> Cid:
    """Admit a hospital; its public description goes to the store. Returns that file's CID."""
    cid = federation.store.put(canonical_json(dict(metadata)))
    sender.send(federation.contracts.consortium.admit(hospital, operator, key, digest_of(cid)))
    return cid


def register_dataset(
    federation: Federation,
    sender: Sender,
    files: tuple[Path, Path, Path],
    *,
    uses: str,
    disease: int = 0,
    label: str = "label",
) -> DatasetId:
    """Commit to the records in `files` (records, register, secret) and register them. Publishes the quality report,
    no record."""
    records, patients, secret = files
    dataset, register = load_csv(records, label=label), load_register(patients)
    report = quality_report(dataset, register)
    cid = federation.store.put(report.to_bytes())
    info = DatasetInfo(
        records_root=records_root(dataset, load_or_create_secret(secret)),
        schema_hash=dataset.columns.schema_hash(),
        report=digest_of(cid),
        records=len(dataset),
        uses=duo.parse(uses),
        disease=disease,
        quality=report.score,
    )
    datasets = federation.contracts.datasets
    return datasets.registered(sender.send(datasets.register(info)))


def deposit(federation: Federation, sender: Sender, token: Address, amount: int, account: Address) -> None:
    """Put the sender's tokens into `account`'s free balance in the vault."""
    coin, vault = federation.contracts.token(token), federation.contracts.vault
    if coin.allowance(sender.address, vault.address) < amount:
        sender.send(coin.approve(vault.address, amount))
    sender.send(vault.deposit(token, amount, account))


def sign_grant(
    federation: Federation, patient: Account, dataset: DatasetId, purposes: int, expiry_day: int, *, now: int
) -> SignedMessage:
    """A patient's consent as a signed message, good for a week, that anyone may bring to the chain."""
    deadline = now + _SIGNATURE_DAYS * 86_400
    message = GrantMessage(patient.address, dataset, purposes, expiry_day, now, deadline)
    domain = consent_domain(federation.client.chain_id, federation.contracts.consents.address)
    return SignedMessage(message, patient.sign_digest(digest(domain, message)))


def relay(
    federation: Federation,
    sender: Sender,
    grants: Sequence[SignedMessage],
    tell: Callable[[int], object] = lambda _: None,
) -> list[tuple[Address, str]]:
    """Bring signed grants in batches; returns patient and reason for each that did not count."""
    consents = federation.contracts.consents
    skipped: list[tuple[Address, str]] = []
    for start in range(0, len(grants), BATCH):
        batch = grants[start : start + BATCH]
        call = consents.grant_batch(batch)
        # Told instead of estimated: a wallet's check may take more gas in the block than it took in the estimate.
        limited = type(call)(
            call.to, call.data, call.value, _GAS_PER_BATCH + _GAS_PER_GRANT * len(batch), call.label
        )
        receipt = sender.send(limited)
        skipped += [(item.patient, item.reason) for item in consents.skipped(receipt)]
        tell(len(batch))
    return skipped


def create_study(
    federation: Federation, sender: Sender, draft: StudyDraft, token: Address, offer: Offer
) -> tuple[StudyId, Receipt]:
    """Publish the spec with its initial model, allow the vault to draw the rewards, and post the study."""
    spec, model = complete_study(draft)
    federation.store.put(model)
    spec_cid = federation.store.put(spec.to_bytes())
    contracts = federation.contracts
    total = offer.reward_per_round * spec.rounds
    coin = contracts.token(token)
    if coin.balance(sender.address) < total:
        raise InputError(
            f"The sponsor has {coin.balance(sender.address)} of the token, the rewards need {total}; fund {sender.address}."
        )
    if coin.allowance(sender.address, contracts.vault.address) < total:
        sender.send(coin.approve(contracts.vault.address, total))
    terms = StudyTerms(
        spec=digest_of(spec_cid),
        token=token,
        reward_per_round=offer.reward_per_round,
        stake=offer.stake,
        rule=_rule_of(contracts, sender, spec.rule),
        purposes=spec.purposes,
        disease=spec.disease,
        enrol_deadline=max(federation.client.head().timestamp, int(time.time())) + offer.enrol_seconds,
        min_hospitals=offer.min_hospitals,
        max_hospitals=spec.codec_spec.max_hospitals,
        rounds=spec.rounds,
        max_voids=offer.max_voids,
        cohort_step=spec.cohort_step,
        training_seconds=offer.training_seconds,
        aggregating_seconds=offer.aggregating_seconds,
        dispute_seconds=offer.dispute_seconds,
        max_weight=spec.codec_spec.max_weight,
        attester_bps=offer.attester_bps,
        words=spec.size,
        steps=spec.codec.steps,
        claim_seconds=offer.claim_seconds,
        max_attempts=offer.max_attempts if spec.rule.per_chunk else 0,
        bond=offer.stake if offer.bond is None else offer.bond,
        score_mode=_score_mode(offer.score_mode),
        patient_bps=offer.patient_bps,
        sponsor_fee_bps=offer.sponsor_fee_bps,
    )
    receipt = sender.send(contracts.rounds.create_study(terms))
    return contracts.rounds.created(receipt), receipt


def _score_mode(name: str) -> ScoreMode:
    try:
        return ScoreMode[name.upper()]
    except KeyError:
        known = ", ".join(mode.name.lower() for mode in ScoreMode)
        raise InputError(f"There is no score mode {name!r}; choose one of {known}.") from None


def _rule_of(contracts: Deployment, sender: Sender, rule: RuleSpec) -> Address:
    """The contract of a study's rule: the deployment's for the sum, else a new one, which holds nothing and costs gas
    only."""
    if rule.kind == "sum":
        return contracts.rule.address
    made = sender.send(rule_creation(rule)).contract
    assert made is not None
    return made
