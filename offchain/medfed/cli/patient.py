"""`medfed patient`: consent, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli import patient_sign, patient_status, patient_uses, revoking, rewards
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, date_of, show

if TYPE_CHECKING:
    from medfed.chain.keys import Account
    from medfed.protocol.consent import Details
    from medfed.rounds.federation import OnChain
    from medfed.types import Address, DatasetId

__all__ = ["app"]

app = typer.Typer(
    name="patient",
    help="Give and revoke consent, and see what it was used for.",
    no_args_is_help=True,
)
app.add_typer(patient_sign.app)

Keystore = patient_sign.Keystore
Dataset = patient_sign.Dataset
Purposes = patient_sign.Purposes
Days = patient_sign.Days
AccountNumber = patient_status.AccountNumber


@app.command("keygen")
def keygen(
    file: Annotated[Path, typer.Argument(help="Wallet file to write.")],
    password_file: PasswordFile = None,
    seed_file: Annotated[
        Path | None,
        typer.Option(help="Make the wallet of this seed again: 32 bytes in hex, a file only you can read."),
    ] = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Opens in milliseconds: for trying things out only.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a patient's wallet.

    It holds one secret, with a fresh account for each dataset, so that hospitals cannot be linked.
    Keep a copy of the file and of the password: nobody can restore them.
    """
    from medfed.chain.wallet import create_wallet
    from medfed.cli.run import password
    from medfed.data.private_file import load_or_create_secret
    from medfed.errors import ConfigError

    if seed_file is not None and not seed_file.exists():
        raise ConfigError(f"There is no seed at {seed_file}; without --seed-file a fresh one is drawn.")
    seed = None if seed_file is None else load_or_create_secret(seed_file)
    create_wallet(file, password(password_file), seed=seed, trial=trial)
    text = (
        f"Your wallet is {file}; keep it to yourself. "
        f"`medfed patient card DATASET --keystore {file}` makes what your hospital needs."
    )
    show({"wallet": str(file)}, as_json=as_json, render=lambda: text)


