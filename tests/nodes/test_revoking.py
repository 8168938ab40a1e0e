"""Before a hospital trains it holds its cohort against the contract's storage: who took a consent back is left out. And
nobody attests to a cohort that is larger than the consents that everybody sees."""

from __future__ import annotations

import shutil

import pytest

from medfed.protocol.cid import cid_from_digest
from medfed.protocol.consent import NO_DETAILS
from medfed.protocol.leaves import Use, cohort_leaf, use_salt
from medfed.protocol.manifest import CohortManifest
from medfed.rounds.cohort import _Round, committed_cohort
from medfed.rounds.disclose import disclosure
from medfed.rounds.uses import Pseudonym, find_uses
from medfed.types import RoundNumber
from tests.nodes.federation import DISPUTE, ETHER, PATIENTS, PHASE
from tests.nodes.test_hospital import audit, reasons

pytestmark = pytest.mark.usefixtures("quiet")
GONE = (0, 1)
"""Patients of the first hospital who revoke."""


def decide(world, member, number, call):
    patient = member.wallet.account(number)
    world.client.set_balance(patient.address, ETHER)
    world.send(patient, call)


def revoke(world, member, *numbers):
    for number in numbers:
        decide(world, member, number, world.contracts.consents.revoke(member.dataset))


@pytest.fixture
def revoked(world, three):
    """A round is open, and two of the first hospital's patients revoke before anybody trained, one of them everything."""
    study, member = world.opened(*three), world.members[0]
    revoke(world, member, GONE[0])
    decide(world, member, GONE[1], world.contracts.consents.revoke_all())
    return study


def manifest_of(world, study, number=1, seat=0):
    history = world.round(study, number)
    data = world.store.get(cid_from_digest(history.updates[seat].cohort_cid), CohortManifest.maximum)
    return CohortManifest.from_bytes(data)


def leaf_of(world, study, member, number):
    use = Use(world.client.chain_id, world.contracts.rounds.address, study, RoundNumber(1), member.dataset)
    account = member.wallet.account(number).address
    return cohort_leaf(use, account, use_salt(member.wallet.link_secret(number), use))


def listed(world, study, member):
    """Numbers of the patients whom round 1 of a study used."""
    manifest = manifest_of(world, study)
    leaves = {number: leaf_of(world, study, member, number) for number in range(PATIENTS)}
    return {number for number, leaf in leaves.items() if manifest.index(leaf) is not None}


