"""A consent means what its patient was shown: this hospital's data, this disease, these uses."""

from __future__ import annotations

import pytest

from medfed.protocol.purposes import Purpose
from tests.rig.pledges import pledge
from tests.rig.world import DATASET, SPEC, VERSION

DS, HMB, NO_EXPIRY = int(Purpose.DS), int(Purpose.HMB), 0xFFFF
NO_DETAILS = bytes(32)
ASTHMA, DIABETES = 7, 8


def registered(world, uses=DS, disease=ASTHMA):
    """A dataset of the first hospital's."""
    return world.datasets.register(
        (*DATASET[:4], uses, disease, 9000, *DATASET[7:]), sender=world.operators[0]
    ).value


def enrol(world, study, dataset, seat=0, confirmed=0):
    return world.rounds.enrol(study, dataset, SPEC, 2**96 - 1, confirmed, sender=world.operators[seat])


def test_a_stolen_hot_key_turns_consents_for_one_disease_to_no_other(world, evm):
    """It publishes what it can, and enrols in a study of the other disease."""
    dataset, patient = registered(world), evm.actors[80]
    world.consents.grant(dataset, DS, NO_EXPIRY, NO_DETAILS, sender=patient)
    study = world.create(purposes=DS, disease=DIABETES)
    world.datasets.publish(dataset, VERSION, sender=world.operators[0])
    with evm.reverts("UseNotPermitted", dataset, DS, DIABETES):
        enrol(world, study, dataset)
    renewed = world.datasets.renew(
        dataset, (*DATASET[:4], DS, DIABETES, 9000, *DATASET[7:]), sender=world.operators[0]
    ).value
    enrol(world, study, renewed)
    assert not world.consents.isActive(patient, renewed, DS, evm.now)


def test_a_stolen_hot_key_neither_retires_nor_gives_away(world, evm):
    thief = world.operators[0]
    for attempt in (
        lambda: world.datasets.retire(1, sender=thief),
        lambda: world.datasets.offer(1, world.hospitals[1], sender=thief),
        lambda: world.datasets.withdraw(1, sender=thief),
    ):
        with evm.reverts("NotTheOwnersAdmin", 1, thief):
            attempt()


def test_consents_do_not_go_along_when_a_dataset_is_handed_over(world, evm):
    """The receiver has a dataset without a consent; under the old number nobody trains any more."""
    patient, (owner, receiver) = evm.actors[80], world.hospitals[:2]
    world.consents.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=patient)
    world.datasets.offer(1, receiver, sender=owner)
    successor = world.datasets.accept(1, DATASET, sender=receiver).value
    assert not world.consents.isActive(patient, successor, HMB, evm.now)
    assert world.datasets.predecessorOf(successor) == 1
    study = world.create()
    for seat, refusal in ((0, "DatasetIsRetired"), (1, "NotTheOwner")):
        with evm.reverts(refusal):
            enrol(world, study, 1, seat)
    with evm.reverts("NotDatasetOwner", 1, receiver, owner):
        world.consents.revokeFor(patient, 1, sender=receiver)
    world.consents.revokeFor(patient, 1, sender=owner)


@pytest.mark.parametrize("suspended", [0, 1])
def test_a_suspended_hospital_hands_nothing_over_and_takes_nothing_over(world, evm, suspended):
    world.datasets.offer(1, world.hospitals[1], sender=world.hospitals[0])
    world.consortium.suspend(world.hospitals[suspended])
    with evm.reverts("NotAnActiveHospital", world.hospitals[suspended]):
        world.datasets.accept(1, DATASET, sender=world.hospitals[1])


def test_an_offer_that_was_seen_takes_no_dataset_from_a_running_study(world, evm):
    """The owner enrols between offer and acceptance: its stake and seat stay its own."""
    world.datasets.offer(1, world.hospitals[1], sender=world.hospitals[0])
    enrol(world, world.create(), 1)
    with evm.reverts("DatasetEnrolled", 1, 1):
        world.datasets.accept(1, DATASET, sender=world.hospitals[1])


def test_a_sponsor_does_not_declare_what_is_the_owners_to_confirm(world, evm):
    """Data for users of one region: that it is one of them, a study may say as often as it likes."""
    uses = int(Purpose.HMB | Purpose.GS)
    dataset, study = registered(world, uses, 0), world.create(purposes=uses)
    with evm.reverts("UseNotPermitted", dataset, HMB, 0):
        enrol(world, study, dataset)
    enrol(world, study, dataset, confirmed=int(Purpose.GS))


def test_a_hospital_takes_nobodys_operator(world, evm):
    """An account that serves one hospital serves no other: whoever names it first would shut its own hospital out."""
    new, squatter, victim = evm.actors[81], *world.hospitals[:2]
    for word in (pledge(world.consortium, squatter, squatter), pledge(world.consortium, victim, new)):
        with evm.reverts("NotPledged", squatter, new):
            world.consortium.rotateOperator(squatter, new, word, sender=squatter)
    world.consortium.rotateOperator(victim, new, pledge(world.consortium, victim, new), sender=victim)
    assert world.consortium.hospitalOf(new) == victim.address


def test_who_no_longer_serves_an_owner_revokes_for_nobody(world, evm):
    """A stolen operator key after its rotation, an admin account that is proposed and not accepted, the receiver of an offer."""
    patient, new, (owner, receiver) = evm.actors[80], evm.actors[81], world.hospitals[:2]
    world.consents.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=patient)
    world.datasets.offer(1, receiver, sender=owner)
    world.consortium.proposeAdmin(owner, evm.actors[82], sender=world.admin)
    old = world.operators[0]
    world.consortium.rotateOperator(owner, new, pledge(world.consortium, owner, new), sender=owner)
    for who in (old, evm.actors[82], receiver, world.operators[1], patient):
        with evm.reverts("NotDatasetOwner"):
            world.consents.revokeFor(patient, 1, sender=who)
    world.consents.revokeFor(patient, 1, sender=new)
    assert not world.consents.isActive(patient, 1, HMB, evm.now)


def test_what_is_retired_or_given_away_still_takes_back(world, evm):
    """Studies that run go on with it: its patients must be able to leave, by themselves and through the owner."""
    first, second = evm.actors[80:82]
    for patient in (first, second):
        world.consents.grant(1, HMB, NO_EXPIRY, NO_DETAILS, sender=patient)
    world.datasets.retire(1, sender=world.hospitals[0])
    world.consents.revoke(1, sender=first)
    world.consents.revokeFor(second, 1, sender=world.operators[0])
    for patient in (first, second):
        assert not world.consents.isActive(patient, 1, HMB, evm.now)
