"""docs/quickstart.md does what it says: every command is typed, every promised line is printed, the daemons are
processes of their own and the chain is a real Anvil."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.typist import Terminal, blocks, matches
from tests.rig.anvil import anvil_program, free_port

DOCUMENT = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")


GETH = (
    (
        "anvil --port 8545",
        "geth --dev --http --http.port 8545 --datadir chain --ipcdisable --port 0 --nodiscover",
    ),
    ('state_dir = "state"\n', 'state_dir = "state"\nconfirmations = 0\n'),
    ("chain 31337 answers, block 15", "chain 1337 answers, block …"),
)
"""What differs on geth's development chain."""


@pytest.mark.anvil
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_can_be_typed_from_top_to_bottom(tmp_path):
    type_page(tmp_path, DOCUMENT)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("geth") is None, reason="the program `geth` is not on PATH")
def test_the_page_on_geth(tmp_path):
    document = DOCUMENT
    for anvil, geth in GETH:
        assert anvil in document
        document = document.replace(anvil, geth)
    type_page(tmp_path, document)


def type_page(tmp_path: Path, document: str) -> None:
    port, began = free_port(), time.monotonic()
    programs = f"{Path(sys.executable).parent}:{Path(anvil_program()).parent}:{os.environ['PATH']}"
    folder = tmp_path / "federation"
    folder.mkdir()
    with Terminal(folder, {"PATH": programs, "COLUMNS": "200"}) as terminal:
        for block in blocks(document.replace("8545", str(port))):
            if block.terminal:
                terminal.start(block.commands)
                continue
            printed = terminal.type(block.commands)
            if block.expected is not None:
                told = f"{block.commands}\nwas to print\n{block.expected}\nand printed\n{printed}"
                assert matches(block.expected, printed), told
        assert all(process.poll() is None for process in terminal.others), "a daemon ended by itself"
    print(f"typed in {time.monotonic() - began:.0f} s")


def test_a_wrong_promise_is_noticed():
    """The comparison lets only what differs each time pass."""
    assert matches("0x… has 10 ether.\n", "0x12 has 10 ether.\n")
    assert not matches("0x… has 10 ether.\n", "0x12 has 11 ether.\n")
    assert not matches("a\nb\n", "a\nx\nb\n")
    assert matches("a\n…\nb\n", "a\nx\ny\nb\n")
