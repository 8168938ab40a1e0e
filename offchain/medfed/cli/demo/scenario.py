"""Who takes part in the demo, and what they do before the first round. Everything follows from the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from medfed import durable
from medfed.chain.client import ChainClient
from medfed.chain.deployer import Deployer, Order
from medfed.chain.deployment import load, open_index
from medfed.chain.encryption import save_encryption_key
from medfed.chain.keys import Account, account_from_key, save_keystore
from medfed.chain.params import parameters_for
from medfed.chain.sender import Sender
from medfed.chain.wallet import Wallet
from medfed.cli import actions
from medfed.config import HospitalConfig, load_hospital
from medfed.data.breast_cancer import DemoData, breast_cancer, breast_cancer_study
from medfed.data.csv_source import write_csv
from medfed.data.dataset import Dataset
from medfed.data.patients import Entry, write_register
from medfed.data.private_file import write_private
from medfed.nodes.holds import HOLDS, hold
from medfed.protocol.consent import DAY
from medfed.protocol.documents import RuleSpec, StudyDraft
from medfed.protocol.purposes import Purpose
from medfed.protocol.randomness import generator
from medfed.rounds.federation import Federation
from medfed.storage import open_store
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, StudyId

__all__ = [
    "BOND",
    "HELD_FROM",
    "PASSWORD",
    "Cast",
    "Consents",
    "Site",
    "Stage",
    "account_of",
    "fund",
    "prepare",
]

PASSWORD = "demo"  # noqa: S105 - opens trial keystores of a development chain
HELD_FROM = 2
"""The round during which one patient revokes; their hospital holds the study there until they have."""
UNIT = 10**6
"""Smallest units in one development token."""

_REWARD, _STAKE, _PURSE = 100 * UNIT, 500 * UNIT, 1_000_000 * UNIT
BOND = 250 * UNIT
"""Of an aggregator's claim, for a round without a quorum."""
_CLAIM_SECONDS = 1_800
_ETHER = 10**18
_UNKNOWN_DATASET, _UNKNOWN_STUDY = DatasetId(0), StudyId(0)
_GRANTED, _ELSEWHERE = 0.86, 0.93
_DIRECT = 2
"""Patients of each hospital who send their own transaction."""

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Cast:
    """The people who are no hospital."""

    consortium: Account
    sponsor: Account
    relayer: Account


@dataclass(slots=True)
class Site:
    """One hospital of the demo."""

    name: str
    admin: Account
    operator: Account
    folder: Path
    data: Dataset
    wallet: Wallet
    dataset: DatasetId = _UNKNOWN_DATASET
    config: HospitalConfig | None = None

    @property
    def home(self) -> Path:
        """Where its daemon keeps its state."""
        return self.folder / "state"

    @property
    def id(self) -> HospitalId:
        """Its admin account."""
        return HospitalId(self.admin.address)


@dataclass(slots=True)
class Consents:
    """How the patients decided."""

    granted: int = 0
    other_purpose: int = 0
    none: int = 0
    direct: int = 0
    steady: int = 0
    """Index of a patient of the first hospital who sent their own transaction, and stays."""
    revoker: int = 0
    """Index of another one, who revokes during round 2."""


@dataclass(slots=True)
class Stage:
    """Everything the demo runs on."""

    seed: int
    federation: Federation
    cast: Cast
    sites: list[Site]
    held_out: Dataset
    draft: StudyDraft
    token: Address
    state: Path | None
    dispute_seconds: int = 600
    consents: Consents = field(default_factory=Consents)
    study: StudyId = _UNKNOWN_STUDY

    def sender(self, account: Account) -> Sender:
        """Sends for one of the demo's accounts."""
        return Sender(self.federation.client, account, self.state)

    def names(self) -> dict[str, str]:
        """Who is behind an account."""
        named = {str(site.id): site.name for site in self.sites}
        return named | {str(self.cast.sponsor.address): "sponsor"}


