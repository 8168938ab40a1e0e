"""Hospitals whose data are used on another ground than consent, from registering to the cohort of a round."""

from __future__ import annotations

import pytest

from medfed.errors import PolicyRefusal
from medfed.nodes.enrolling import Enrolling
from medfed.protocol.basis import Basis
from medfed.protocol.purposes import Purpose
from medfed.rounds.audit import audit_study
from medfed.rounds.history import bound
from medfed.types import NO_ACCOUNT, StudyId
from tests.nodes.federation import DAY, ETHER, PATIENTS, PHASE, account
from tests.nodes.test_hospital import audit
from tests.nodes.test_revoking import decide, revoke

pytestmark = pytest.mark.usefixtures("quiet")
DECISION = b"\x07" * 32


@pytest.fixture
def opted(world):
    """The daemons; the first hospital's dataset is opt-out, its patients were asked for the one before it alone. Of these one
    has objected, another said yes again on the new one."""
    member = world.members[0]
    revoke(world, member, 0, 1)
    world.renew(member, (Basis.OPT_OUT, NO_ACCOUNT))
    world.client.travel(60)
    until = world.client.head().timestamp // DAY + 9
    decide(world, member, 1, world.contracts.consents.grant(member.dataset, int(Purpose.HMB), until))
    return [world.hospital(each) for each in world.members]


@pytest.fixture
def issuer(world):
    board = account("board", world.sponsor.address)
    world.client.set_balance(board.address, ETHER)
    return board


@pytest.fixture
def permitted(world, issuer):
    """The daemons; the first hospital's dataset is used by permit."""
    world.renew(world.members[0], (Basis.PERMIT, issuer.address))
    return [world.hospital(each) for each in world.members]


def permit(world, issuer, study):
    until = world.client.head().timestamp // DAY + 99
    datasets = world.contracts.datasets
    world.send(issuer, datasets.permit(world.members[0].dataset, StudyId(study), DECISION, until))


def trained(member):
    return [each["records"] for each in audit(member, "trained")]


def test_the_enlisted_count_but_who_objected_to_a_predecessor(world, opted):
    study = world.opened(*opted)
    world.run(*opted, cycles=2)
    assert trained(world.members[0])[:1] == [PATIENTS - 1]
    world.run(*opted, cycles=8)
    world.client.travel(2 * PHASE)
    report = audit_study(world.federation(), study)
    assert report.ok, report.verdict


def test_the_hospital_objects_for_a_patient_without_a_key(world, opted):
    """Also once the round is open: by what the contract keeps."""
    world.opened(*opted)
    member = world.members[0]
    patient = member.wallet.account(5).address
    world.send(member.operator, world.contracts.consents.revoke_for(patient, member.dataset))
    world.run(*opted, cycles=2)
    assert trained(member)[:1] == [PATIENTS - 2]


def test_a_permit_lets_in_and_its_withdrawal_ends_the_cohort(world, issuer, permitted):
    study = StudyId(world.contracts.studies.study_count() + 1)
    permit(world, issuer, study)
    member = world.members[0]
    opened = world.opened(*permitted)
    assert opened == study
    entry = world.study(study).enrolment(world.hospital(member).id)
    assert bound(world.index, entry, world.study(study).terms, world.round(study, 1)) == entry.records
    world.run(*permitted)
    assert trained(member) == [PATIENTS]
    world.send(issuer, world.contracts.datasets.withdraw_permit(member.dataset, study))
    world.run(*permitted, cycles=8)
    assert trained(member) == [PATIENTS]
    assert entry.seat in world.round(study, 2).abstained
    assert not bound(world.index, entry, world.study(study).terms, world.round(study, 2))


def test_without_a_permit_no_seat_is_taken(world, permitted):
    study = world.post()
    world.run(permitted[0])
    assert not world.study(study).enrolments
    with pytest.raises(PolicyRefusal, match="does not permit study"):
        Enrolling(permitted[0]._site).check_basis(world.members[0].dataset, study)


def test_with_a_permit_that_has_ended_no_seat_is_taken(world, issuer, permitted):
    """Here already, in one sentence; not only by the contract."""
    study = world.post()
    member, head = world.members[0], world.client.head()
    until = head.timestamp // DAY + 1
    world.send(issuer, world.contracts.datasets.permit(member.dataset, study, DECISION, until))
    check = Enrolling(permitted[0]._site).check_basis
    check(member.dataset, study)
    world.client.travel(until * DAY - head.timestamp)
    with pytest.raises(PolicyRefusal, match=f"for study {study} has ended; ask {issuer.address}"):
        check(member.dataset, study)


def test_on_another_chain_than_a_development_chain_they_enrol_nowhere(world, opted, monkeypatch):
    study = world.post()
    monkeypatch.setattr(type(world.client), "is_development", False)
    site = opted[0]._site
    with pytest.raises(PolicyRefusal, match="opt-out; such datasets enrol on development chains only"):
        Enrolling(site).check_basis(world.members[0].dataset, study)
    with pytest.raises(PolicyRefusal, match="development chains only"):
        Enrolling(site).by_hand(world.study(study), world.client.head())
    assert not world.study(study).enrolments
