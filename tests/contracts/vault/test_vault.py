"""The vault holds all value: what comes in, who may move it, when it may leave."""

from __future__ import annotations

from tests.contracts.vault.conftest import DELAY
from tests.rig.evm import CHAIN_ID


def balance(world, account, token=None):
    found = world.vault.balanceOf(account, token or world.token)
    return found.free, found.locked


def test_a_deposit_is_credited_to_the_account_named(evm, world):
    world.vault.deposit(world.token, 400, world.bob, sender=world.alice)
    assert balance(world, world.bob) == (400, 0)
    assert world.token.balanceOf(world.vault) == 400


def test_what_arrived_is_credited(evm, world):
    """A token that keeps a fee credits less than was sent."""
    fee = world.tokens["FeeToken"]
    world.vault.deposit(fee, 1000, world.alice, sender=world.alice)
    arrived = fee.balanceOf(world.vault)
    assert 0 < arrived < 1000
    assert balance(world, world.alice, fee) == (arrived, 0)


def test_a_token_without_an_answer_is_taken(evm, world):
    silent = world.tokens["SilentToken"]
    world.vault.deposit(silent, 10, world.alice, sender=world.alice)
    assert balance(world, world.alice, silent) == (10, 0)


def test_a_token_that_answers_false_is_refused(evm, world):
    false = world.tokens["FalseToken"]
    false.refuse(True)
    with evm.reverts("SafeERC20FailedOperation"):
        world.vault.deposit(false, 10, world.alice, sender=world.alice)


def test_a_token_cannot_enter_again(evm, world):
    token = world.tokens["ReentrantToken"]
    token.hook(world.vault, world.vault.encode("deposit", token, 1, world.alice))
    world.vault.deposit(token, 10, world.alice, sender=world.alice)
    assert (token.calls(), token.succeeded()) == (1, False)
    assert balance(world, world.alice, token) == (10, 0)


def test_bad_deposits_are_refused(evm, world):
    with evm.reverts("AmountZero"):
        world.vault.deposit(world.token, 0, world.alice, sender=world.alice)
    with evm.reverts("TokenNotAllowed", world.bob):
        world.vault.deposit(world.bob, 1, world.alice, sender=world.alice)
    with evm.reverts("ReceiverRefused", world.vault):
        world.vault.deposit(world.token, 1, world.vault, sender=world.alice)


def test_a_deposit_by_permit_needs_no_transaction_before(evm, world):
    """The token checks a signature that the owner made for the vault."""
    world.token.approve(world.vault, 0, sender=world.alice)
    domain = {
        "name": "MedFed Development Token",
        "version": "1",
        "chainId": CHAIN_ID,
        "verifyingContract": world.token.address,
    }
    kinds = {
        "EIP712Domain": [
            {"name": n, "type": t}
            for n, t in (
                ("name", "string"),
                ("version", "string"),
                ("chainId", "uint256"),
                ("verifyingContract", "address"),
            )
        ],
        "Permit": [
            {"name": n, "type": t}
            for n, t in (
                ("owner", "address"),
                ("spender", "address"),
                ("value", "uint256"),
                ("nonce", "uint256"),
                ("deadline", "uint256"),
            )
        ],
    }
    deadline = evm.now + 100
    message = {
        "owner": world.alice.address,
        "spender": world.vault.address,
        "value": 25,
        "nonce": 0,
        "deadline": deadline,
    }
    signature = world.alice.sign(
        {"types": kinds, "primaryType": "Permit", "domain": domain, "message": message}
    )
    r, s, v = signature[:32], signature[32:64], signature[64]
    world.vault.depositWithPermit(world.token, 25, world.alice, deadline, v, r, s, sender=world.alice)
    assert balance(world, world.alice) == (25, 0)


def test_an_exit_waits_for_its_delay(evm, world):
    world.vault.deposit(world.token, 100, world.alice, sender=world.alice)
    world.vault.requestExit(world.token, 60, sender=world.alice)
    with evm.reverts("ExitNotAvailable", evm.now + DELAY, evm.now):
        world.vault.withdraw(world.token, world.bob, sender=world.alice)
    evm.travel(DELAY)
    world.vault.withdraw(world.token, world.bob, sender=world.alice)
    assert world.token.balanceOf(world.bob) == 60
    assert balance(world, world.alice) == (40, 0)
    with evm.reverts("NothingToWithdraw", world.alice, world.token):
        world.vault.withdraw(world.token, world.bob, sender=world.alice)


def test_an_exit_can_be_taken_back(evm, world):
    world.vault.deposit(world.token, 100, world.alice, sender=world.alice)
    world.vault.requestExit(world.token, 60, sender=world.alice)
    world.vault.cancelExit(world.token, sender=world.alice)
    assert balance(world, world.alice) == (100, 0)
    with evm.reverts("NothingToWithdraw", world.alice, world.token):
        world.vault.cancelExit(world.token, sender=world.alice)


def test_nobody_takes_out_more_than_is_free(evm, world):
    world.vault.deposit(world.token, 100, world.alice, sender=world.alice)
    world.vault.lock(world.alice, world.token, 70, sender=world.rounds)
    with evm.reverts("FreeBalanceTooSmall", world.alice, world.token, 30, 31):
        world.vault.requestExit(world.token, 31, sender=world.alice)
    with evm.reverts("FreeBalanceTooSmall", world.alice, world.token, 30, 31):
        world.vault.lock(world.alice, world.token, 31, sender=world.rounds)