def prepare(
    client: ChainClient,
    store: str,
    folder: Path,
    options: tuple[int, int, int],
    tell: Tell,
    rule: RuleSpec = RuleSpec(),  # noqa: B008 - frozen
) -> Stage:
    """Deploy, admit, register, collect consents, create the study, enrol, open. `options`: hospitals, rounds, seed."""
    hospitals, rounds, seed = options
    draft = breast_cancer_study(seed, rounds).model_copy(update={"rule": rule})
    stage = _stage(client, store, folder, (breast_cancer(seed, hospitals), draft), tell)
    tell(f"Admitting {hospitals} hospitals and registering their datasets")
    for number, site in enumerate(stage.sites, 1):
        _admit(stage, site, number)
    tell("Collecting the patients' consents")
    _collect(stage)
    tell("Posting the study, enrolling the hospitals")
    _open(stage)
    return stage


def _stage(
    client: ChainClient, store: str, folder: Path, what: tuple[DemoData, StudyDraft], tell: Tell
) -> Stage:
    data, draft = what
    cast = Cast(*(account_of(draft.seed, name) for name in ("consortium", "sponsor", "relayer")))
    state = None if client.label == "the embedded chain" or client.simulates else folder / "sent"
    for account in (cast.consortium, cast.sponsor, cast.relayer):
        client.set_balance(account.address, 100 * _ETHER)
    tell("Deploying the contracts")
    Deployer(Order(parameters_for(client), folder), Sender(client, cast.consortium, state)).run()
    contracts = load(client, folder)
    assert contracts.development_token is not None  # a development chain always has one
    sites = [_site(draft.seed, number, folder, each) for number, each in enumerate(data.sites, 1)]
    federation = Federation(client, contracts, open_store(store), open_index(contracts, None))
    return Stage(
        draft.seed, federation, cast, sites, data.held_out, draft, contracts.development_token.address, state
    )


def account_of(seed: int, name: str) -> Account:
    """One of the demo's accounts."""
    return account_from_key(hashlib.sha256(f"medfed demo {seed} {name}".encode()).digest())


def _site(seed: int, number: int, folder: Path, data: Dataset) -> Site:
    home = folder / f"hospital-{number}"
    home.mkdir(parents=True, exist_ok=True)
    wallet = Wallet(hashlib.sha256(f"medfed demo {seed} patients {number}".encode()).digest())
    keys = (account_of(seed, f"admin {number}"), account_of(seed, f"operator {number}"))
    return Site(f"hospital-{number}", *keys, home, data, wallet)


def _admit(stage: Stage, site: Site, number: int) -> None:
    client = stage.federation.client
    for account in (site.admin, site.operator):
        client.set_balance(account.address, 100 * _ETHER)
    entries = [
        Entry(record, site.wallet.account(index).address, site.wallet.link_secret(index))
        for index, record in enumerate(site.data.record_ids)
    ]
    write_csv(site.folder / "records.csv", site.data)
    write_register(site.folder / "patients.csv", entries)
    secret = hashlib.sha256(f"medfed demo {stage.seed} secret {number}".encode()).hexdigest()
    write_private(site.folder / "secret.hex", secret.encode())
    drawn = hashlib.sha256(f"medfed demo {stage.seed} encryption {number}".encode()).digest()
    key = save_encryption_key(site.folder / "encryption.json", drawn, PASSWORD, trial=True).public
    described = {"name": site.name}
    sender = stage.sender(stage.cast.consortium)
    word = site.operator.address, actions.pledge(stage.federation, site.operator, site.id)
    actions.admit(stage.federation, sender, site.id, word, key=key, metadata=described)
    operator = stage.sender(site.operator)
    files = (site.folder / "records.csv", site.folder / "patients.csv", site.folder / "secret.hex")
    site.dataset = actions.register_dataset(
        stage.federation, operator, files, uses="GRU", label=site.data.columns.label, title="Breast cytology"
    )
    fund(stage, site, _STAKE + BOND)
    site.config = _write_config(stage, site)


