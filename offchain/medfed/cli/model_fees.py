"""`medfed model revenue`, `claim` and `licences`: what a model brings, to whom, and who may use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, table, when

if TYPE_CHECKING:
    from medfed.chain.calls import Call
    from medfed.rounds.federation import Federation
    from medfed.rounds.models import ModelHistory, SoldLicence
    from medfed.types import Address, Seat

__all__ = ["Anyone", "Number", "claim", "licences", "revenue"]

Number = Annotated[int, typer.Argument(help="The model's number, which is its study's.", min=1)]
Anyone = Annotated[Path, typer.Option("--keystore", help="Keystore of whoever pays the gas.")]

_LINKS = (
    "Claiming as a patient shows everybody, for good, that this account's owner was a patient of the hospital in the study; "
    "nobody has to claim. To go on, add --yes."
)


def revenue(model: Number, as_json: JsonFlag = False) -> None:
    """Show what a model has brought. By token: the fees, whose they are, what is claimed and what is not."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_federation
    from medfed.rounds.models import read_model
    from medfed.types import StudyId

    federation = open_federation()
    found = read_model(federation.index, StudyId(model))
    tokens = [_revenue(federation, found, token) for token in _tokens(found)]
    parts: list[Any] = []
    for entry in tokens:
        coin = coin_of(federation, entry["token"])
        rows = [
            (part["who"], coin.text(part["earned"]), coin.text(part["claimed"]), coin.text(part["due"]))
            for part in entry["parts"]
        ]
        title = f"{coin.text(entry['fees'])} from {entry['licences']} licence{'s' * (entry['licences'] != 1)}"
        parts.append(table(title, ["Whose", "Earned#", "Claimed#", "Due#"], rows))
    data = {"model": model, "tokens": tokens}
    show(data, as_json=as_json, render=lambda: parts or ["No licence of this model was ever for sale."])


def _tokens(found: ModelHistory) -> list[Address]:
    """Every token that a licence was for sale for, in order."""
    return list(dict.fromkeys(sale.terms.token for sale in found.sales if int(sale.terms.token, 16)))


def _revenue(federation: Federation, found: ModelHistory, token: Address) -> dict[str, Any]:
    from medfed.cli.names import hospital_names
    from medfed.rounds.history import read_study
    from medfed.rounds.licences import FeeBook
    from medfed.rounds.models import licences as sold
    from medfed.types import Seat

    study, names = read_study(federation.index, found.study), hospital_names(federation.index)
    fees = federation.contracts.market.fees(found.study, token)
    shared = {Seat(seat): share for seat, share in enumerate(found.shares)}
    book = FeeBook(study.terms, shared, found.finals, fees)
    shares: dict[str, tuple[str, int]] = {
        entry.hospital: (names.get(entry.hospital, entry.hospital), book.due(entry.seat))
        for entry in study.enrolments
    }
    sponsor = book.due_sponsor()
    paid: dict[str, int] = {}
    for event in federation.index.events("FeesClaimed", model=found.study, token=token):
        paid[event["account"]] = paid.get(event["account"], 0) + event["amount"]
    # A hospital may be the sponsor, too: what it was paid counts for its seat first.
    parts = []
    for account, (name, earned) in shares.items():
        claimed = min(paid.get(account, 0), earned)
        paid[account] = paid.get(account, 0) - claimed
        parts.append(_part(name, earned, claimed))
    claimed = min(paid.pop(study.sponsor, 0), sponsor)
    parts.append(_part("sponsor", sponsor, claimed))
    parts.append(_part("patients", book.due_patients(), sum(paid.values())))
    count = sum(
        found.sales[each.version - 1].terms.token == token for each in sold(federation.index, found.study)
    )
    return {"token": token, "fees": fees, "licences": count, "parts": parts}


def _part(who: str, earned: int, claimed: int) -> dict[str, Any]:
    return {"who": who, "earned": earned, "claimed": claimed, "due": earned - claimed}


