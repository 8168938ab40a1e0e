"""A whole study through the wrappers, on both kinds of chain: every call is built, sent, read back and indexed."""

from __future__ import annotations

import time

import pytest

from medfed.chain import history
from medfed.chain.contracts.consents import SignedMessage
from medfed.chain.contracts.consortium import HospitalStatus
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.contracts.rounds import ScoreMode, StudyState, StudyTerms
from medfed.chain.deployer import Deployer, Order
from medfed.chain.deployment import load, open_index
from medfed.chain.keys import patient_account
from medfed.chain.params import parameters_for
from medfed.chain.sender import Sender
from medfed.errors import ContractRevert
from medfed.protocol import consent
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.phase import Outcome, Phase
from medfed.protocol.typed import AttestationMessage, GrantMessage, consent_domain, digest, rounds_domain
from tests.chain.conftest import funded

GRU = 1
REWARD, STAKE = 900, 500


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
        self.owner.send(self.at.consortium.admit(hospital.id, hospital.operator.address, key, b"\x09" * 32))
        receipt = hospital.as_operator.send(self.at.datasets.register(info(number)))
        hospital.dataset = self.at.datasets.registered(receipt)
        self.owner.send(self.token.mint(hospital.id, STAKE))
        hospital.as_admin.send(self.token.approve(self.at.vault.address, STAKE))
        hospital.as_admin.send(self.at.vault.deposit(self.token.address, STAKE, hospital.id))
        return hospital

    def terms(self, **changes):
        return StudyTerms(
            **{
                "spec": b"\x05" * 32,
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
                "words": 100,
                "steps": 1000,
                "claim_seconds": 60,
                "max_attempts": 2,
                "bond": STAKE,
                "score_mode": ScoreMode.WEIGHT,
                "patient_bps": 0,
                "sponsor_fee_bps": 0,
                **changes,
            }
        )

    def study(self, **changes):
        self.owner.send(self.token.mint(self.sponsor.address, 10 * REWARD))
        self.sponsor.send(self.token.approve(self.at.vault.address, 10 * REWARD))
        return self.at.rounds.created(self.sponsor.send(self.at.rounds.create_study(self.terms(**changes))))

    def running(self, **changes):
        study = self.study(**changes)
        for hospital in self.hospitals:
            receipt = hospital.as_operator.send(self.at.rounds.enrol(study, hospital.dataset))
            hospital.seat = self.at.rounds.enrolled(receipt)
        self.owner.send(self.at.rounds.advance(study))
        return study


def info(number):
    return DatasetInfo(bytes([number]) * 32, b"\x02" * 32, b"\x03" * 32, 100 + number, GRU, 0, 9000)


def update_of(hospital, number):
    mark = bytes([16 * number + hospital.number])
    return Update(mark * 32, mark * 32, mark * 32, mark * 32, 32 * (hospital.number + 1))


def aggregate_of(number):
    return Aggregate(bytes([number]) * 32, b"\x0a" * 32, b"\x0b" * 32, 0b111, 32 + 64 + 96)


@pytest.fixture
def world(client, tmp_path):
    return World(client, tmp_path)


def test_study_from_enrolment_to_pay(world):
    """Two rounds by attestation; views, receipts and the index tell one story, and the vault pays it out."""
    at, index, study = world.at, world.index, world.running()
    assert at.rounds.study(study).state is StudyState.RUNNING
    for number in (1, 2):
        for hospital in world.hospitals:
            hospital.as_operator.send(
                at.rounds.submit_update(study, number, hospital.seat, update_of(hospital, number))
            )
        assert at.rounds.phase(study, number) is Phase.AGGREGATING
        first, second, third = world.hospitals
        result = aggregate_of(number)
        first.as_operator.send(at.rounds.attest(study, number, first.seat, result))
        second.as_operator.send(
            at.rounds.attest_hash(study, number, second.seat, result.digest(study, number))
        )
        third.as_operator.send(at.rounds.attest_hash(study, number, third.seat, result.digest(study, number)))
        assert at.rounds.round(study, number).outcome is Outcome.FINAL
        assert at.rounds.hash_aggregate(study, number, result) == result.digest(study, number)
    assert at.rounds.study(study).state is StudyState.COMPLETED
    world.client.travel(120)
    for number in (1, 2):
        for hospital in world.hospitals:
            shown = (aggregate_of(number), update_of(hospital, number))
            world.owner.send(at.rounds.claim(study, number, hospital.seat, shown))
    for hospital in world.hospitals:
        world.owner.send(at.rounds.release(study, hospital.seat))
    index.sync()
    check_history(world, study)
    paid = {payment.hospital: 0 for payment in history.payments(index, study)}
    for payment in history.payments(index, study):
        paid[payment.hospital] += payment.amount
    for hospital in world.hospitals:
        assert at.vault.balance(hospital.id, world.token.address).free == STAKE + paid[hospital.id]
        assert at.vault.balance(hospital.id, world.token.address).locked == 0
    assert 0 <= 2 * REWARD - sum(paid.values()) <= 6


