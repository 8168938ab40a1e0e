"""Datasets that come one after the other: what a patient said about one must not be turned into leave for the next."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from medfed.chain.sender import Sender
from medfed.cli import actions
from medfed.cli.patient_status import Standing
from medfed.protocol.basis import Basis, counting
from medfed.protocol.consent import DAY, NO_EXPIRY, RevokeAll, State, Word
from medfed.protocol.purposes import Purpose, permits
from medfed.rounds.history import Enrolment, bound, counted
from medfed.types import NO_ACCOUNT, DatasetId, Seat, StudyId
from tests.nodes.federation import ETHER, account, deploy
from tests.rounds.histories import open_round, terms

DS, HMB, CC = int(Purpose.DS), int(Purpose.HMB), int(Purpose.CC)
ASTHMA, DIABETES = 7, 8
OPT_OUT = (Basis.OPT_OUT, NO_ACCOUNT)
STUDY, DECISION = StudyId(77), b"\7" * 32


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def world(ground, tmp_path):
    """One hospital with a dataset about asthma, whose patients are asked, and another with none of its own."""
    found = ground.world(tmp_path, 0)
    for number in (1, 2):
        found.admit(number, disease=ASTHMA)
    return found


@pytest.fixture
def member(world):
    return world.members[0]


def successor(world, member, before, disease=DIABETES, ground=OPT_OUT, *, by=None):
    """The dataset that the hospital, or another that takes it over, registers next."""
    files = [member.folder / name for name in ("records.csv", "patients.csv", "secret.hex")]
    about = {"uses": "GRU", "disease": disease, "label": "ill", "ground": ground}
    if by is None:
        sender = Sender(world.client, member.operator)
        return actions.register_dataset(world.federation(), sender, files, after=before, **about)
    world.send(member.admin, world.contracts.datasets.offer(before, by.id))
    return actions.accept_dataset(world.federation(), Sender(world.client, by.admin), before, files, **about)


def say(world, who, call):
    world.client.set_balance(who.address, ETHER)
    world.send(who, call)


def counts(world, member, dataset, patient, purposes=DS, disease=DIABETES):
    """Whether an enlisted patient counts in a round of such a study that opens now."""
    world.client.travel(2)
    world.client.mine()
    world.index.sync()
    entry = Enrolment(Seat(0), member.id, dataset, 1, 18)
    history = replace(open_round({}), study=STUDY, opened_at=world.client.head().timestamp)
    found = counted(world.index, entry, terms(purposes=purposes, disease=disease), history, [patient.address])
    return bool(found)


class TestDiseases:
    @pytest.mark.parametrize("first", [Basis.CONSENT, Basis.OPT_OUT])
    def test_asthma_alone_is_no_leave_for_diabetes(self, world, member, first):
        """The patient's DS meant the disease of the dataset that it is about, on the next one's basis too."""
        before = member.dataset
        if first is not Basis.CONSENT:
            before = successor(world, member, before, ASTHMA)
        patient = member.wallet.account(0)
        say(world, patient, world.contracts.consents.grant(before, DS, NO_EXPIRY))
        after = successor(world, member, before)
        assert not counts(world, member, after, patient)
        assert not counts(world, member, after, patient, HMB, 0)
        assert counts(world, member, after, patient, DS, ASTHMA), "what the patient did permit"

    def test_nor_where_another_hospital_took_it_over(self, world, member):
        patient, other = member.wallet.account(0), world.members[1]
        say(world, patient, world.contracts.consents.grant(member.dataset, DS, NO_EXPIRY))
        after = successor(world, member, member.dataset, by=other)
        assert not counts(world, other, after, patient)

    def test_nor_over_a_dataset_without_a_disease_in_between(self, world, member):
        patient = member.wallet.account(0)
        say(world, patient, world.contracts.consents.grant(member.dataset, DS, NO_EXPIRY))
        between = successor(world, member, member.dataset, 0)
        assert not counts(world, member, successor(world, member, between), patient)

    def test_who_says_it_of_the_new_one_means_the_new_one(self, world, member):
        patient, consents = member.wallet.account(0), world.contracts.consents
        say(world, patient, consents.grant(member.dataset, DS, NO_EXPIRY))
        after = successor(world, member, member.dataset)
        world.client.travel(2)
        say(world, patient, consents.grant(after, DS, NO_EXPIRY))
        assert counts(world, member, after, patient)
        assert not counts(world, member, after, patient, DS, ASTHMA)


class TestObjections:
    def test_one_dataset_further_forgets_nothing(self, world, member):
        """Six registrations on, a hospital has no more leave than after one."""
        patient, dataset = member.wallet.account(0), member.dataset
        say(world, patient, world.contracts.consents.revoke(dataset))
        for _ in range(6):
            dataset = successor(world, member, dataset)
        assert not counts(world, member, dataset, patient)

    def test_a_basis_in_between_forgets_nothing(self, world, member):
        """An opt-out, a consent, and an opt-out again: the consent's dataset does not break the line."""
        patient, line = member.wallet.account(0), [member.dataset]
        line.append(successor(world, member, line[-1]))
        say(world, patient, world.contracts.consents.revoke(line[-1]))
        line.append(successor(world, member, line[-1], ground=(Basis.CONSENT, NO_ACCOUNT)))
        line.append(successor(world, member, line[-1]))
        assert not counts(world, member, line[-1], patient)

    def test_a_consent_by_signature_from_before_the_objection_ends_it_not(self, world, member):
        """Kept back until the objection stood, and posted on the successor's number."""
        patient, consents = member.wallet.account(0), world.contracts.consents
        after = successor(world, member, member.dataset)
        now = world.client.head().timestamp
        kept = actions.sign_grant(world.federation(), patient, after, HMB, NO_EXPIRY, now=now)
        world.client.travel(5)
        say(world, patient, consents.revoke(member.dataset))
        world.send(world.sponsor, consents.grant_batch([kept]))
        assert not counts(world, member, after, patient, HMB, 0)

    def test_the_former_owner_objects_and_grants_nothing(self, world, member):
        """Who handed data over can still revoke on the old number, also while it is suspended, which keeps patients out of the
        successor's rounds; its owner cannot on the old one. No use comes of either, and the patient's next grant counts."""
        other, consents = world.members[1], world.contracts.consents
        patient = member.wallet.account(0)
        after = successor(world, member, member.dataset, by=other)
        assert counts(world, other, after, patient)
        world.send(world.consortium, world.contracts.consortium.suspend(member.id))
        world.send(member.operator, consents.revoke_for(patient.address, member.dataset))
        assert not counts(world, other, after, patient)
        with pytest.raises(Exception, match="own"):
            world.send(other.admin, consents.revoke_for(patient.address, member.dataset))
        say(world, patient, consents.grant(after, HMB, NO_EXPIRY))
        assert counts(world, other, after, patient, HMB, 0)