@app.command("card")
def card(
    dataset: Dataset,
    keystore: Keystore,
    out: Annotated[Path, typer.Option(help="File to write, readable by you alone.")],
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a card for the hospital with your record.

    It says what the hospital enters in its register: the dataset, your account for it, and a secret that you share.

    Give it to that hospital and to nobody else: with the secret your uses can be recognised in public data.
    """
    from medfed.cli.cards import Card, write_card
    from medfed.cli.meaning import called
    from medfed.cli.run import open_wallet

    place, data, ids = _opened(dataset)
    wallet, index = open_wallet(keystore, password_file), dataset if number is None else number
    account = wallet.account(index).address
    write_card(out, Card(account, wallet.link_secret(index), ids))
    show(
        data | {"patient": account, "card": str(out)},
        as_json=as_json,
        render=lambda: (
            f"Your account for {called(place, ids)} is {account}. "
            f"Give {out} to the hospital that holds your record, and to nobody else. "
            "This is no consent yet; one has no effect before the hospital has entered the card."
        ),
    )


@app.command("grant")
def grant(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Dataset,
    purposes: Purposes,
    keystore: Keystore,
    days: Days = 365,
    data_from: patient_sign.DataFrom = None,
    data_until: patient_sign.DataUntil = None,
    form: patient_sign.Form = None,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Let studies use your record of one dataset.

    Your account pays the gas. Without ether, use `medfed patient sign grant`.
    """
    place, data, ids = _opened(dataset)
    word = *patient_sign.terms(place, ids, purposes, days), patient_sign.details(data_from, data_until, form)
    patient_sign.check_data_begin(word[2], word[1])
    sent = _send(place, _account(keystore, password_file, ids, number), "grant", ids, *word)
    _tell_word(place, data | sent, word, as_json)


@app.command("narrow")
def narrow(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Dataset,
    keystore: Keystore,
    purposes: patient_sign.FewerPurposes = "",
    days: patient_sign.FewerDays = None,
    data_from: patient_sign.DataFrom = None,
    data_until: patient_sign.DataUntil = None,
    form: patient_sign.SameForm = None,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take some of a consent back, keep the rest.

    Fewer purposes, an earlier end, or data of fewer years; what is not named stays as it is, and so does the form.
    """
    place, data, ids = _opened(dataset)
    account = _account(keystore, password_file, ids, number)
    window = data_from, data_until, form
    word = patient_sign.narrowed(place, account.address, ids, (purposes, days), window)
    sent = _send(place, account, "narrow", ids, *word)
    _tell_word(place, data | sent, word, as_json, only="only ")


@app.command("revoke")
def revoke(
    dataset: Dataset,
    keystore: Keystore,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway",
            help="Also where nothing is left to take back. It ends what was signed before and is still to be brought.",
        ),
    ] = False,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take the consent for one dataset back.

    Of a dataset whose patients are not asked for one, it objects to every use.
    """
    from medfed.cli.meaning import is_asked

    place, data, ids = _opened(dataset)
    account = _account(keystore, password_file, ids, number)
    stand = patient_status.standing(place, account.address, ids)
    if not anyway:
        _check_revocable(stand, account.address)
    data |= _send(place, account, "revoke", ids)
    told = revoking.REVOKED if is_asked(place, ids) else revoking.OBJECTED
    lines = [told, *patient_status.older_cards(stand)]
    show(data | {"revoked": dataset}, as_json=as_json, render=lambda: lines)


app.command("revoke-all")(revoking.revoke_all)


app.command("status")(patient_status.status)
app.command("uses")(patient_uses.uses)
app.command("relay")(patient_sign.relay)
app.command("claim")(rewards.claim)
app.command("withdraw")(rewards.withdraw)


def _opened(dataset: int) -> tuple[OnChain, dict[str, Any], DatasetId]:
    """The chain, the first line of the answer, and the dataset, which has to exist."""
    from medfed.cli.run import open_chain

    place = open_chain()
    return place, {"dataset": dataset}, patient_sign.known(place, dataset)


def _account(keystore: Path, password_file: Path | None, dataset: DatasetId, number: int | None) -> Account:
    from medfed.cli.run import open_wallet

    return open_wallet(keystore, password_file).account(dataset if number is None else number)


def _check_revocable(stand: patient_status.Standing, account: Address) -> None:
    """Raise `InputError` where a revocation would change nothing but what it costs."""
    from medfed.errors import InputError

    why = stand.why_not_revoke()
    if why:
        raise InputError(
            f"There is nothing to take back of dataset {stand.dataset} for account {account}: {why}. If one that is signed may still be "
            "brought, --anyway ends it beforehand."
        )


def _send(place: OnChain, account: Account, what: str, *values: Any) -> dict[str, Any]:
    from medfed.cli.run import open_sender
    from medfed.errors import OutOfFunds

    try:
        receipt = open_sender(place, account).send(getattr(place.contracts.consents, what)(*values))
    except OutOfFunds as exc:
        raise OutOfFunds(
            f"{exc} Or sign it without ether, for somebody else to bring: `medfed patient sign {what}`."
        ) from exc
    return {"patient": account.address, "gas": receipt.gas_used}


def _tell_word(
    place: OnChain, data: dict[str, Any], word: tuple[int, int, Details], as_json: bool, *, only: str = ""
) -> None:
    from medfed.cli.meaning import OTHERWISE, called, details_lines, is_asked, without_effect
    from medfed.cli.patient_status import details_facts
    from medfed.protocol import purposes as duo
    from medfed.types import DatasetId

    allowed, expiry, details = word
    dataset = DatasetId(data["dataset"])
    data |= {"purposes": duo.names(allowed), "until": date_of(expiry)} | details_facts(details)
    text = (
        f"Studies may now {only}use your record in {called(place, dataset)} for: {duo.describe(allowed)}. "
        f"This ends when {date_of(expiry)} begins (UTC), or when you revoke it. "
        f"Your account there is {data['patient']}."
    )
    other = [] if is_asked(place, dataset) else [OTHERWISE]
    other += without_effect(place, dataset, allowed)
    show(data, as_json=as_json, render=lambda: [text, *details_lines(details), *other])
