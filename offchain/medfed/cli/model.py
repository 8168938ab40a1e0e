"""`medfed model`: register, license and trace finished models. A model has the number of its study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli import model_fees
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, in_words, printable, show, table, when

if TYPE_CHECKING:
    from medfed.chain.contracts.market import Sale, Terms
    from medfed.rounds.federation import Federation, OnChain
    from medfed.rounds.models import ModelHistory

__all__ = ["app"]

app = typer.Typer(
    name="model",
    help="Register, license and trace finished models. A licence is a legal permission: CIDs are public.",
    no_args_is_help=True,
)

Number = model_fees.Number
Anyone = model_fees.Anyone
Seller = Annotated[Path, typer.Option("--keystore", help="Keystore of the sponsor, or of the consortium.")]

_DAY = 86_400
_TITLE = 200
_LEGAL = "A licence is a legal permission, not a lock: whoever knows the model's CID can fetch it."


@app.command("list")
def list_models(as_json: JsonFlag = False) -> None:
    """List all registered models and what a licence costs."""
    from medfed.cli.run import open_federation
    from medfed.rounds.models import model_ids

    federation = open_federation()
    data = [_facts(federation, number) for number in model_ids(federation.index)]
    rows = [(facts["model"], facts["title"], _standing(facts), facts["sold"]) for facts in data]
    columns = ["Model#", "Title", "Licences", "Sold#"]
    empty = "No model is registered; `medfed model register STUDY` does, once a study has completed."
    show(data, as_json=as_json, render=lambda: table("Models", columns, rows) if rows else empty)


@app.command("show")
def show_model(model: Number, as_json: JsonFlag = False) -> None:
    """Show one model. Its file, its terms, whose work it is, whether it is withdrawn or superseded."""
    from medfed.cli.run import open_federation
    from medfed.types import StudyId

    facts = _facts(open_federation(), StudyId(model))
    show(facts, as_json=as_json, render=lambda: _rendered(facts))


def _facts(federation: Federation, number: int) -> dict[str, Any]:
    """All that people ask about a registered model. Raises `InputError` for an unknown one."""
    from medfed.cli.names import hospital_names
    from medfed.protocol.cid import cid_from_digest
    from medfed.rounds.history import read_study
    from medfed.rounds.models import licences, read_model
    from medfed.types import StudyId

    found = read_model(federation.index, StudyId(number))
    study, names = read_study(federation.index, found.study), hospital_names(federation.index)
    total, offer = sum(found.shares), found.offer(federation.client.head().timestamp)
    return {
        "model": int(number),
        "title": _title(federation, number),
        "cid": cid_from_digest(found.model),
        "spec": cid_from_digest(found.spec),
        "rounds": found.finals,
        "sponsor": study.sponsor,
        "registered_at": found.registered_at,
        "withdrawn": found.withdrawn,
        "superseded_by": found.superseded_by,
        "terms": [_terms(federation, version, sale) for version, sale in enumerate(found.sales, 1)],
        "for_sale": offer[0] if offer else None,
        "sold": len(licences(federation.index, found.study)),
        "sponsor_bps": study.terms.sponsor_fee_bps,
        "patient_bps": study.terms.patient_bps,
        "shares": [
            {
                "seat": int(entry.seat),
                "hospital": entry.hospital,
                "name": names.get(entry.hospital, entry.hospital),
                "share": found.shares[entry.seat] / total if total else 0.0,
            }
            for entry in study.enrolments
        ],
    }


def _title(federation: Federation, number: int) -> str:
    from medfed.errors import MedFedError
    from medfed.rounds.history import read_study
    from medfed.rounds.study import fetch_spec
    from medfed.types import StudyId

    try:
        study = read_study(federation.index, StudyId(number))
        return printable(fetch_spec(federation.store, study).title, _TITLE)
    except MedFedError:
        return ""


def _terms(place: OnChain, version: int, sale: Sale) -> dict[str, Any]:
    from medfed.cli.amounts import coin_of
    from medfed.protocol.cid import cid_from_digest

    terms = sale.terms
    for_sale = bool(int(terms.token, 16))
    return {
        "version": version,
        "begin": sale.begin,
        "token": terms.token,
        "price": terms.price,
        "price_text": coin_of(place, terms.token).text(terms.price) if for_sale else "",
        "seconds": terms.duration,
        "transferable": terms.transferable,
        "licence": cid_from_digest(terms.licence),
    }


def _standing(facts: dict[str, Any]) -> str:
    """Whether licences are sold, and for what."""
    later = f"; superseded by model {facts['superseded_by']}" if facts["superseded_by"] else ""
    if facts["withdrawn"]:
        return f"withdrawn{later}"
    coming = _announced(facts)
    then = f"; {_told_coming(coming)}" if coming else ""
    now = "not for sale" if facts["for_sale"] is None else _present(facts)["price_text"]
    return f"{now}{then}{later}"


def _present(facts: dict[str, Any]) -> dict[str, Any]:
    """The terms that licences are sold under."""
    terms: dict[str, Any] = facts["terms"][facts["for_sale"] - 1]
    return terms


def _announced(facts: dict[str, Any]) -> dict[str, Any] | None:
    """Terms that have been announced and have not begun."""
    newest: dict[str, Any] | None = facts["terms"][-1] if facts["terms"] else None
    if (
        newest is None
        or newest["version"] == facts["for_sale"]
        or not newest["price_text"]
        or facts["withdrawn"]
    ):
        return None
    return newest


def _told_coming(terms: dict[str, Any]) -> str:
    return f"{terms['price_text']} from {when(terms['begin'])} UTC on"


def _rendered(facts: dict[str, Any]) -> list[Any]:
    title = f"Model {facts['model']}" + (f": {facts['title']}" if facts["title"] else "")
    lines = [
        title,
        f"File {facts['cid']}",
        f"Spec {facts['spec']}",
        f"Registered {when(facts['registered_at'])} UTC, from {_count(facts['rounds'], 'round')}; {_count(facts['sold'], 'licence')} sold.",
        f"Licences: {_standing(facts)}.",
    ]
    if facts["for_sale"] is not None:
        lines += _told_terms(_present(facts))
    if coming := _announced(facts):
        lines += [f"Announced: {_told_coming(coming)}.", *_told_terms(coming)]
    rows = [(entry["seat"], entry["name"], f"{entry['share']:.1%}") for entry in facts["shares"]]
    parts = f"Of each fee: {facts['sponsor_bps'] / 100:g}% sponsor, {facts['patient_bps'] / 100:g}% patients, the rest"
    return [
        *lines,
        table("Hospitals", ["Seat#", "Hospital", "Share#"], rows),
        f"{parts} hospitals by these shares.",
        _LEGAL,
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _told_terms(terms: dict[str, Any]) -> list[str]:
    lasts = f"for {in_words(terms['seconds'])}" if terms["seconds"] else "without an end"
    moves = "transferable" if terms["transferable"] else "not transferable"
    return [f"Terms {terms['version']}: {lasts}, {moves}.", f"Text {terms['licence']}"]


@app.command("register")
def register(
    study: Number, keystore: Anyone, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Register a completed study's model. Once its disputes are over; anyone may.

    First every round's scores are counted, in batches; stopped half-way, it goes on where it was.
    """
    from medfed.cli.licensing import register_model
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import StudyId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    receipts = register_model(federation, sender, StudyId(study))
    facts = _facts(federation, study)
    data = {"model": study, "cid": facts["cid"], "transactions": len(receipts)}
    data |= {"gas": sum(receipt.gas_used for receipt in receipts), "shares": facts["shares"]}
    text = f"Model {study} is registered. Its sponsor sells licences with `medfed model terms {study}`."
    show(data, as_json=as_json, render=lambda: text)


