"""`medfed consortium`: which hospitals take part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, table

__all__ = ["app"]

app = typer.Typer(
    name="consortium",
    help="Admit and suspend hospitals. Allow tokens, pause what is new, change a hospital's own keys.",
    no_args_is_help=True,
)

Keystore = Annotated[
    Path, typer.Option("--keystore", help="Keystore of the account with the consortium's role.")
]
Pauser = Annotated[Path, typer.Option("--keystore", help="Keystore of the account with the pauser's role.")]
Admin = Annotated[Path, typer.Option("--keystore", help="Keystore of the hospital's admin account.")]


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
    """Admit a hospital. From now on it registers datasets and takes part in studies."""
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
    """Suspend a hospital. It neither enrols nor submits nor attests until it is reinstated."""
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
    from medfed.cli.run import open_account, open_chain, open_sender, party
    from medfed.types import HospitalId

    place = open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    account = HospitalId(party(hospital))
    calls = place.contracts.consortium
    sender.send(calls.suspend(account) if what == "suspend" else calls.reinstate(account))
    done = {"suspend": "suspended", "reinstate": "reinstated"}[what]
    show({"hospital": account, "state": done}, as_json=as_json, render=lambda: f"{account} is {done}.")


@app.command("allow-token")
def allow_token(
    token: Annotated[str, typer.Argument(help="Address of the ERC-20.")],
    keystore: Keystore,
    disallow: Annotated[
        bool, typer.Option("--disallow", help="Take no further deposits and studies in it.")
    ] = False,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a token for stakes and rewards. What is in the vault can always be taken out."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_chain, open_sender

    place = open_chain()
    coin = coin_of(place, token)
    sender = open_sender(place, open_account(keystore, password_file))
    sender.send(place.contracts.vault.allow_token(coin.address, not disallow))
    done = "no longer taken" if disallow else "taken"
    show(
        {"token": coin.address, "symbol": coin.symbol, "allowed": not disallow},
        as_json=as_json,
        render=lambda: f"{coin.symbol} at {coin.address} is {done} for stakes and rewards.",
    )


@app.command("pause")
def pause(keystore: Pauser, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Stop new studies, enrolments, deposits. Running rounds, claims, withdrawals and consent go on."""
    _pause(True, keystore, password_file, as_json)


@app.command("unpause")
def unpause(keystore: Pauser, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Lift a pause."""
    _pause(False, keystore, password_file, as_json)


def _pause(wanted: bool, keystore: Path, password_file: Path | None, as_json: bool) -> None:
    from medfed.cli.run import open_account, open_chain, open_sender

    place = open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    # Two contracts, two transactions: whichever is done already is left alone, so that a killed command can be run again.
    for contract in (place.contracts.rounds, place.contracts.vault):
        if contract.is_paused() != wanted:
            sender.send(contract.pause() if wanted else contract.unpause())
    text = "New studies, enrolments and deposits are " + ("paused." if wanted else "taken again.")
    show({"paused": wanted}, as_json=as_json, render=lambda: text)


@app.command("rotate-operator")
def rotate_operator(
    operator: Annotated[str, typer.Argument(help="The new operator: address or keystore file.")],
    keystore: Admin,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a hospital another operator. For a key that is lost or stolen; the old one counts no more."""
    from medfed.cli.run import open_account, open_chain, open_sender, party

    place, account = open_chain(), party(operator)
    sender = open_sender(place, open_account(keystore, password_file))
    sender.send(place.contracts.consortium.rotate_operator(account))
    show(
        {"hospital": sender.address, "operator": account},
        as_json=as_json,
        render=lambda: f"{account} is the operator of {sender.address} now.",
    )


@app.command("rotate-encryption-key")
def rotate_encryption_key(
    encryption_key: Annotated[
        str, typer.Argument(help="The new public key: hex digits, or the file of `medfed key encryption`.")
    ],
    keystore: Admin,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish a hospital's new encryption key."""
    from medfed.chain.encryption import published_key
    from medfed.cli.run import open_account, open_chain, open_sender

    key, place = published_key(encryption_key), open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    sender.send(place.contracts.consortium.rotate_encryption_key(key))
    show(
        {"hospital": sender.address, "encryption_key": key.hex()},
        as_json=as_json,
        render=lambda: f"{sender.address} has the encryption key {key.hex()} now.",
    )


@app.command("describe")
def describe(
    name: Annotated[str, typer.Option(help="The hospital's name.")],
    keystore: Admin,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish another description of a hospital."""
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.protocol.cid import digest_of

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    cid = actions.describe_hospital(federation, {"name": name})
    sender.send(federation.contracts.consortium.update_metadata(digest_of(cid)))
    show(
        {"hospital": sender.address, "name": name, "description": cid},
        as_json=as_json,
        render=lambda: f"{sender.address} is called {name} now.",
    )


@app.command("list")
def list_hospitals(as_json: JsonFlag = False) -> None:
    """List every hospital that was ever admitted."""
    from medfed.chain.history import hospitals
    from medfed.cli.names import hospital_names
    from medfed.cli.run import open_federation

    federation = open_federation()
    found, names = hospitals(federation.index), hospital_names(federation)
    data = [
        {
            "hospital": h.hospital,
            "name": names[h.hospital],
            "operator": h.operator,
            "encryption_key": h.encryption_key.hex(),
            "active": h.active,
        }
        for h in found
    ]
    rows = [
        (names[h.hospital] + ("" if h.active else ", suspended"), f"{h.hospital}\n{h.operator} operates it")
        for h in found
    ]
    empty = "No hospital is admitted; `medfed consortium admit` admits one."
    show(
        data,
        as_json=as_json,
        render=lambda: table("Hospitals", ["Name", "Accounts"], rows) if rows else empty,
    )
