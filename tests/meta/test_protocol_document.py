"""`docs/protocol.md` says of storage, entry points, invariants and gas what the code says."""

from __future__ import annotations

import json
import re

import pytest

from deploy import compile as compiler
from tests.meta.source import ROOT

DOCUMENT = ROOT / "docs" / "protocol.md"
SNAPSHOT = ROOT / "tests" / "snapshots" / "gas.json"
OURS = (
    "Consortium",
    "DatasetRegistry",
    "ConsentRegistry",
    "StakeVault",
    "FederatedRounds",
    "Studies",
    "Claims",
    "Proofs",
    "Payouts",
    "ModelMarket",
)


def table(heading):
    """The cells of the first table after a heading or sentence of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    lines = iter(text[text.index(heading) :].splitlines())
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
        elif rows:
            break
    return rows[2:]


def kind(label):
    """`mapping(A => mapping(B => struct I.C))` as `A → B → C`."""
    while label.startswith("mapping("):
        label = label.removeprefix("mapping(").removesuffix(")").replace(" => ", " → ", 1)
        head, _, rest = label.partition(" → ")
        return f"{head} → {kind(rest)}"
    return re.sub(r"^(struct|enum|contract) (\w+\.)?", "", label)


def storage_rows():
    return [
        (
            f"`{name}`",
            entry["slot"],
            str(entry["offset"]),
            f"`{entry['label']}`",
            kind(types[entry["type"]]["label"]),
        )
        for name in OURS
        for layout in [compiler.storage_layout(name)]
        for types in [layout["types"]]
        for entry in layout["storage"]
    ]


def struct_rows():
    found = {}
    for name in OURS:
        types = compiler.storage_layout(name)["types"] or {}
        for struct in (kept for kept in types.values() if "members" in kept):
            for member in struct["members"]:
                word = (f"`{kind(struct['label'])}`", member["slot"])
                size = types[member["type"]]["numberOfBytes"]
                found.setdefault(word, []).append(f"{member['label']} {size}")
    return [(*word, ", ".join(fields)) for word, fields in found.items()]


@pytest.mark.parametrize(
    ("heading", "rows"), [("## Storage", storage_rows), ("Words of the structs", struct_rows)]
)
def test_storage_is_told_slot_by_slot(heading, rows):
    """As the compiler lays it out: a moved field is seen in the document's commit."""
    assert table(heading) == rows()


def test_every_entry_point_is_told():
    """Each function that changes state stands in the table, under each contract that has it."""
    told = {
        (contract, function)
        for contracts, functions, _ in table("## Who may call what")
        for contract in re.findall(r"`(\w+)`", contracts)
        for function in re.findall(r"`(\w+)`", functions)
    }
    abis = {
        name: json.loads((compiler.ABI / f"{name}.json").read_text(encoding="utf-8"))["abi"] for name in OURS
    }
    there = {
        (name, entry["name"])
        for name, abi in abis.items()
        for entry in abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert told == there


def test_every_invariant_is_tested_under_its_number():
    told = [number for number, _ in table("## Invariants")]
    assert told == [f"INV-{place}" for place in range(1, len(told) + 1)]
    tests = [*(ROOT / "tests" / "forge").glob("*.sol"), *(ROOT / "tests" / "contracts").rglob("test_*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in tests)
    assert set(re.findall(r"INV-\d+", text)) == set(told)


def test_gas_is_that_of_the_snapshot():
    measured = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    told = {
        name: float(figure.removesuffix("k")) * 1000 for name, figure in table("A patient's relayed consent")
    }
    assert told.keys() == measured.keys()
    assert {
        name: figure for name, figure in told.items() if abs(measured[name] - figure) > 0.01 * figure
    } == {}
