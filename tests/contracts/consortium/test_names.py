"""`giveName`: what patients read when they sign, vouched for by the consortium, for good."""

from __future__ import annotations

import pytest

from tests.contracts.consortium.conftest import admit
from tests.rig.evm import Event


def name(world, text, hospital=None):
    return world.consortium.giveName(hospital or world.hospital, text, sender=world.admin)


def test_the_consortium_names_a_hospital(world, consortium):
    receipt = name(world, "Universitätsklinikum Nord, 2. Haus")
    told = {"hospital": world.hospital.address, "name": "Universitätsklinikum Nord, 2. Haus"}
    assert receipt.events == (Event("HospitalNamed", told, consortium.address),)
    assert consortium.nameOf(world.hospital) == "Universitätsklinikum Nord, 2. Haus"
    assert consortium.nameOf(world.other) == ""


def test_nobody_else_does(evm, world, consortium):
    for caller in (world.hospital, world.operator, world.other):
        with evm.reverts("AccessManagedUnauthorized", caller):
            consortium.giveName(world.hospital, "Hospital", sender=caller)


def test_a_name_is_for_good(evm, world, consortium):
    name(world, "Hospital A")
    with evm.reverts("NameGiven", world.hospital):
        name(world, "Hospital B")


def test_no_two_hospitals_have_one_name(evm, world, consortium):
    admit(world, world.other, world.fresh)
    name(world, "Hospital A")
    with evm.reverts("NameTaken", "Hospital A", world.hospital):
        name(world, "Hospital A", world.other)


def test_an_unknown_hospital_has_none(evm, world, consortium):
    with evm.reverts("HospitalUnknown", world.other):
        name(world, "Hospital A", world.other)


@pytest.mark.parametrize("text", ["A", "x" * 64, "Hôpital St-Jean (2) & fils", "病院", "a€b"])
def test_what_can_be_a_name(world, consortium, text):
    name(world, text)
    assert consortium.nameOf(world.hospital) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 65,
        " A",
        "A ",
        'A" of B',
        "A\nB",
        "A\x7f",
        "A\x00",
        "A\u202eB",
        "A\u200bB",
        "A\u2066B",
        "ä" * 33,
    ],
)
def test_what_cannot(evm, world, consortium, text):
    with evm.reverts("LabelRefused", text):
        name(world, text)
