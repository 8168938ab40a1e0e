"""A deployment with three hospitals and a sponsor, driven through the wrappers."""

from __future__ import annotations

from medfed.chain.contracts.datasets import DatasetInfo, VersionInfo
from medfed.chain.contracts.studies import ScoreMode, StudyTerms
from medfed.chain.deployer import Deployer, Order
from medfed.chain.deployment import load, open_index
from medfed.chain.params import parameters_for
from medfed.chain.sender import Sender
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.layout import Vector
from tests.chain.conftest import funded

__all__ = ["GRU", "REWARD", "SPEC", "STAKE", "Hospital", "World", "aggregate_of", "info", "update_of"]

GRU = 1
REWARD, STAKE = 900, 500
SPEC = b"\x05" * 32


class Hospital:
    """A hospital of the test: its accounts, its senders, its dataset and seat."""

    def __init__(self, client, number):
        self.admin, self.operator = funded(client), funded(client)
        self.as_admin, self.as_operator = Sender(client, self.admin), Sender(client, self.operator)
        self.number = number
        self.id = self.admin.address


class World:
    """A deployment with three hospitals, their datasets and stakes."""

    def __init__(self, client, folder):
        self.client = client
        self.owner = Sender(client, funded(client))
        Deployer(Order(parameters_for(client), folder), self.owner).run()
        self.at = load(client, folder)
        self.index = open_index(self.at, None)
        self.token = self.at.development_token
        self.hospitals = [self.admitted(number) for number in range(3)]
        self.sponsor = Sender(client, funded(client))

    def admitted(self, number):
        hospital = Hospital(self.client, number)
        key = bytes([number + 1]) * 32
        word = self.pledge(hospital.operator, hospital.id)
        about = hospital.operator.address, key, b"\x09" * 32
        self.owner.send(self.at.consortium.admit(hospital.id, *about, word))
        receipt = hospital.as_operator.send(self.at.datasets.register(info(number)))
        hospital.dataset = self.at.datasets.registered(receipt)
        self.owner.send(self.token.mint(hospital.id, STAKE))
        hospital.as_admin.send(self.token.approve(self.at.vault.address, STAKE))
        hospital.as_admin.send(self.at.vault.deposit(self.token.address, STAKE, hospital.id))
        hospital.as_admin.send(self.at.vault.set_allowance(hospital.id, self.token.address, STAKE))
        return hospital

    def pledge(self, operator, hospital):
        """The operator's word that it serves the hospital."""
        return self.at.consortium.pledge(operator, hospital, self.client.head().timestamp + 3600)

    def terms(self, **changes):
        return StudyTerms(
            **{
                "spec": SPEC,
                "token": self.token.address,
                "reward_per_round": REWARD,
                "stake": STAKE,
                "rule": self.at.rule.address,
                "purposes": GRU,
                "disease": 0,
                "enrol_deadline": self.client.head().timestamp + 3600,
                "min_hospitals": 2,
                "max_hospitals": 3,
                "rounds": 2,
                "max_voids": 1,
                "cohort_step": 16,
                "training_seconds": 600,
                "aggregating_seconds": 600,
                "dispute_seconds": 60,
                "max_weight": 1000,
                "attester_bps": 1000,
                "claim_seconds": 60,
                "max_attempts": 2,
                "bond": STAKE // 2,
                "score_mode": ScoreMode.WEIGHT,
                "patient_bps": 0,
                "sponsor_fee_bps": 0,
                "training": (Vector(100, 1000, weighted=True),),
                **changes,
            }
        )

    def study(self, **changes):
        self.owner.send(self.token.mint(self.sponsor.address, 10 * REWARD))
        self.sponsor.send(self.token.approve(self.at.vault.address, 10 * REWARD))
        return self.at.studies.created(self.sponsor.send(self.at.studies.create(self.terms(**changes))))

    def running(self, **changes):
        study = self.study(**changes)
        for hospital in self.hospitals:
            receipt = hospital.as_operator.send(self.at.rounds.enrol(study, hospital.dataset, SPEC, STAKE))
            hospital.seat = self.at.rounds.enrolled(receipt)
        self.owner.send(self.at.rounds.advance(study))
        return study


def info(number):
    return DatasetInfo(bytes([number]) * 32, b"\x02" * 32, b"\x03" * 32, 100 + number, GRU, 0, 9000)


def version(number):
    """The later version that `info(number)` would be."""
    said = info(number)
    return VersionInfo(said.records_root, said.schema_hash, said.report, said.records, said.quality)


def update_of(hospital, number):
    mark = bytes([16 * number + hospital.number])
    return Update(mark * 32, mark * 32, mark * 32, mark * 32, 32 * (hospital.number + 1))


def aggregate_of(number):
    return Aggregate(bytes([number]) * 32, b"\x0a" * 32, b"\x0b" * 32, 0b111, 32 + 64 + 96)
