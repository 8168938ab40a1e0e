"""`durable` is the only way a file is written: everything else could leave half of one behind."""

from __future__ import annotations

import ast

import pytest

from tests.meta.source import modules

WRITERS = {"write_text", "write_bytes", "fsync", "replace_file", "renames", "mkstemp", "NamedTemporaryFile"}
MODES = set("wxa+")
ALLOWED = {
    "cli.demo.play": "the log that a demo's daemon writes to itself",
    "nodes.backup": "an archive inside the file that `durable.writing` gave",
    "nodes.decisions": "an append-only file, flushed by `durable.flush`",
    "storage.car": "scratch copies in a temporary folder, stored from there",
    "storage.local": "a file whose name is the CID of what was written, moved by `durable.move`",
}


def writes(tree: ast.Module) -> list[str]:
    """Calls that write files: by their name, or `open` with a mode that writes."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in WRITERS:
            found.append(f"{name}, line {node.lineno}")
        if name == "open":
            given = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            given += [word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)]
            modes = [text for text in given if isinstance(text, str) and set(text) <= set("rwxabt+")]
            found += [f"open({mode!r}), line {node.lineno}" for mode in modes if set(mode) & MODES]
    return found


@pytest.mark.parametrize("name", [name for name in modules() if name != "durable"])
def test_files_are_written_by_durable_alone(name):
    found = writes(modules()[name])
    assert not found or name in ALLOWED, f"medfed.{name} writes files past medfed.durable: {found}"


def test_no_leave_is_left_over():
    """A module that no longer needs its leave loses it."""
    assert [name for name in ALLOWED if not writes(modules()[name])] == []
