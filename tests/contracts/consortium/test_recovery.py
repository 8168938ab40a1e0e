"""`proposeAdmin`, `withdrawAdmin`, `vetoAdmin`, `acceptAdmin`: a hospital that lost its admin key gets another one, unless it objects."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.consortium.conftest import NEW_KEY, NEW_METADATA, admit, rotate
from tests.rig.evm import NO_ONE, Event, Revert
from tests.rig.pledges import pledge

VALUE = b"\x55" * 32
NOTICE = 30 * 86_400
NO_PROPOSAL = (NO_ONE, 0)


@pytest.fixture
def heir(evm):
    """An account that is nobody yet."""
    return evm.actors[6]


@pytest.fixture
def recovered(evm, world, consortium, heir):
    """The consortium, after the hospital's admin account became `heir`."""
    replace(evm, world, heir)
    return consortium


def propose(world, admin, hospital=None):
    return world.consortium.proposeAdmin(hospital or world.hospital, admin, sender=world.admin)


def replace(evm, world, admin, hospital=None):
    propose(world, admin, hospital)
    evm.travel(NOTICE)
    return world.consortium.acceptAdmin(hospital or world.hospital, sender=admin)


def admit_other(world):
    """`other` with the operator `fresh`."""
    world.consortium.admit(
        world.other,
        world.fresh,
        NEW_KEY,
        NEW_METADATA,
        pledge(world.consortium, world.other, world.fresh),
        sender=world.admin,
    )


class TestPropose:
    def test_without_the_role__reverts(self, evm, world, consortium, heir):
        for caller in (world.hospital, world.operator, heir):
            with evm.reverts("AccessManagedUnauthorized", caller):
                consortium.proposeAdmin(world.hospital, heir, sender=caller)

    def test_an_unknown_hospital__reverts(self, evm, world, heir):
        with evm.reverts("HospitalUnknown", world.other):
            propose(world, heir, world.other)

    def test_the_zero_account__reverts(self, evm, world, consortium):
        with evm.reverts("AccountZero"):
            propose(world, NO_ONE)

    def test_a_hospital__reverts(self, evm, world, consortium):
        """The hospital itself too: its account is the one whose key was lost."""
        admit_other(world)
        for hospital in (world.hospital, world.other):
            with evm.reverts("AdminTaken", hospital, hospital):
                propose(world, hospital)

    def test_an_operator__reverts(self, evm, world, consortium):
        admit_other(world)
        for operator, hospital in ((world.operator, world.hospital), (world.fresh, world.other)):
            with evm.reverts("OperatorTaken", operator, hospital):
                propose(world, operator)

    def test_the_admin_of_another_or_of_this_hospital__reverts(self, evm, world, recovered, heir):
        admit_other(world)
        for hospital in (world.hospital, world.other):
            with evm.reverts("AdminTaken", heir, world.hospital):
                propose(world, heir, hospital)

    def test_a_new_account__is_told_and_changes_nothing_yet(self, evm, world, consortium, heir):
        receipt = propose(world, heir)

        assert consortium.getProposal(world.hospital) == (heir.address, evm.now + NOTICE)
        assert consortium.adminOf(world.hospital) == world.hospital.address
        told = {
            "hospital": world.hospital.address,
            "admin": heir.address,
            "effectiveAt": evm.now + NOTICE,
        }
        assert receipt.events == (Event("AdminProposed", told, consortium.address),)

    def test_again__takes_the_place_of_the_first_and_its_notice_begins_anew(
        self, evm, world, consortium, heir
    ):
        propose(world, world.other)
        evm.travel(NOTICE - 1)
        propose(world, heir)
        evm.travel(1)

        with evm.reverts("NotTheProposed", world.hospital, world.other):
            consortium.acceptAdmin(world.hospital, sender=world.other)
        with evm.reverts("NoticeRuns", world.hospital, evm.now + NOTICE - 1):
            consortium.acceptAdmin(world.hospital, sender=heir)


