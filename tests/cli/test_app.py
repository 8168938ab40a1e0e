"""What holds of every command: JSON, a whole line of help, documented exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command

from medfed import errors
from medfed.cli import EXIT_CODES, app

DAEMONS = {"medfed hospital run", "medfed watchtower run"}
"""They log JSON instead (log_format = "json")."""


def commands(command=None, path="medfed"):
    """Every command with its path, and the widest name beside it in its group's list."""
    command = command or get_command(app)
    below = getattr(command, "commands", {})
    widest = max(map(len, below), default=0)
    for name, inner in below.items():
        yield f"{path} {name}", inner, widest
        yield from commands(inner, f"{path} {name}")


COMMANDS = {path: (command, widest) for path, command, widest in commands()}
LEAVES = {path: entry for path, entry in COMMANDS.items() if not hasattr(entry[0], "commands")}


@pytest.mark.parametrize("path", sorted(set(LEAVES) - DAEMONS))
def test_every_command_speaks_json(path):
    command, _ = LEAVES[path]
    assert any("--json" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_every_command_and_option_is_explained(path):
    """The command in one line that a terminal of 80 columns shows whole, and each argument and option."""
    command, widest = COMMANDS[path]
    assert command.help
    line = command.get_short_help_str(78 - 6 - widest)
    assert line.endswith("."), f"{line!r} is no sentence"
    assert not line.endswith("..."), f"{line!r} is cut off"
    unexplained = [parameter.name for parameter in command.params if not getattr(parameter, "help", None)]
    assert not unexplained


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_help_prints_for_every_command(path, medfed_help):
    """And stays within 80 columns."""
    assert max(map(len, medfed_help(path).splitlines())) <= 80


@pytest.fixture
def medfed_help():
    from typer.testing import CliRunner

    def ask(path):
        done = CliRunner().invoke(
            app, [*path.split()[1:], "--help"], prog_name="medfed", env={"COLUMNS": "80"}
        )
        assert done.exit_code == 0
        return done.output

    return ask


def test_every_error_has_a_documented_exit_code():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    used = {kind.exit_code for kind in kinds if issubclass(kind, errors.MedFedError)}
    assert used <= EXIT_CODES.keys()


def test_help_lists_the_exit_codes(medfed_help):
    text = medfed_help("medfed")
    assert all(f"{code:<4}{what}" in text for code, what in EXIT_CODES.items())


def test_wrong_usage_ends_with_2_and_names_it():
    done = subprocess.run(
        [sys.executable, "-m", "medfed", "patient", "grant", "one"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "'dataset'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_json_may_be_asked_for_anywhere(medfed, place):
    words = ["key", "address", "stranger.json"]
    answer = medfed.ok(*words[:place], "--json", *words[place:])
    assert answer.data == medfed.data(*words)


def test_an_error_is_json_where_json_is_asked_for(tmp_path):
    """So that a program that reads the answer can read the refusal."""
    import json

    done = subprocess.run(
        [sys.executable, "-m", "medfed", "key", "address", "nowhere.json", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    told = json.loads(done.stderr)
    assert (done.returncode, told["error"], told["exit_code"]) == (6, "KeystoreError", 6)
    assert "nowhere.json" in told["message"]
