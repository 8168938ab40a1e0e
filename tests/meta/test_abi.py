"""The committed ABI: fresh, tested to its last error, within the size that Ethereum allows."""

from __future__ import annotations

import json
import re

import pytest

from deploy import compile as compiler
from tests.meta.source import ROOT

SNAPSHOT = ROOT / "tests" / "snapshots" / "size.json"
RUNTIME_LIMIT = 24_576  # EIP-170
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


def test_abi_is_fresh():
    """`abi/` is what the sources compile to, byte for byte; `make abi` renews it."""
    assert compiler.stale() == []


def test_every_error_is_tested():
    """Each custom error that our sources declare is named in a test as something that must happen."""
    paths = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests").rglob("*.t.sol")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    named = set(re.findall(r"""["'](\w+)["']""", text)) | set(re.findall(r"(\w+)\.selector", text))
    assert sorted(ours() - named) == []


def test_no_error_is_dead():
    """Each error that a deployable or its interface declares can be raised by a contract in `abi/`."""
    abis = [entry for record in committed().values() for entry in record["abi"]]
    assert (
        sorted(ours(without="libraries") - {entry["name"] for entry in abis if entry["type"] == "error"})
        == []
    )


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
