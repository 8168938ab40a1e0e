"""`medfed patient`: consent, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show

__all__ = ["app"]

app = typer.Typer(name="patient", help="Grant, narrow, revoke and look up consent.", no_args_is_help=True)

Keystore = Annotated[Path, typer.Option("--keystore", help="The patient's keystore.")]
Dataset = Annotated[int, typer.Argument(help="Number of the dataset, as the hospital tells it.", min=1)]
Purposes = Annotated[str, typer.Option(help="What the record may be used for, e.g. HMB (health research).")]
Days = Annotated[int, typer.Option(help="How many days the consent lasts.", min=1, max=36500)]

_REVOKED = (
    "Revoked. Rounds that open from now on will not use your record; the one now running will. "
    "A model that has learned from it cannot forget it."
)


@app.command("keygen")
def keygen(
    file: Annotated[Path, typer.Argument(help="Keystore file to write.")],
    password_file: PasswordFile = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Opens in milliseconds: for trying things out only.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a patient's key. Keep a copy of the file and of the password: nobody can restore them."""
    from medfed.chain.keys import create_keystore
    from medfed.cli.run import password

    account = create_keystore(file, password(password_file), trial=trial)
    show(
        {"patient": account.address, "keystore": str(file)},
        as_json=as_json,
        render=lambda: (
            f"Your account is {account.address}. Give this address to your hospital; keep {file} to yourself."
        ),
    )


@app.command("grant")
def grant(
    dataset: Dataset,
    purposes: Purposes,
    keystore: Keystore,
    days: Days = 365,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Consent that one dataset's studies use your record, for some purposes and some time."""
    _word("grant", dataset, (purposes, days), keystore, password_file, as_json)


@app.command("narrow")
def narrow(
    dataset: Dataset,
    purposes: Purposes,
    keystore: Keystore,
    days: Days = 365,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take some of a consent back and keep the rest: fewer purposes, or an earlier end."""
    _word("narrow", dataset, (purposes, days), keystore, password_file, as_json)


def _word(
    what: str, dataset: int, terms: tuple[str, int], keystore: Path, password_file: Path | None, as_json: bool
) -> None:
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.protocol import purposes as duo
    from medfed.protocol.consent import DAY
    from medfed.types import DatasetId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    expiry = federation.client.head().timestamp // DAY + terms[1]
    consents, allowed = federation.contracts.consents, duo.parse(terms[0])
    change = consents.grant if what == "grant" else consents.narrow
    receipt = sender.send(change(DatasetId(dataset), allowed, expiry))
    data = {"dataset": dataset, "purposes": duo.names(allowed), "days": terms[1], "gas": receipt.gas_used}
    show(
        data,
        as_json=as_json,
        render=lambda: (
            f"Your record in dataset {dataset} may now be used for: {duo.describe(allowed)}, for {terms[1]} days."
        ),
    )


@app.command("revoke")
def revoke(
    keystore: Keystore,
    dataset: Annotated[
        int, typer.Argument(help="Number of the dataset; 0 revokes every consent.", min=0)
    ] = 0,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a consent back, or all of them."""
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import DatasetId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    consents = federation.contracts.consents
    sender.send(consents.revoke(DatasetId(dataset)) if dataset else consents.revoke_all())
    show({"revoked": dataset or "all"}, as_json=as_json, render=lambda: _REVOKED)


@app.command("status")
def status(
    patient: Annotated[str, typer.Argument(help="The patient's address or keystore file.")],
    dataset: Dataset,
    as_json: JsonFlag = False,
) -> None:
    """Show what a patient's consent for one dataset says today. Needs no key."""
    from medfed.cli.run import open_federation, party
    from medfed.protocol import purposes as duo
    from medfed.types import DatasetId

    federation = open_federation()
    account, number = party(patient), DatasetId(dataset)
    word = federation.contracts.consents.word(account, number)
    now = federation.client.head().timestamp
    active = (
        federation.contracts.consents.is_active(account, number, word.purposes, now)
        if word.purposes
        else False
    )
    data = {"patient": account, "dataset": dataset, "active": active, "purposes": duo.names(word.purposes)}
    text = (
        f"may be used for: {duo.describe(word.purposes)}"
        if active
        else "is not used: there is no active consent"
    )
    show(data, as_json=as_json, render=lambda: f"The record in dataset {dataset} {text}.")
