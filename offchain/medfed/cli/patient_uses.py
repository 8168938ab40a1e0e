"""`medfed patient uses`: the rounds that used a patient's record, found with the secrets of wallet and cards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli import patient_sign
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, table, when
from medfed.cli.patient_status import AccountNumber

if TYPE_CHECKING:
    from medfed.chain.wallet import Wallet
    from medfed.rounds.federation import Federation
    from medfed.rounds.uses import Finding, Pseudonym

__all__ = ["uses"]

_USED = {True: "used", False: "not used", None: "not to be had now"}
_ALONE = "Only accounts of this wallet are looked for. Of one that is lost, give the card: --card OLD.card."


def uses(
    dataset: Annotated[
        int | None,
        typer.Argument(help="Number of a dataset (default: wherever the accounts could be).", min=1),
    ] = None,
    keystore: Annotated[
        Path | None, typer.Option("--keystore", help="The patient's wallet (or plain keystore).")
    ] = None,
    cards: Annotated[
        list[Path] | None,
        typer.Option("--card", help="A card of the patient's, e.g. of a lost wallet; several may be named."),
    ] = None,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Find every round that used your record.

    In public data, by the secret of your card: only you and your hospital can.
    Without a dataset each account is looked for in all datasets of its hospital, whatever their numbers.
    Exit code 1 when a round used it without your consent or, where nobody is asked for one, against your objection.
    """
    from medfed.cli.cards import read_card
    from medfed.cli.run import open_federation, open_wallet
    from medfed.errors import InputError
    from medfed.rounds.uses import Pseudonym, find_all_uses, find_uses
    from medfed.types import DatasetId

    shown = [read_card(file) for file in cards or []]
    if keystore is None and not shown:
        raise InputError("Give your wallet with --keystore, or a card with --card.")
    wallet = None if keystore is None else open_wallet(keystore, password_file)
    federation = open_federation()
    if dataset is not None:
        patient_sign.known(federation, dataset)
    who = [] if wallet is None else _of_wallet(federation, wallet, dataset, number)
    who += [Pseudonym(card.patient, card.link_secret, card.dataset) for card in shown]
    found = (
        find_all_uses(federation, who) if dataset is None else find_uses(federation, who, DatasetId(dataset))
    )
    hint = [_ALONE] if wallet is not None and not shown else []
    lines = [*_rows(found, dataset), *hint, _verdict(found)]
    show([_facts(use) for use in found], as_json=as_json, render=lambda: lines)
    if any(use.wrongful for use in found):
        raise typer.Exit(1)


def _of_wallet(
    federation: Federation, wallet: Wallet, dataset: int | None, number: int | None
) -> list[Pseudonym]:
    """For one dataset its account; for all, the accounts that go with the datasets' numbers, and number `number`."""
    from medfed.rounds.uses import Pseudonym
    from medfed.types import DatasetId

    if dataset is not None:
        numbers = {dataset if number is None else number: DatasetId(dataset)}
    else:
        last = federation.contracts.datasets.count()
        numbers = {each: DatasetId(each) for each in range(1, last + 1)}
        if number is not None:
            numbers.setdefault(number, DatasetId(0))
    return [
        Pseudonym(wallet.account(each).address, wallet.link_secret(each), own)
        for each, own in numbers.items()
    ]


def _facts(use: Finding) -> dict[str, Any]:
    facts = {
        "study": use.study,
        "round": use.round,
        "dataset": use.dataset,
        "patient": use.patient,
        "at": use.at,
        "used": use.used,
        "basis": use.basis.label,
        "consented": use.consented,
        "consent": use.stand.value,
    }
    return facts | ({"why": use.why} if use.why else {})


def _rows(found: Sequence[Finding], dataset: int | None) -> list[Any]:
    rows = [
        (
            *(use.study, use.round, use.dataset, when(use.at), _USED[use.used]),
            use.stand.value,
        )
        for use in found
    ]
    columns = ["Study#", "Round#", "Dataset#", "Consents as of (UTC)", "Your record", "Your consent"]
    title = "Your records" if dataset is None else f"Your record in dataset {dataset}"
    return [table(title, columns, rows)] if rows else []


def _verdict(found: Sequence[Finding]) -> str:
    from medfed.rounds.uses import Stand

    wrong = next((use.stand for use in found if use.wrongful), None)
    if wrong is None:
        return f"{sum(bool(use.used) for use in found)} of {len(found)} rounds used your record."
    how = {Stand.OBJECTED: "against your objection", Stand.UNPERMITTED: "without a permit"}
    said = how.get(wrong, "without your consent")
    return f"WRONG: a round used your record {said}; show this to the consortium."
