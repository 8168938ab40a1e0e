"""The consortium, alone or in league, after what is not its own: recovery of keys, suspensions, pauses."""

from __future__ import annotations

import pytest

from tests.adversary.money.purse import loss, stopped, wealth
from tests.contracts.work import made, rich
from tests.rig.pledges import pledge
from tests.rig.world import BOND, CLAIM, DATASET, DISPUTE, PHASE, SPEC, STAKE, aggregate, update

NOTICE = 30 * 86_400
OUTCOME_FINAL = 1


def kept_from(world, account, thief):
    """How far the consortium comes with what the vault has of an account: admit it, give it another admin account."""
    return stopped(
        lambda: world.consortium.admit(
            account,
            world.evm.actors[70],
            b"\x11" * 32,
            b"\x22" * 32,
            pledge(world.consortium, account, world.evm.actors[70]),
        ),
        lambda: world.consortium.proposeAdmin(account, thief),
        lambda: world.evm.travel(NOTICE),
        lambda: world.consortium.acceptAdmin(account, sender=thief),
        lambda: world.vault.withdraw(account, world.token, STAKE, thief, sender=thief),
    )


@pytest.mark.parametrize("victim", ["person", "contract"])
def test_it_takes_the_balance_of_an_account_that_never_was_a_hospital(world, evm, victim):
    """It admits whoever has something in the vault (a patient, a challenger, a sponsor's contract) as a hospital, unasked,
    proposes its own account for it, and after the notice, which nobody told the victim to look for, draws everything."""
    account = evm.actors[50] if victim == "person" else evm.deploy("OwnedWallet", evm.actors[50])
    thief = evm.actors[71]
    rich(world, account)
    refusal = kept_from(world, account, thief)
    assert wealth(world, thief) == 0, f"it has {wealth(world, thief)} of {STAKE}; refused: {refusal}"


def test_a_hospital_that_looks_keeps_its_account(world, evm):
    """It suspends a hospital, so that its operator has no say, and proposes its own account again and again; the hospital's
    cold account vetoes in the last second each time, and keeps even its free tokens."""
    hospital, thief = world.hospitals[0], evm.actors[71]
    world.consortium.suspend(hospital)
    before = wealth(world, hospital)
    for _ in range(2):
        world.consortium.proposeAdmin(hospital, thief)
        with evm.reverts("VetoRefused"):
            world.consortium.vetoAdmin(hospital, sender=world.operators[0])
        evm.travel(NOTICE - 1)
        with evm.reverts("NoticeRuns"):
            world.consortium.acceptAdmin(hospital, sender=thief)
        world.consortium.proposeAdmin(hospital, thief)  # the notice begins anew
        evm.travel(1)
        with evm.reverts("NoticeRuns"):
            world.consortium.acceptAdmin(hospital, sender=thief)
        world.consortium.vetoAdmin(hospital, sender=hospital)
        evm.travel(NOTICE)
        with evm.reverts("NothingProposed"):
            world.consortium.acceptAdmin(hospital, sender=thief)
    world.vault.withdraw(hospital, world.token, before, hospital, sender=hospital)
    assert (wealth(world, hospital), wealth(world, thief)) == (before, 0)


def test_a_replaced_admin_account_takes_nothing_along(world, evm):
    """A hospital's lost key is replaced; the finder of the old one tries everything that its account could do: withdraw, veto,
    rotate the operator, allow, object against a bond in the hospital's name, offer the dataset."""
    hospital, new = world.hospitals[0], evm.actors[71]
    world.consortium.proposeAdmin(hospital, new)
    evm.travel(NOTICE)
    world.consortium.acceptAdmin(hospital, sender=new)
    before = wealth(world, hospital)
    work = made(world, members=3, size=130)
    work.claim(work.leader(), work.aggregate())
    world.consortium.proposeAdmin(hospital, evm.actors[72])
    tries = (
        lambda: world.vault.withdraw(hospital, world.token, 1, hospital, sender=hospital),
        lambda: world.vault.setAllowance(hospital, world.token, 2**128 - 1, sender=hospital),
        lambda: world.consortium.vetoAdmin(hospital, sender=hospital),
        lambda: world.consortium.rotateOperator(
            hospital, evm.actors[73], pledge(world.consortium, hospital, evm.actors[73]), sender=hospital
        ),
        lambda: work.object(hospital),
        lambda: world.datasets.offer(1, world.hospitals[1], sender=hospital),
    )
    assert [stopped(attempt) for attempt in tries] == [
        "NotTheAccounts",
        "NotTheAccounts",
        "VetoRefused",
        "NotTheAdmin",
        "NotTheAccounts",
        "NotTheOwnersAdmin",
    ]
    assert wealth(world, hospital) == before


