"""A whole study through the wrappers, on both kinds of chain: every call is built, sent, read back and indexed."""

from __future__ import annotations

import time
from dataclasses import astuple
from datetime import UTC, datetime

import pytest

from medfed.chain import history
from medfed.chain.administration import acts
from medfed.chain.contracts.claims import AttemptState
from medfed.chain.contracts.consents import SignedMessage
from medfed.chain.contracts.consortium import HospitalStatus
from medfed.chain.contracts.payouts import Earned
from medfed.chain.contracts.rounds import EnrolmentTerms, Standing, StudyState
from medfed.chain.contracts.studies import Offer, ScoreMode
from medfed.chain.keys import patient_account
from medfed.chain.sender import Sender
from medfed.errors import ContractRevert
from medfed.protocol import consent
from medfed.protocol.commitments import Aggregate
from medfed.protocol.layout import Vector
from medfed.protocol.phase import Outcome, Phase
from medfed.protocol.typed import AttestationMessage, GrantMessage, consent_domain, digest, rounds_domain
from medfed.rounds.history import read_round, read_study, study_ids
from tests.chain.conftest import funded
from tests.chain.world import GRU, REWARD, SPEC, STAKE, World, aggregate_of, info, update_of, version


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
        assert at.rounds.standing(study, number).phase is Phase.AGGREGATING
        first, second, third = world.hospitals
        result = aggregate_of(number)
        first.as_operator.send(at.rounds.attest(study, number, first.seat, result))
        second.as_operator.send(
            at.rounds.attest_hash(study, number, second.seat, result.digest(study, number))
        )
        third.as_operator.send(at.rounds.attest_hash(study, number, third.seat, result.digest(study, number)))
        assert at.rounds.round(study, number).outcome is Outcome.FINAL
    assert at.rounds.study(study).state is StudyState.COMPLETED
    world.client.travel(120)
    for hospital in world.hospitals:
        earned = [Earned(number, update_of(hospital, number), aggregate_of(number)) for number in (1, 2)]
        world.owner.send(at.payouts.claim(study, hospital.seat, earned))
        world.owner.send(at.studies.release(study, hospital.seat))
    world.owner.send(at.studies.refund(study))
    index.sync()
    check_history(world, study)
    paid = dict.fromkeys((hospital.id for hospital in world.hospitals), 0)
    for event in index.events("Claimed", study=study):
        paid[event["hospital"]] += event["amount"]
    for hospital in world.hospitals:
        balance = at.vault.balance(hospital.id, world.token.address)
        assert (balance.free, balance.locked) == (STAKE + paid[hospital.id], 0)
        assert at.vault.allowance(hospital.id, world.token.address).left == STAKE
    assert 0 <= 2 * REWARD - sum(paid.values()) <= 6


def check_history(world, study):
    index, hospitals, at = world.index, world.hospitals, world.at
    assert study_ids(index) == [study]
    found = read_study(index, study)
    assert (found.sponsor, found.rounds, found.ended) == (world.sponsor.address, 2, "completed")
    assert found.terms == world.terms(enrol_deadline=found.terms.enrol_deadline)
    assert [entry.hospital for entry in found.enrolments] == [hospital.id for hospital in hospitals]
    assert [entry.records for entry in found.enrolments] == [100, 101, 102]
    assert (found.released, found.refunded, found.barred) == (0b111, True, {})
    assert found.settled_at == at.rounds.study(study).settled_at
    for number in (1, 2):
        told = read_round(index, study, number)
        stored = at.rounds.round(study, number)
        assert told.updates == {h.seat: update_of(h, number) for h in hospitals}
        assert (told.opened_at, told.closed_at) == (stored.opened_at, stored.closed_at)
        standing = Standing(Phase.FINAL, told.submitted, told.opened_at, told.ended_at)
        assert at.rounds.standing(study, number) == standing
        assert (told.outcome, told.finals_before) == (stored.outcome, stored.finals_before)
        assert told.ended_at == told.final_at == at.rounds.standing(study, number).ended_at
        result = aggregate_of(number)
        key = result.digest(study, number)
        assert (told.final_hash, told.result) == (key, result)
        assert told.attesters == {key: at.rounds.ballot(study, number, key).attesters} == {key: 0b111}
        assert at.rounds.ballot(study, number, key).paid == 0b111
    for hospital in hospitals:
        commitment = at.rounds.commitment(study, 1, hospital.seat)
        assert commitment == update_of(hospital, 1).commitment()
    commitments = at.rounds.commitments(study, 1, [2, 0])
    assert commitments == {h.seat: update_of(h, 1).commitment() for h in (hospitals[0], hospitals[2])}
    assert all(dataset.version == 1 for dataset in history.datasets(index))
    assert [dataset.info for dataset in history.datasets(index)] == [info(number) for number in range(3)]
    assert [hospital.operator for hospital in history.hospitals(index)] == [
        h.operator.address for h in hospitals
    ]


