"""`medfed study`: write, post, follow and settle studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed import durable
from medfed.cli import rewards, study_export, study_round
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, in_words, note, show, table

if TYPE_CHECKING:
    from medfed.protocol.documents import Schema

__all__ = ["app"]

app = typer.Typer(
    name="study",
    help="Write, post, follow and settle studies. By hand, too, what a hospital's daemon does alone.",
    no_args_is_help=True,
)

Keystore = Annotated[Path, typer.Option("--keystore", help="The sponsor's keystore.")]
Anyone = study_round.Anyone
Number = study_round.Number


@app.command("template")
def template(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.")],
    records: Annotated[
        Path | None,
        typer.Option(help="Take the columns of this CSV file; without it, of the demonstration data."),
    ] = None,
    label: Annotated[str, typer.Option(help="The column to predict, with --records.")] = "label",
    date: Annotated[
        str, typer.Option("--date-column", help="The column of clinical dates, with --records.")
    ] = "",
    rounds: Annotated[int, typer.Option(help="How many rounds.", min=1, max=65535)] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Write a study file with every field explained."""
    from medfed.cli import study_file
    from medfed.errors import InputError

    if file.exists():
        raise InputError(f"The file {file} exists already; choose another name or move it away.")
    schema, texts = _subject(records, label, date)
    durable.write(file, study_file.template(schema, texts, (rounds, 7, 10)))
    text = f"Written to {file}. Edit it, then `medfed study create {file} --keystore SPONSOR`."
    data = {"file": str(file), "features": len(schema.features), "label": schema.label}
    show(data, as_json=as_json, render=lambda: text)


def _subject(records: Path | None, label: str, date: str) -> tuple[Schema, tuple[str, str]]:
    """Columns, title and description. Of a hospital's file only the names of columns are taken, never a value."""
    from medfed.data.breast_cancer import breast_cancer_study
    from medfed.data.csv_source import read_columns
    from medfed.protocol.documents import Feature, Schema

    if records is None:
        draft = breast_cancer_study(7, 1)
        return draft.columns, (draft.title, draft.description)
    columns = read_columns(records, label, date)
    features = tuple(Feature(name=name, center=0.0, scale=1.0) for name in columns.features)
    return Schema(features=features, label=columns.label), ("A study", "What it is for.")