def check_history(world, study):
    index, hospitals = world.index, world.hospitals
    [record] = history.studies(index)
    assert (record.study, record.sponsor, record.terms.rounds) == (study, world.sponsor.address, 2)
    assert record.terms.token == world.token.address
    assert [seat.hospital for seat in history.members(index, study)] == [
        hospital.id for hospital in hospitals
    ]
    assert [seat.records for seat in history.members(index, study)] == [100, 101, 102]
    rounds = history.rounds(index, study)
    assert [each.number for each in rounds] == [1, 2]
    assert all(each.final and each.closed and not each.void for each in rounds)
    assert rounds[0].opened_at == world.at.rounds.round(study, 1).opened_at
    for number in (1, 2):
        assert history.updates(index, study, number) == {h.seat: update_of(h, number) for h in hospitals}
        result = aggregate_of(number)
        key = result.digest(study, number)
        assert history.proposals(index, study, number) == {key: result}
        assert history.final_aggregates(index, study)[number] == (key, result)
        votes = [vote.seats for vote in history.attestations(index, study, number)]
        assert sorted(votes) == [1, 2, 4]
        assert world.at.rounds.ballot(study, number, key).attesters == 0b111
    for hospital in hospitals:
        commitment = world.at.rounds.commitment(study, 1, hospital.seat)
        assert commitment == update_of(hospital, 1).commitment()
    assert all(dataset.version == 1 for dataset in history.datasets(index))
    assert [dataset.info for dataset in history.datasets(index)] == [info(number) for number in range(3)]
    assert [hospital.operator for hospital in history.hospitals(index)] == [
        h.operator.address for h in hospitals
    ]


def test_attestations_by_signature(world):
    """Operators sign, anyone hands in: the compact form that the contract wants is made from 65-byte signatures."""
    at, study = world.at, world.running()
    for hospital in world.hospitals:
        hospital.as_operator.send(at.rounds.submit_update(study, 1, hospital.seat, update_of(hospital, 1)))
    domain = rounds_domain(world.client.chain_id, at.rounds.address)
    signatures = {}
    for hospital in world.hospitals[:2]:
        message = attestation(study, aggregate_of(1).digest(study, 1))
        signatures[hospital.seat] = hospital.operator.sign_digest(digest(domain, message))
    world.owner.send(at.rounds.attest_by_sig(study, 1, aggregate_of(1), signatures))
    assert at.rounds.round(study, 1).outcome is Outcome.FINAL
    assert at.rounds.round(study, 1).attested == 0b011


def attestation(study, aggregate_hash):
    return AttestationMessage(study, 1, aggregate_hash)


def test_refusals_are_sentences(world):
    """What a contract refuses comes with its name, its values and a sentence, before anything is sent."""
    at, study = world.at, world.running()
    first = world.hospitals[0]
    before = world.client.nonce(first.operator.address)
    with pytest.raises(ContractRevert) as caught:
        first.as_operator.send(at.rounds.submit_update(study, 2, first.seat, update_of(first, 1)))
    assert caught.value.name == "WrongPhase"
    assert caught.value.values == {"study": study, "round": 2, "phase": 0}
    sentence = f"Round 2 of study {study} is not in the phase for this; its phase is none."
    assert str(caught.value) == sentence
    with pytest.raises(ContractRevert, match="is not the operator of seat 0"):
        world.owner.send(at.rounds.submit_update(study, 1, first.seat, update_of(first, 1)))
    with pytest.raises(ContractRevert, match="does not hold the role"):
        first.as_admin.send(at.consortium.suspend(world.hospitals[1].id))
    with pytest.raises(ContractRevert, match=r"has \d+ of token .* free in the vault and needs"):
        first.as_admin.send(at.vault.request_exit(world.token.address, 10**9))
    assert world.client.nonce(first.operator.address) == before


def test_absence_void_and_refund(world):
    """Silence voids rounds until the study aborts; the sponsor gets the rest back, in views and in the index."""
    at, study = world.at, world.running(max_voids=0)
    first = world.hospitals[0]
    first.as_operator.send(at.rounds.abstain(study, 1, first.seat))
    world.client.travel(700)
    nothing = Aggregate(bytes(32), bytes(32), bytes(32), 0, 0)
    world.owner.send(at.disputes.record_absences(study, 1, nothing))
    assert at.rounds.absence(study, 1).abstained == 0b001
    assert at.disputes.absences_recorded(study, 1) == 0b110
    world.owner.send(at.rounds.advance(study))
    assert at.rounds.study(study).state is StudyState.ABORTED
    world.client.travel(120)
    world.owner.send(at.rounds.refund(study))
    world.index.sync()
    assert at.vault.balance(world.sponsor.address, world.token.address).free >= 2 * REWARD
    assert history.rounds(world.index, study)[0].void is not None
    assert at.disputes.record(study, world.hospitals[1].seat).misses == 1


