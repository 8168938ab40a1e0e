"""Who may register, publish, retire and pin a dataset."""

from __future__ import annotations

from deploy.compile import storage_layout
from medfed.protocol.basis import Basis
from medfed.protocol.purposes import PARAMETERISED, Purpose
from tests.contracts.datasets.infos import HMB, USES, info, version
from tests.rig.evm import NO_ONE


def lock(world, dataset=1, hospital=None, purposes=HMB, disease=0, confirmed=0, sender=None, study=1):
    return world.datasets.lock(
        study,
        dataset,
        hospital or world.hospital,
        int(purposes),
        disease,
        int(confirmed),
        sender=sender or world.rounds,
    )


def test_registering_gives_the_hospital_a_dataset_and_keeps_the_facts(evm, world):
    receipt = world.datasets.register(info(records=7, disease=9), sender=world.operator)
    assert receipt.value == 2
    assert world.datasets.ownerOf(2) == world.hospital.address
    kept = world.datasets.getDataset(2)._asdict()
    assert kept == {
        "recordsRoot": b"\x01" * 32,
        "owner": world.hospital.address,
        "records": 7,
        "enrolments": 0,
        "updatedAt": evm.now,
        "uses": USES,
        "disease": 9,
        "version": 1,
        "quality": 9000,
        "predecessor": 0,
        "retired": False,
        "basis": Basis.CONSENT,
    }
    assert world.datasets.datasetCount() == 2
    told = {"dataset": 2, "hospital": world.hospital.address, "predecessor": 0}
    (event,) = receipt.named("DatasetRegistered")
    assert {name: event[name] for name in told} == told
    assert event["info"]._asdict() == info(records=7, disease=9)


def test_there_is_no_owner_of_what_is_not_there(evm, world):
    for number in (0, 2):
        with evm.reverts("DatasetUnknown", number):
            world.datasets.ownerOf(number)
    assert world.datasets.getDataset(2).version == 0


def test_only_an_active_operator_registers(evm, world):
    """The admin account does not: its key is not needed for it."""
    for caller in (world.other, world.hospital):
        with evm.reverts("NotAnActiveOperator", caller):
            world.datasets.register(info(), sender=caller)
    world.consortium.suspend(world.hospital)
    with evm.reverts("NotAnActiveOperator", world.operator):
        world.datasets.register(info(), sender=world.operator)


def test_a_dataset_has_records_a_bounded_quality_and_uses(evm, world):
    with evm.reverts("DatasetEmpty"):
        world.datasets.register(info(records=0), sender=world.operator)
    with evm.reverts("QualityOutOfRange", 10001, 10000):
        world.datasets.register(info(quality=10001), sender=world.operator)
    with evm.reverts("UndefinedPurposes"):
        world.datasets.register(info(uses=1 << 31), sender=world.operator)
    with evm.reverts("DatasetEmpty"):
        world.datasets.publish(1, version(records=0), sender=world.operator)
    with evm.reverts("QualityOutOfRange", 10001, 10000):
        world.datasets.publish(1, version(quality=10001), sender=world.operator)


def test_publishing_counts_the_version_up_and_changes_nothing_that_patients_were_shown(evm, world):
    before = world.datasets.getDataset(1)._asdict()
    evm.travel(5)
    receipt = world.datasets.publish(
        1, version(recordsRoot=b"\x09" * 32, records=120, quality=1), sender=world.operator
    )
    changed = {
        "recordsRoot": b"\x09" * 32,
        "records": 120,
        "quality": 1,
        "version": 2,
        "updatedAt": evm.now,
    }
    assert world.datasets.getDataset(1)._asdict() == before | changed
    (event,) = receipt.named("DatasetPublished")
    assert (event["dataset"], event["version"]) == (1, 2)
    assert event["info"]._asdict() == version(recordsRoot=b"\x09" * 32, records=120, quality=1)


def test_only_the_owners_operator_publishes(evm, world):
    for caller in (world.other, world.hospital, world.its_operator):
        with evm.reverts("NotTheOwnersOperator", 1, caller):
            world.datasets.publish(1, version(), sender=caller)
    world.consortium.suspend(world.hospital)
    with evm.reverts("NotTheOwnersOperator", 1, world.operator):
        world.datasets.publish(1, version(), sender=world.operator)
    with evm.reverts("DatasetUnknown", 2):
        world.datasets.publish(2, version(), sender=world.operator)


def test_only_the_owners_admin_account_retires(evm, world):
    """A stolen hot key could otherwise take a dataset from all studies, for good; a suspended hospital may."""
    for caller in (world.other, world.operator, world.second, world.admin):
        with evm.reverts("NotTheOwnersAdmin", 1, caller):
            world.datasets.retire(1, sender=caller)
    with evm.reverts("DatasetUnknown", 2):
        world.datasets.retire(2, sender=world.hospital)
    world.consortium.suspend(world.hospital)
    receipt = world.datasets.retire(1, sender=world.hospital)
    assert receipt.named("DatasetRetired") == [{"dataset": 1}]
    assert world.datasets.getDataset(1).retired


