"""`medfed dev`: what only a development chain can do."""

from __future__ import annotations

from typing import Annotated

import typer

from medfed.cli.output import JsonFlag, show

__all__ = ["app"]

app = typer.Typer(
    name="dev", help="Fund accounts and move time on a development chain.", no_args_is_help=True
)


@app.command("fund")
def fund(
    accounts: Annotated[list[str], typer.Argument(help="Addresses or keystore files.")],
    ether: Annotated[float, typer.Option(help="Ether for each account.", min=0)] = 10.0,
    as_json: JsonFlag = False,
) -> None:
    """Give accounts ether for gas (Anvil, geth --dev and the embedded chain only)."""
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
    """Move chain time forward, so that a window or a delay need not be waited for."""
    from medfed.cli.run import open_client

    head = open_client().travel(seconds)
    data = {"block": head.number, "timestamp": head.timestamp}
    show(
        data,
        as_json=as_json,
        render=lambda: f"Block {head.number} is at second {head.timestamp} of chain time.",
    )
