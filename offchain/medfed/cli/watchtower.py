"""`medfed watchtower`: recompute everybody's rounds, and prove the lies to the chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.output import JsonFlag, show, table

if TYPE_CHECKING:
    from medfed.nodes.lookout import Finding

__all__ = ["app"]

app = typer.Typer(name="watchtower", help="Watch all studies and prove what is wrong.", no_args_is_help=True)

_WRONG = 1


@app.command("run")
def run(
    keystore: Annotated[
        Path,
        typer.Option(
            help="The account that sends challenges and is paid for them.", exists=True, dir_okay=False
        ),
    ],
    password_file: Annotated[
        Path | None,
        typer.Option(help="Its first line opens the keystore.", envvar="MEDFED_PASSWORD_FILE"),
    ] = None,
    objects: Annotated[
        bool,
        typer.Option(
            "--object",
            help="Object to wrong claims that cannot be proved wrong, with bonds from the account's free balance.",
        ),
    ] = False,
    webhook: Annotated[
        str,
        typer.Option(
            help="Post each alert as JSON to this http(s) address.", envvar="MEDFED_WATCHTOWER_WEBHOOK"
        ),
    ] = "",
    metrics: Annotated[str, typer.Option(help="host:port of /healthz and /metrics (default: none).")] = "",
) -> None:
    """Run the watchtower until it is stopped. Start it late or kill it: it catches what is within its window."""
    from medfed.cli.run import open_account, open_federation, open_sender, settings
    from medfed.log import configure
    from medfed.nodes.alerts import Alerts
    from medfed.nodes.health import Health, serve
    from medfed.nodes.loop import Loop, stop_on_signals
    from medfed.nodes.watchtower import Watchtower

    chosen = settings()
    configure(chosen.log_level, chosen.log_format)
    stop = stop_on_signals()
    health = Health()
    alerts = Alerts(health, webhook)
    account = open_account(keystore, password_file)
    federation = open_federation()
    sender = open_sender(federation, account)
    with serve(health, metrics):
        sender.recover()
        tower = Watchtower(federation, sender, objects=objects, health=health, alerts=alerts)
        Loop(federation.client, tower, stop, health=health).run()


@app.command("check")
def check(
    study: Annotated[int, typer.Argument(help="The study's number.", min=1)], as_json: JsonFlag = False
) -> None:
    """Show what a watchtower would challenge in a study now. Sends nothing.

    Exit code 1 when something is wrong, 75 when bytes are missing.
    """
    from medfed.chain.clock import ChainClock
    from medfed.cli.run import open_federation
    from medfed.errors import ContentMissing
    from medfed.nodes.lookout import Lookout
    from medfed.rounds.history import read_study
    from medfed.types import StudyId

    federation = open_federation()
    lookout = Lookout(federation)
    history = read_study(federation.index, StudyId(study))
    found = list(lookout.look(history, ChainClock(federation.client).estimate()))
    data = {"study": study, "findings": list(map(_facts, found)), "missing": lookout.awaited}
    show(data, as_json=as_json, render=lambda: _rendered(study, found, lookout.awaited))
    if found:
        raise typer.Exit(_WRONG)
    if lookout.awaited:
        raise typer.Exit(ContentMissing.exit_code)


def _facts(finding: Finding) -> dict[str, Any]:
    proof = finding.proof
    return {
        "round": finding.place.number,
        "what": finding.what,
        "digest": finding.digest,
        "reason": finding.reason,
        "kind": finding.kind,
        "chunk": getattr(proof, "index", None),
    }


def _rendered(study: int, found: list[Finding], missing: list[str]) -> list[Any]:
    parts: list[Any] = [f"Not judged yet: {text}" for text in missing]
    if not found:
        verdict = "Nothing that can be challenged now is wrong" if not missing else "Nothing wrong was found"
        return [*parts, f"{verdict} in study {study}."]
    rows = [(each.place.number, each.what, each.kind, each.reason) for each in found]
    return [table(f"Study {study}", ["Round#", "What", "Kind", "Reason"], rows), *parts]