def test_a_replaced_admin_account_speaks_for_the_datasets(evm, world):
    world.consortium.proposeAdmin(world.hospital, world.heir)
    evm.travel(30 * 86_400)
    world.consortium.acceptAdmin(world.hospital, sender=world.heir)
    with evm.reverts("NotTheOwnersAdmin", 1, world.hospital):
        world.datasets.retire(1, sender=world.hospital)
    world.datasets.retire(1, sender=world.heir)


def test_what_is_retired_stays_so(evm, world):
    world.datasets.retire(1, sender=world.hospital)
    for call in (
        lambda: world.datasets.publish(1, version(), sender=world.operator),
        lambda: world.datasets.retire(1, sender=world.hospital),
        lambda: world.datasets.offer(1, world.second, sender=world.hospital),
        lambda: lock(world),
    ):
        with evm.reverts("DatasetIsRetired", 1):
            call()


def test_only_the_rounds_contract_pins_and_the_studies_contract_releases(evm, world):
    for caller in (world.other, world.operator, world.hospital, world.studies):
        with evm.reverts("CallerNotTrusted", caller):
            lock(world, sender=caller)
    lock(world)
    for caller in (world.other, world.operator, world.hospital, world.rounds):
        with evm.reverts("CallerNotTrusted", caller):
            world.datasets.unlock(1, sender=caller)


def test_pinning_tells_version_and_records_of_the_owners_dataset(evm, world):
    world.datasets.publish(1, version(records=120), sender=world.operator)
    assert tuple(lock(world).value) == (2, 120)
    for dataset, hospital in ((1, world.second), (2, world.hospital)):
        with evm.reverts("NotTheOwner", dataset, hospital):
            lock(world, dataset, hospital)


def test_pinning_judges_the_uses(evm, world):
    """By what the owner confirms of the codes with a parameter; a disease study asks for the dataset's disease."""
    codes = Purpose.DS | Purpose.IS
    dataset = world.datasets.register(info(uses=int(codes), disease=7), sender=world.operator).value
    refused = (
        (Purpose.HMB, 0, 0),
        (Purpose.DS, 7, 0),
        (codes, 7, 0),
        (codes, 8, Purpose.IS),
        (codes, 0, Purpose.IS),
    )
    for purposes, disease, confirmed in refused:
        asked = int(purposes) & ~PARAMETERISED | int(confirmed)
        with evm.reverts("UseNotPermitted", dataset, asked, disease):
            lock(world, dataset, None, purposes, disease, confirmed)
    with evm.reverts("UnaskedConfirmation", int(Purpose.IS), int(Purpose.IS)):
        lock(world, dataset, None, Purpose.DS, 7, Purpose.IS)
    lock(world, dataset, None, codes, 7, Purpose.IS)


def test_more_studies_than_a_byte_counts_enrol_a_dataset(evm, world):
    """None is refused because of the others, and a release counts one less; a publication leaves the count."""
    for _ in range(257):
        lock(world)
    world.datasets.publish(1, version(records=120), sender=world.operator)
    assert world.datasets.getDataset(1).enrolments == 257
    world.datasets.unlock(1, sender=world.studies)
    assert world.datasets.getDataset(1).enrolments == 256


def test_the_count_of_studies_has_room_for_as_many_as_there_can_be():
    """Four bytes: at a block a second and one enrolment in each, longer than a hundred years."""
    types = storage_layout("DatasetRegistry")["types"].values()
    (members,) = (kind["members"] for kind in types if kind["label"] == "struct IDatasetRegistry.Dataset")
    assert next(each["type"] for each in members if each["label"] == "enrolments") == "t_uint32"


class TestRenewing:
    def test_data_come_under_a_new_number_that_names_the_old_one(self, world):
        receipt = world.datasets.renew(1, info(uses=HMB, disease=4), sender=world.operator)
        assert receipt.value == 2
        assert world.datasets.predecessorOf(2) == 1
        assert world.datasets.ownerOf(2) == world.hospital.address
        (event,) = receipt.named("DatasetRegistered")
        assert event["predecessor"] == 1
        first, second = (world.datasets.getDataset(number) for number in (1, 2))
        assert (first.uses, first.disease, first.retired) == (USES, 0, False)
        assert (second.uses, second.disease, second.version) == (HMB, 4, 1)

    def test_also_of_what_is_retired(self, world):
        world.datasets.retire(1, sender=world.hospital)
        world.datasets.renew(1, info(), sender=world.operator)

    def test_only_by_the_operator_of_its_own_hospital(self, evm, world):
        with evm.reverts("NotAnActiveOperator", world.hospital):
            world.datasets.renew(1, info(), sender=world.hospital)
        with evm.reverts("NotTheOwner", 1, world.second):
            world.datasets.renew(1, info(), sender=world.its_operator)
        with evm.reverts("NotTheOwner", 9, world.hospital):
            world.datasets.renew(9, info(), sender=world.operator)
        with evm.reverts("NotTheOwner", 0, world.hospital):
            world.datasets.renew(0, info(), sender=world.operator)


