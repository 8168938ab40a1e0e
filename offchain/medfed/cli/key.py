"""`medfed key`: make and look at encrypted keystores and encryption keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medfed.cli.output import JsonFlag, show

if TYPE_CHECKING:
    from medfed.types import Address

__all__ = ["PasswordFile", "app"]

app = typer.Typer(
    name="key", help="Make keys in encrypted files, show their addresses.", no_args_is_help=True
)

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        envvar="MEDFED_PASSWORD_FILE",
        help="File whose first line is the keystore's password.",
    ),
]


@app.command("new")
def new(
    files: Annotated[list[Path], typer.Argument(help="Keystore files to write; none may exist yet.")],
    password_file: PasswordFile = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Opens in milliseconds: for keys that hold nothing of value.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make fresh keys, each in an encrypted file.

    Keep an offline copy of every file and of the password: nobody can restore a lost key.
    """
    from medfed.chain.keys import create_keystore
    from medfed.cli.run import password

    secret = password(password_file)
    made = {str(file): create_keystore(file, secret, trial=trial).address for file in files}
    show(
        made,
        as_json=as_json,
        render=lambda: "\n".join(f"{address}  {file}" for file, address in made.items()),
    )


@app.command("encryption")
def encryption(
    files: Annotated[list[Path], typer.Argument(help="Files to write; none may exist yet.")],
    password_file: PasswordFile = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Opens in milliseconds: for keys that hold nothing of value.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a hospital's encryption key (X25519). Each in an encrypted file; its public half is shown.

    The public half is for `medfed consortium admit --encryption-key`; the file stays at the hospital.
    """
    from medfed.chain.encryption import create_encryption_key
    from medfed.cli.run import password

    secret = password(password_file)
    made = {str(file): create_encryption_key(file, secret, trial=trial).public.hex() for file in files}
    show(
        made,
        as_json=as_json,
        render=lambda: "\n".join(f"{public}  {file}" for file, public in made.items()),
    )


@app.command("address")
def address(
    files: Annotated[list[Path], typer.Argument(help="Keystores, patients' wallets and cards.")],
    number: Annotated[
        int | None,
        typer.Option("--account", help="Which account of a wallet: its dataset's number.", min=0),
    ] = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Show whose address a file is. Only a wallet needs a password.

    A patient's wallet has another account for each dataset, which --account names; a card shows the patient's.
    """
    found = {str(file): _address(file, number, password_file) for file in files}
    show(
        found,
        as_json=as_json,
        render=lambda: "\n".join(f"{account}  {file}" for file, account in found.items()),
    )


def _address(file: Path, number: int | None, password_file: Path | None) -> Address:
    from medfed.chain.wallet import is_wallet
    from medfed.cli.cards import is_card, read_card
    from medfed.cli.run import keystore_address, open_wallet
    from medfed.errors import InputError

    if is_card(file):
        return read_card(file).patient
    if not is_wallet(file):
        return keystore_address(file)
    if number is None:
        raise InputError(
            f"{file} is a patient's wallet, which has another account for each dataset: give the dataset's number as --account."
        )
    return open_wallet(file, password_file).account(number).address
