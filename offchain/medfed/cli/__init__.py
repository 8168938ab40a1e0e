"""The command line: `medfed`.

One module per command group; each command builds its objects through `run`, calls one action, and hands plain data to
`output`. Modules here import nothing slow: web3, torch and pydantic are loaded by the command that needs them.
"""

from __future__ import annotations

import json
import os
import sys
from traceback import format_exception
from typing import NoReturn

import typer

from medfed import __version__
from medfed.cli import (
    consortium,
    dataset,
    deploy,
    dev,
    doctor,
    hospital,
    key,
    model,
    patient,
    store,
    study,
    vault,
    verify,
    watchtower,
)
from medfed.cli.demo import command as demo
from medfed.cli.fault import fault_of
from medfed.cli.output import visible
from medfed.errors import MedFedError

__all__ = ["EXIT_CODES", "app", "main"]

EXIT_CODES = {
    0: "done",
    1: "an audit found a difference",
    2: "wrong usage, settings, files or input",
    3: "bytes or an artefact of another party break the protocol",
    4: "the hospital's policy refuses",
    5: "another chain than expected, or no contracts there",
    6: "a keystore is missing or damaged, or the password is wrong",
    7: "a contract refuses",
    8: "an audit found no difference, and not all of it is proved",
    9: "a fault of medfed itself, which says nothing about what it looked at: report it",
    75: "something does not answer or lacks money now: try again",
    130: "stopped by Ctrl-C",
}
"""What the exit code of every command says."""

_START = (
    "Start with `medfed demo`. Settings: medfed.toml here, MEDFED_* variables, or --config; "
    "what each means is in docs/cli.md."
)
# The mark keeps lines as they are.
_EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code:<4}{text}" for code, text in EXIT_CODES.items())

app = typer.Typer(
    name="medfed",
    help="Train a model together on records that never leave their hospital, with consent, checks and pay held by contracts.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=f"{_START}\n\n{_EXIT_CODES}",
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
for group in (consortium, dataset, patient, study, hospital, watchtower, model, vault, store, key, dev):
    app.add_typer(group.app)


def main() -> None:
    """Run the command line; errors become one sentence on standard error and an exit code."""
    try:
        app(_json_last(sys.argv[1:]), standalone_mode=True)
    except MedFedError as error:
        _report(type(error).__name__, str(error), error.exit_code)
    except KeyboardInterrupt:
        _report("Stopped", "Stopped.", 130)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _report("OSError", f"{place}{error.strerror or error}; check the path and its rights.", 2)
    except Exception as error:  # noqa: BLE001 - whatever else comes up is a fault of this program, and is told as one
        fault = fault_of(error)
        if "--verbose" in sys.argv[1:] or os.environ.get("MEDFED_LOG_LEVEL") == "debug":
            typer.echo(visible("".join(format_exception(error))), err=True)
        _report(type(fault).__name__, str(fault), fault.exit_code)


def _json_last(words: list[str]) -> list[str]:
    """`--json` behind the command, where each command takes it, wherever it was typed; that of the demo names a file."""
    if "--json" not in words or "--" in words or "demo" in words[:1]:
        return words
    return [*(word for word in words if word != "--json"), "--json"]


def _report(kind: str, message: str, code: int) -> NoReturn:
    if "--json" in sys.argv[1:]:
        typer.echo(json.dumps({"error": kind, "message": message, "exit_code": code}), err=True)
    else:
        typer.echo(visible(message if code == 130 else f"Error: {message}"), err=True)
    sys.exit(code)
