"""docs/cli.md says what the code says; README and quickstart name only commands and options that exist."""

from __future__ import annotations

import re

import pytest
from typer.main import get_command

from medfed.cli import app
from tests.cli.reference import reference
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "cli.md"


def test_the_page_is_up_to_date(update_snapshots):
    """Settings, commands, exit codes and errors are documented by force."""
    made = reference()
    if update_snapshots:
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "run pytest tests/cli/test_docs.py --update-snapshots"


def test_nothing_is_left_without_a_word():
    """Every row of every table says what the thing is."""
    empty = [line for line in reference().splitlines() if re.search(r"\|\s*\|$", line)]
    assert empty == []


def named_commands(text):
    """Each `medfed …` in a document's code, as words."""
    code = re.findall(r"`(medfed [^`]+)`", text) + [
        line.strip()
        for block in re.findall(r"```sh.*?\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    return [line.split() for line in code if line.startswith("medfed ")]


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/quickstart.md",
        "docs/security.md",
        "docs/architecture.md",
        "docs/audit.md",
        "docs/market.md",
        "docs/glossary.md",
        "docs/patients.md",
        "docs/incentives.md",
    ],
)
def test_documents_name_only_what_exists(name):
    for words in named_commands((ROOT / name).read_text(encoding="utf-8")):
        command = get_command(app)
        for word in words[1:]:
            below = getattr(command, "commands", {})
            if not below:
                break
            assert word in below, f"{name}: {' '.join(words)}: there is no {word}"
            command = below[word]
        known = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        used = {word for word in words if word.startswith("--")}
        assert used <= known | {"--help"}, f"{name}: {' '.join(words)}"
