"""docs/cli.md as the code has it: settings, commands with their options, exit codes, errors, purposes."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from medfed import config, errors
from medfed.cli import EXIT_CODES, app
from medfed.protocol import purposes

__all__ = ["reference"]

_HEAD = """\
# The command line

This page is made from the code (`pytest tests/cli/test_docs.py --update-snapshots`), and a test fails when it is out of date. How the
commands go together is told in [quickstart.md](quickstart.md). Every command answers in JSON with `--json`; an error is then JSON on standard
error, with `error`, `message` and `exit_code`.
"""
_SECTIONS = {
    "Settings": (
        config.Settings,
        (
            "In `medfed.toml` of the directory where a command runs (or `--config FILE`), or in the environment as "
            "`MEDFED_` and the name in capitals. A keystore's password is in the file that `--password-file` or "
            "`MEDFED_PASSWORD_FILE` names; without one, it is asked for."
        ),
    ),
    "A hospital's file": (
        config.HospitalConfig,
        "One TOML file for each hospital, beside its data. Paths are relative to it.",
    ),
    "[policy]": (config.PolicySettings, "A section of the hospital's file. The defaults allow nothing."),
    "[daemon]": (config.DaemonSettings, "Another section of it."),
}


def reference() -> str:
    """The whole page."""
    parts = [_HEAD, "## Exit codes\n", _table(("code", "says"), EXIT_CODES.items())]
    for title, (section, text) in _SECTIONS.items():
        parts += [f"## {title}\n", text + "\n", _settings(section)]
    parts += ["## Purposes\n", _purposes()]
    parts += ["## Errors\n", "With `--json` an error names its kind.\n", _errors()]
    parts += ["## Commands\n", *_commands(get_command(app), "medfed")]
    return "\n".join(parts).rstrip("\n") + "\n"


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return re.sub(r"\s+", " ", str(value)).replace("|", "\\|")


def _settings(section: Any) -> str:
    told = _docstrings(section)
    rows = []
    for name, field in section.model_fields.items():
        if name in ("policy", "daemon"):
            continue
        default = "required" if field.is_required() else _default(name, field)
        rows.append((f"`{name}`", default, told.get(name, "")))
    return _table(("setting", "default", "what it is"), rows)


def _default(name: str, field: Any) -> str:
    if name == "state_dir":
        return "your platform's state directory"
    value = field.get_default(call_default_factory=True)
    if value in (None, (), ""):
        return "none"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else value}`"


def _docstrings(section: Any) -> dict[str, str]:
    """The text under each field, which Python itself does not keep."""
    (body,) = (
        node.body
        for node in ast.parse(textwrap.dedent(inspect.getsource(section))).body
        if isinstance(node, ast.ClassDef)
    )
    found = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            found[ast.unparse(field.target)] = ast.literal_eval(text.value)
    return found


def _purposes() -> str:
    members = purposes.Purpose.__members__.items()
    rows = [(f"`{name}`", purposes.duo_id(code) or "ours", purposes.describe(code)) for name, code in members]
    return "What each permits, denies or demands stands in [purposes.md](purposes.md).\n\n" + _table(
        ("code", "ontology", "means"), rows
    )


def _errors() -> str:
    kinds = [getattr(errors, name) for name in errors.__all__]
    rows = [
        (f"`{kind.__name__}`", kind.exit_code, (kind.__doc__ or "").partition("\n")[0])
        for kind in kinds
        if kind not in (errors.MedFedError, errors.Fatal, errors.Transient)
    ]
    return _table(("kind", "exit code", "what happened"), rows)


def _commands(command: Any, path: str) -> Iterator[str]:
    for name, below in getattr(command, "commands", {}).items():
        inner = f"{path} {name}"
        if hasattr(below, "commands"):
            yield f"### {inner}\n\n{_prose(below.help)}\n"
            yield from _commands(below, inner)
        else:
            yield f"#### {_usage(below, inner)}\n\n{_prose(below.help)}\n"
            options = [_option(entry) for entry in below.params if not _is_json_flag(entry)]
            yield _table(("argument or option", "what it is"), options) if options else ""


def _is_json_flag(parameter: Any) -> bool:
    """What every command has, and the head of the page tells."""
    return "--json" in parameter.opts and bool(parameter.is_flag)


def _usage(command: Any, path: str) -> str:
    arguments = [entry for entry in command.params if entry.param_type_name == "argument"]
    names = [f"{entry.name.upper()}{'…' * (entry.nargs == -1)}" for entry in arguments]
    return " ".join([path, *names])


def _option(parameter: Any) -> tuple[str, str]:
    name = parameter.name.upper() if parameter.param_type_name == "argument" else parameter.opts[0]
    default = (
        "" if parameter.default in (None, "", False, ()) or callable(parameter.default) else parameter.default
    )
    text = parameter.help + (f" Default: {default}." if default != "" else "")
    return f"`{name}`", text + (" Required." if parameter.required and name.startswith("--") else "")


def _prose(text: str) -> str:
    return "\n\n".join(re.sub(r"\s+", " ", part) for part in text.strip().split("\n\n"))