def test_what_a_study_offers_and_asks_for(world):
    """The terms, in the three places where the contracts keep them, and the wiring."""
    at, terms = world.at, world.terms(patient_bps=500, statistics=(Vector(3, 9, weighted=False),))
    study = world.study(patient_bps=500, statistics=terms.statistics)
    assert set(astuple(at.rounds.deployment())) < {placed.address for placed in at.book.contracts.values()}
    assert at.studies.study_count() == 1
    assert at.studies.offer(study) == Offer(
        rule=terms.rule,
        reward_per_round=REWARD,
        bond=terms.bond,
        claim_seconds=60,
        max_attempts=2,
        attester_bps=1000,
        patient_bps=500,
        sponsor_fee_bps=0,
        score_mode=ScoreMode.WEIGHT,
        refunded=False,
        released=0,
    )
    assert at.studies.vectors(study) == terms.vectors(statistics=False)
    assert at.studies.vectors(study, statistics=True) == terms.vectors(statistics=True) == terms.statistics
    plain = world.study()
    assert (
        at.studies.vectors(plain, statistics=True) == world.terms().vectors(statistics=True) == terms.training
    )
    assert at.studies.pools(study) == terms.pools()
    asked = at.rounds.enrolment(study)
    assert asked == EnrolmentTerms(
        token=terms.token,
        stake=STAKE,
        sponsor=world.sponsor.address,
        enrol_deadline=asked.enrol_deadline,
        purposes=GRU,
        disease=0,
        max_hospitals=3,
        spec=SPEC,
    )
    stored = at.rounds.study(study)
    assert (stored.state, stored.rounds, stored.max_voids) == (StudyState.ENROLLING, 2, 1)


def test_what_enrolling_refuses(world):
    """Another spec, a larger stake, more than the hospital's allowance: each in a sentence."""
    at, study = world.at, world.study()
    first = world.hospitals[0]
    with pytest.raises(ContractRevert, match="is not the one you looked at"):
        first.as_operator.send(at.rounds.enrol(study, first.dataset, bytes(32), STAKE))
    with pytest.raises(ContractRevert, match=f"asks for a stake of {STAKE}, more than the {STAKE - 1}"):
        first.as_operator.send(at.rounds.enrol(study, first.dataset, SPEC, STAKE - 1))
    first.as_admin.send(at.vault.set_allowance(first.id, world.token.address, STAKE - 1))
    with pytest.raises(ContractRevert, match="need a larger allowance of its admin account"):
        first.as_operator.send(at.rounds.enrol(study, first.dataset, SPEC, STAKE))


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
        first.as_admin.send(at.vault.withdraw(first.id, world.token.address, 10**9, first.id))
    with pytest.raises(ContractRevert, match="may not move what belongs to"):
        first.as_operator.send(at.vault.withdraw(first.id, world.token.address, 1, first.id))
    assert world.client.nonce(first.operator.address) == before


