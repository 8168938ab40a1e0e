"""Tokens that call back, tokens that take a fee, contracts as sponsor, patient and challenger, a sponsor's own rule."""

from __future__ import annotations

import pytest

from deploy.compile import compile_source
from medfed.chain.contracts import check_rule
from medfed.errors import ProtocolError
from medfed.protocol.documents import RuleSpec
from tests.adversary.money.purse import loss, owed, stopped, wealth
from tests.contracts.work import Work, made, tainted, too_large
from tests.rig.evm import Contract
from tests.rig.world import DISPUTE, SPEC, STAKE, vector

TOP = 2**256 - 1
SUPPLY = 10_000


@pytest.fixture
def hooked(world, evm):
    """An allowed token that calls back on every transfer; it is an account, too, which has some of itself."""
    token = evm.deploy("ReentrantToken")
    world.vault.allowToken(token, True)
    for account in (token, world.sponsor, world.stranger):
        token.mint(account, SUPPLY)
    token.run(token, token.encode("approve", world.vault.address, TOP))
    for account in (world.sponsor, world.stranger):
        token.approve(world.vault, TOP, sender=account)
    return token


def as_itself(token, contract, function, *args):
    """The token, as an account, calls a contract."""
    return token.run(contract, contract.encode(function, *args))


def terms_in(world, token, **changes):
    return world.terms(rewardPerRound=100, **changes) | {"token": token}


def solvent(world, token, *studies):
    assert token.balanceOf(world.vault) == owed(world, *studies, accounts=(token,), token=token)


@pytest.mark.parametrize("inner", ["cancel", "refund", "withdraw", "create", "deposit"])
def test_a_sponsor_contract_calls_back_while_it_pays_its_study(world, hooked, inner):
    """While the vault draws the rewards, which stand in the pot already, the sponsor takes its study back, has itself refunded,
    withdraws, posts another study, deposits."""
    token, vault, study = hooked, world.vault, world.studies.studyCount() + 1
    terms = terms_in(world, token)
    data = {
        "cancel": (world.rounds, world.rounds.encode("cancel", study)),
        "refund": (world.studies, world.studies.encode("refund", study)),
        "withdraw": (vault, vault.encode("withdraw", token.address, token.address, 1, token.address)),
        "create": (world.studies, world.studies.encode("create", terms)),
        "deposit": (vault, vault.encode("deposit", token.address, 1, token.address)),
    }[inner]
    as_itself(token, vault, "deposit", token.address, 50, token.address)
    token.hook(*data)
    as_itself(token, world.studies, "create", terms)
    assert token.calls() == 1
    assert token.succeeded() == (inner == "cancel")
    if inner == "cancel":
        token.hook(world.studies, world.studies.encode("refund", study))
        as_itself(token, vault, "withdraw", token.address, token.address, 50, token.address)
        assert token.succeeded()
        as_itself(token, vault, "withdraw", token.address, token.address, 200, token.address)
    solvent(world, token, study)
    assert wealth(world, token, token=token) + vault.potOf(study).amount == SUPPLY


@pytest.mark.parametrize("outer", ["deposit", "withdraw", "collect"])
def test_a_callback_credits_nothing_twice(world, hooked, outer):
    """Within a deposit, a withdrawal, a purchase the token's account withdraws, deposits, and withdraws again."""
    token, vault = hooked, world.vault
    as_itself(token, vault, "deposit", token.address, 500, token.address)
    vault.deposit(token, 500, world.stranger, sender=world.stranger)
    for function, args in (
        ("withdraw", (token.address, token.address, 500, token.address)),
        ("deposit", (token.address, 10, token.address)),
    ):
        token.hook(vault, vault.encode(function, *args))
        steps = {
            "deposit": lambda: vault.deposit(token, 100, world.stranger, sender=world.stranger),
            "withdraw": lambda: vault.withdraw(
                world.stranger, token, 100, world.stranger, sender=world.stranger
            ),
            "collect": lambda: vault.collect(token, 100, world.sponsor, sender=world.market),
        }
        steps[outer]()
        assert not token.succeeded()
    solvent(world, token)