class TestHandingOver:
    def test_registers_a_successor_and_retires_the_dataset(self, world):
        offered = world.datasets.offer(1, world.second, sender=world.hospital)
        named = {"dataset": 1, "owner": world.hospital.address, "hospital": world.second.address}
        assert offered.named("DatasetOffered") == [named]
        assert world.datasets.offeredTo(1) == world.second.address
        receipt = world.datasets.accept(1, info(records=90, uses=HMB), sender=world.second)
        assert [event.name for event in receipt.events] == ["DatasetRetired", "DatasetRegistered"]
        assert receipt.value == 2
        before, after = world.datasets.getDataset(1), world.datasets.getDataset(2)
        assert (before.owner, before.retired, before.uses) == (world.hospital.address, True, USES)
        assert (after.owner, after.predecessor, after.records, after.uses) == (
            world.second.address,
            1,
            90,
            HMB,
        )
        assert world.datasets.offeredTo(1) == NO_ONE

    def test_is_offered_by_the_owners_admin_account_alone(self, evm, world):
        for caller in (world.operator, world.second, world.other, world.admin):
            with evm.reverts("NotTheOwnersAdmin", 1, caller):
                world.datasets.offer(1, world.second, sender=caller)
        with evm.reverts("DatasetUnknown", 5):
            world.datasets.offer(5, world.second, sender=world.hospital)
        with evm.reverts("OfferedToItsOwner", 1, world.hospital):
            world.datasets.offer(1, world.hospital, sender=world.hospital)
        with evm.reverts("NotAnActiveHospital", world.other):
            world.datasets.offer(1, world.other, sender=world.hospital)

    def test_is_accepted_by_the_receivers_admin_account_alone(self, evm, world):
        with evm.reverts("NothingOffered", 1):
            world.datasets.accept(1, info(), sender=world.second)
        world.datasets.offer(1, world.second, sender=world.hospital)
        for caller in (world.its_operator, world.hospital, world.other, world.admin):
            with evm.reverts("NotOfferedTo", 1, caller):
                world.datasets.accept(1, info(), sender=caller)
        with evm.reverts("DatasetEmpty"):
            world.datasets.accept(1, info(records=0), sender=world.second)

    def test_takes_two_active_hospitals(self, evm, world):
        """A hospital that is suspended gives away nothing and takes nothing over."""
        world.consortium.suspend(world.hospital)
        with evm.reverts("NotAnActiveHospital", world.hospital):
            world.datasets.offer(1, world.second, sender=world.hospital)
        world.consortium.reinstate(world.hospital)
        world.datasets.offer(1, world.second, sender=world.hospital)
        for each in (world.hospital, world.second):
            world.consortium.suspend(each)
            with evm.reverts("NotAnActiveHospital", each):
                world.datasets.accept(1, info(), sender=world.second)
            world.consortium.reinstate(each)
        world.datasets.accept(1, info(), sender=world.second)

    def test_waits_for_the_studies_that_have_the_dataset(self, evm, world):
        lock(world)
        world.datasets.offer(1, world.second, sender=world.hospital)
        with evm.reverts("DatasetEnrolled", 1, 1):
            world.datasets.accept(1, info(), sender=world.second)
        world.datasets.unlock(1, sender=world.studies)
        world.datasets.accept(1, info(), sender=world.second)

    def test_an_offer_is_taken_back_and_replaced(self, evm, world):
        with evm.reverts("NothingOffered", 1):
            world.datasets.withdraw(1, sender=world.hospital)
        world.datasets.offer(1, world.second, sender=world.hospital)
        for caller in (world.operator, world.second):
            with evm.reverts("NotTheOwnersAdmin", 1, caller):
                world.datasets.withdraw(1, sender=caller)
        receipt = world.datasets.withdraw(1, sender=world.hospital)
        assert receipt.named("OfferWithdrawn") == [{"dataset": 1, "hospital": world.second.address}]
        with evm.reverts("NothingOffered", 1):
            world.datasets.accept(1, info(), sender=world.second)

    def test_an_offer_ends_with_the_dataset(self, evm, world):
        world.datasets.offer(1, world.second, sender=world.hospital)
        world.datasets.retire(1, sender=world.hospital)
        with evm.reverts("NothingOffered", 1):
            world.datasets.accept(1, info(), sender=world.second)

    def test_nothing_else_moves_a_dataset(self, world):
        """No call of a token is there any more: an owner is written once."""
        names = {entry.get("name") for entry in world.datasets.abi}
        assert not names & {"transferFrom", "safeTransferFrom", "approve", "setApprovalForAll"}