def test_hospital_keys_and_status(world):
    """Keys rotate, suspensions come and go; the index shows the present state and the views agree."""
    at, hospital = world.at, world.hospitals[0]
    other = funded(world.client)
    hospital.as_admin.send(at.consortium.rotate_operator(other.address))
    hospital.as_admin.send(at.consortium.rotate_encryption_key(b"\x77" * 32))
    hospital.as_admin.send(at.consortium.update_metadata(b"\x78" * 32))
    world.owner.send(at.consortium.suspend(world.hospitals[1].id))
    world.owner.send(at.consortium.suspend(world.hospitals[2].id))
    world.owner.send(at.consortium.reinstate(world.hospitals[2].id))
    world.index.sync()
    first, second, third = history.hospitals(world.index)
    assert (first.operator, first.encryption_key, first.metadata) == (
        other.address,
        b"\x77" * 32,
        b"\x78" * 32,
    )
    assert (first.active, second.active, third.active) == (True, False, True)
    assert at.consortium.hospital(hospital.id).operator == other.address
    assert at.consortium.hospital(second.hospital).status is HospitalStatus.SUSPENDED
    assert at.consortium.hospital_of(other.address) == hospital.id
    assert at.consortium.hospital_of(hospital.operator.address) is None
    assert at.consortium.is_operator(hospital.id, other.address) == (True, True)


def test_dataset_versions(world):
    """A new version is published and indexed; a retired dataset says so."""
    at, hospital = world.at, world.hospitals[0]
    hospital.as_operator.send(at.datasets.publish(hospital.dataset, info(7)))
    hospital.as_operator.send(at.datasets.retire(hospital.dataset))
    world.index.sync()
    versions = history.datasets(world.index, hospital.dataset)
    assert [(each.version, each.info) for each in versions] == [(1, info(0)), (2, info(7))]
    stored = at.datasets.dataset(hospital.dataset)
    assert (stored.version, stored.records, stored.retired) == (2, 107, True)
    assert at.datasets.owner(hospital.dataset) == hospital.id
    assert at.datasets.count() == 3


def test_consents_in_batches(world):
    """Signed consents relayed in one batch, a bad one reported; direct calls; the index rebuilds who consented when."""
    at, dataset = world.at, world.hospitals[0].dataset
    patients = [patient_account(bytes(range(32)), number) for number in range(20)]
    items = [signed_grant(world, patient, dataset) for patient in patients]
    items[7] = SignedMessage(items[7].message, items[8].signature)
    receipt = world.owner.send(at.consents.grant_batch(items))
    [skipped] = at.consents.skipped(receipt)
    assert (skipped.index, skipped.patient, skipped.reason) == (7, patients[7].address, "InvalidSignature")
    world.client.set_balance(patients[3].address, 10**18)
    world.client.travel(10)
    Sender(world.client, patients[3]).send(at.consents.revoke(dataset))
    world.client.set_balance(patients[4].address, 10**18)
    Sender(world.client, patients[4]).send(at.consents.revoke_all())
    now = world.client.travel(10).timestamp
    world.index.sync()
    events = history.consents(world.index, dataset)
    active = consent.active_patients(events, dataset, GRU, now - 1)
    assert active == sorted(
        patient.address for number, patient in enumerate(patients) if number not in (3, 4, 7)
    )
    for patient in patients:
        assert at.consents.is_active(patient.address, dataset, GRU, now) is (patient.address in active)
        assert (
            at.consents.word(patient.address, dataset)
            == consent.replay(events, patient.address, dataset).word
        )
    shown = consent.history(events, patients[3].address, dataset)
    assert at.consents.was_active(patients[3].address, dataset, GRU, now - 5, shown) is False
    assert at.consents.revoke_all_word(patients[4].address).moment > 0


def signed_grant(world, patient, dataset):
    now = world.client.head().timestamp
    message = GrantMessage(patient.address, dataset, GRU, consent.NO_EXPIRY, now, now + 3600)
    domain = consent_domain(world.client.chain_id, world.at.consents.address)
    return SignedMessage(message, patient.sign_digest(digest(domain, message)))


def test_embedded_chain_is_fast(embedded, tmp_path):
    """569 consents in batches of 64 take the embedded chain a few seconds."""
    world = World(embedded, tmp_path)
    patients = [patient_account(bytes(range(32)), number) for number in range(569)]
    dataset = world.hospitals[0].dataset
    items = [signed_grant(world, patient, dataset) for patient in patients]
    begun = time.perf_counter()
    for first in range(0, len(items), 64):
        receipt = world.owner.send(world.at.consents.grant_batch(items[first : first + 64]))
        assert world.at.consents.skipped(receipt) == []
    taken = time.perf_counter() - begun
    assert taken < 20, f"569 consents took {taken:.1f} s"
