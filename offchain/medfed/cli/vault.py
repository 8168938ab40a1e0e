"""`medfed vault`: tokens in the contract that holds stakes, rewards and pay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, in_words, show, when

if TYPE_CHECKING:
    from medfed.chain.keys import Account
    from medfed.cli.amounts import Coin
    from medfed.rounds.federation import OnChain

__all__ = ["app"]

app = typer.Typer(
    name="vault",
    help="Deposit tokens, see balances, take tokens out.",
    no_args_is_help=True,
)

Keystore = Annotated[
    Path,
    typer.Option("--keystore", help="Keystore of the account: for a hospital, its admin account."),
]
Token = Annotated[str, typer.Option(help="Address of the ERC-20 (default: the development token).")]
Amount = Annotated[str, typer.Argument(help="How much, in whole tokens: 500 or 12.5.")]


@app.command("deposit")
def deposit(  # noqa: PLR0913, PLR0917 - one parameter for each option
    amount: Amount,
    keystore: Keystore,
    to: Annotated[str, typer.Option(help="Credit this account instead: an address or keystore file.")] = "",
    token: Token = "",
    permit: Annotated[
        bool,
        typer.Option("--permit", help="Sign an ERC-2612 permission instead of sending an approval."),
    ] = False,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Put tokens into the vault. As free balance, which stakes are locked from."""
    from medfed.cli import actions
    from medfed.cli.run import open_sender, party

    place, account, coin = _opened(keystore, password_file, token)
    units, sender = coin.units(amount), open_sender(place, account)
    receiver = party(to) if to else account.address
    if permit:
        signed = actions.permit(place, account, coin.address, units)
        vault = place.contracts.vault
        sender.send(vault.deposit_with_permit(coin.address, units, receiver, signed))
    else:
        actions.deposit(place, sender, coin.address, units, receiver)
    free = place.contracts.vault.balance(receiver, coin.address).free
    show(
        {"account": receiver, "token": coin.address, "deposited": units, "free": free},
        as_json=as_json,
        render=lambda: f"{receiver} has {coin.text(free)} free in the vault.",
    )


@app.command("balance")
def balance(
    account: Annotated[str, typer.Argument(help="Address or keystore file.")],
    token: Token = "",
    as_json: JsonFlag = False,
) -> None:
    """Show what an account has in the vault. Free, locked as stake, and on its way out; needs no key."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_chain, party

    place = open_chain()
    coin, who = coin_of(place, token), party(account)
    vault = place.contracts.vault
    held, leaving = vault.balance(who, coin.address), vault.exit(who, coin.address)
    data = {
        "account": who,
        "token": coin.address,
        "free": held.free,
        "locked": held.locked,
        "leaving": leaving.amount,
        "available_at": leaving.available_at,
    }
    lines = [f"free     {coin.text(held.free)}", f"locked   {coin.text(held.locked)}"]
    if leaving.amount:
        lines.append(f"leaving  {coin.text(leaving.amount)}, from {when(leaving.available_at)} UTC on")
    show(data, as_json=as_json, render=lambda: "\n".join(lines))


@app.command("exit")
def exit_(
    amount: Amount,
    keystore: Keystore,
    token: Token = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask for free tokens to be paid out. They stay slashable until the exit delay is over; then `withdraw`."""
    from medfed.cli.run import open_sender

    place, account, coin = _opened(keystore, password_file, token)
    vault = place.contracts.vault
    open_sender(place, account).send(vault.request_exit(coin.address, coin.units(amount)))
    leaving = vault.exit(account.address, coin.address)
    wait = in_words(leaving.available_at - place.client.head().timestamp)
    show(
        {"account": account.address, "leaving": leaving.amount, "available_at": leaving.available_at},
        as_json=as_json,
        render=lambda: f"{coin.text(leaving.amount)} can be withdrawn in {wait}.",
    )


@app.command("cancel-exit")
def cancel_exit(
    keystore: Keystore, token: Token = "", password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Keep tokens that are on their way out."""
    from medfed.cli.run import open_sender

    place, account, coin = _opened(keystore, password_file, token)
    vault = place.contracts.vault
    open_sender(place, account).send(vault.cancel_exit(coin.address))
    free = vault.balance(account.address, coin.address).free
    show(
        {"account": account.address, "free": free},
        as_json=as_json,
        render=lambda: f"{account.address} has {coin.text(free)} free in the vault.",
    )


@app.command("withdraw")
def withdraw(
    keystore: Keystore,
    to: Annotated[str, typer.Option(help="Send the tokens to this account instead.")] = "",
    token: Token = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take out the tokens whose exit delay is over."""
    from medfed.cli.run import open_sender, party

    place, account, coin = _opened(keystore, password_file, token)
    vault = place.contracts.vault
    amount = vault.exit(account.address, coin.address).amount
    receiver = party(to) if to else account.address
    open_sender(place, account).send(vault.withdraw(coin.address, receiver))
    show(
        {"account": account.address, "withdrawn": amount, "to": receiver},
        as_json=as_json,
        render=lambda: f"{coin.text(amount)} went to {receiver}.",
    )


def _opened(keystore: Path, password_file: Path | None, token: str) -> tuple[OnChain, Account, Coin]:
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_chain

    place = open_chain()
    return place, open_account(keystore, password_file), coin_of(place, token)
