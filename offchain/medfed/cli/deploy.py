"""`medfed deploy`: put the contracts on a chain, complete an interrupted deployment, hand the admin's roles over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, note, show, table

__all__ = ["deploy"]


def deploy(  # noqa: PLR0913, PLR0917 - one parameter for each option
    keystore: Annotated[
        Path | None, typer.Option(help="The deployer's key; not needed on a development chain.")
    ] = None,
    password_file: PasswordFile = None,
    network: Annotated[
        str, typer.Option(help="Parameters by name or file (default: by the chain's id).")
    ] = "",
    admin: Annotated[
        str,
        typer.Option(
            help="Give every role of the admin to this address, too; it takes them over with --accept. The present admin's "
            "own address takes that back."
        ),
    ] = "",
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Take the roles over that were given to this key's account with --admin."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its gas, send nothing.")
    ] = False,
    allow_plain: Annotated[
        bool,
        typer.Option(
            "--allow-plain", help="Accept a chain that is not for development: plain updates leak records."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Deploy the contracts. Killed at any point and run again it completes.

    On a finished deployment it does what was never done, and leaves alone what was taken back or moved since.
    """
    from medfed.chain.deployer import Deployer, Order
    from medfed.chain.keys import development_account
    from medfed.chain.params import parameters_for, read_parameters
    from medfed.chain.sender import Sender
    from medfed.cli.run import open_account, open_client, party, settings
    from medfed.errors import ConfigError

    client, state = open_client(), settings().state_dir
    state.mkdir(parents=True, exist_ok=True)
    if keystore is None and not client.is_development:
        raise ConfigError(
            "Deploying on a chain that is not for development needs --keystore and --password-file."
        )
    account = open_account(keystore, password_file) if keystore else development_account(state, "deployer")
    if keystore is None and client.balance(account.address) < 10**18:
        client.set_balance(account.address, 100 * 10**18)
    parameters = read_parameters(network) if network else parameters_for(client)
    order = Order(parameters, state, party(admin) if admin else None, allow_plain, accept)
    deployer = Deployer(order, Sender(client, account, state / "sent"), note)
    if dry_run:
        steps = deployer.plan()
        rows = [(step.what, step.address or "", f"{step.gas:,}") for step in steps]
        show(steps, as_json=as_json, render=lambda: table("Plan", ["Step", "Address", "Gas#"], rows))
        return
    report = deployer.run()
    data: dict[str, Any] = {"addresses": str(report.path), "transactions": len(report.steps)}
    data |= {"chain": client.chain_id, "admin": report.book.admin, "announced": report.book.announced}
    data |= {"left_alone": report.left, "take_over": report.take_over}
    data |= {name: placed.address for name, placed in report.book.contracts.items()}
    show(data, as_json=as_json, render=report.told)
