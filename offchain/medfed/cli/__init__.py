"""The command line: `medfed`.

One module per command group; each command builds its objects through `run`, calls one action, and hands plain data to
`output`. Modules here import nothing slow: web3, torch and pydantic are loaded by the command that needs them.

Exit codes: 0 done; 1 an audit found a difference; 2 wrong usage, settings or input; 3 bytes or an artefact of
another party
break the protocol; 4 refused by the hospital's policy; 5 wrong chain or no contracts there; 6 keystore or password;
7 a contract
refused; 75 something is unreachable at the moment, try again; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import json
import os
import sys

import typer

from medfed import __version__
from medfed.cli import consortium, dataset, deploy, dev, doctor, hospital, key, patient, study, verify
from medfed.cli.demo import command as demo
from medfed.errors import MedFedError

__all__ = ["app", "main"]

app = typer.Typer(
    name="medfed",
    help="Train a model together on records that never leave their hospital, with consent, checks and pay held by contracts.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Start with `medfed demo`. Settings: medfed.toml, MEDFED_* variables, or the options of a command.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medfed {__version__}")
        raise typer.Exit


@app.callback()
def options(
    config: str = typer.Option(
        "",
        "--config",
        "-c",
        help="Settings file (default: medfed.toml here, when there is one).",
        envvar="MEDFED_CONFIG",
    ),
    _version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_show_version, is_eager=True
    ),
) -> None:
    """Options that come before the command."""
    if config:
        os.environ["MEDFED_CONFIG"] = config


app.command("demo")(demo.demo)
app.command("deploy")(deploy.deploy)
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
for group in (consortium, dataset, patient, study, hospital, key, dev):
    app.add_typer(group.app)


def main() -> None:
    """Run the command line; errors become one sentence on standard error and an exit code."""
    try:
        app(standalone_mode=True)
    except MedFedError as error:
        _report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _report(error: MedFedError) -> None:
    if "--json" in sys.argv[1:]:
        kind = type(error).__name__
        typer.echo(json.dumps({"error": kind, "message": str(error), "exit_code": error.exit_code}), err=True)
    else:
        typer.echo(f"Error: {error}", err=True)
