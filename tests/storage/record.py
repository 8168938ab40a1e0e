"""Write `exchanges.json` anew: run the behaviour suite on a real daemon and keep what it answers.

python -m tests.storage.record
"""

from __future__ import annotations

import json
import sys

import pytest

from tests.storage.replay import EXCHANGES, Exchange

Recorded = dict[str, list[Exchange]]
RECORDED = pytest.StashKey[Recorded]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RECORDED] = {}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    found = session.config.stash[RECORDED]
    if exitstatus == 0 and found:
        EXCHANGES.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    suite = ["tests/storage/test_kubo.py", "-k", "TestDaemon and not Live"]
    sys.exit(pytest.main([*suite, "-q", "-p", "no:cacheprovider", "-p", "tests.storage.record"]))
