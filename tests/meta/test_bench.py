"""`make bench` judges what it measures."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from bench import __main__ as bench
from bench.figure import Figure, best_seconds, yardsticks


def test_a_limit_is_the_most_or_the_least():
    """At the limit the ratio is 1 and the figure passes; beyond it, whichever side that is, it fails."""
    assert Figure("time", 2.0, "s", 2.0).ok
    assert not Figure("time", 2.1, "s", 2.0).ok
    assert Figure("rate", 9.0, "1/s", 9.0, at_least=True).ok
    assert not Figure("rate", 8.9, "1/s", 9.0, at_least=True).ok
    assert Figure("rate", 4.5, "1/s", 9.0, at_least=True).ratio == 2


def test_every_bench_measures_and_is_described():
    """Each name is a module with `measure`, and stands in the table of `python -m bench --help`'s module."""
    for name in bench.BENCHES:
        assert callable(importlib.import_module(f"bench.{name}").measure)
        assert f"| {name} |" in (bench.__doc__ or "")


@pytest.mark.parametrize(("value", "code"), [(0.2, 0), (0.4, 1)])
def test_a_missed_limit_is_the_exit_code(monkeypatch, tmp_path, value, code):
    """What is written as JSON says the same as the exit code."""
    from bench import help as help_bench

    monkeypatch.setattr(help_bench, "best_seconds", lambda action, runs: value)
    monkeypatch.setattr(sys, "argv", ["bench", "help", "--json", str(tmp_path / "figures.json")])
    assert bench.main() == code
    (figure,) = json.loads((tmp_path / "figures.json").read_text())["help"]
    assert figure["ok"] == (code == 0)
    assert figure["against"] == {"bare python": 1.0}


def test_an_unknown_bench_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "nope"])
    with pytest.raises(SystemExit, match="2"):
        bench.main()
    assert "There is no bench nope" in capsys.readouterr().err


def test_yardsticks_are_measured():
    """Both marks grow with the data, and the fastest run counts."""
    small, large = yardsticks(bytes(1 << 16)), yardsticks(bytes(1 << 24))
    assert all(0 < small[name] < large[name] for name in ("memory copy", "sha256 loop"))
    assert best_seconds(lambda: None) < 0.1