class TestPermits:
    @pytest.fixture
    def board(self, world):
        found = account("board", world.sponsor.address)
        world.client.set_balance(found.address, ETHER)
        return found

    def most(self, world, member, dataset, study=STUDY):
        world.client.travel(2)
        world.client.mine()
        world.index.sync()
        entry = Enrolment(Seat(0), member.id, dataset, 1, 18)
        history = replace(open_round({}), study=study, opened_at=world.client.head().timestamp)
        return bound(world.index, entry, terms(), history)

    def test_one_that_is_withdrawn_or_is_anothers_lets_nobody_in(self, world, member, board):
        """For another study, of a predecessor's issuer, withdrawn, or over: nobody counts."""
        datasets, patient = world.contracts.datasets, member.wallet.account(0)
        before = successor(world, member, member.dataset, ground=(Basis.PERMIT, board.address))
        until = world.client.head().timestamp // DAY + 1
        world.send(board, datasets.permit(before, STUDY, DECISION, until))
        assert self.most(world, member, before) == 18
        assert not self.most(world, member, before, StudyId(STUDY + 1))
        after = successor(world, member, before, ground=(Basis.PERMIT, member.operator.address))
        assert not self.most(world, member, after), "a permit for the dataset before it"
        assert not counts(world, member, after, patient, HMB, 0)
        world.send(board, datasets.withdraw_permit(before, STUDY))
        assert not self.most(world, member, before)
        world.send(board, datasets.permit(before, STUDY, DECISION, until))
        assert self.most(world, member, before) == 18
        world.client.travel(until * DAY - world.client.head().timestamp)
        assert not self.most(world, member, before), "from its day on"


class TestTold:
    """`patient status` says to whom the record is open; the rounds must not say otherwise."""

    AT = 100 * DAY
    SAID = (0, HMB, DS, CC, HMB | CC, int(Purpose.GRU), HMB | int(Purpose.NPU), int(Purpose.POA))
    ASKED = (HMB, DS, CC, HMB | CC, int(Purpose.GRU), HMB | int(Purpose.NPU), int(Purpose.POA))

    def state(self, draw):
        """Words of a few seconds, so that ties are frequent; some over, some revoked."""
        word, ended = Word(), RevokeAll()
        if draw.random() < 0.8:
            at = draw.randint(1, 4)
            word = Word(draw.choice(self.SAID), at, at, draw.choice([NO_EXPIRY, 50]))
        if draw.random() < 0.3:
            at = draw.randint(1, 4)
            ended = RevokeAll(at, at)
        return State(word, ended)

    def test_status_and_rounds_agree_whatever_was_said(self):
        draw = random.Random(20)
        for _ in range(20_000):
            states = [self.state(draw) for _ in range(draw.randint(1, 3))]
            # A revoke-all is the account's, and so the same on every dataset.
            states = [replace(each, revoke_all=states[0].revoke_all) for each in states]
            numbers = [DatasetId(len(states) - place) for place in range(len(states))]
            stand = Standing(
                numbers[0], Basis.OPT_OUT, None, dict(zip(numbers, states, strict=True)), self.AT
            )
            words = stand.permitting().values()
            for asked in self.ASKED:
                told = not stand.objected and all(permits(word.allowed, asked) for word in words)
                found = counting(Basis.OPT_OUT, states, [asked] * len(states), self.AT) is not None
                assert found == told, (states, asked)