class TestWithdraw:
    def test_without_the_role__reverts(self, evm, world, consortium, heir):
        propose(world, heir)
        for caller in (world.hospital, world.operator, heir):
            with evm.reverts("AccessManagedUnauthorized", caller):
                consortium.withdrawAdmin(world.hospital, sender=caller)

    def test_nothing__reverts(self, evm, world, consortium):
        with evm.reverts("NothingProposed", world.hospital):
            consortium.withdrawAdmin(world.hospital, sender=world.admin)

    def test_a_proposal__ends_it(self, evm, world, consortium, heir):
        propose(world, heir)
        receipt = consortium.withdrawAdmin(world.hospital, sender=world.admin)
        evm.travel(NOTICE)

        told = {"hospital": world.hospital.address, "admin": heir.address}
        assert receipt.events == (Event("AdminWithdrawn", told, consortium.address),)
        assert consortium.getProposal(world.hospital) == NO_PROPOSAL
        with evm.reverts("NothingProposed", world.hospital):
            consortium.acceptAdmin(world.hospital, sender=heir)


class TestVeto:
    def test_nothing__reverts(self, evm, world, consortium):
        with evm.reverts("NothingProposed", world.hospital):
            consortium.vetoAdmin(world.hospital, sender=world.hospital)

    def test_by_anyone_else__reverts(self, evm, world, consortium, heir):
        admit_other(world)
        propose(world, heir)
        for caller in (world.admin, world.other, world.fresh, heir):
            with evm.reverts("VetoRefused", world.hospital, caller):
                consortium.vetoAdmin(world.hospital, sender=caller)

    @pytest.mark.parametrize("who", ["hospital", "operator"])
    @pytest.mark.parametrize("waited", [0, NOTICE - 1, 10 * NOTICE])
    def test_by_the_hospital__ends_it_until_somebody_accepts(self, evm, world, consortium, heir, who, waited):
        propose(world, heir)
        evm.travel(waited)
        by = getattr(world, who)
        receipt = consortium.vetoAdmin(world.hospital, sender=by)
        evm.travel(NOTICE)

        told = {"hospital": world.hospital.address, "admin": heir.address, "by": by.address}
        assert receipt.events == (Event("AdminVetoed", told, consortium.address),)
        assert consortium.getProposal(world.hospital) == NO_PROPOSAL
        with evm.reverts("NothingProposed", world.hospital):
            consortium.acceptAdmin(world.hospital, sender=heir)
        assert consortium.adminOf(world.hospital) == world.hospital.address

    def test_by_the_operator_of_a_suspended_hospital__reverts(self, evm, world, consortium, heir):
        """A stolen operator key cannot keep a hospital from its recovery for good; the admin account can always object."""
        propose(world, heir)
        consortium.suspend(world.hospital, sender=world.admin)
        with evm.reverts("VetoRefused", world.hospital, world.operator):
            consortium.vetoAdmin(world.hospital, sender=world.operator)
        consortium.vetoAdmin(world.hospital, sender=world.hospital)

    def test_by_the_former_operator__reverts(self, evm, world, consortium, heir):
        rotate(world, world.fresh)
        propose(world, heir)
        with evm.reverts("VetoRefused", world.hospital, world.operator):
            consortium.vetoAdmin(world.hospital, sender=world.operator)

    def test_by_the_former_admin__reverts(self, evm, world, recovered):
        propose(world, world.other)
        with evm.reverts("VetoRefused", world.hospital, world.hospital):
            recovered.vetoAdmin(world.hospital, sender=world.hospital)

    def test_by_the_recovered_admin__ends_it(self, world, recovered, heir):
        propose(world, world.other)
        recovered.vetoAdmin(world.hospital, sender=heir)
        assert recovered.getProposal(world.hospital) == NO_PROPOSAL


