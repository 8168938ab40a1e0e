"""`medfed patient`: consent, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli import patient_sign, revoking, rewards
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, date_of, show, table, when

if TYPE_CHECKING:
    from medfed.chain.wallet import Wallet
    from medfed.protocol.consent import Details, RevokeAll, Word
    from medfed.rounds.federation import Federation, OnChain
    from medfed.rounds.uses import Finding
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
AccountNumber = Annotated[
    int | None,
    typer.Option("--account", help="Number of the wallet's account (default: the dataset's).", min=0),
]


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

    It says what the hospital enters in its register: your account for the dataset and a secret that you share.

    Give it to that hospital and to nobody else: with the secret your uses can be recognised in public data.
    """
    from medfed.cli.cards import Card, write_card
    from medfed.cli.run import open_wallet

    wallet, index = open_wallet(keystore, password_file), dataset if number is None else number
    account = wallet.account(index).address
    write_card(out, Card(account, wallet.link_secret(index)))
    show(
        {"patient": account, "card": str(out)},
        as_json=as_json,
        render=lambda: (
            f"Your account for dataset {dataset} is {account}. "
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
    word = *patient_sign.terms(place, purposes, days), patient_sign.details(data_from, data_until, form)
    sent = _send(place, (keystore, password_file, ids, number), "grant", ids, *word)
    _tell_word(place, data | sent, word, as_json)


@app.command("narrow")
def narrow(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Dataset,
    keystore: Keystore,
    purposes: patient_sign.FewerPurposes = "",
    days: patient_sign.FewerDays = None,
    data_from: patient_sign.DataFrom = None,
    data_until: patient_sign.DataUntil = None,
    form: patient_sign.Form = None,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take some of a consent back, keep the rest.

    Fewer purposes, an earlier end, or data of fewer years; what is not named stays as it is. The form cannot change.
    """
    place, data, ids = _opened(dataset)
    account = _account(keystore, password_file, ids, number).address
    window = data_from, data_until, form
    word = patient_sign.narrowed(place, account, ids, (purposes, days), window)
    sent = _send(place, (keystore, password_file, ids, number), "narrow", ids, *word)
    _tell_word(place, data | sent, word, as_json, only="only ")


@app.command("revoke")
def revoke(
    dataset: Dataset,
    keystore: Keystore,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take the consent for one dataset back."""
    place, data, ids = _opened(dataset)
    data |= _send(place, (keystore, password_file, ids, number), "revoke", ids)
    show(data | {"revoked": dataset}, as_json=as_json, render=lambda: revoking.REVOKED)


app.command("revoke-all")(revoking.revoke_all)


@app.command("status")
def status(
    patient: Annotated[str, typer.Argument(help="The patient's address, keystore or wallet.")],
    dataset: Dataset,
    form: Annotated[
        Path | None, typer.Option("--form", help="A blank form: is it the one that was read?")
    ] = None,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what a consent says now. An address needs no key.

    With --form, exit code 1 when it is another form than the consent names.
    """
    from medfed.cli.meaning import called, details_lines
    from medfed.cli.run import party
    from medfed.protocol.consent import State, stands

    place, data, ids = _opened(dataset)
    is_file = Path(patient).is_file()
    account = _account(Path(patient), password_file, ids, number).address if is_file else party(patient)
    consents = place.contracts.consents
    word, everything = consents.word(account, ids), consents.revoke_all_word(account)
    details = consents.details(account, ids)
    now = place.client.head().timestamp
    active = stands(State(word, everything), now)
    data |= _status(account, word, everything, active) | _said(details)
    lines = [_sentence(called(place, ids), word, everything, active), *details_lines(details)]
    if form is not None:
        data["is_form"] = patient_sign.form_of(form) == details.form
        lines.append(f"{form} is {'' if data['is_form'] else 'not '}the form that was read.")
    show(data, as_json=as_json, render=lambda: lines)
    if form is not None and not data["is_form"]:
        raise typer.Exit(1)


@app.command("uses")
def uses(
    keystore: Keystore,
    dataset: Annotated[
        int | None,
        typer.Argument(help="Number of a dataset (default: wherever the wallet's accounts could be).", min=1),
    ] = None,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Find every round that used your record.

    In public data, by the secret of your card: only you and your hospital can.
    Without a dataset each account of the wallet is looked for in all datasets of its hospital, whatever their numbers.
    Exit code 1 when a round used it without your consent.
    """
    from medfed.cli.run import open_federation, open_wallet

    wallet, federation = open_wallet(keystore, password_file), open_federation()
    found = _uses(federation, wallet, dataset, number)
    data = [
        {
            "study": use.study,
            "round": use.round,
            "dataset": use.dataset,
            "patient": use.patient,
            "at": use.at,
            "used": use.used,
            "consented": use.consented,
        }
        | ({"why": use.why} if use.why else {})
        for use in found
    ]
    answers = {True: "used", False: "not used", None: "not to be had now"}
    rows = [
        (
            *(use.study, use.round, use.dataset, when(use.at), answers[use.used]),
            "yes" if use.consented else "no",
        )
        for use in found
    ]
    columns = ["Study#", "Round#", "Dataset#", "Consents as of (UTC)", "Your record", "Your consent"]
    title = "Your records" if dataset is None else f"Your record in dataset {dataset}"
    verdict = (
        "WRONG: a round used your record without your consent; show this to the consortium."
        if any(use.wrongful for use in found)
        else f"{sum(bool(use.used) for use in found)} of {len(found)} rounds used your record."
    )
    show(data, as_json=as_json, render=lambda: [*([table(title, columns, rows)] if rows else []), verdict])
    if any(use.wrongful for use in found):
        raise typer.Exit(1)


app.command("relay")(patient_sign.relay)
app.command("claim")(rewards.claim)
app.command("withdraw")(rewards.withdraw)


def _opened(dataset: int) -> tuple[OnChain, dict[str, Any], DatasetId]:
    """The chain, the first line of the answer, and the dataset, which has to exist."""
    from medfed.cli.run import open_chain

    place = open_chain()
    return place, {"dataset": dataset}, patient_sign.known(place, dataset)


def _uses(federation: Federation, wallet: Wallet, dataset: int | None, number: int | None) -> list[Finding]:
    """Of one dataset, or of all: then by the accounts that go with the datasets' numbers, and by `number` too."""
    from medfed.rounds.uses import Pseudonym, find_all_uses, find_uses
    from medfed.types import DatasetId

    if dataset is not None:
        index = dataset if number is None else number
        place = wallet.account(index).address, wallet.link_secret(index), DatasetId(dataset)
        return find_uses(federation, *place)
    last = federation.contracts.datasets.count()
    numbers = {each: DatasetId(each) for each in range(1, last + 1)}
    if number is not None:
        numbers.setdefault(number, DatasetId(0))
    pseudonyms = [
        Pseudonym(wallet.account(each).address, wallet.link_secret(each), own)
        for each, own in numbers.items()
    ]
    return find_all_uses(federation, pseudonyms)


def _account(keystore: Path, password_file: Path | None, dataset: DatasetId, number: int | None) -> Any:
    from medfed.cli.run import open_wallet

    return open_wallet(keystore, password_file).account(dataset if number is None else number)


def _send(
    place: OnChain, who: tuple[Path, Path | None, DatasetId, int | None], what: str, *values: Any
) -> dict[str, Any]:
    from medfed.cli.run import open_sender
    from medfed.errors import OutOfFunds

    account = _account(*who)
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
    from medfed.cli.meaning import called, details_lines
    from medfed.protocol import purposes as duo
    from medfed.types import DatasetId

    allowed, expiry, details = word
    data |= {"purposes": duo.names(allowed), "until": date_of(expiry)} | _said(details)
    text = (
        f"Studies may now {only}use your record in {called(place, DatasetId(data['dataset']))} for: {duo.describe(allowed)}. "
        f"This ends when {date_of(expiry)} begins (UTC), or when you revoke it."
    )
    show(data, as_json=as_json, render=lambda: [text, *details_lines(details)])


def _said(details: Details) -> dict[str, Any]:
    """Window and form for a program: 0 where there is no first year, 65535 where there is no last one."""
    form = f"0x{details.form.hex()}" if any(details.form) else ""
    return {"data_from": details.data_from, "data_until": details.data_until, "form": form}


def _status(account: Address, word: Word, everything: RevokeAll, active: bool) -> dict[str, Any]:
    from medfed.protocol import purposes as duo

    return {
        "patient": account,
        "active": active,
        "purposes": duo.names(word.allowed),
        "signed_at": word.signed_at,
        "posted_at": word.posted_at,
        "until": date_of(word.expiry_day) if word.purposes else "",
        "all_revoked_at": everything.posted_at,
    }


def _sentence(where: str, word: Word, everything: RevokeAll, active: bool) -> str:
    from medfed.protocol import purposes as duo

    if active:
        return (
            f"The record in {where} may be used for: {duo.describe(word.allowed)}, {_until(word.expiry_day)}."
        )
    if not (word.posted_at or everything.posted_at):
        why = "there never was a consent"
    elif word.purposes and word.signed_at > everything.signed_at:
        why = "the consent has ended"
    else:
        why = f"the consent was revoked on {when(_revoked_at(word, everything))} UTC"
    return f"The record in {where} is not used by new rounds: {why}."


def _revoked_at(word: Word, everything: RevokeAll) -> int:
    """When the chain heard of what ended the consent last."""
    return max(everything.posted_at, 0 if word.purposes else word.posted_at)


def _until(day: int) -> str:
    return f"until {date_of(day)} begins (UTC)" if date_of(day) else "without an end"
