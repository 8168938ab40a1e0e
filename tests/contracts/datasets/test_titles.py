"""`giveTitle`: what patients read when they sign, for good."""

from __future__ import annotations

from tests.contracts.datasets.infos import info
from tests.rig.evm import Event


def test_the_owners_operator_gives_a_title(world):
    receipt = world.datasets.giveTitle(1, "Breast cytology", sender=world.operator)
    told = {"dataset": 1, "title": "Breast cytology"}
    assert receipt.events == (Event("DatasetTitled", told, world.datasets.address),)
    assert world.datasets.titleOf(1) == "Breast cytology"


def test_nobody_else_does(evm, world):
    for caller in (world.hospital, world.other, world.its_operator):
        with evm.reverts("NotTheOwnersOperator", 1, caller):
            world.datasets.giveTitle(1, "Breast cytology", sender=caller)
    world.consortium.suspend(world.hospital)
    with evm.reverts("NotTheOwnersOperator", 1, world.operator):
        world.datasets.giveTitle(1, "Breast cytology", sender=world.operator)


def test_a_title_is_for_good_and_a_successor_has_its_own(evm, world):
    world.datasets.giveTitle(1, "Breast cytology", sender=world.operator)
    with evm.reverts("TitleGiven", 1):
        world.datasets.giveTitle(1, "Heart disease", sender=world.operator)
    successor = world.datasets.renew(1, info(), sender=world.operator).value
    assert world.datasets.titleOf(successor) == ""
    world.datasets.giveTitle(successor, "Breast cytology", sender=world.operator)


def test_what_cannot_be_a_title(evm, world):
    for text in ("", "x" * 65, 'Cytology" of "B', "A\u202eB"):
        with evm.reverts("LabelRefused", text):
            world.datasets.giveTitle(1, text, sender=world.operator)


def test_no_dataset_no_title(evm, world):
    with evm.reverts("DatasetUnknown", 9):
        world.datasets.giveTitle(9, "Breast cytology", sender=world.operator)
    assert world.datasets.titleOf(9) == ""