@pytest.mark.parametrize("reinstated", [0, 1])
def test_with_an_aggregator_it_makes_garbage_a_result(world, evm, reinstated):
    """It suspends all submitters but its friend, who claims a root without bytes. Their operators may not object, and no proof can
    come; but the silence of those that cannot speak ends no round. Two of three that can are heard: one objects."""
    work = made(world, size=130, maxVoids=0)
    author = work.leader()
    honest = [seat for seat in range(3) if seat != author]
    accounts = [world.hospitals[seat] for seat in honest]
    before, liars = wealth(world, *accounts), wealth(world, world.hospitals[author])
    for account in accounts:
        world.consortium.suspend(account)
    garbage = work.aggregate(root=b"\xee" * 32)
    work.claim(author, garbage)
    for account in accounts[:reinstated]:
        world.consortium.reinstate(account)
    refused = [stopped(lambda seat=seat: work.object(work.operators[seat])) for seat in honest]
    assert refused.count(None) == reinstated
    evm.travel(CLAIM)
    assert stopped(lambda: work.finalise(garbage)) == ("NoAttemptPending" if reinstated else "TooFewHeard")
    evm.travel(PHASE)
    stopped(lambda: world.rounds.advance(work.study))
    evm.travel(DISPUTE)
    stopped(lambda: work.settle(garbage, garbage))
    stands = world.rounds.getRound(work.study, 1).outcome == OUTCOME_FINAL
    lost, gone = loss(world, before, *accounts), loss(world, liars, world.hospitals[author])
    assert not stands, "garbage is the result"
    assert lost == 0, f"the honest lost {lost}, the liar {gone}"


@pytest.mark.parametrize("moment", ["before", "training", "aggregating", "last"])
def test_a_suspension_of_a_second_makes_nobody_absent(world, evm, moment):
    """It suspends an honest hospital for the one second in which it would act, and has its absence recorded."""
    hospital = world.hospitals[2]

    def blink():
        world.consortium.suspend(hospital)
        world.consortium.reinstate(hospital)

    study = world.create(rounds=2, maxVoids=3, minHospitals=3)
    for seat in range(3):
        world.enrol(study, seat)
    if moment == "before":
        world.consortium.suspend(hospital)
    world.rounds.advance(study, sender=world.sponsor)
    if moment == "before":
        evm.travel(1)
        world.consortium.reinstate(hospital)
    world.submit(study, 0)
    if moment == "training":
        blink()
    world.submit(study, 1)
    if moment in ("aggregating", "last"):
        world.submit(study, 2)
    evm.travel(PHASE - 1)
    if moment == "aggregating":
        blink()
    evm.travel(PHASE if moment in ("aggregating", "last") else 1)
    if moment == "last":
        blink()
    world.rounds.advance(study)
    refusal = stopped(lambda: world.claims.recordAbsences(study, 1))
    assert world.claims.absencesRecorded(study, 1) & 0b100 == 0, refusal
    assert world.studies.takenOf(study, 2) == 0


def test_a_pause_and_a_token_no_longer_allowed_lock_nothing_up(world, evm):
    """It pauses the vault and strikes the token off while a study runs: claims, objections, proofs, settlements, releases, the
    refund and withdrawals go on."""
    rich(world, world.stranger)
    work = made(world, size=130, maxVoids=0)
    world.vault.pause()
    world.vault.allowToken(world.token, False)
    vector, lie, author = work.lie()
    work.object(world.stranger)
    work.challenge(vector, lie, 1, sender=evm.actors[3])
    work.settle()
    evm.travel(PHASE)
    world.rounds.advance(work.study)
    evm.travel(DISPUTE)
    world.studies.refund(work.study)
    for seat in range(3):
        world.studies.release(work.study, seat)
        hospital = world.hospitals[seat]
        free = world.free(hospital)
        world.vault.withdraw(hospital, world.token, free, hospital, sender=hospital)
        assert world.token.balanceOf(hospital) == 10 * STAKE - BOND * (seat == author)
    world.vault.withdraw(world.stranger, world.token, STAKE, world.stranger, sender=world.stranger)
    assert world.vault.potOf(work.study).amount == 0


def test_a_suspended_hospital_is_paid_and_gets_its_stake(world, evm):
    """It suspends a hospital whose update is in a result, for good."""
    work = made(world, size=130, rounds=1)
    result = work.aggregate()
    work.final(result, (0, 1, 2))
    world.consortium.suspend(world.hospitals[2])
    evm.travel(DISPUTE)
    before = wealth(world, world.hospitals[2])
    assert work.paid(2, result) == 300
    world.studies.release(work.study, 2)
    assert work.balance(world.hospitals[2]) == (before + 300, 0)


def test_the_finder_of_a_key_that_was_replaced_has_nothing_of_what_the_hospital_earns(world, evm):
    """A hospital earns in a study without stakes, for which it never had to allow anything. Its cold key is stolen, the consortium
    gives it another admin account, and the thief draws the pay with the old key."""
    hospital, operator, new = evm.actors[60:63]
    world.consortium.admit(
        hospital, operator, b"\x11" * 32, b"\x22" * 32, pledge(world.consortium, hospital, operator)
    )
    dataset = world.datasets.register(DATASET, sender=operator).value
    study = world.create(stake=0, bond=0, maxAttempts=0, rounds=1)
    world.rounds.enrol(study, dataset, SPEC, 0, 0, sender=operator)
    world.enrol(study, 1)
    world.rounds.advance(study, sender=world.sponsor)
    result = aggregate((0, 1), 160)
    for seat, sender in enumerate((operator, world.operators[1])):
        world.rounds.submitUpdate(study, 1, seat, update(seat), sender=sender)
    for seat, sender in enumerate((operator, world.operators[1])):
        world.rounds.attest(study, 1, seat, result, [], sender=sender)
    world.consortium.proposeAdmin(hospital, new)
    evm.travel(NOTICE)
    world.consortium.acceptAdmin(hospital, sender=new)
    world.claim(study, 0, result)
    pay = world.free(hospital)
    stopped(lambda: world.vault.withdraw(hospital, world.token, pay, hospital, sender=hospital))
    assert world.token.balanceOf(hospital) == 0, f"the thief has {pay}"
    world.vault.withdraw(hospital, world.token, pay, new, sender=new)
