"""Put faults back into the contracts, one at a time, and see whether the forge tests of value notice.

    python -m tests.mutants                  each of them, at the depth that CI plays
    python -m tests.mutants --profile deep   at the depth of `make fuzz`
    python -m tests.mutants 05 17            these alone

Prints a table and exits with 1 when a mutant survives. The contracts are compiled one by one in a copy of the tree
under `build/mutants`; the tests, which know interfaces only, are compiled once and deploy what the variable CONTRACTS
names.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FOLDER", "Verdict", "apply", "main", "patches", "title"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
WORK = ROOT / "build" / "mutants"
# Tests that deploy by name. Campaign last: the others take seconds.
TESTS = "VaultEntriesTest|LongContestTest|ValueInvariantsTest"
FAILED = re.compile(
    r"^\[FAIL[:.]? ?(?P<why>[^\]]*)\].*?\b(?P<test>(?:invariant|test)\w*)\(", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant: the test that failed and its reason, both empty where it survived."""

    name: str
    test: str
    why: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.test != ""


def patches(names: list[str]) -> list[Path]:
    """The patches whose names begin with any of these, all without a name.

    Raises `ValueError` for a name that is none's.
    """
    found = sorted(FOLDER.glob("*.patch"))
    unknown = [name for name in names if not any(path.name.startswith(name) for path in found)]
    if unknown:
        raise ValueError(f"No patch in tests/mutants begins with {', '.join(unknown)}.")
    return [path for path in found if not names or any(path.name.startswith(name) for name in names)]


def title(patch: Path) -> str:
    """What is wrong in the mutant: the patch's first line."""
    return patch.read_text(encoding="utf-8").partition("\n")[0]


def apply(patch: Path, tree: Path) -> None:
    """Patch the contracts below `tree`.

    Raises `ValueError` when the patch does not fit them, with what `git apply` says.
    """
    command = ["git", "apply", "--unsafe-paths", f"--directory={tree}", str(patch)]
    # Outside of a repository, so that the tree need not be tracked.
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{patch.name} does not fit the contracts: {done.stderr.strip()}")


def main(arguments: list[str] | None = None) -> int:
    """Judge the mutants that are named; 1 when any survives, or when the contracts themselves fail."""
    options = _parser().parse_args(arguments)
    # The shortest sequence of moves is nobody's concern here.
    environment = (
        os.environ
        | {"FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0"}
        | ({"FOUNDRY_PROFILE": "deep"} if options.profile == "deep" else {})
    )
    if not options.no_baseline:
        sound = _judge("unchanged", _prepared("unchanged", None), environment)
        if sound.killed:
            print(f"The contracts themselves fail {sound.test}: {sound.why}", file=sys.stderr)
            return 1
    verdicts = [_judged(patch, environment) for patch in patches(options.names)]
    print(f"{sum(v.killed for v in verdicts)} of {len(verdicts)} killed")
    return 0 if all(v.killed for v in verdicts) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description="Put faults back and see who notices."
    )
    parser.add_argument("names", nargs="*", help="beginnings of the patches' names; all without one")
    parser.add_argument("--profile", choices=("ci", "deep"), default="ci")
    parser.add_argument(
        "--no-baseline", action="store_true", help="do not play the contracts as they are first"
    )
    return parser


def _judged(patch: Path, environment: dict[str, str]) -> Verdict:
    verdict = _judge(patch.stem, _prepared(patch.stem, patch), environment)
    outcome = f"killed by {verdict.test}: {verdict.why}" if verdict.killed else "SURVIVED"
    print(f"{verdict.name:<24} {verdict.seconds:6.0f} s  {outcome}", flush=True)
    return verdict


def _prepared(name: str, patch: Path | None) -> Path:
    """A copy of what compiles the contracts, patched and compiled; returns the folder of its artifacts."""
    tree = WORK / name
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for part in ("contracts", "deploy", "scripts"):
        shutil.copytree(ROOT / part, tree / part)
    shutil.copy(ROOT / "package.json", tree)
    (tree / "node_modules").symlink_to(ROOT / "node_modules")
    # Answers of the compiler are kept under the hash of the question, so that only what differs is asked.
    cache = ROOT / "build" / "solc"
    cache.mkdir(parents=True, exist_ok=True)
    (tree / "build").mkdir()
    (tree / "build" / "solc").symlink_to(cache)
    if patch is not None:
        apply(patch, tree)
    subprocess.run([sys.executable, "deploy/compile.py"], cwd=tree, stdout=subprocess.DEVNULL, check=True)
    return tree / "abi"


def _judge(name: str, artifacts: Path, environment: dict[str, str]) -> Verdict:
    began = time.monotonic()
    done = subprocess.run(
        ["scripts/forge", "test", "--match-contract", TESTS, "--fail-fast"],
        cwd=ROOT,
        env=environment
        | {
            "CONTRACTS": str(artifacts.relative_to(ROOT)),
            # Or forge would begin with the moves at which the mutant before failed.
            "FOUNDRY_INVARIANT_FAILURE_PERSIST_DIR": str(artifacts.with_name("failures")),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    # With `--fail-fast` forge may say 0 of a test that failed, so that its report is what counts.
    found = FAILED.search(done.stdout)
    if found is not None:
        return Verdict(name, found["test"], " ".join(found["why"].split()), seconds)
    if done.returncode or "Suite result: ok" not in done.stdout:
        raise RuntimeError(f"forge did not get to the tests of {name}:\n{done.stdout}\n{done.stderr}")
    return Verdict(name, "", "", seconds)


if __name__ == "__main__":
    sys.exit(main())