def test_absence_void_and_refund(world):
    """Silence voids rounds until the study aborts; the sponsor gets the rest back, in views and in the index."""
    at, study = world.at, world.running(max_voids=0)
    first, second, third = world.hospitals
    first.as_operator.send(at.rounds.submit_update(study, 1, first.seat, update_of(first, 1)))
    second.as_operator.send(at.rounds.abstain(study, 1, second.seat))
    world.client.travel(700)
    world.owner.send(at.claims.record_absences(study, 1))
    assert at.rounds.absence(study, 1).abstained == 0b010
    assert at.claims.absences_recorded(study, 1) == 0b100
    assert at.studies.misses(study, third.seat) == 1
    due = STAKE * at.studies.slash_bps() // 10_000
    assert at.studies.taken(study, third.seat) == due == at.vault.burnt(world.token.address)
    world.owner.send(at.rounds.advance(study))
    assert at.rounds.study(study).state is StudyState.ABORTED
    world.client.travel(120)
    world.owner.send(at.studies.refund(study))
    assert at.studies.is_refunded(study)
    world.owner.send(at.studies.release(study, third.seat))
    assert at.studies.released(study) == 0b100
    assert at.vault.balance(third.id, world.token.address).free == STAKE - due
    assert at.vault.allowance(third.id, world.token.address).used == due
    world.index.sync()
    assert at.vault.balance(world.sponsor.address, world.token.address).free >= 2 * REWARD
    assert read_round(world.index, study, 1).void