class TestAccept:
    def test_nothing__reverts(self, evm, world, consortium, heir):
        with evm.reverts("NothingProposed", world.hospital):
            consortium.acceptAdmin(world.hospital, sender=heir)

    def test_by_anyone_else__reverts(self, evm, world, consortium, heir):
        propose(world, heir)
        evm.travel(NOTICE)
        for caller in (world.admin, world.hospital, world.operator, world.other):
            with evm.reverts("NotTheProposed", world.hospital, caller):
                consortium.acceptAdmin(world.hospital, sender=caller)

    def test_a_second_before_the_notice_is_over__reverts(self, evm, world, consortium, heir):
        propose(world, heir)
        evm.travel(NOTICE - 1)
        with evm.reverts("NoticeRuns", world.hospital, evm.now + 1):
            consortium.acceptAdmin(world.hospital, sender=heir)
        evm.travel(1)
        consortium.acceptAdmin(world.hospital, sender=heir)
        assert consortium.adminOf(world.hospital) == heir.address

    def test_when_it_became_a_hospital_meanwhile__reverts(self, evm, world, consortium):
        propose(world, world.other)
        admit_other(world)
        evm.travel(NOTICE)
        with evm.reverts("AdminTaken", world.other, world.other):
            consortium.acceptAdmin(world.hospital, sender=world.other)

    def test_when_it_became_the_admin_of_another_meanwhile__reverts(self, evm, world, consortium, heir):
        admit_other(world)
        propose(world, heir)
        propose(world, heir, world.other)
        evm.travel(NOTICE)
        consortium.acceptAdmin(world.other, sender=heir)
        with evm.reverts("AdminTaken", heir, world.other):
            consortium.acceptAdmin(world.hospital, sender=heir)

    def test_when_it_became_the_hospitals_operator_meanwhile__reverts(self, evm, world, consortium, heir):
        propose(world, heir)
        rotate(world, heir)
        evm.travel(NOTICE)
        with evm.reverts("OperatorIsAdmin", world.hospital, heir):
            consortium.acceptAdmin(world.hospital, sender=heir)

    def test_when_another_hospital_appointed_it__works(self, evm, world, consortium, heir):
        """Nobody asks who is appointed, so that a hospital could keep another from its recovery again and again."""
        admit_other(world)
        propose(world, heir)
        consortium.rotateOperator(
            world.other, heir, pledge(consortium, world.other, heir), sender=world.other
        )
        evm.travel(NOTICE)
        consortium.acceptAdmin(world.hospital, sender=heir)
        assert consortium.adminOf(world.hospital) == heir.address
        assert consortium.hospitalOf(heir) == world.other.address

    @pytest.mark.parametrize("suspended", [False, True])
    def test_after_the_notice__the_account_speaks_for_the_hospital(
        self, evm, world, consortium, heir, suspended
    ):
        """And nothing else moves: the hospital's id, operator and status stay."""
        if suspended:
            consortium.suspend(world.hospital, sender=world.admin)
        before = consortium.getHospital(world.hospital)

        receipt = replace(evm, world, heir)

        assert consortium.adminOf(world.hospital) == heir.address
        assert consortium.getProposal(world.hospital) == NO_PROPOSAL
        assert consortium.getHospital(world.hospital) == before
        assert consortium.servedBy(world.operator) == (world.hospital.address, not suspended)
        told = {
            "hospital": world.hospital.address,
            "previous": world.hospital.address,
            "admin": heir.address,
        }
        assert receipt.events == (Event("AdminReplaced", told, consortium.address),)


