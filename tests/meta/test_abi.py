"""The committed ABI: fresh, tested to its last error, within our limits of size."""

from __future__ import annotations

import ast
import json
import re

import pytest

from deploy import compile as compiler
from tests.meta.source import ROOT

SNAPSHOT = ROOT / "tests" / "snapshots" / "size.json"
RUNTIME_LIMIT = 20_000  # our own, so that there is room for what comes; EIP-170 allows 24,576
CREATION_LIMIT = 49_152  # EIP-3860


def committed():
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(compiler.ABI.glob("*.json"))
    }


def ours(without="mocks"):
    """Custom errors that our own sources declare; those of OpenZeppelin are its own business."""
    sources = [path for path in compiler.CONTRACTS.rglob("*.sol") if not {"mocks", without} & set(path.parts)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    return set(re.findall(r"^\s*error\s+(\w+)\s*\(", text, re.MULTILINE))


def errors_of_abi():
    """The names of all errors in `abi/`, those of OpenZeppelin too."""
    entries = [entry for record in committed().values() for entry in record["abi"]]
    return {entry["name"] for entry in entries if entry["type"] == "error"}


def test_abi_is_fresh():
    """`abi/` is what the sources compile to, byte for byte; `make abi` renews it."""
    assert compiler.stale() == []


def demanded(source):
    """Errors that a test file demands: named in `reverts(...)`, or handed to it by a parametrization."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    reverting = [call for call in calls if getattr(call.func, "attr", "") == "reverts"]
    found = {call.args[0].value for call in reverting if isinstance(call.args[0], ast.Constant)}
    if any(isinstance(call.args[0], ast.Name) for call in reverting):
        tables = [call for call in calls if getattr(call.func, "attr", "") == "parametrize"]
        found |= {
            node.value for call in tables for node in ast.walk(call.args[1]) if isinstance(node, ast.Constant)
        }
    return {name for name in found if isinstance(name, str)}


def untested(errors):
    tests = ROOT / "tests"
    found = [demanded(path.read_text(encoding="utf-8")) for path in (tests / "contracts").rglob("*.py")]
    forge = "\n".join(path.read_text(encoding="utf-8") for path in (tests / "forge").glob("*.sol"))
    return sorted(
        errors - set().union(*found) - set(re.findall(r"expect\w*Revert\((?:\w+\.)*(\w+)\.selector", forge))
    )


def test_every_error_is_tested():
    """Each custom error of the ABI that our own sources declare must happen in a test of contracts."""
    assert untested(errors_of_abi() & ours()) == []


def test_an_error_that_is_merely_mentioned_counts_as_untested():
    """This test of the test names one in a string; so do sentences and comments elsewhere."""
    assert untested({"ErrorThatNobodyDemands"}) == ["ErrorThatNobodyDemands"]
    assert demanded('evm.reverts("A", 1)\nx = "B"') == {"A"}
    assert demanded('@pytest.mark.parametrize("e", ["C"])\ndef t(e):\n    evm.reverts(e)') == {"C"}


def test_no_error_is_dead():
    """Each error that a deployable or its interface declares can be raised by a contract in `abi/`."""
    assert sorted(ours(without="libraries") - errors_of_abi()) == []


def test_sizes(update_snapshots):
    """Bytes of deployed code, exactly as committed, so that a change of size is seen in its commit."""
    sizes = {name: len(record["deployedBytecode"]) // 2 - 1 for name, record in committed().items()}
    if update_snapshots:
        SNAPSHOT.write_text(json.dumps(sizes, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert json.loads(SNAPSHOT.read_text(encoding="utf-8")) == sizes, "`make gas` renews the snapshot"
    assert all(size < RUNTIME_LIMIT for size in sizes.values())
    assert all(len(record["bytecode"]) // 2 - 1 < CREATION_LIMIT for record in committed().values())


@pytest.mark.parametrize("name", sorted(compiler.deployables()))
def test_artifacts_hold_no_machine_path(name):
    """Compiling in another place gives the same file."""
    record = committed()[name]
    assert all(not source.startswith(("/", ".")) for source in record["sources"])
    assert record["sourceName"] in record["sources"]