def test_a_slash_takes_locked_then_leaving_then_free_and_never_more(evm, world):
    world.vault.fund(1, world.token, 500, world.sponsor, sender=world.rounds)
    world.vault.deposit(world.token, 100, world.alice, sender=world.alice)
    world.vault.lock(world.alice, world.token, 30, sender=world.rounds)
    world.vault.requestExit(world.token, 20, sender=world.alice)
    taken = world.vault.slash(world.alice, world.token, 60, 1, sender=world.disputes)
    assert taken.value == 60
    assert balance(world, world.alice) == (40, 0)
    assert world.vault.exitOf(world.alice, world.token).amount == 0
    assert world.vault.potOf(1).amount == 560
    assert world.vault.slash(world.alice, world.token, 60, 1, sender=world.disputes).value == 40


def test_a_slash_stays_in_its_pots_token(evm, world):
    with evm.reverts("PotTokenDiffers"):
        world.vault.slash(world.alice, world.token, 1, 9, sender=world.disputes)


def test_a_pot_is_funded_once_and_in_full(evm, world):
    with evm.reverts("FundedShort"):
        world.vault.fund(1, world.tokens["FeeToken"], 500, world.sponsor, sender=world.rounds)
    world.vault.fund(1, world.token, 500, world.sponsor, sender=world.rounds)
    with evm.reverts("AlreadyFunded", 1):
        world.vault.fund(1, world.token, 500, world.sponsor, sender=world.rounds)


def test_a_pot_pays_no_more_than_it_has(evm, world):
    world.vault.fund(1, world.token, 500, world.sponsor, sender=world.rounds)
    world.vault.pay(1, world.bob, 499, sender=world.rounds)
    assert balance(world, world.bob) == (499, 0)
    with evm.reverts("PotTooSmall", 1, 1, 2):
        world.vault.pay(1, world.bob, 2, sender=world.rounds)


def test_each_trusted_contract_does_what_is_its_own_and_no_more(evm, world):
    """Every function against every caller: the four contracts and a stranger."""
    world.vault.deposit(world.token, 100, world.alice, sender=world.alice)
    calls = {
        "lock": (world.alice, world.token, 10),
        "unlock": (world.alice, world.token, 10),
        "fund": (1, world.token, 500, world.sponsor),
        "slash": (world.alice, world.token, 1, 1),
        "pay": (1, world.bob, 1),
        "collect": (world.token, 5, world.sponsor),
        "disburse": (world.token, world.bob, 5),
    }
    allowed = {
        "lock": (world.rounds, world.disputes),
        "unlock": (world.rounds, world.disputes),
        "fund": (world.rounds,),
        "slash": (world.disputes,),
        "pay": (world.rounds, world.disputes, world.rewards),
        "collect": (world.market,),
        "disburse": (world.market,),
    }
    for name, values in calls.items():
        function = getattr(world.vault, name)
        for caller in (world.rounds, world.disputes, world.rewards, world.market, world.bob):
            if caller in allowed[name]:
                before = evm.snapshot()
                function(*values, sender=caller)
                if caller != allowed[name][-1]:
                    evm.restore(before)
            else:
                with evm.reverts("CallerNotTrusted", caller):
                    function(*values, sender=caller)


def test_fees_are_credited_by_what_arrived_and_shared_out_of_that(evm, world):
    fee = world.tokens["FeeToken"]
    received = world.vault.collect(fee, 1000, world.sponsor, sender=world.market).value
    assert received == fee.balanceOf(world.vault) < 1000
    assert balance(world, world.market, fee) == (received, 0)
    world.vault.disburse(fee, world.bob, received - 1, sender=world.market)
    assert balance(world, world.bob, fee) == (received - 1, 0)
    with evm.reverts("FreeBalanceTooSmall", world.market, fee, 1, 2):
        world.vault.disburse(fee, world.bob, 2, sender=world.market)


def test_fees_come_in_allowed_tokens_and_while_nothing_is_paused(evm, world):
    with evm.reverts("TokenNotAllowed", world.bob):
        world.vault.collect(world.bob, 1, world.sponsor, sender=world.market)
    world.vault.pause()
    with evm.reverts("EnforcedPause"):
        world.vault.collect(world.token, 1, world.sponsor, sender=world.market)


def test_a_pause_stops_deposits_and_no_withdrawal(evm, world):
    world.vault.deposit(world.token, 100, world.alice, sender=world.alice)
    world.vault.pause()
    with evm.reverts("EnforcedPause"):
        world.vault.deposit(world.token, 1, world.alice, sender=world.alice)
    world.vault.requestExit(world.token, 100, sender=world.alice)
    evm.travel(DELAY)
    world.vault.withdraw(world.token, world.alice, sender=world.alice)
    assert world.token.balanceOf(world.alice) == 1000


def test_the_exit_delay_is_bounded(evm, world):
    with evm.reverts("ExitDelayOutOfRange"):
        evm.deploy(
            "StakeVault", world.manager, world.rounds, world.disputes, world.rewards, world.market, 10**9
        )
