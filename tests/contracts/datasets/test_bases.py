"""On which ground a dataset is used, and who permits studies of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from medfed.protocol.basis import Basis
from tests.contracts.datasets.infos import HMB, info
from tests.rig.evm import NO_ONE

DAY, DECISION, STUDY = 86_400, b"\x07" * 32, 5


@pytest.fixture
def permitted(evm, world):
    """Dataset 2, whose issuer is no hospital."""
    issuer = evm.actors[9]
    world.datasets.register(info(basis=Basis.PERMIT, issuer=issuer.address), sender=world.operator)
    return SimpleNamespace(datasets=world.datasets, issuer=issuer, today=evm.now // DAY)


def lock(world, dataset, study=STUDY):
    return world.datasets.lock(study, dataset, world.hospital, HMB, 0, 0, sender=world.rounds)


@pytest.mark.parametrize("basis", list(Basis))
def test_a_dataset_keeps_the_basis_that_it_was_registered_with(evm, world, basis):
    issuer = evm.actors[9].address if basis is Basis.PERMIT else NO_ONE
    (event,) = world.datasets.register(info(basis=basis, issuer=issuer), sender=world.operator).named(
        "DatasetRegistered"
    )
    assert (event["info"].basis, event["info"].issuer) == (basis, issuer)
    assert world.datasets.getDataset(2).basis == basis
    assert world.datasets.issuerOf(2) == issuer


def test_an_issuer_comes_with_a_permit_and_with_nothing_else(evm, world):
    other = evm.actors[9].address
    for basis, issuer in ((Basis.CONSENT, other), (Basis.OPT_OUT, other), (Basis.PERMIT, NO_ONE)):
        with evm.reverts("IssuerDoesNotFit", basis, issuer):
            world.datasets.register(info(basis=basis, issuer=issuer), sender=world.operator)


def test_a_successor_says_its_own_basis(world):
    world.datasets.renew(1, info(basis=Basis.OPT_OUT), sender=world.operator)
    assert world.datasets.getDataset(1).basis == Basis.CONSENT
    assert world.datasets.getDataset(2).basis == Basis.OPT_OUT


def test_the_issuer_alone_permits_and_withdraws(evm, world, permitted):
    datasets, until = world.datasets, permitted.today + 10
    for caller in (world.operator, world.hospital, world.admin, world.other):
        with evm.reverts("NotTheIssuer", 2, caller.address):
            datasets.permit(2, STUDY, DECISION, until, sender=caller)
        with evm.reverts("NotTheIssuer", 2, caller.address):
            datasets.withdrawPermit(2, STUDY, sender=caller)
    with evm.reverts("NotTheIssuer", 1, permitted.issuer.address):
        datasets.permit(1, STUDY, DECISION, until, sender=permitted.issuer)
    receipt = datasets.permit(2, STUDY, DECISION, until, sender=permitted.issuer)
    (event,) = receipt.named("StudyPermitted")
    assert (event["dataset"], event["study"]) == (2, STUDY)
    assert (event["decision"], event["untilDay"]) == (DECISION, until)
    assert tuple(datasets.permitOf(2, STUDY)) == (DECISION, until)


def test_a_permit_names_its_decision_and_a_day_to_come(evm, permitted):
    with evm.reverts("DecisionMissing"):
        permitted.datasets.permit(2, STUDY, bytes(32), permitted.today + 10, sender=permitted.issuer)
    for day in (0, permitted.today):
        with evm.reverts("PermitPassed", day):
            permitted.datasets.permit(2, STUDY, DECISION, day, sender=permitted.issuer)


def test_a_dataset_by_permit_enrols_while_its_issuer_permits_the_study(evm, world, permitted):
    datasets = world.datasets
    with evm.reverts("StudyNotPermitted", 2, STUDY):
        lock(world, 2)
    datasets.permit(2, STUDY, DECISION, permitted.today + 10, sender=permitted.issuer)
    lock(world, 2)
    with evm.reverts("StudyNotPermitted", 2, STUDY + 1):
        lock(world, 2, STUDY + 1)
    (event,) = datasets.withdrawPermit(2, STUDY, sender=permitted.issuer).named("PermitWithdrawn")
    assert (event["dataset"], event["study"]) == (2, STUDY)
    for again in (lambda: lock(world, 2), lambda: datasets.withdrawPermit(2, STUDY, sender=permitted.issuer)):
        with evm.reverts("StudyNotPermitted", 2, STUDY):
            again()


def test_a_permit_ends_when_its_day_begins(evm, world, permitted):
    end = permitted.today + 2
    world.datasets.permit(2, STUDY, DECISION, end, sender=permitted.issuer)
    evm.travel(end * DAY - 1 - evm.now)
    lock(world, 2)
    evm.travel(end * DAY - evm.now)
    with evm.reverts("StudyNotPermitted", 2, STUDY):
        lock(world, 2)


def test_on_the_other_bases_nobody_permits(world):
    world.datasets.register(info(basis=Basis.OPT_OUT), sender=world.operator)
    for dataset in (1, 2):
        lock(world, dataset)
