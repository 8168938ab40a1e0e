"""`medfed vault`: tokens in the contract that holds stakes, rewards and pay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show

if TYPE_CHECKING:
    from medfed.chain.coin import Coin
    from medfed.chain.keys import Account
    from medfed.rounds.federation import OnChain
    from medfed.types import Address

__all__ = ["app"]

app = typer.Typer(
    name="vault",
    help="Deposit tokens, allow to stake them, take them out.",
    no_args_is_help=True,
)

Keystore = Annotated[
    Path,
    typer.Option("--keystore", help="Keystore of the account: for a hospital, its admin account."),
]
Whose = Annotated[
    str,
    typer.Option(
        "--account",
        help="A hospital that has another admin account by now: the account it was admitted with, an address or "
        "keystore file (default: the keystore's account).",
    ),
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
    """Put tokens into the vault. They are free until they are staked, and free ones can be taken out at any time.

    A hospital's stakes are locked by its daemon, as far as `medfed vault allow` goes.
    """
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
    lines, hint = [f"{receiver} has {coin.text(free)} free in the vault."], _as_operator(place, receiver)
    show(
        {"account": receiver, "token": coin.address, "deposited": units, "free": free},
        as_json=as_json,
        render=lambda: lines + [hint] * bool(hint),
    )


@app.command("show")
def show_account(
    account: Annotated[
        str, typer.Argument(help="Address or keystore file: of a hospital, the one it was admitted with.")
    ],
    token: Token = "",
    as_json: JsonFlag = False,
) -> None:
    """Show what an account has in the vault. Free, locked, and what a hospital's daemon may lock of it; needs no key."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_chain, party

    place = open_chain()
    coin, who = coin_of(place, token), party(account)
    facts, hint = _facts(place, who, coin), _as_operator(place, who)
    show(facts, as_json=as_json, render=lambda: _rendered(facts, coin) + [hint] * bool(hint))


@app.command("allow")
def allow(
    amount: Annotated[
        str,
        typer.Argument(help="The most that may be locked at the same time, in whole tokens; 0 for nothing."),
    ],
    keystore: Keystore,
    account: Whose = "",
    token: Token = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Set how much a hospital's daemon may lock. For stakes and bonds together, in one token, with the admin account's key.

    The daemon's key lies on a machine that runs: whoever steals it can lose no more of your tokens than this. What is
    locked now counts, and comes back when a study is over; what a study slashed stays used, until you allow more.

    An account that has allowed anything, if only 0, is the hospital's from then on: should its key get lost, the admin account
    that takes over (`medfed consortium accept-admin`) can take its tokens out. One that never did answers to its own key alone.
    """
    from medfed.cli.run import open_sender
    from medfed.errors import InputError

    place, signer, coin = _opened(keystore, password_file, token)
    whose = _whose(account, signer)
    if hint := _as_operator(place, whose):
        raise InputError(f"Nothing is changed: {hint}")
    limit = coin.units(amount, zero=True)
    open_sender(place, signer).send(place.contracts.vault.set_allowance(whose, coin.address, limit))
    facts = _facts(place, whose, coin)
    show(facts, as_json=as_json, render=lambda: _allowed(facts, coin))


@app.command("withdraw")
def withdraw(  # noqa: PLR0913, PLR0917 - one parameter for each option
    amount: Amount,
    keystore: Keystore,
    account: Whose = "",
    to: Annotated[
        str, typer.Option(help="Send the tokens to this account (default: the keystore's account).")
    ] = "",
    token: Token = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take free tokens out, at once. A hospital's with its admin account's key; its daemon's key cannot.

    A daemon's key takes out what is its own account's: its share of what it proved.
    """
    from medfed.cli.run import open_sender, party

    place, signer, coin = _opened(keystore, password_file, token)
    units, whose = coin.units(amount), _whose(account, signer)
    receiver = party(to) if to else signer.address
    vault = place.contracts.vault
    _check_free(place, whose, coin, units)
    open_sender(place, signer).send(vault.withdraw(whose, coin.address, units, receiver))
    free = vault.balance(whose, coin.address).free
    show(
        {"account": whose, "token": coin.address, "withdrawn": units, "to": receiver, "free": free},
        as_json=as_json,
        render=lambda: (
            f"{coin.text(units)} of {whose} went to {receiver}; {coin.text(free)} are free in the vault."
        ),
    )


def _facts(place: OnChain, account: Address, coin: Coin) -> dict[str, Any]:
    """What the vault says of one account and token, and which hospital the account is or works for."""
    from medfed.chain.contracts.consortium import HospitalStatus
    from medfed.types import HospitalId

    vault, consortium = place.contracts.vault, place.contracts.consortium
    held, allowed = vault.balance(account, coin.address), vault.allowance(account, coin.address)
    speaker = consortium.admin_of(account) if vault.delegates(account) else account
    standing = consortium.hospital(HospitalId(account)).status
    return {
        "account": account,
        "admin": speaker,
        "is_hospital": standing is not HospitalStatus.NONE,
        "operator_of": consortium.hospital_of(account),
        "token": coin.address,
        "free": held.free,
        "locked": held.locked,
        "allowance": allowed.limit,
        "used": allowed.used,
        "left": allowed.left,
    }


def _rendered(facts: dict[str, Any], coin: Coin) -> list[str]:
    lines = [
        f"account {facts['account']}",
        f"free    {coin.text(facts['free'])}, to use or to take out",
        f"locked  {coin.text(facts['locked'])}, as stakes and bonds",
    ]
    if facts["is_hospital"] or facts["allowance"]:
        lines.append(_allowed(facts, coin))
    if facts["admin"] != facts["account"]:
        lines.append(f"{facts['admin']} is the admin account of {facts['account']} now.")
    return lines


def _allowed(facts: dict[str, Any], coin: Coin) -> str:
    limit, used, left = (coin.text(facts[name]) for name in ("allowance", "used", "left"))
    who = "its daemon may lock" if facts["is_hospital"] else "others may lock"
    return f"Of the tokens of {facts['account']} {who} {limit}: {used} are used, {left} are left."


def _as_operator(place: OnChain, account: Address) -> str:
    """For the account of a hospital's daemon: where that hospital's tokens are; empty for any other."""
    from medfed.types import Address

    consortium = place.contracts.consortium
    hospital = consortium.hospital_of(account)
    if hospital is None:
        return ""
    admitted = Address(hospital)
    admin = consortium.admin_of(admitted)
    how = "" if admin == admitted else f" and --account {hospital}"
    return (
        f"{account} is the operator of hospital {hospital}, whose tokens are with that account: use the keystore of "
        f"its admin account, {admin}{how}."
    )


def _check_free(place: OnChain, account: Address, coin: Coin, units: int) -> None:
    """Raise `InputError` when an account has not as much to take out."""
    from medfed.errors import InputError

    held = place.contracts.vault.balance(account, coin.address)
    if held.free >= units:
        return
    locked = f"; {coin.text(held.locked)} are locked until their studies are over" if held.locked else ""
    hint = _as_operator(place, account)
    raise InputError(
        f"{account} has {coin.text(held.free)} free in the vault and not {coin.text(units)}{locked}. {hint}".rstrip()
    )


def _whose(account: str, signer: Account) -> Address:
    from medfed.cli.run import party

    return party(account) if account else signer.address


def _opened(keystore: Path, password_file: Path | None, token: str) -> tuple[OnChain, Account, Coin]:
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_chain

    place = open_chain()
    return place, open_account(keystore, password_file), coin_of(place, token)
