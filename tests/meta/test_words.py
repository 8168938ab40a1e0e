"""What must never be in a tracked file: addresses of registries and machines, left-over work, credentials."""

from __future__ import annotations

import re

from tests.meta.source import ROOT, tracked

# Joined here, so that this file does not contain them.
HOSTS = [
    ".".join(parts)
    for parts in (("npmjs", "org"), ("pypi", "org"), ("pythonhosted", "org"), ("crates", "io"))
]
FOLDERS = [
    "/".join(("", *parts)) for parts in (("work", "main"), ("work", "shared"), ("tmp", "plan"), ("root", ""))
]
MARKS = [first + second for first, second in (("TO", "DO"), ("FIX", "ME"), ("X" * 2, "X "))]
PRIVATE = "-----BEGIN " + "PRIVATE KEY"
BINARY = {".png", ".gz", ".car", ".npz", ".bin", ".safetensors"}


def lines():
    for path in tracked():
        if path.suffix not in BINARY:
            for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
                yield f"{path}:{number}", line


def test_no_addresses_of_registries_or_machines():
    """A clone works on any machine and with any mirror, so none is written down."""
    pattern = re.compile("|".join(map(re.escape, HOSTS + FOLDERS)))
    assert [place for place, line in lines() if pattern.search(line)] == []


def test_lock_files_record_no_addresses():
    """The lock pins versions and hashes; where packages come from is the machine's matter."""
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_nothing_is_left_to_be_done():
    """What is missing is an issue or a known limit in docs/security.md, not a mark in the code."""
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, MARKS)) + ")")
    assert [place for place, line in lines() if pattern.search(line)] == []


def test_no_private_keys():
    """Keys that tests need are made when they run."""
    assert [place for place, line in lines() if PRIVATE in line] == []
