"""deploy/compile.py: what it finds, what it refuses, and that it notices every kind of staleness."""

from __future__ import annotations

import hashlib
import json

import pytest

from deploy import compile as compiler

MANAGER = "@openzeppelin/contracts/access/manager/AccessManager.sol"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A repository of its own with one contract, sharing tools and libraries with this one."""
    for name in ("node_modules", "scripts", "package.json"):
        (tmp_path / name).symlink_to(compiler.ROOT / name)
    for name, path in {"ROOT": "", "CONTRACTS": "contracts", "ABI": "abi", "CACHE": "build"}.items():
        monkeypatch.setattr(compiler, name, tmp_path / path)
    monkeypatch.setattr(compiler, "LIBRARY", ())
    (tmp_path / "contracts" / "libraries").mkdir(parents=True)
    (tmp_path / "contracts" / "libraries" / "Twice.sol").write_text(
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity ^0.8.28;\n\nlibrary Twice {\n"
        "    function twice(uint256 x) internal pure returns (uint256) {\n        return 2 * x;\n    }\n}\n"
    )
    write_contract(tmp_path, "return Twice.twice(x);")
    return tmp_path


def write_contract(tree, body):
    (tree / "contracts" / "Number.sol").write_text(
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.30;\n\n"
        'import {Twice} from "./libraries/Twice.sol";\n\ncontract Number {\n'
        f"    function f(uint256 x) external pure returns (uint256) {{\n        {body}\n    }}\n}}\n"
    )


def test_artifact_names_exactly_the_sources_that_it_came_from(tree):
    """The record lists the contract and what it imports, with their hashes, and nothing else."""
    record = compiler.artifact("Number")
    paths = ["contracts/Number.sol", "contracts/libraries/Twice.sol"]
    assert record["sources"] == {
        path: hashlib.sha256((tree / path).read_bytes()).hexdigest() for path in paths
    }
    assert [entry["name"] for entry in record["abi"]] == ["f"]


def test_bytecode_does_not_depend_on_the_place(tree):
    """The library contract compiles here to what is committed, as no path enters the bytecode."""
    here = compiler.compile_source(MANAGER, "AccessManager")
    committed = json.loads(
        (compiler.Path(compiler.__file__).parents[1] / "abi" / "AccessManager.json").read_text()
    )
    assert here == committed


def test_write_then_stale_then_write(tree):
    """Fresh after writing; a changed source, a changed, a missing and a left-over file are each named."""
    assert compiler.write() == ["Number.json"]
    assert compiler.stale() == []
    write_contract(tree, "return Twice.twice(x) + 1;")
    (compiler.ABI / "Gone.json").write_text("{}")
    assert compiler.stale() == ["Gone.json", "Number.json"]
    assert compiler.write() == ["Gone.json", "Number.json"]
    assert compiler.stale() == []
    (compiler.ABI / "Number.json").unlink()
    assert compiler.stale() == ["Number.json"]


def test_a_comment_makes_stale(tree):
    """Even a comment changes the hash of the metadata: `abi/` stands for exactly one text."""
    compiler.write()
    path = tree / "contracts" / "libraries" / "Twice.sol"
    path.write_text(path.read_text() + "// more\n")
    assert compiler.stale() == ["Number.json"]


def test_what_abi_holds_is_not_compiled_again(tree, monkeypatch):
    """Until a source changes; whether `abi/` is true is never taken from `abi/`."""
    compiler.write()
    made = compiler.artifact("Number")

    def none(_):
        raise AssertionError("compiled")

    monkeypatch.setattr(compiler, "_run", none)
    assert compiler.artifact("Number") == made
    write_contract(tree, "return Twice.twice(x) + 1;")
    with pytest.raises(AssertionError, match="compiled"):
        compiler.artifact("Number")


def test_a_forged_bytecode_in_abi_is_stale(tree):
    """Its sources and settings are those of today, its code is not."""
    compiler.write()
    path = compiler.ABI / "Number.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "bytecode": "0x00"}, indent=1, sort_keys=True) + "\n")
    assert compiler.stale() == ["Number.json"]


def test_mocks_compile_but_stay_out_of_abi(tree):
    """A mock can be deployed by a test and is not among what is published."""
    (tree / "contracts" / "mocks").mkdir()
    (tree / "contracts" / "mocks" / "Odd.sol").write_text(
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.30;\n\ncontract Odd {}\n"
    )
    assert compiler.artifact("Odd")["sourceName"] == "contracts/mocks/Odd.sol"
    assert compiler.write() == ["Number.json"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return Twice.thrice(x);", "thrice"),  # an error
        ("uint256 y = x; return 1;", "Unused local variable"),  # a warning
    ],
)
def test_errors_and_warnings_are_refused(tree, body, said):
    """What the compiler complains about comes with its words; warnings count."""
    write_contract(tree, body)
    with pytest.raises(compiler.CompileError, match=said):
        compiler.artifact("Number")


def test_unknown_names_are_refused(tree):
    """A missing contract and a missing import are named."""
    with pytest.raises(compiler.CompileError, match=r"No contract Nobody\.sol among Number"):
        compiler.artifact("Nobody")
    (tree / "contracts" / "libraries" / "Twice.sol").unlink()
    with pytest.raises(compiler.CompileError, match=r"contracts/libraries/Twice\.sol cannot be read"):
        compiler.artifact("Number")


def test_command_reports_by_exit_code(tree, monkeypatch, capsys):
    """`--check` changes nothing and exits with 1 while something is stale; without it the command repairs."""
    monkeypatch.setattr("sys.argv", ["compile.py", "--check"])
    assert compiler.main() == 1
    assert capsys.readouterr().out == "abi/Number.json is stale; run `make abi`.\n"
    assert not compiler.ABI.exists()
    monkeypatch.setattr("sys.argv", ["compile.py"])
    assert compiler.main() == 0
    monkeypatch.setattr("sys.argv", ["compile.py", "--check"])
    assert compiler.main() == 0
