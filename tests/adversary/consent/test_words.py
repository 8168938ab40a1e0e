"""What a patient signs is what the wallet showed: the chain's names of the dataset, and no other's."""

from __future__ import annotations

from medfed.protocol import typed
from medfed.protocol.consent import NO_LAST_YEAR
from medfed.protocol.purposes import Purpose
from tests.rig.evm import CHAIN_ID

HMB, NO_EXPIRY = int(Purpose.HMB), 0xFFFF


def signed(world, dataset, words):
    patient, now = world.evm.actors[80], world.evm.now
    message = typed.GrantMessage(
        patient.address, dataset, HMB, NO_EXPIRY, 0, NO_LAST_YEAR, bytes(28), now, now + 60, words
    )
    digest = typed.digest(typed.consent_domain(CHAIN_ID, world.consents.address), message)
    return (
        patient.address,
        dataset,
        HMB,
        NO_EXPIRY,
        bytes(32),
        now,
        now + 60,
        patient.sign_digest(digest),
    )


def test_words_grow_until_both_names_are_given(world):
    """Who signed before signs again; a revocation has no words that could change."""
    hospital, operator = world.hospitals[0], world.operators[0]
    assert tuple(world.datasets.describe(1)) == ("dataset 1", False)
    before = signed(world, 1, "")
    world.datasets.giveTitle(1, "Breast cytology", sender=operator)
    assert tuple(world.datasets.describe(1)) == ('dataset 1, "Breast cytology"', False)
    with world.evm.reverts("InvalidSignature"):
        world.consents.grantBySig(before)
    world.consortium.giveName(hospital, "Hospital A", sender=world.admin)
    words, lasting = world.datasets.describe(1)
    assert (words, lasting) == ('dataset 1, "Breast cytology", of "Hospital A"', True)
    world.consents.grantBySig(signed(world, 1, words))
    world.evm.travel(1)
    again = world.consents.grantBySig(signed(world, 1, words))  # by the hash that is kept now
    assert len(again.named("Granted")) == 1


def test_dataset_that_there_is_not__reverts(world):
    with world.evm.reverts("DatasetUnknown", 999):
        world.consents.grantBySig(signed(world, 999, ""))
