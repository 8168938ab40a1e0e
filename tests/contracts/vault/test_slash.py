"""`slash`: from whom it is taken, and where it goes."""

from __future__ import annotations

import pytest

from tests.rig.evm import NO_ONE

STUDY = 1


@pytest.fixture
def locked(safe, vault):
    """Alice, bob and the hospital have 100 each locked."""
    for account in (safe.alice, safe.bob, safe.hospital):
        vault.lock(account, safe.token, 100, False, sender=safe.claims)
    return vault


def slash(safe, accounts, amounts, kept=0, challenger=NO_ONE, study=STUDY, sender=None):
    return safe.vault.slash(
        study, safe.token, accounts, amounts, kept, challenger, sender=sender or safe.studies
    )


def test_no_more_than_is_locked(evm, safe, locked):
    """Not what is free, nor of another account."""
    with evm.reverts("LockedBalanceTooSmall", safe.alice, safe.token, 100, 101):
        slash(safe, [safe.alice], [101])
    with evm.reverts("LockedBalanceTooSmall", safe.sponsor, safe.token, 0, 1):
        slash(safe, [safe.alice, safe.sponsor], [100, 1])
    with evm.reverts("LockedBalanceTooSmall", safe.alice, safe.token, 40, 41):
        slash(safe, [safe.alice, safe.alice], [60, 41])


def test_no_more_is_kept_than_half_of_what_is_taken(evm, safe, locked):
    with evm.reverts("Panic", 0x11):
        slash(safe, [safe.alice], [51], kept=26)


def test_what_is_kept_is_in_the_pots_token(evm, safe, locked):
    with evm.reverts("PotTokenDiffers", 9, NO_ONE, safe.token):
        slash(safe, [safe.alice], [50], kept=1, study=9)
    other = safe.tokens["SilentToken"]
    locked.fund(2, other, 5, safe.sponsor, sender=safe.studies)
    with evm.reverts("PotTokenDiffers", 2, other, safe.token):
        slash(safe, [safe.alice], [50], kept=1, study=2)


def test_without_a_challenger_all_is_burnt(safe, locked):
    before = safe.books()
    receipt = slash(safe, [safe.alice, safe.hospital], [60, 100])
    own = {"study": STUDY, "token": safe.token.address}
    assert safe.told(receipt) == [
        ("Slashed", own | {"account": safe.alice.address, "amount": 60}),
        ("Slashed", own | {"account": safe.hospital.address, "amount": 100}),
        ("Burnt", own | {"amount": 160}),
    ]
    assert safe.books() == before | {"alice": (200, 40), "hospital": (200, 0), "burnt": 160}
    assert safe.owed() == safe.books()["vault"]


def test_a_challenger_has_its_share_and_the_rest_is_burnt(safe, locked):
    before = safe.books()
    receipt = slash(safe, [safe.alice, safe.bob], [100, 51], challenger=safe.sponsor, sender=safe.claims)
    reward = 151 * 4000 // 10_000
    own = {"study": STUDY, "token": safe.token.address}
    assert safe.told(receipt)[2:] == [
        ("ChallengerPaid", {"study": STUDY, "challenger": safe.sponsor.address, "amount": reward}),
        ("Burnt", own | {"amount": 151 - reward}),
    ]
    assert safe.books() == before | {
        "alice": (200, 0),
        "bob": (200, 49),
        "sponsor": (reward, 0),
        "burnt": 151 - reward,
    }
    assert safe.owed() == safe.books()["vault"]


@pytest.mark.parametrize(("kept", "reward", "burnt"), [(1, 40, 59), (10, 40, 50), (11, 39, 50), (50, 0, 50)])
def test_what_is_kept_goes_before_the_challengers_share(safe, locked, kept, reward, burnt):
    """Whose share is that of all that was taken, as far as the rest of one half goes: the other is burnt."""
    before = safe.books()
    receipt = slash(safe, [safe.alice], [100], kept=kept, challenger=safe.sponsor)
    assert safe.books() == before | {
        "alice": (200, 0),
        "sponsor": (reward, 0),
        "burnt": burnt,
        "pot": before["pot"] + kept,
    }
    names = [name for name, _ in safe.told(receipt)]
    assert names == ["Slashed", "Kept", *["ChallengerPaid"] * bool(reward), "Burnt"]
    assert receipt.named("Kept") == [{"study": STUDY, "amount": kept}]
    assert safe.owed() == safe.books()["vault"]


def test_nothing_is_taken_from_whom_nothing_is_left(safe, locked):
    """It is told, and nothing else."""
    before = safe.books()
    receipt = slash(safe, [safe.alice], [0], challenger=safe.bob)
    assert [name for name, _ in safe.told(receipt)] == ["Slashed"]
    assert safe.books() == before


def test_what_others_had_locked_stays_used(safe, vault):
    """A stolen key does not lose the same allowance twice."""
    vault.setAllowance(safe.hospital, safe.token, 100, sender=safe.hospital)
    vault.lock(safe.hospital, safe.token, 100, True, sender=safe.rounds)
    slash(safe, [safe.hospital], [100])
    assert tuple(vault.allowanceOf(safe.hospital, safe.token)) == (100, 100)


def test_what_is_burnt_nobody_can_move(evm, safe, locked):
    """It is in the vault, and in no account's, study's or fees' balance."""
    slash(safe, [safe.alice], [100])
    for account in (safe.alice, safe.bob, safe.hospital):
        free, held = locked.balanceOf(account, safe.token)
        if held:
            locked.unlock(account, safe.token, held, False, sender=safe.claims)
        locked.withdraw(account, safe.token, free + held, account, sender=account)
    locked.pay(STUDY, safe.bob, 500, sender=safe.payouts)
    locked.withdraw(safe.bob, safe.token, 500, safe.bob, sender=safe.bob)
    assert safe.token.balanceOf(locked) == locked.burntOf(safe.token) == 100
