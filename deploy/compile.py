"""Compile the contracts and keep `abi/` fresh.

    python deploy/compile.py            writes abi/<Name>.json for every deployable contract
    python deploy/compile.py --check    exits with 1 and names each file that is stale, missing or left over

Each contract is compiled on its own, from the sources it imports and no others: its bytecode then depends on
nothing but those sources and the settings below, not on the rest of the tree or on where the tree lies. Results are kept in
`build/solc` under the hash of the compiler's input, so that tests, checks and this command compile a text once.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import posixpath
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

__all__ = [
    "ABI",
    "CONTRACTS",
    "ROOT",
    "CompileError",
    "artifact",
    "compile_source",
    "deployables",
    "mocks",
    "render",
    "stale",
    "storage_layout",
    "write",
]

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
ABI = ROOT / "abi"
CACHE = ROOT / "build" / "solc"
SOLC = ROOT / "scripts" / "solc"

# Deployables taken as they are from the library: deploying needs their bytecode too.
LIBRARY = ("@openzeppelin/contracts/access/manager/AccessManager.sol",)

# The hash of the metadata stands in the bytecode, so equal bytecode means equal sources and settings.
SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "metadata": {"bytecodeHash": "ipfs"},
    "viaIR": True,
}
# More runs make calls cheaper and code longer; no contract is to be longer than 20,000 bytes.
RUNS = 10_000
FEWER_RUNS = {"Claims": 1_000, "FederatedRounds": 50}
OUTPUT = [
    "abi",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
]

IMPORT = re.compile(r"""^\s*import\b[^;"']*["']([^"']+)["']\s*;""", re.MULTILINE)


class CompileError(Exception):
    """A contract does not compile, or imports a file that is not there."""


def deployables() -> dict[str, str]:
    """Contract name -> source key of all that `abi/` holds: contracts on top, rules, parts of OpenZeppelin."""
    ours = [*CONTRACTS.glob("*.sol"), *(CONTRACTS / "rules").glob("*.sol")]
    keys = [path.relative_to(ROOT).as_posix() for path in ours] + list(LIBRARY)
    return {posixpath.basename(key).removesuffix(".sol"): key for key in sorted(keys)}


def mocks() -> dict[str, str]:
    """Contract name -> source key of the contracts that only tests deploy, one per file."""
    found = sorted((CONTRACTS / "mocks").rglob("*.sol"))
    return {path.stem: path.relative_to(ROOT).as_posix() for path in found}


def artifact(name: str) -> dict[str, Any]:
    """The compiled form of a deployable or a mock, from its present source: out of `abi/` where that was made of just
    these sources with these settings, so that a fresh checkout compiles mocks alone before its first test.

    Raises `CompileError` for a name that is neither, or a source with an error.
    """
    known = {**deployables(), **mocks()}
    if name not in known:
        raise CompileError(f"No contract {name}.sol among {', '.join(sorted(known))}.")
    return _kept(known[name], name) or compile_source(known[name], name)


def storage_layout(name: str) -> dict[str, Any]:
    """The compiler's `storage` and `types` of a deployable: where each variable and each field of a struct stands."""
    key = deployables()[name]
    layout: dict[str, Any] = _contract(key, name, _closure(key), ["storageLayout"])["storageLayout"]
    return layout


def compile_source(key: str, name: str) -> dict[str, Any]:
    """Compile contract `name` of the source `key` (a path in the repository, or one that starts with `@`)."""
    sources = _closure(key)
    return _record(key, name, _contract(key, name, sources, OUTPUT), sources)


