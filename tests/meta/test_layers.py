"""Imports point down only; the pure layers touch neither chain nor files."""

from __future__ import annotations

import sys

import pytest

from tests.meta.source import calls, imports, modules

RANKS = {
    **dict.fromkeys(("types", "errors", "config", "log", "durable"), 0),
    "protocol": 1,
    **dict.fromkeys(("chain", "storage", "data", "learning", "privacy"), 2),
    "rounds": 3,
    "nodes": 4,
    "cli": 5,
    "testing": 6,  # the fakes for users' tests: may use all, is used by none
}
# What reaches outside the process. `ast`-level: also inside functions.
OUTSIDE = {
    "asyncio",
    "ftplib",
    "glob",
    "http",
    "io",
    "os",
    "pathlib",
    "requests",
    "shutil",
    "smtplib",
    "socket",
}
OUTSIDE |= {
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib",
    "web3",
    "aiohttp",
    "httpx",
    "ipfshttpclient",
}
FILE_CALLS = {"open", "read_text", "write_text", "read_bytes", "write_bytes", "unlink", "mkdir"}
# A large artefact is read in pieces or mapped, so that checking it costs no copy of it.
READERS = {"protocol.cid", "protocol.vector"}


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("name", [name for name in modules() if name and name != "__main__"])
def test_imports_point_down(name):
    """A module imports its own package and lower layers; siblings of one rank do not know each other."""
    own = top(name)
    assert own in RANKS, f"medfed.{own} has no place among the layers; see docs/architecture.md"
    for imported in imports(modules()[name]):
        if not imported.startswith("medfed."):
            continue
        other = top(imported.removeprefix("medfed."))
        if other in RANKS and other != own:
            both_lowest = RANKS[own] == RANKS[other] == 0
            assert RANKS[other] < RANKS[own] or both_lowest, f"medfed.{name} imports upward: {imported}"


@pytest.mark.parametrize(
    "name", [name for name in modules() if top(name) in ("protocol", "learning", "privacy")]
)
def test_pure_layers_do_no_io(name):
    """protocol, learning and privacy are functions of bytes, arrays and numbers."""
    if name in READERS:
        return
    tree = modules()[name]
    reached = {imported.split(".")[0] for imported in imports(tree)} & OUTSIDE
    assert not reached, f"medfed.{name} imports {sorted(reached)}"
    assert not calls(tree) & FILE_CALLS, f"medfed.{name} calls {sorted(calls(tree) & FILE_CALLS)}"


def test_nobody_unpickles():
    """pickle runs code from its input, so nothing here may read or write it, by itself or through torch and numpy."""
    for name, tree in modules().items():
        reached = imports(tree) & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
        assert not reached, f"medfed.{name} imports {reached}"
        assert not {"torch.load", "torch.save"} & imports(tree), name


def test_the_standard_library_names_are_real():
    """The list of forbidden modules has no misspelt standard-library entry."""
    third_party = {"requests", "web3", "aiohttp", "httpx", "ipfshttpclient"}
    assert OUTSIDE - third_party <= set(sys.stdlib_module_names)