def fund(stage: Stage, site: Site, amount: int) -> None:
    """Mint development tokens for a hospital, put them into its free balance, and let its operator lock so many more."""
    contracts, admin = stage.federation.contracts, stage.sender(site.admin)
    account, vault = site.admin.address, contracts.vault
    admin.send(contracts.token(stage.token).mint(account, amount))
    actions.deposit(stage.federation, admin, stage.token, amount, account)
    limit = vault.allowance(account, stage.token).limit + amount
    admin.send(vault.set_allowance(account, stage.token, limit))


def _write_config(stage: Stage, site: Site) -> HospitalConfig:
    path = site.folder / "hospital.toml"
    save_keystore(site.folder / "operator.json", site.operator, PASSWORD, trial=True)
    write_private(site.folder / "password.txt", PASSWORD.encode())
    durable.write(
        path,
        f"""name = "{site.name}"
records = "records.csv"
patients = "patients.csv"
secret = "secret.hex"
keystore = "operator.json"
password_file = "password.txt"
encryption_key = "encryption.json"
label = "{site.data.columns.label}"
dataset = {site.dataset}

[policy]
sponsors = ["{stage.cast.sponsor.address}"]
purposes = "GRU"
smallest_cohort = 16
largest_stake = {_STAKE}
""",
    )
    return load_hospital(path)


def _collect(stage: Stage) -> None:
    """Most patients grant, some for another purpose, some not at all; a few send their own transaction, the rest is
    relayed."""
    client = stage.federation.client
    now = client.head().timestamp
    expiry = now // DAY + 365
    for number, site in enumerate(stage.sites):
        drawn = generator(stage.seed, "demo consents", number).random(len(site.data)).tolist()
        signed = []
        for index, chance in enumerate(drawn):
            if chance >= _ELSEWHERE:
                stage.consents.none += 1
                continue
            purposes = int(Purpose.HMB if chance < _GRANTED else Purpose.POA)
            stage.consents.granted += chance < _GRANTED
            stage.consents.other_purpose += chance >= _GRANTED
            patient = site.wallet.account(index)
            if stage.consents.direct < _DIRECT * (number + 1) and chance < _GRANTED:
                _grant_directly(stage, patient, site.dataset, (purposes, expiry))
                if number == 0:
                    stage.consents.steady, stage.consents.revoker = stage.consents.revoker, index
            else:
                message = actions.sign_grant(
                    stage.federation, patient, site.dataset, purposes, expiry, now=now
                )
                signed.append(message)
        actions.relay(stage.federation, stage.sender(stage.cast.relayer), signed)


def _grant_directly(stage: Stage, patient: Account, dataset: DatasetId, terms: tuple[int, int]) -> None:
    stage.federation.client.set_balance(patient.address, _ETHER)
    Sender(stage.federation.client, patient, stage.state).send(
        stage.federation.contracts.consents.grant(dataset, *terms)
    )
    stage.consents.direct += 1


def _open(stage: Stage) -> None:
    contracts = stage.federation.contracts
    sponsor = stage.sender(stage.cast.sponsor)
    sponsor.send(contracts.token(stage.token).mint(stage.cast.sponsor.address, _PURSE))
    offer = actions.Offer(
        reward_per_round=_REWARD,
        stake=_STAKE,
        enrol_seconds=86_400,
        min_hospitals=min(3, len(stage.sites)),
        dispute_seconds=stage.dispute_seconds,
        claim_seconds=_CLAIM_SECONDS,
        bond=BOND,
    )
    stage.study, _ = actions.create_study(stage.federation, sponsor, stage.draft, stage.token, offer)
    spec = contracts.rounds.enrolment(stage.study).spec
    for site in stage.sites:
        stage.sender(site.operator).send(contracts.rounds.enrol(stage.study, site.dataset, spec, _STAKE))
    hold(stage.sites[0].home / HOLDS, stage.study, RoundNumber(HELD_FROM))
    # Consents are history before the first round opens: cohorts are those of the second before.
    sponsor.send(contracts.rounds.advance(stage.study))
