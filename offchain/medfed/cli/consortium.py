"""`medfed consortium`: which hospitals take part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, table

__all__ = ["app"]

app = typer.Typer(name="consortium", help="Admit, suspend and list hospitals.", no_args_is_help=True)

Keystore = Annotated[
    Path, typer.Option("--keystore", help="Keystore of the account with the consortium's role.")
]


@app.command("admit")
def admit(  # noqa: PLR0913, PLR0917 - one parameter for each option
    hospital: Annotated[str, typer.Argument(help="The hospital's admin account: address or keystore file.")],
    operator: Annotated[str, typer.Argument(help="The account that its daemon signs with.")],
    name: Annotated[str, typer.Option(help="Its name, published with its description.")],
    encryption_key: Annotated[
        str,
        typer.Option(help="Its public encryption key: hex digits, or the file of `medfed key encryption`."),
    ],
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Admit a hospital: from now on it registers datasets and takes part in studies."""
    from medfed.chain.encryption import published_key
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender, party
    from medfed.types import HospitalId

    key = published_key(encryption_key)
    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    account = HospitalId(party(hospital))
    cid = actions.admit(federation, sender, account, party(operator), key=key, metadata={"name": name})
    data = {"hospital": account, "operator": party(operator), "name": name, "description": cid}
    show(data, as_json=as_json, render=lambda: f"{name} is admitted as {account}.")


@app.command("suspend")
def suspend(
    hospital: Annotated[str, typer.Argument(help="The hospital's admin account.")],
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Suspend a hospital: it neither enrols nor submits nor attests until it is reinstated."""
    _change("suspend", hospital, keystore, password_file, as_json)


@app.command("reinstate")
def reinstate(
    hospital: Annotated[str, typer.Argument(help="The hospital's admin account.")],
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a suspended hospital take part again."""
    _change("reinstate", hospital, keystore, password_file, as_json)


def _change(what: str, hospital: str, keystore: Path, password_file: Path | None, as_json: bool) -> None:
    from medfed.cli.run import open_account, open_federation, open_sender, party
    from medfed.types import HospitalId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    account = HospitalId(party(hospital))
    calls = federation.contracts.consortium
    sender.send(calls.suspend(account) if what == "suspend" else calls.reinstate(account))
    done = {"suspend": "suspended", "reinstate": "reinstated"}[what]
    show({"hospital": account, "state": done}, as_json=as_json, render=lambda: f"{account} is {done}.")


@app.command("list")
def list_hospitals(as_json: JsonFlag = False) -> None:
    """List every hospital that was ever admitted."""
    from medfed.chain.history import hospitals
    from medfed.cli.run import open_federation

    found = hospitals(open_federation().index)
    data = [{"hospital": h.hospital, "operator": h.operator, "active": h.active} for h in found]
    rows = [(h.hospital, h.operator, "active" if h.active else "suspended") for h in found]
    show(data, as_json=as_json, render=lambda: table("Hospitals", ["Hospital", "Operator", "State"], rows))