@app.command("terms")
def terms(  # noqa: PLR0913, PLR0917 - one parameter for each option
    model: Number,
    keystore: Seller,
    price: Annotated[str, typer.Option(help="Of a licence, in whole tokens; 0 for a free one.")] = "",
    licence: Annotated[
        str, typer.Option(help="The licence's text: a file, which is published, or its CID.")
    ] = "",
    days: Annotated[int, typer.Option(help="How long a licence is good for; 0 without an end.", min=0)] = 0,
    transferable: Annotated[
        bool, typer.Option("--transferable", help="Holders may pass their licence on.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Sell no licences for now; sold ones stay.")] = False,
    token: Annotated[str, typer.Option(help="ERC-20 of the price (default: the development token).")] = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Announce the terms that licences are sold under. They begin in three days; licences sold before keep theirs.

    Until then the present terms go on. Terms that have not begun are replaced by later ones. `--stop` ends the sale at once.
    """
    from medfed.chain.contracts.market import Terms
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.errors import InputError
    from medfed.types import NO_ACCOUNT, StudyId

    if stop == bool(price and licence):
        raise InputError("Give --price and --licence to sell, or --stop to sell no more for now.")
    federation = open_federation()
    market, number = federation.contracts.market, StudyId(model)
    if stop:
        wanted = Terms(NO_ACCOUNT, 0, 0, False, bytes(32))
    else:
        coin = coin_of(federation, token)
        units = coin.units(price, zero=True)
        wanted = Terms(coin.address, units, days * _DAY, transferable, _text_digest(federation, licence))
    sender = open_sender(federation, open_account(keystore, password_file))
    version = market.version_set(sender.send(market.set_terms(number, wanted)))
    sale = market.sale(number, version)
    federation.sync()
    facts = _terms(federation, version, sale)
    text = (
        f"Model {model} sells no licences now (terms {version})."
        if stop
        else f"Announced for model {model}: licences for {_told_coming(facts)} (terms {version}). {_until(federation, number)}"
    )
    show({"model": model, **facts}, as_json=as_json, render=lambda: text)


def _until(federation: Federation, number: int) -> str:
    """What holds until announced terms begin."""
    facts = _facts(federation, number)
    if facts["for_sale"] is None:
        return "Until then nobody can buy one."
    return f"Until then they cost {_present(facts)['price_text']}."


def _text_digest(federation: Federation, text: str) -> bytes:
    """The digest of a licence's text, which is put into the store where a file is named."""
    from medfed.errors import InputError, ProtocolError
    from medfed.protocol.cid import digest_of

    if Path(text).is_file():
        return digest_of(federation.store.put(Path(text).read_bytes()))
    try:
        return digest_of(text)
    except ProtocolError:
        raise InputError(
            f"{printable(text, 80)} is neither a file nor a CID; name the licence's text."
        ) from None


@app.command("buy")
def buy(
    model: Number,
    keystore: Annotated[Path, typer.Option("--keystore", help="Keystore of the buyer, who pays.")],
    most: Annotated[
        str,
        typer.Option(
            "--max-price", help="Pay no more than this, in whole tokens (default: the present price)."
        ),
    ] = "",
    to: Annotated[str, typer.Option(help="Who gets the licence instead: an address or keystore file.")] = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Buy a licence. An ERC-1155 token; the fee is shared by those who made the model."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.licensing import buy_licence
    from medfed.cli.run import open_account, open_federation, open_sender, party
    from medfed.rounds.models import read_model
    from medfed.types import StudyId

    federation = open_federation()
    found = read_model(federation.index, StudyId(model))
    version, wanted = _offer(federation, found)
    coin = coin_of(federation, wanted.token)
    limit = coin.units(most, zero=True) if most else wanted.price
    sender = open_sender(federation, open_account(keystore, password_file))
    receiver = party(to) if to else sender.address
    number, fee = buy_licence(federation, sender, (found.study, version, wanted), limit, receiver)
    licence = federation.contracts.market.licence(number)
    ends = f"until {when(licence.expires_at)} UTC" if licence.expires_at else "without an end"
    data = {"licence": number, "model": model, "version": version, "to": receiver, "fee": fee}
    coming = _announced(_facts(federation, model))
    then = f"Another one costs {_told_coming(coming)}.\n" if coming else ""
    text = (
        f"Licence {number} of model {model} is {receiver}'s, {ends}. Paid: {coin.text(fee)}.\n{then}{_LEGAL}"
    )
    show(data | {"expires_at": licence.expires_at}, as_json=as_json, render=lambda: text)


def _offer(federation: Federation, found: ModelHistory) -> tuple[int, Terms]:
    from medfed.errors import InputError

    offer = found.offer(federation.client.head().timestamp)
    if offer is None:
        why = _why_unsold(_facts(federation, found.study))
        raise InputError(f"Model {found.study} {why}; nobody can buy a licence.")
    return offer


def _why_unsold(facts: dict[str, Any]) -> str:
    if facts["withdrawn"]:
        return "is withdrawn"
    coming = _announced(facts)
    return f"is not for sale yet: {_told_coming(coming)}" if coming else "is not for sale now"


@app.command("withdraw")
def withdraw(
    model: Number, keystore: Seller, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """End the sale for good. Licences stay; their holders are shown it."""
    place, number = _sent("withdraw_model", model, (keystore, password_file))
    show(
        {"model": number, "withdrawn": place.contracts.market.model(number).withdrawn},
        as_json=as_json,
        render=lambda: f"Model {number} is withdrawn: no licences are sold any more, those that were stay.",
    )


@app.command("supersede")
def supersede(
    model: Number,
    by: Annotated[int, typer.Argument(help="The later model's number.", min=1)],
    keystore: Seller,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Point to a later model. Licences stay, and are sold until it is withdrawn; holders are shown it."""
    from medfed.types import StudyId

    _, number = _sent("supersede", model, (keystore, password_file), StudyId(by))
    show(
        {"model": number, "superseded_by": by},
        as_json=as_json,
        render=lambda: f"Model {number} is superseded by model {by}.",
    )


def _sent(what: str, model: int, key: tuple[Path, Path | None], *further: Any) -> tuple[OnChain, Any]:
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.types import StudyId

    place, number = open_chain(), StudyId(model)
    call = getattr(place.contracts.market, what)(number, *further)
    open_sender(place, open_account(*key)).send(call)
    return place, number


@app.command("lineage")
def lineage(
    model: Number,
    png: Annotated[Path | None, typer.Option(help="Draw it into this file, too.", dir_okay=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show where a model comes from. Datasets, rounds, updates, results; every CID and transaction.

    Of a study whose model is not registered, it shows what there is so far.
    """
    from medfed.cli.lineage import lineage_tree
    from medfed.cli.names import hospital_names
    from medfed.cli.run import open_federation
    from medfed.rounds.lineage import read_lineage
    from medfed.types import StudyId

    federation = open_federation()
    found = read_lineage(federation, StudyId(model))
    known = hospital_names(federation.index)
    names = {source.seat: known.get(source.hospital, str(source.hospital)) for source in found.sources}
    if png is not None:
        from medfed.cli.lineage_graph import draw

        draw(found, names, png)
    show(found, as_json=as_json, render=lambda: lineage_tree(found, names))


for _command, _name in (
    (model_fees.revenue, "revenue"),
    (model_fees.claim, "claim"),
    (model_fees.licences, "licences"),
):
    app.command(_name)(_command)
