"""What `medfed model` does, one function each."""

from __future__ import annotations

from medfed.chain.calls import Receipt
from medfed.chain.clock import ChainClock
from medfed.chain.contracts.market import Terms
from medfed.chain.sender import Sender
from medfed.cli.amounts import coin_of
from medfed.errors import InputError
from medfed.rounds.federation import Federation, OnChain
from medfed.rounds.history import read_study
from medfed.rounds.models import due_credits, due_registration, find_model, read_rounds
from medfed.rounds.reviews import due_tally
from medfed.types import Address, StudyId

__all__ = ["buy_licence", "register_model"]


def register_model(federation: Federation, sender: Sender, study: StudyId) -> list[Receipt]:
    """Tally what reviews are left to tally, credit what rounds are left to credit, then register. Raises `InputError`
    for a study that has no model; the contract says when it is too early."""
    history = read_study(federation.index, study)
    if find_model(federation.index, study) is not None:
        raise InputError(f"The model of study {study} is registered; see `medfed model show {study}`.")
    contracts, rounds = federation.contracts, read_rounds(federation.index, history)
    last = due_registration(contracts.market, history, rounds)
    now = ChainClock(federation.client).estimate()
    tallies = (due_tally(federation.index, contracts.payouts, history, each, now) for each in rounds)
    calls = [call for call in tallies if call is not None]
    calls += [*due_credits(federation.index, contracts.market, history, rounds), last]
    receipts = [sender.send(call) for call in calls]
    federation.sync()
    return receipts


def buy_licence(
    place: OnChain, sender: Sender, offer: tuple[StudyId, int, Terms], most: int, receiver: Address
) -> tuple[int, int]:
    """Buy under these terms (model, version, terms), for `most` at most. Returns the licence's number and the fee."""
    model, version, terms = offer
    coin, contracts = coin_of(place, terms.token), place.contracts
    token, vault = contracts.token(coin.address), contracts.vault.address
    if terms.price > most:
        raise InputError(
            f"A licence costs {coin.text(terms.price)}, more than the {coin.text(most)} you would pay."
        )
    held = token.balance(sender.address)
    if held < terms.price:
        raise InputError(
            f"{sender.address} has {coin.text(held)} and a licence costs {coin.text(terms.price)}; send it some first."
        )
    if token.allowance(sender.address, vault) < terms.price:
        sender.send(token.approve(vault, terms.price))
    receipt = sender.send(contracts.market.buy(model, version, most, receiver))
    (event,) = [each for each in contracts.market.events(receipt) if each.name == "LicenceSold"]
    return int(event["licence"]), int(event["fee"])