@app.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="The study (TOML): a [spec] and an [offer].", exists=True)],
    keystore: Keystore,
    password_file: PasswordFile = None,
    token: Annotated[
        str, typer.Option(help="ERC-20 of rewards and stakes (default: the development token).")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Post a study. Its spec and initial model are published, the rewards of all its rounds are paid in.

    It tells the price of a lie: what the fewest hospitals that can make a wrong result final lose for it, against what may
    be paid before it has to be proved. Where the price is the lower of the two, it warns.
    """
    from medfed.cli import actions, lie_price
    from medfed.cli.amounts import coin_of
    from medfed.cli.offer import rule_text
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.cli.study_file import read_study_file

    federation = open_federation()
    coin = coin_of(federation, token)
    draft, offer = read_study_file(file, coin)
    price = lie_price.lie_price(offer, draft.rounds, federation.contracts.vault.challenger_bps())
    if price.is_low:
        note(lie_price.warning(price, coin))
    sender = open_sender(federation, open_account(keystore, password_file))
    study, receipt = actions.create_study(federation, sender, draft, coin.address, offer)
    total = coin.text(offer.reward_per_round * draft.rounds)
    rule = rule_text(draft.rule)
    text = (
        f"Study {study} is posted with {total} for {draft.rounds} rounds, by the rule {rule}; "
        f"hospitals may enrol for {in_words(offer.enrol_seconds)}."
    )
    data = {"study": int(study), "rule": rule, "gas": receipt.gas_used, "price_of_a_lie": price}
    show(data, as_json=as_json, render=lambda: [text, lie_price.told(price, coin)])


@app.command("list")
def list_studies(as_json: JsonFlag = False) -> None:
    """List all studies and where they stand."""
    from medfed.chain.clock import ChainClock
    from medfed.cli.facts import sentence, study_facts
    from medfed.cli.run import open_federation
    from medfed.rounds.history import study_ids

    federation = open_federation()
    now = ChainClock(federation.client).estimate()
    data = [study_facts(federation, number, now) for number in study_ids(federation.index)]
    rows = [(facts["study"], facts["title"], sentence(facts, now)) for facts in data]
    empty = "There is no study; `medfed study template` begins one."
    columns = ["Study#", "Title", "Where it stands"]
    show(data, as_json=as_json, render=lambda: table("Studies", columns, rows) if rows else empty)


@app.command("show")
def show_study(study: Number, as_json: JsonFlag = False) -> None:
    """Show one study. Its offer, phase, deadline, hospitals, rounds, newest model, and what was taken from whom."""
    from medfed.chain.clock import ChainClock
    from medfed.cli.amounts import coin_of
    from medfed.cli.facts import rendered, study_facts
    from medfed.cli.offer import offer_lines
    from medfed.cli.run import open_federation
    from medfed.types import StudyId

    federation = open_federation()
    now = ChainClock(federation.client).estimate()
    facts = study_facts(federation, StudyId(study), now)
    coin = coin_of(federation, facts["token"])
    title, stands, *rest = rendered(facts, now)
    show(facts, as_json=as_json, render=lambda: [title, stands, *offer_lines(facts, coin), *rest])


@app.command("watch")
def watch(
    study: Number,
    seconds: Annotated[float, typer.Option(help="How often to look.", min=0.1)] = 1.0,
    until: Annotated[
        str, typer.Option(help="Stop at: ready (enough hospitals have a seat), running, or ended.")
    ] = "ended",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each change.")] = False,
) -> None:
    """Follow a study until it ends.

    On a terminal a table redraws, in a pipe there is a line for each change. Ctrl-C stops watching, not the study.
    """
    from medfed.cli.run import open_federation
    from medfed.cli.watch import follow
    from medfed.errors import InputError
    from medfed.types import StudyId

    if until not in ("ready", "running", "ended"):
        raise InputError(f"--until is ready, running or ended, not {until}.")
    follow(open_federation(), StudyId(study), (seconds, until), as_json=as_json)


@app.command("open")
def open_study(
    study: Number, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Open the first round early. Possible once enough hospitals have enrolled."""
    _require_enrolling(study, "opened")
    _send("advance", "opened", study, (keystore, password_file), as_json)


@app.command("advance")
def advance(
    study: Number, keystore: Anyone, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Do what time allows. Open or end a study whose enrolment is over, void a round that cannot end; anyone may."""
    _send("advance", "moved on", study, (keystore, password_file), as_json)


@app.command("cancel")
def cancel(
    study: Number, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Take a study back before it opens."""
    _require_enrolling(study, "cancelled")
    _send("cancel", "cancelled", study, (keystore, password_file), as_json)


@app.command("refund")
def refund(
    study: Number, keystore: Anyone, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Give the sponsor back what no round pays. The rewards of rounds that never became final; anyone may.

    Once the study and its disputes are over.
    Nothing that was slashed is part of it.
    """
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.types import StudyId

    place = open_chain()
    studies, sender = place.contracts.studies, open_sender(place, open_account(keystore, password_file))
    (refunded,) = studies.events(sender.send(studies.refund(StudyId(study))))
    coin = coin_of(place, place.contracts.rounds.enrolment(StudyId(study)).token)
    text = f"Study {study} is refunded: {coin.text(refunded['amount'])} are the sponsor's, free in the vault."
    data = {"study": study, "sponsor": refunded["sponsor"], "amount": refunded["amount"]}
    show(data, as_json=as_json, render=lambda: text)


def _require_enrolling(study: int, what: str) -> None:
    """Raise `InputError` for a study that is not enrolling, or does not exist."""
    from medfed.chain.contracts.rounds import StudyState
    from medfed.cli.run import open_chain
    from medfed.errors import InputError
    from medfed.types import StudyId

    state = open_chain().contracts.rounds.study(StudyId(study)).state
    if state is StudyState.NONE:
        raise InputError(
            f"There is no study {study} on this chain; `medfed study list` shows those that are."
        )
    if state is not StudyState.ENROLLING:
        raise InputError(f"Study {study} is {state.name.lower()}; only one that is enrolling can be {what}.")


def _send(what: str, done: str, study: int, key: tuple[Path, Path | None], as_json: bool) -> None:
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.types import StudyId

    place = open_chain()
    sender = open_sender(place, open_account(*key))
    receipt = sender.send(getattr(place.contracts.rounds, what)(StudyId(study)))
    data: dict[str, Any] = {"study": study, "gas": receipt.gas_used}
    show(data, as_json=as_json, render=lambda: f"Study {study} is {done}.")


for _command, _name in (
    (study_round.abstain, "abstain"),
    (study_round.attest, "attest"),
    (study_round.bring_attestations, "bring-attestations"),
    (study_round.absences, "absences"),
    (study_round.lack, "lack"),
    (study_round.settle, "settle"),
    (study_round.claim, "claim"),
    (study_round.release, "release"),
    (rewards.scores, "scores"),
    (study_export.export, "export"),
):
    app.command(_name)(_command)