def test_a_callback_within_a_purchase_takes_no_fee_twice(world, evm, hooked):
    """A buyer's token calls the market while the fee is drawn: another purchase, the hospitals' and the sponsor's claims. Then
    the receiver of the licence does, when it arrives."""
    token, market, vault = hooked, world.market, world.vault
    work = made(world, size=130, rounds=1, sponsorFeeBps=5000)
    result = work.aggregate()
    work.final(result, (0, 1, 2))
    evm.travel(DISPUTE)
    market.credit(work.study, 1, result, [0, 1, 2], [work.updates[seat] for seat in range(3)])
    market.register(work.study, result)
    terms = {"token": token, "price": 600, "duration": 0, "transferable": False, "licence": bytes(32)}
    market.setTerms(work.study, terms, sender=world.sponsor)
    evm.travel(3 * 86_400)
    market.buy(work.study, 1, 600, world.stranger, sender=world.stranger)
    claims = (
        market.encode("claimFees", work.study, 0, token.address),
        market.encode("claimSponsorFees", work.study, token.address),
        market.encode("buy", work.study, 1, 600, token.address),
    )
    for data, works in zip(claims, (True, True, False), strict=True):
        token.hook(market, data)
        market.buy(work.study, 1, 600, world.stranger, sender=world.stranger)
        assert token.succeeded() == works
    holder = evm.deploy("LicenceHolder")
    holder.hook(market, claims[0])
    market.buy(work.study, 1, 600, holder, sender=world.stranger)
    assert holder.succeeded()
    for seat in range(3):
        stopped(lambda seat=seat: market.claimFees(work.study, seat, token))
    market.claimSponsorFees(work.study, token)
    assert vault.balanceOf(world.sponsor, token).free == 5 * 600 // 2
    assert {vault.balanceOf(each, token).free for each in world.hospitals[:3]} == {5 * 600 // 6 - 1}
    solvent(world, token)


def test_burnt_tokens_pay_for_nothing_again(world, evm, hooked):
    """What was burnt lies in the vault. A sponsor's token claims to have transferred what did not arrive: its hook moves nothing,
    its sponsor has nothing; a token that takes a fee brings less than the study needs."""
    token, vault = hooked, world.vault
    vault.deposit(token, 300, world.stranger, sender=world.sponsor)
    vault.lock(world.stranger, token, 300, False, sender=world.claims)
    vault.slash(900, token, [world.stranger], [300], 0, "0x" + "00" * 20, sender=world.claims)
    assert (vault.burntOf(token), token.balanceOf(vault)) == (300, 300)
    poor = evm.actors[77]
    token.approve(vault, TOP, sender=poor)
    with evm.reverts("ERC20InsufficientBalance"):
        world.studies.create(terms_in(world, token), sender=poor)
    silent, fee = evm.deploy("SilentToken"), evm.deploy("FeeToken", 100)
    for each in (silent, fee):
        vault.allowToken(each, True)
        each.mint(world.sponsor, 1000)
        each.approve(vault, TOP, sender=world.sponsor)
    with evm.reverts("FundedShort"):
        world.studies.create(terms_in(world, fee), sender=world.sponsor)
    with evm.reverts("FreeBalanceTooSmall"):
        vault.withdraw(world.sponsor, token, 1, world.sponsor, sender=world.sponsor)
    solvent(world, token, 900)


def test_contracts_are_paid_as_people_are(world, evm, hooked):
    """A contract is the sponsor; another, whose code calls back whatever it is sent, proves an update wrong and withdraws. Neither gets more
    than a person would, and neither locks anybody else's tokens up."""
    token, vault = hooked, world.vault
    for hospital in world.hospitals[:3]:
        vault.deposit(token, STAKE, hospital, sender=world.sponsor)
        vault.setAllowance(hospital, token, STAKE, sender=hospital)
    terms = terms_in(world, token, minHospitals=3, rounds=1, maxVoids=0, training=[vector(130)])
    as_itself(token, world.studies, "create", terms)
    study = world.studies.studyCount()
    for seat in range(3):
        world.rounds.enrol(study, seat + 1, SPEC, STAKE, 0, sender=world.operators[seat])
    as_itself(token, world.rounds, "advance", study)
    work = Work(world, study, 130)
    for seat in range(3):
        work.submit(seat, too_large(work, seat) if seat == 2 else None)
    shown = (work.updates[2], bytes(32), 2, work.vectors[2].opening(2).words())
    data = world.proofs.encode("challengeUpdate", study, 1, 2, *shown)
    token.run(world.proofs, data)
    assert world.studies.takenOf(study, 2) == STAKE
    world.rounds.advance(study)
    evm.travel(DISPUTE)
    world.studies.refund(study)
    for seat in range(3):
        world.studies.release(study, seat)
    won = vault.balanceOf(token, token).free
    token.hook(vault, vault.encode("withdraw", token.address, token.address, won, token.address))
    as_itself(token, vault, "withdraw", token.address, token.address, won, token.address)
    assert (token.succeeded(), vault.balanceOf(token, token).free) == (False, 0)
    assert won >= 100
    solvent(world, token, study)


def turned_rule(evm):
    """The contract of `TurnedRule.sol`."""
    made_of = compile_source("tests/adversary/money/TurnedRule.sol", "TurnedRule")
    receipt = evm.send("", bytes.fromhex(made_of["bytecode"][2:]))
    return Contract(evm, "TurnedRule", receipt.contract, made_of["abi"])


def test_a_sponsors_own_rule_costs_only_who_does_not_look_at_it(world, evm):
    """A sponsor posts a study whose rule is a contract of its own. The quorum attests to the truth, the sponsor turns the rule,
    and its friend proves the truth wrong: two fifths of the stakes. The contracts take any rule; so every hospital, and every
    watchtower, compares the rule's code and its parameters with those of its own version before it takes part."""

    class Client:
        code = staticmethod(evm.code)

    rule = turned_rule(evm)
    for kind, address in (
        (RuleSpec(), rule.address),
        (RuleSpec(), evm.deploy("QuorumOnlyRule").address),
        (RuleSpec(kind="trimmed-mean", trim=2), evm.deploy("TrimmedMeanRule", 1).address),
    ):
        with pytest.raises(ProtocolError, match="do not take part"):
            check_rule(Client(), kind, address)
    check_rule(Client(), RuleSpec(), world.rule.address)

    blind = world.hospitals[:3]
    before = wealth(world, *blind)
    work = made(world, size=130, rule=rule)
    truth = work.aggregate()
    work.final(truth, (0, 1))
    rule.turn()
    work.challenge(work.sum(), truth, 1, sender=evm.actors[3])
    assert loss(world, before, *blind) == 2 * STAKE


def test_a_fifth_of_nothing_is_all_that_a_study_without_stakes_can_lose(world, evm):
    """A sponsor asks for no stake and no reward: proofs, refunds and releases go through, and nobody's other tokens are touched."""
    work = tainted(world, members=3, size=130, stake=0, rewardPerRound=0, maxAttempts=0, bond=0, rounds=1)
    before = wealth(world, *world.hospitals[:3], evm.actors[3])
    vector_, lie = work.lying_quorum(seats=(0, 1))
    work.strike(2, 2, work.digest(lie), sender=evm.actors[3])
    work.challenge(vector_, lie, 1, sender=evm.actors[3])
    evm.travel(DISPUTE)
    for seat in range(3):
        world.studies.release(work.study, seat)
    world.studies.refund(work.study)
    assert wealth(world, *world.hospitals[:3], evm.actors[3]) == before