def _kept(key: str, name: str) -> dict[str, Any] | None:
    """What `abi/` holds of a contract; None if that is not of its present sources. `stale` tells whether it is true."""
    try:
        kept: dict[str, Any] = json.loads((ABI / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    made_by = {"settings": _settings(name), "version": _version()}
    return kept if kept["sources"] == _hashes(_closure(key)) and kept["compiler"] == made_by else None


def _hashes(sources: dict[str, str]) -> dict[str, str]:
    return {source: hashlib.sha256(text.encode()).hexdigest() for source, text in sources.items()}


def _settings(name: str) -> dict[str, Any]:
    return {**SETTINGS, "optimizer": {"enabled": True, "runs": FEWER_RUNS.get(name, RUNS)}}


def _contract(key: str, name: str, sources: dict[str, str], outputs: list[str]) -> dict[str, Any]:
    request = {
        "language": "Solidity",
        "settings": {**_settings(name), "outputSelection": {key: {name: outputs}}},
        "sources": {source: {"content": text} for source, text in sources.items()},
    }
    try:
        contract: dict[str, Any] = _solc(request)["contracts"][key][name]
    except KeyError:
        raise CompileError(
            f"{key} declares no contract {name}: file and contract share their name."
        ) from None
    return contract


def _record(key: str, name: str, contract: dict[str, Any], sources: dict[str, str]) -> dict[str, Any]:
    code = contract["evm"]["bytecode"]["object"]
    runtime = contract["evm"]["deployedBytecode"]
    if "_" in code:
        raise CompileError(f"{key} needs a linked library; make its functions internal.")
    return {
        "abi": contract["abi"],
        "bytecode": "0x" + code,
        "compiler": {"settings": _settings(name), "version": _version()},
        "contractName": name,
        "deployedBytecode": "0x" + runtime["object"],
        "immutableReferences": runtime.get("immutableReferences", {}),
        "sourceName": key,
        "sources": _hashes(sources),
    }


def _closure(key: str) -> dict[str, str]:
    """Source key -> text of `key` and all it imports, directly or not, sorted by key."""
    found: dict[str, str] = {}
    waiting = [key]
    while waiting:
        source = waiting.pop()
        if source in found:
            continue
        found[source] = _read(source)
        waiting += [_resolve(source, target) for target in IMPORT.findall(found[source])]
    return dict(sorted(found.items()))


def _resolve(source: str, target: str) -> str:
    if not target.startswith("."):
        return target
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))


def _read(source: str) -> str:
    path = ROOT / "node_modules" / source if source.startswith("@") else ROOT / source
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise CompileError(
            f"{source} cannot be read; `scripts/setup-node` installs what is imported with @."
        ) from None


def _solc(request: dict[str, Any]) -> dict[str, Any]:
    """The compiler's answer to a standard-JSON request, from `build/solc` where it has been asked before."""
    text = json.dumps(request, sort_keys=True)
    path = CACHE / f"{hashlib.sha256((_version() + text).encode()).hexdigest()}.json"
    with _locked(path.with_suffix(".lock")):
        if not path.exists():
            answer = _run(request)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(answer), encoding="utf-8")
            part.replace(path)
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _run(request: dict[str, Any]) -> dict[str, Any]:
    import solcx
    from solcx.exceptions import SolcError

    try:
        answer: dict[str, Any] = solcx.compile_standard(request, solc_binary=SOLC)
    except SolcError as error:
        raise CompileError(f"{request['settings']['outputSelection']}: {error}") from error
    warnings = [
        entry["formattedMessage"] for entry in answer.get("errors", []) if entry["severity"] == "warning"
    ]
    if warnings:
        raise CompileError("The compiler warns, and a warning is an error here:\n" + "\n".join(warnings))
    return answer


def _version() -> str:
    """The exact compiler that package.json pins, e.g. `0.8.30`."""
    pinned: str = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]["solc"]
    return pinned


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, so that parallel test processes compile a contract once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def render() -> dict[str, str]:
    """File name -> text of everything that belongs into `abi/`."""
    keys = deployables()
    names = sorted(keys)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        compiled = list(pool.map(compile_source, (keys[name] for name in names), names))
    return {
        f"{name}.json": json.dumps(record, indent=1, sort_keys=True) + "\n"
        for name, record in zip(names, compiled, strict=True)
    }


def stale() -> list[str]:
    """Names of the files in `abi/` that differ from what the sources give: changed, missing or left over."""
    wanted = render()
    present = {path.name: path.read_text(encoding="utf-8") for path in ABI.glob("*.json")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write() -> list[str]:
    """Bring `abi/` up to date; returns the names of the files that changed."""
    wanted, changed = render(), stale()
    ABI.mkdir(exist_ok=True)
    for name in changed:
        if name in wanted:
            (ABI / name).write_text(wanted[name], encoding="utf-8")
        else:
            (ABI / name).unlink()
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile the contracts into abi/.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 when abi/ is stale")
    options = parser.parse_args()
    try:
        names = stale() if options.check else write()
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    for name in names:
        print(f"abi/{name} is stale; run `make abi`." if options.check else f"abi/{name}")
    return 1 if options.check and names else 0


if __name__ == "__main__":
    raise SystemExit(main())
