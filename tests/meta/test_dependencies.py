"""Ranges, pins and the wheel agree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.meta.source import ROOT, imports, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
# Distributions whose modules have another name, and modules that come with a named dependency.
MODULES = {"eth-tester": "eth_tester", "py-evm": "eth", "py-solc-x": "solcx", "scikit-learn": "sklearn"}
BROUGHT = {"pydantic_core"}


def names(requirements):
    return {re.split(r"[<>=!~\[ ;]", requirement)[0] for requirement in requirements}


def test_every_dependency_is_pinned_exactly():
    """constraints.txt holds one exact version of each distribution, sorted, and covers all that pyproject names."""
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[^=\s]+", pin) for pin in PINS)
    assert sorted(PINS) == PINS
    project = PROJECT["project"]
    assert names(project["dependencies"]) | names(project["optional-dependencies"]["dev"]) <= names(PINS)


def test_what_is_imported_is_declared():
    """Each third-party module that the package imports belongs to a declared dependency, and none is idle."""
    declared = {
        MODULES.get(name, name.replace("-", "_")) for name in names(PROJECT["project"]["dependencies"])
    }
    used = {imported.split(".")[0] for tree in modules().values() for imported in imports(tree)}
    foreign = used - set(sys.stdlib_module_names) - {"medfed"}
    assert foreign <= declared | BROUGHT, f"not declared: {sorted(foreign - declared - BROUGHT)}"
    # coincurve speeds up eth_keys, and eth carries eth_tester, by being there.
    assert declared - foreign <= {"coincurve", "eth"}, f"not used: {sorted(declared - foreign)}"


def test_versions_agree():
    """The compiler is pinned once: package.json's version is that of every exact pragma."""
    solc = re.search(r'"solc": "([^"]+)"', (ROOT / "package.json").read_text(encoding="utf-8"))
    assert solc is not None
    for path in (ROOT / "contracts").glob("*.sol"):
        assert f"pragma solidity {solc[1]};" in path.read_text(encoding="utf-8"), path.name


@pytest.mark.slow
def test_wheel_carries_what_deploying_needs(tmp_path):
    """An installed MedFed deploys without the repository: ABI, parameters and address books are in the wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    packed = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    abi = {f"medfed/abi/{path.name}" for path in (ROOT / "abi").glob("*.json")}
    parameters = {f"medfed/deploy_params/{path.name}" for path in (ROOT / "deploy" / "params").glob("*.toml")}
    assert abi
    assert abi | parameters | {"medfed/py.typed", "medfed/cli/__init__.py"} <= packed
    assert not any(name.startswith(("tests/", "contracts/")) for name in packed)