def claim(  # noqa: PLR0913, PLR0917 - one parameter for each option
    model: Number,
    keystore: Anyone,
    account: Annotated[
        str,
        typer.Argument(help="A hospital or the sponsor, address or keystore (default: the keystore's own)."),
    ] = "",
    dataset: Annotated[
        int | None,
        typer.Option(help="Claim as a patient of this dataset: the keystore is your wallet.", min=1),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option("--account", help="Number of the wallet's account (default: the dataset's).", min=0),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="As a patient: show that the account is a patient's of the study.")
    ] = False,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Claim a part of the fees. A hospital's, the sponsor's or a patient's; into the free balance in the vault.

    For a hospital and the sponsor anyone may. A patient claims with their wallet and pays the gas; that links the
    account to the study for everybody to see, so it is said first and done only with --yes.
    """
    from medfed.cli.run import open_account, open_federation, open_sender, open_wallet, party
    from medfed.rounds.models import read_model
    from medfed.types import DatasetId, StudyId

    federation = open_federation()
    found = read_model(federation.index, StudyId(model))
    if dataset is None:
        payer = open_account(keystore, password_file)
        calls = _calls_for(federation, found, party(account) if account else payer.address)
    else:
        wallet, index = open_wallet(keystore, password_file), dataset if number is None else number
        payer, secret = wallet.account(index), wallet.link_secret(index)
        calls = _patient_calls(federation, found, (payer.address, secret), DatasetId(dataset))
        if calls and not yes:
            data = {"model": model, "patient": payer.address, "claims": len(calls), "claimed": {}}
            show(data, as_json=as_json, render=lambda: _LINKS)
            return
    paid = _send(federation, open_sender(federation, payer), calls)
    show({"model": model, "claimed": paid}, as_json=as_json, render=lambda: _told(federation, paid))


def _calls_for(federation: Federation, found: ModelHistory, account: Address) -> list[Call]:
    """Raises `InputError` for who is neither hospital nor sponsor of the study."""
    from medfed.errors import InputError

    market, study = federation.contracts.market, found.study
    seat, sponsor = _seat(federation, found, account), federation.contracts.rounds.enrolment(study).sponsor
    calls: list[Call] = []
    for token in _tokens(found):
        calls += [market.claim_fees(study, seat, token)] if seat is not None else []
        calls += [market.claim_sponsor_fees(study, token)] if sponsor == account else []
    if seat is None and sponsor != account:
        raise InputError(
            f"{account} is neither a hospital nor the sponsor of study {study}; `medfed model revenue {study}` shows who is."
        )
    return calls


def _seat(federation: Federation, found: ModelHistory, account: Address) -> Seat | None:
    from medfed.types import HospitalId

    admin = federation.contracts.consortium.hospital_of(account) or HospitalId(account)
    return federation.contracts.rounds.seat_of(found.study, admin)


def _patient_calls(
    federation: Federation, found: ModelHistory, who: tuple[Address, bytes], dataset: Any
) -> list[Call]:
    from medfed.rounds.models import patient_claims

    return [
        call for token in _tokens(found) for _, call in patient_claims(federation, found, who, dataset, token)
    ]


def _send(federation: Federation, sender: Any, calls: list[Call]) -> dict[str, int]:
    """What was paid, by token. Where there is nothing to claim, nothing is sent."""
    from medfed.errors import ContractRevert

    paid: dict[str, int] = {}
    for call in calls:
        try:
            receipt = sender.send(call)
        except ContractRevert as exc:
            if exc.name != "NothingEarned":
                raise
            continue
        for event in federation.contracts.market.events(receipt):
            if event.name == "FeesClaimed":
                paid[event["token"]] = paid.get(event["token"], 0) + event["amount"]
    return paid


def _told(federation: Federation, paid: dict[str, int]) -> str:
    from medfed.cli.amounts import coin_of

    if not paid:
        return "Nothing to claim now."
    total = ", ".join(coin_of(federation, token).text(amount) for token, amount in paid.items())
    return f"{total} went into the free balance in the vault."


def licences(
    account: Annotated[str, typer.Argument(help="The holder: an address or keystore file.")],
    as_json: JsonFlag = False,
) -> None:
    """List an account's licences. Until when each is good, and whether its model is withdrawn or superseded."""
    from medfed.cli.run import open_federation, party
    from medfed.rounds.models import licences as sold

    federation, who = open_federation(), party(account)
    held = [entry for entry in sold(federation.index) if entry.holder == who]
    data = [_licence(federation, entry) for entry in held]
    rows = [(facts["licence"], facts["model"], _end(facts), _notice(facts)) for facts in data]
    columns = ["Licence#", "Model#", "Good until (UTC)", "The model"]
    show(
        data,
        as_json=as_json,
        render=lambda: table(f"Licences of {who}", columns, rows) if rows else f"{who} has no licence.",
    )


def _licence(federation: Federation, entry: SoldLicence) -> dict[str, Any]:
    from medfed.protocol.cid import cid_from_digest
    from medfed.rounds.models import read_model

    model = read_model(federation.index, entry.model)
    terms = model.sales[entry.version - 1].terms
    return {
        "licence": entry.number,
        "model": int(entry.model),
        "version": entry.version,
        "good": federation.contracts.market.is_licensed(entry.holder, entry.number),
        "expires_at": entry.expires_at,
        "transferable": terms.transferable,
        "terms": cid_from_digest(terms.licence),
        "file": cid_from_digest(model.model),
        "withdrawn": model.withdrawn,
        "superseded_by": model.superseded_by,
    }


def _end(facts: dict[str, Any]) -> str:
    if not facts["expires_at"]:
        return "no end"
    return when(facts["expires_at"]) + ("" if facts["good"] else ", over")


def _notice(facts: dict[str, Any]) -> str:
    said = ["withdrawn"] if facts["withdrawn"] else []
    said += [f"superseded by {facts['superseded_by']}"] if facts["superseded_by"] else []
    return ", ".join(said) or "as it was"