def test_a_round_that_ends_by_time(world):
    """A claim is made, objected to, made again and accepted; each is settled, and every view tells the same."""
    at, study = world.at, world.running(bond=STAKE // 10, stake=STAKE // 2)
    first, second, third = world.hospitals
    for hospital in world.hospitals:
        hospital.as_operator.send(at.rounds.submit_update(study, 1, hospital.seat, update_of(hospital, 1)))
    world.client.travel(400)
    result = aggregate_of(1)
    wrong = Aggregate(b"\x21" * 32, b"\x22" * 32, b"\x23" * 32, 0b111, 192)
    receipt = first.as_operator.send(at.claims.submit_aggregate(study, 1, first.seat, wrong))
    assert at.claims.attempted(receipt) == 0
    third.as_operator.send(at.claims.object(study, 1, 0))
    third.as_operator.send(at.claims.lack(study, 1, third.seat, 0b001))
    second.as_operator.send(at.claims.submit_aggregate(study, 1, second.seat, result))
    contest = at.claims.contest(study, 1)
    assert (contest.count, contest.authors, contest.objectors, contest.lacking) == (2, 0b011, 0b100, 0b100)
    assert at.claims.leader(study, 1) == third.seat
    assert at.claims.held_until(study, 1) == contest.held_until
    world.client.travel(60)
    world.owner.send(at.claims.finalise(study, 1, result))
    assert at.claims.attempt(study, 1, 1).state is AttemptState.ACCEPTED
    assert at.claims.attempt(study, 1, 0).state is AttemptState.OBJECTED
    world.client.travel(60)
    world.owner.send(at.claims.settle(study, 1, 0, wrong, result))
    world.owner.send(at.claims.settle(study, 1, 1, result, result))
    assert at.claims.attempt(study, 1, 1).claim_seconds == 60
    assert at.vault.burnt(world.token.address) == STAKE // 10
    place, work = (study, 1, first.seat), (result, update_of(first, 1))
    assert at.payouts.share(place, work) == (update_of(first, 1).weight, 192)
    earning = at.rounds.earning(study, 1, first.seat, result.digest(study, 1))
    assert (earning.outcome, earning.attested, earning.barred) == (Outcome.FINAL, False, False)
    assert (earning.submitted, earning.absent, earning.due) == (0b111, 0, 3)
    assert at.rounds.earning(study, 1, second.seat, result.digest(study, 1)).attested
    assert at.rounds.hospitals_of(study, 0b101) == [first.id, third.id]


def test_hospital_keys_and_status(world):
    """Keys rotate, suspensions come and go; the index shows the present state and the views agree."""
    at, hospital = world.at, world.hospitals[0]
    other = funded(world.client)
    hospital.as_admin.send(
        at.consortium.rotate_operator(hospital.id, other.address, world.pledge(other, hospital.id))
    )
    hospital.as_admin.send(at.consortium.rotate_encryption_key(hospital.id, b"\x77" * 32))
    hospital.as_admin.send(at.consortium.update_metadata(hospital.id, b"\x78" * 32))
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


def test_a_lost_admin_key(world):
    """The consortium names another account, which speaks for the hospital after the notice; a veto ends a proposal."""
    at, hospital = world.at, world.hospitals[0]
    heir = Sender(world.client, funded(world.client))
    world.owner.send(at.consortium.propose_admin(hospital.id, heir.address))
    hospital.as_operator.send(at.consortium.veto_admin(hospital.id))
    assert at.consortium.proposal(hospital.id) is None
    world.owner.send(at.consortium.propose_admin(hospital.id, heir.address))
    world.owner.send(at.consortium.withdraw_admin(hospital.id))
    world.owner.send(at.consortium.propose_admin(hospital.id, heir.address))
    proposal = at.consortium.proposal(hospital.id)
    assert proposal is not None
    ends = datetime.fromtimestamp(proposal.effective_at, UTC)
    with pytest.raises(ContractRevert, match=f"runs until {ends:%Y-%m-%d %H:%M:%S} UTC"):
        heir.send(at.consortium.accept_admin(hospital.id))
    world.client.travel(proposal.effective_at - world.client.head().timestamp)
    heir.send(at.consortium.accept_admin(hospital.id))
    assert at.consortium.admin_of(hospital.id) == heir.address
    heir.send(at.vault.withdraw(hospital.id, world.token.address, STAKE, heir.address))
    world.index.sync()
    assert history.hospitals(world.index)[0].admin == heir.address
    names = [act.name for act in acts(world.index) if act.name.startswith("Admin")]
    assert names.count("AdminProposed") == 3
    assert {"AdminVetoed", "AdminWithdrawn", "AdminReplaced"} < set(names)


def test_suspensions_of_the_past(world):
    """Whoever asks of seconds gone by is told."""
    at, hospital = world.at, world.hospitals[0]
    before = world.client.head().timestamp
    world.client.travel(10)
    world.owner.send(at.consortium.suspend(hospital.id))
    suspended = world.client.head().timestamp
    world.client.travel(10)
    world.owner.send(at.consortium.reinstate(hospital.id))
    now = world.client.travel(10).timestamp
    assert at.consortium.was_suspended(hospital.id, before, now)
    assert not at.consortium.was_suspended(hospital.id, before, suspended - 1)
    assert not at.consortium.was_suspended(hospital.id, now, now)


def test_dataset_versions(world):
    """A new version is published and indexed; a retired dataset says so."""
    at, hospital = world.at, world.hospitals[0]
    hospital.as_operator.send(at.datasets.publish(hospital.dataset, version(7)))
    hospital.as_admin.send(at.datasets.retire(hospital.dataset))
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
    assert at.consents.revoke_all_word(patients[4].address).posted_at > 0


def signed_grant(world, patient, dataset):
    now = world.client.head().timestamp
    message = GrantMessage(
        patient.address, dataset, GRU, consent.NO_EXPIRY, *astuple(consent.NO_DETAILS), now, now + 3600
    )
    domain = consent_domain(world.client.chain_id, world.at.consents.address)
    return SignedMessage(message, patient.sign_digest(digest(domain, message)))


def test_embedded_chain_is_fast(embedded, tmp_path):
    """569 consents in batches of 64 take the embedded chain a few seconds."""
    world = World(embedded, tmp_path)
    patients = [patient_account(bytes(range(32)), number) for number in range(569)]
    dataset = world.hospitals[0].dataset
    items = [signed_grant(world, patient, dataset) for patient in patients]
    begun = time.process_time()
    for first in range(0, len(items), 64):
        receipt = world.owner.send(world.at.consents.grant_batch(items[first : first + 64]))
        assert world.at.consents.skipped(receipt) == []
    taken = time.process_time() - begun
    assert taken < 20, f"569 consents took {taken:.1f} s of CPU"
