"""A small federation for whole cycles: real contracts on the embedded chain, real stores, hospitals of 18 patients."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from medfed.chain.client import connect
from medfed.chain.deployer import Deployer, Order
from medfed.chain.deployment import load, open_index
from medfed.chain.encryption import save_encryption_key
from medfed.chain.keys import Account, account_from_key, save_keystore
from medfed.chain.params import parameters_for
from medfed.chain.sender import Sender
from medfed.chain.wallet import Wallet
from medfed.cli import actions
from medfed.config import HospitalConfig, load_hospital
from medfed.data.csv_source import write_csv
from medfed.data.patients import Entry, write_register
from medfed.data.private_file import write_private
from medfed.nodes.hospital import Hospital
from medfed.protocol.basis import Basis
from medfed.protocol.consent import DAY
from medfed.protocol.purposes import Purpose
from medfed.rounds.federation import Federation
from medfed.rounds.history import RoundHistory, StudyHistory, read_round, read_study
from medfed.storage import ContentStore
from medfed.storage.local import LocalStore
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, StudyId
from tests.rig import studies

__all__ = ["BOND", "PASSWORD", "PATIENTS", "PHASE", "STAKE", "Member", "World", "deploy"]

PASSWORD = "federation"
PATIENTS, STAKE, BOND, REWARD, PHASE, DISPUTE = 18, 500, 250, 9000, 1000, 300
ETHER = 10**18
UNREGISTERED = DatasetId(0)
_numbers = itertools.count(1)


def account(*names) -> Account:
    return account_from_key(hashlib.sha256(repr(names).encode()).digest())


@dataclass
class Member:
    """One hospital: its keys, its files, its own store."""

    name: str
    admin: Account
    operator: Account
    folder: Path
    wallet: Wallet
    store: ContentStore
    dataset: DatasetId = UNREGISTERED

    @property
    def id(self) -> HospitalId:
        return HospitalId(self.admin.address)

    @property
    def home(self) -> Path:
        return self.folder / "state"

    @property
    def file(self) -> Path:
        return self.folder / "hospital.toml"

    def config(self, **policy) -> HospitalConfig:
        config = load_hospital(self.file)
        return config.model_copy(update={"policy": config.policy.model_copy(update=policy)})


@dataclass
class World:
    """Hospitals of one test, on a chain that a whole file shares. All of them use one store unless a test gives them others."""

    client: object
    contracts: object
    consortium: Account
    sponsor: Account
    folder: Path
    patients: int = PATIENTS
    members: list[Member] = field(default_factory=list)

    def __post_init__(self):
        self.store = LocalStore(self.folder / "store")
        self.index = open_index(self.contracts, None)

    # -- people ----------------------------------------------------------------------------------------------------

    def send(self, who: Account, call):
        return Sender(self.client, who).send(call)

    def federation(self, store: ContentStore | None = None) -> Federation:
        return Federation(self.client, self.contracts, store or self.store, self.index)

    def renew(self, member: Member, ground: tuple[Basis, Address], date: str = "") -> None:
        """A dataset that comes after the member's own, on another ground; its daemons take that from now on."""
        files = member.folder / "records.csv", member.folder / "patients.csv", member.folder / "secret.hex"
        sender, before = Sender(self.client, member.operator), member.dataset
        member.dataset = actions.register_dataset(
            self.federation(), sender, files, uses="GRU", label="ill", date=date, ground=ground, after=before
        )
        said = f"dataset = {member.dataset}\n" + (f'date_column = "{date}"\n' if date else "")
        member.file.write_text(member.file.read_text().replace(f"dataset = {before}\n", said))

    def admit(self, number: int, disease: int = 0) -> Member:
        label = f"{self.sponsor.address} {number}"
        keys = account("admin", label), account("operator", label)
        for each in keys:
            self.client.set_balance(each.address, ETHER)
        folder = self.folder / f"hospital-{number}"
        folder.mkdir()
        wallet = Wallet(hashlib.sha256(label.encode()).digest())
        member = Member(f"hospital-{number}", *keys, folder, wallet, self.store)
        data = studies.dataset(self.patients, seed=number)
        write_csv(folder / "records.csv", data)
        entries = [
            Entry(record, wallet.account(index).address, wallet.link_secret(index))
            for index, record in enumerate(data.record_ids)
        ]
        write_register(folder / "patients.csv", entries)
        write_private(folder / "secret.hex", hashlib.sha256(b"secret" + label.encode()).hexdigest().encode())
        key = save_encryption_key(
            folder / "encryption.json", hashlib.sha256(label.encode()).digest(), PASSWORD, trial=True
        )
        consortium, about = self.contracts.consortium, (key.public, b"\1" * 32)
        word = consortium.pledge(member.operator, member.id, self.client.head().timestamp + DAY)
        self.send(self.consortium, consortium.admit(member.id, member.operator.address, *about, word))
        files = folder / "records.csv", folder / "patients.csv", folder / "secret.hex"
        sender = Sender(self.client, member.operator)
        member.dataset = actions.register_dataset(
            self.federation(), sender, files, uses="GRU", disease=disease, label="ill"
        )
        self.fund(member)
        self.write_config(member)
        self.members.append(member)
        return member

    def fund(self, member: Member) -> None:
        token, vault = self.contracts.development_token, self.contracts.vault
        self.send(member.admin, token.mint(member.id, 10 * STAKE))
        self.send(member.admin, token.approve(vault.address, 10 * STAKE))
        self.send(member.admin, vault.deposit(token.address, 10 * STAKE, member.id))
        self.allow(member, 10 * STAKE)

    def allow(self, member: Member, limit: int) -> None:
        """What the member's operator may lock of its tokens."""
        token, vault = self.contracts.development_token.address, self.contracts.vault
        self.send(member.admin, vault.set_allowance(member.id, token, limit))

    def write_config(self, member: Member) -> None:
        save_keystore(member.folder / "operator.json", member.operator, PASSWORD, trial=True)
        write_private(member.folder / "password.txt", PASSWORD.encode())
        member.file.write_text(
            f'name = "{member.name}"\nrecords = "records.csv"\npatients = "patients.csv"\nsecret = "secret.hex"\n'
            'keystore = "operator.json"\npassword_file = "password.txt"\nencryption_key = "encryption.json"\n'
            f'label = "ill"\ndataset = {member.dataset}\n\n[policy]\nsponsors = ["{self.sponsor.address}"]\n'
            f'purposes = "GRU"\nsmallest_cohort = 16\nlargest_stake = {STAKE}\n'
        )

    def consent(self, member: Member, purposes=Purpose.HMB) -> None:
        now = self.client.head().timestamp
        terms = member.dataset, int(purposes), now // DAY + 365
        signed = [
            actions.sign_grant(self.federation(), member.wallet.account(number), *terms, now=now)
            for number in range(self.patients)
        ]
        receipt = self.send(self.sponsor, self.contracts.consents.grant_batch(signed))
        assert not self.contracts.consents.skipped(receipt)

    # -- studies ---------------------------------------------------------------------------------------------------

    def post(self, *, draft=None, **offer) -> StudyId:
        """A study of this world's sponsor, open for enrolment."""
        token = self.contracts.development_token
        self.send(self.sponsor, token.mint(self.sponsor.address, 100 * REWARD))
        given = {
            "reward_per_round": REWARD,
            "stake": STAKE,
            "bond": BOND,
            "enrol_seconds": PHASE,
            "min_hospitals": 2,
            "training_seconds": PHASE,
            "aggregating_seconds": PHASE,
            "dispute_seconds": DISPUTE,
        }
        sender = Sender(self.client, self.sponsor)
        made = draft or studies.draft(rounds=2)
        study, _ = actions.create_study(
            self.federation(), sender, made, token.address, actions.Offer(**(given | offer))
        )
        return study

    def hospital(self, member: Member, **policy) -> Hospital:
        """A daemon on the member's home, as a restart makes it."""
        sender = Sender(self.client, member.operator, member.home / "sent")
        return Hospital(self.federation(member.store), sender, member.config(**policy), member.home)

    def run(self, *hospitals: Hospital, cycles=1) -> list[bool]:
        awaiting = []
        for _ in range(cycles):
            awaiting = [hospital.execute() for hospital in hospitals]
        return awaiting

    def opened(self, *hospitals: Hospital, **offer) -> StudyId:
        """A study in which they all have a seat, with its first round open."""
        study = self.post(
            draft=studies.draft(rounds=offer.pop("rounds", 2), **offer.pop("spec", {})), **offer
        )
        self.run(*hospitals)
        if len(hospitals) < 4:  # else the last seat's daemon opens it
            self.client.travel(PHASE)
        while not self.study(study).rounds:
            self.run(hospitals[0])
        return study

    def study(self, number: StudyId) -> StudyHistory:
        self.index.sync()
        return read_study(self.index, number)

    def round(self, study: StudyId, number: int) -> RoundHistory:
        self.index.sync()
        return read_round(self.index, study, RoundNumber(number))


@dataclass
class Ground:
    """What the tests of one file stand on."""

    client: object
    contracts: object
    consortium: Account

    def world(self, folder: Path, hospitals: int, patients: int = PATIENTS) -> World:
        """Fresh hospitals and a fresh sponsor: the studies of other tests are strangers' to them."""
        sponsor = account("sponsor", next(_numbers))
        self.client.set_balance(sponsor.address, ETHER)
        world = World(self.client, self.contracts, self.consortium, sponsor, folder, patients)
        for number in range(1, hospitals + 1):
            world.consent(world.admit(number))
        return world


def deploy(folder: Path, rpc: str = "embedded:") -> Ground:
    """The contracts on a chain of their own."""
    client, consortium = connect(rpc), account("consortium")
    client.set_balance(consortium.address, 100 * ETHER)
    client.mine()  # what is set by request, Anvil shows as the state of the block before
    Deployer(Order(parameters_for(client), folder), Sender(client, consortium)).run()
    return Ground(client, load(client, folder), consortium)
