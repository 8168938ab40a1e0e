"""`medfed dev`: what only a development chain can do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, when

__all__ = ["app"]

app = typer.Typer(
    name="dev",
    help="Sample data, ether, tokens and time, for trials.",
    no_args_is_help=True,
)


@app.command("fund")
def fund(
    accounts: Annotated[list[str], typer.Argument(help="Addresses or keystore files.")],
    ether: Annotated[float, typer.Option(help="Ether for each account.", min=0)] = 10.0,
    as_json: JsonFlag = False,
) -> None:
    """Give accounts ether for gas. On Anvil, geth --dev and the embedded chain only."""
    from medfed.cli.run import open_client, party

    client = open_client()
    wei = int(ether * 10**18)
    funded = {party(account): wei for account in accounts}
    for target, amount in funded.items():
        client.set_balance(target, amount)
    show(
        funded,
        as_json=as_json,
        render=lambda: "\n".join(f"{target} has {ether:g} ether." for target in funded),
    )


@app.command("travel")
def travel(
    seconds: Annotated[int, typer.Argument(help="Seconds to move chain time forward.", min=1)],
    as_json: JsonFlag = False,
) -> None:
    """Move chain time forward. So that a window or a delay need not be waited for."""
    from medfed.cli.run import open_client

    head = open_client().travel(seconds)
    data = {"block": head.number, "timestamp": head.timestamp}
    show(
        data,
        as_json=as_json,
        render=lambda: f"Block {head.number} is at {when(head.timestamp)} UTC of chain time.",
    )


@app.command("mint")
def mint(
    amount: Annotated[str, typer.Argument(help="Development tokens for each account: 500 or 12.5.")],
    accounts: Annotated[list[str], typer.Argument(help="Addresses or keystore files.")],
    as_json: JsonFlag = False,
) -> None:
    """Make development tokens for accounts. They are worth nothing."""
    from medfed.chain.keys import development_account
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_chain, open_sender, party, settings

    place = open_chain()
    coin = coin_of(place, "")
    units, receivers = coin.units(amount), [party(account) for account in accounts]
    faucet = development_account(settings().state_dir, "faucet")
    place.client.set_balance(faucet.address, 10**18)
    token, sender = place.contracts.token(coin.address), open_sender(place, faucet)
    for receiver in receivers:
        sender.send(token.mint(receiver, units))
    show(
        {"token": coin.address, "minted": dict.fromkeys(receivers, units)},
        as_json=as_json,
        render=lambda: "\n".join(f"{receiver} got {coin.text(units)}." for receiver in receivers),
    )


@app.command("sample")
def sample(
    folder: Annotated[Path, typer.Argument(help="Where to write; must be empty or not exist.")],
    hospitals: Annotated[int, typer.Option(help="How many hospitals.", min=2, max=10)] = 3,
    seed: Annotated[int, typer.Option(help="The split of the data follows from it.", min=0)] = 7,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Write sample data to try everything by hand.

    For each hospital its records, its file, and its patients' wallet.
    The records are the 569 of the Wisconsin breast-cancer set. All patients of a hospital share one trial wallet, with
    an account for each; the first two records of each hospital have no patient yet, for you to enlist.
    """
    from medfed.cli.samples import write_sample
    from medfed.errors import ConfigError

    if password_file is None:
        raise ConfigError(
            "The sample wallets need a password: give --password-file or set MEDFED_PASSWORD_FILE."
        )
    made = write_sample(folder, hospitals, seed, password_file)
    lines = [
        f"{site['folder']}: {site['records']} records; patients' accounts 0-{site['patients'] - 1} in {site['wallet']}"
        for site in made
    ]
    show(made, as_json=as_json, render=lambda: "\n".join(lines))
