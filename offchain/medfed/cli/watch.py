"""Following a study: a table that redraws on a terminal, a line per change in a pipe, a JSON line per change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import typer
from rich.console import Group
from rich.live import Live

from medfed.chain.clock import ChainClock
from medfed.cli.facts import rendered, sentence, study_facts
from medfed.cli.output import console, note, plain
from medfed.errors import Transient
from medfed.rounds.federation import Federation
from medfed.types import StudyId

__all__ = ["follow"]

_ENDED = ("completed", "aborted")
_STARTED = ("running", *_ENDED)

Look = Iterator[tuple[dict[str, Any], int]]


def follow(federation: Federation, number: StudyId, pace: tuple[float, str], *, as_json: bool) -> None:
    """Tell of a study, with `pace` = (seconds between looks, "ready", "running" or "ended" to stop at).

    A chain that does not answer for a while is said once and waited for.
    """
    looks = _looks(federation, number, pace)
    out = console()
    if as_json:
        _lines(looks, lambda facts, _now: json.dumps(plain(facts), ensure_ascii=False))
    elif out.is_terminal:
        with Live(console=out, auto_refresh=False) as live:
            for facts, now in looks:
                live.update(Group(*rendered(facts, now)), refresh=True)
    else:
        _lines(looks, sentence)


def _lines(looks: Look, line: Callable[[dict[str, Any], int], str]) -> None:
    """One line for each change; that time passes is none."""
    told = None
    for facts, now in looks:
        if facts != told:
            told = facts
            typer.echo(line(facts, now))


def _reached(facts: dict[str, Any], until: str) -> bool:
    if until == "ended":
        return facts["state"] in _ENDED
    ready = until == "ready" and len(facts["hospitals"]) >= facts["min_hospitals"]
    return ready or facts["state"] in _STARTED


def _looks(federation: Federation, number: StudyId, pace: tuple[float, str]) -> Look:
    seconds, until = pace
    clock, silent = ChainClock(federation.client), False
    while True:
        try:
            now = clock.estimate(federation.sync())
            facts = study_facts(federation, number, now)
        except Transient as exc:
            if not silent:
                note(f"{exc} Trying again.")
            silent = True
        else:
            silent = False
            yield facts, now
            if _reached(facts, until):
                return
        time.sleep(seconds)