class TestAfterwards:
    def test_the_old_key_speaks_for_nothing(self, evm, world, recovered):
        for call in (
            lambda: recovered.rotateOperator(
                world.hospital,
                world.fresh,
                pledge(recovered, world.hospital, world.fresh),
                sender=world.hospital,
            ),
            lambda: recovered.rotateEncryptionKey(world.hospital, VALUE, sender=world.hospital),
            lambda: recovered.updateMetadata(world.hospital, VALUE, sender=world.hospital),
        ):
            with evm.reverts("NotTheAdmin", world.hospital, world.hospital):
                call()

    def test_the_new_one_speaks_for_the_hospital(self, world, recovered, heir):
        recovered.rotateEncryptionKey(world.hospital, VALUE, sender=heir)
        recovered.updateMetadata(world.hospital, VALUE, sender=heir)
        recovered.rotateOperator(
            world.hospital, world.fresh, pledge(recovered, world.hospital, world.fresh), sender=heir
        )
        assert recovered.servedBy(world.fresh) == (world.hospital.address, True)

    def test_neither_account_becomes_the_operator(self, evm, world, recovered, heir):
        for account in (heir, world.hospital):
            with evm.reverts("OperatorIsAdmin", world.hospital, account):
                recovered.rotateOperator(
                    world.hospital, account, pledge(recovered, world.hospital, account), sender=heir
                )

    def test_the_new_one_is_not_admitted_as_a_hospital(self, evm, world, recovered, heir):
        with evm.reverts("AdminTaken", heir, world.hospital):
            recovered.admit(
                heir,
                world.fresh,
                NEW_KEY,
                NEW_METADATA,
                pledge(recovered, heir, world.fresh),
                sender=world.admin,
            )

    def test_a_second_recovery_frees_the_first_account(self, evm, world, recovered, heir):
        (told,) = replace(evm, world, world.other).named("AdminReplaced")
        assert (told["previous"], told["admin"]) == (heir.address, world.other.address)
        assert recovered.adminOf(world.hospital) == world.other.address
        with evm.reverts("NotTheAdmin", world.hospital, heir):
            recovered.updateMetadata(world.hospital, VALUE, sender=heir)
        recovered.admit(
            heir, world.fresh, NEW_KEY, NEW_METADATA, pledge(recovered, heir, world.fresh), sender=world.admin
        )
        assert recovered.adminOf(heir) == heir.address

    def test_everybody_else_speaks_for_themselves(self, world, recovered, heir):
        for account in (heir, world.other, world.operator, world.admin):
            assert recovered.adminOf(account) == account.address
        assert recovered.adminOf(NO_ONE) == NO_ONE


STEPS = st.tuples(
    st.sampled_from(["admit", "rotate", "propose", "accept", "veto"]),
    st.integers(0, 3),
    st.integers(0, 3),
)


def take(world, accounts, step):
    """One change by whoever may make it, when it may; what the rules refuse changes nothing."""
    what, first, second = step
    one, two = accounts[first], accounts[second]
    consortium, admin = world.consortium, world.consortium.adminOf(one)
    calls = {
        "admit": lambda: admit(world, one, two),
        "rotate": lambda: consortium.rotateOperator(one, two, pledge(consortium, one, two), sender=admin),
        "propose": lambda: consortium.proposeAdmin(one, two, sender=world.admin),
        "accept": lambda: consortium.acceptAdmin(one, sender=consortium.getProposal(one).admin),
        "veto": lambda: consortium.vetoAdmin(one, sender=admin),
    }
    consortium.evm.travel(NOTICE)
    try:
        calls[what]()
    except Revert:
        return


def test_after_any_history__no_account_has_two_parts(world, evm_module):
    """Of a hospital, id and admin account are no operator; no account speaks for two hospitals."""

    @settings(max_examples=40)
    @given(st.lists(STEPS, max_size=12))
    def holds(steps):
        token = evm_module.snapshot()
        accounts, consortium = evm_module.actors[10:14], world.consortium
        for step in steps:
            take(world, accounts, step)
        hospitals = [each for each in accounts if consortium.getHospital(each).status]
        admins = [consortium.adminOf(each) for each in hospitals]
        assert len(set(admins)) == len(admins)
        for hospital, admin in zip(hospitals, admins, strict=True):
            operator = consortium.getHospital(hospital).operator
            assert operator not in (hospital.address, admin)
            assert admin == hospital.address or not consortium.getHospital(admin).status
        evm_module.restore(token)

    holds()
