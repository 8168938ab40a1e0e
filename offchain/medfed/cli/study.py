"""`medfed study`: post studies and follow them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, table

if TYPE_CHECKING:
    from medfed.rounds.federation import Federation

__all__ = ["app"]

app = typer.Typer(name="study", help="Create, show, watch, open and close studies.", no_args_is_help=True)

Keystore = Annotated[Path, typer.Option("--keystore", help="The sponsor's keystore.")]
Number = Annotated[int, typer.Argument(help="The study's number.", min=1)]


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
    """Publish a study's spec and initial model, and post it with its rewards."""
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender, party
    from medfed.errors import InputError
    from medfed.protocol.documents import StudyDraft

    fields = _read(file)
    federation = open_federation()
    development = federation.contracts.development_token
    if not token and development is None:
        raise InputError("This chain has no development token: name the ERC-20 with --token.")
    coin = party(token) if token else development.address  # type: ignore[union-attr]
    try:
        offer = actions.Offer(**fields["offer"])
    except TypeError as exc:
        raise InputError(
            f"The [offer] in {file} is not complete or names something unknown: {exc}."
        ) from None
    sender = open_sender(federation, open_account(keystore, password_file))
    study, receipt = actions.create_study(
        federation, sender, StudyDraft.from_fields(fields["spec"]), coin, offer
    )
    show(
        {"study": int(study), "gas": receipt.gas_used},
        as_json=as_json,
        render=lambda: f"Study {study} is posted; hospitals may enrol for {offer.enrol_seconds} seconds.",
    )


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    from medfed.errors import InputError

    try:
        fields = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"The study in {file} is not valid TOML: {exc}.") from None
    if {"spec", "offer"} - fields.keys():
        raise InputError(f"The study in {file} needs the sections [spec] and [offer].")
    return fields


@app.command("list")
def list_studies(as_json: JsonFlag = False) -> None:
    """List all studies."""
    from medfed.cli.run import open_federation
    from medfed.rounds.history import study_ids

    federation = open_federation()
    data = [_facts(federation, number) for number in study_ids(federation.index)]
    rows = [
        (entry["study"], entry["state"], entry["hospitals"], entry["round"], entry["sponsor"])
        for entry in data
    ]
    columns = ["Study#", "State", "Hospitals#", "Round#", "Sponsor"]
    show(data, as_json=as_json, render=lambda: table("Studies", columns, rows))


@app.command("show")
def show_study(study: Number, as_json: JsonFlag = False) -> None:
    """Show one study with its rounds."""
    from medfed.cli.run import open_federation

    facts = _facts(open_federation(), study)
    show(facts, as_json=as_json, render=lambda: _rendered(facts))


@app.command("watch")
def watch(
    study: Number,
    seconds: Annotated[float, typer.Option(help="How often to look.", min=0.1)] = 1.0,
    as_json: JsonFlag = False,
) -> None:
    """Follow a study until it ends; Ctrl-C stops watching, not the study."""
    import time

    from medfed.cli.run import open_federation

    federation, told = open_federation(), None
    while True:
        federation.sync()
        facts = _facts(federation, study)
        if facts != told:
            told = facts
            show(facts, as_json=as_json, render=lambda facts=facts: _rendered(facts))  # type: ignore[misc]
        if facts["state"] in ("completed", "aborted"):
            return
        time.sleep(seconds)


@app.command("open")
def open_study(
    study: Number, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Open the first round before the enrolment deadline, once enough hospitals have enrolled."""
    _send("advance", "opened", study, (keystore, password_file), as_json)


@app.command("cancel")
def cancel(
    study: Number, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Take a study back while hospitals still enrol."""
    _send("cancel", "cancelled", study, (keystore, password_file), as_json)


@app.command("refund")
def refund(
    study: Number, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Bring what no hospital earned back to the sponsor's free balance, once the study has ended."""
    _send("refund", "refunded", study, (keystore, password_file), as_json)


def _send(what: str, done: str, study: int, key: tuple[Path, Path | None], as_json: bool) -> None:
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import StudyId

    federation = open_federation()
    sender = open_sender(federation, open_account(*key))
    receipt = sender.send(getattr(federation.contracts.rounds, what)(StudyId(study)))
    show(
        {"study": study, "gas": receipt.gas_used}, as_json=as_json, render=lambda: f"Study {study} is {done}."
    )


def _facts(federation: Federation, number: int) -> dict[str, Any]:
    from medfed.protocol.cid import cid_from_digest
    from medfed.rounds.history import read_round, read_study
    from medfed.types import RoundNumber, StudyId

    study = read_study(federation.index, StudyId(number))
    rounds = []
    for value in range(1, study.rounds + 1):
        found = read_round(federation.index, study.study, RoundNumber(value))
        state = "final" if found.final_at else "void" if found.void else "open"
        model = cid_from_digest(found.result.model) if found.result else ""
        rounds.append(
            {
                "round": value,
                "state": state,
                "updates": len(found.updates),
                "weight": found.weight,
                "model": model,
            }
        )
    state = study.ended or ("running" if study.rounds else "enrolling")
    return {
        "study": number,
        "state": state,
        "sponsor": study.sponsor,
        "hospitals": len(study.enrolments),
        "round": study.rounds,
        "spec": cid_from_digest(study.terms["spec"]),
        "rounds": rounds,
    }


def _rendered(facts: dict[str, Any]) -> Any:
    title = f"Study {facts['study']}: {facts['state']}, {facts['hospitals']} hospitals"
    rows = [(r["round"], r["state"], r["updates"], r["weight"], r["model"]) for r in facts["rounds"]]
    return table(title, ["Round#", "State", "Updates#", "Weight#", "Model"], rows)