class TestRevoking:
    def test_who_revokes_before_the_training_is_not_trained_with(self, world, three, revoked):
        world.run(*three, cycles=2)
        member = world.members[0]
        assert listed(world, revoked, member) == set(range(PATIENTS)) - set(GONE)
        assert audit(member, "trained")[0]["records"] == PATIENTS - len(GONE)
        for number in GONE:
            account = member.wallet.account(number).address
            secret = member.wallet.link_secret(number)
            who = Pseudonym(account, secret, member.dataset)
            found = find_uses(world.federation(), [who], member.dataset)
            (use,) = [each for each in found if each.study == revoked]
            assert (use.used, use.consented, use.wrongful) == (False, True, False)

    def test_the_study_goes_on_and_the_hospital_shows_whom_it_used(self, world, three, revoked):
        world.run(*three, cycles=8)
        study, member = world.study(revoked), world.members[0]
        assert study.ended == "completed"
        hospital = world.hospital(member)
        shown = disclosure(world.federation(), study, study.enrolment(hospital.id), hospital.holdings)
        gone = {member.wallet.account(number).address for number in GONE}
        assert [entry.round for entry in shown.rounds] == [1, 2]
        assert not gone & {use.patient for entry in shown.rounds for use in entry.uses}
        for number in (1, 2):
            shown.patients(manifest_of(world, revoked, number), 16, 16)

    def test_lost_work_is_made_again_without_them(self, world, three, revoked):
        """Also when another revokes after the commitment: the cohort is the one that was committed to."""
        world.run(three[0])
        member = world.members[0]
        revoke(world, member, 2)
        shutil.rmtree(member.home / "work")
        world.run(world.hospital(member), *three[1:], cycles=8)
        assert not reasons(member, "refused")
        assert 2 in listed(world, revoked, member)
        assert world.round(revoked, 1).result.included & 1

    def test_who_consents_again_before_the_training_is_trained_with(self, world, three, revoked):
        member = world.members[0]
        world.client.travel(1)
        until = world.client.head().timestamp // 86_400 + 9
        decide(world, member, GONE[0], world.contracts.consents.grant(member.dataset, 1, until))
        world.run(*three, cycles=2)
        assert listed(world, revoked, member) == set(range(PATIENTS)) - {GONE[1]}

    def test_a_consent_narrowed_beyond_the_study_is_none(self, world, three):
        study, member = world.opened(*three), world.members[0]
        word = world.contracts.consents.word(member.wallet.account(4).address, member.dataset)
        narrowed = world.contracts.consents.narrow(member.dataset, word.purposes | 1 << 12, word.expiry_day)
        decide(world, member, 4, narrowed)
        world.run(*three, cycles=2)
        assert 4 not in listed(world, study, member)

    def test_consents_that_the_contract_does_not_keep_are_not_used(self, world, three):
        """A revocation that the hospital's index does not tell of, because a node kept it back: the events are read anew, and who
        revoked is not trained with. `test_leaving_out` has nodes that keep it back for ever."""
        member, hospital = world.members[0], three[0]
        revoke(world, member, 0)
        world.opened(*three)
        world.run(hospital)  # reads the chain, and trains
        assert audit(member, "trained")
        lying = world.hospital(member)
        lying._site.index.sync()
        lying._site.index._db.execute('DELETE FROM "ConsentRegistry_Revoked"')
        second = world.opened(*three[1:], lying, spec={"seed": 5})
        world.run(lying)
        history, study = world.round(second, 1), world.study(second)
        assert 2 in history.updates
        cohort = lying._training.cohort(study, study.enrolment(member.id), history)
        assert member.wallet.account(0).address not in {each.patient for each in cohort.members}
        assert len(cohort.members) == PATIENTS - 1

    def test_a_revocation_that_is_kept_back_behind_a_later_consent(self, world, three):
        """It stood when the round opened, and the patient consented again since: this round has them not."""
        member, lying = world.members[0], three[0]
        word = world.contracts.consents.word(member.wallet.account(0).address, member.dataset)
        revoke(world, member, 0)
        study = world.opened(*three)
        again = world.contracts.consents.grant(member.dataset, word.purposes, word.expiry_day)
        decide(world, member, 0, again)
        lying._site.index.sync()
        lying._site.index._db.execute('DELETE FROM "ConsentRegistry_Revoked"')
        world.run(lying)
        updates, site = world.round(study, 1), lying._site
        place = site.place(world.study(study), RoundNumber(1))
        entry = world.study(study).entry(0)
        cohort = 0 in updates.updates and committed_cohort(site.index, place, updates, entry, site.holdings)
        assert not cohort or member.wallet.account(0).address not in {each.patient for each in cohort.members}


class TestNoConsent:
    """Hospitals that train with whom they like: `_Round.active` is everybody, whatever the chain keeps."""

    @pytest.fixture
    def everybody(self, monkeypatch):
        monkeypatch.setattr(
            _Round,
            "active",
            property(lambda self: dict.fromkeys(self._holdings.register.patients, NO_DETAILS)),
        )
        monkeypatch.setattr(_Round, "is_untold", lambda *_: False)

    def test_nobody_is_paid_for_rounds_that_all_trained_without_consent(self, world, three, everybody):
        for member in world.members:
            revoke(world, member, 0, 1, 2)
        study = world.opened(*three)
        world.run(*three, cycles=4)
        assert len(world.round(study, 1).updates) == 3
        world.client.travel(2 * PHASE)
        world.run(*three, cycles=6)
        world.client.travel(2 * PHASE)
        world.run(*three, cycles=6)
        history = world.round(study, 1)
        assert (history.result, history.void) == (None, True)
        told = " ".join(reasons(world.members[0], "left out"))
        assert "15 patients consented" in told
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        assert not world.index.events("Claimed", study=study)

    def test_one_that_does_is_left_out_and_unpaid(self, world, three, everybody):
        revoke(world, world.members[0], 0, 1, 2)
        study = world.opened(*three, rounds=1)
        world.run(*three, cycles=6)
        history = world.round(study, 1)
        assert len(history.updates) == 3
        assert history.result.included == 0b110
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        pools = world.study(study).terms.pools()
        paid = {event["seat"]: event["amount"] for event in world.index.events("Claimed", study=study)}
        assert paid == {
            0: pools.attesters // 3,
            1: pools.attesters // 3 + pools.updates // 3,
            2: pools.attesters // 3 + pools.updates // 3,
        }, "for its attestation alone"
