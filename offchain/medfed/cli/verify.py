"""`medfed verify`: check a study as an auditor, with nothing but public bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medfed.cli.output import JsonFlag, show, table

__all__ = ["verify"]


def verify(
    study: Annotated[int, typer.Option("--study", help="The study's number.", min=1)],
    disclosure: Annotated[
        list[Path] | None,
        typer.Option(help="A hospital's disclosure: the consent behind each leaf is checked too."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recompute a study from public bytes: updates, sums, models, consents' count, payouts. Needs no key.

    Exit code 1 and the first difference when something is wrong.
    """
    from medfed.cli.run import open_federation
    from medfed.protocol.documents import Disclosure
    from medfed.rounds.audit import audit_study
    from medfed.types import StudyId

    shown = tuple(Disclosure.from_bytes(file.read_bytes()) for file in disclosure or [])
    report = audit_study(open_federation(), StudyId(study), shown)
    rows = [
        (entry.round, entry.state, entry.updates, entry.weight, entry.checks, entry.difference or "right")
        for entry in report.rounds
    ]
    unchecked = sorted({text for entry in report.rounds for text in entry.unchecked} | set(report.unchecked))
    columns = ["Round#", "State", "Updates#", "Weight#", "Checks#", "Verdict"]
    verdict = (
        f"WRONG: {report.difference}" if report.difference else "Everything that can be checked is right."
    )
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    parts = [table(f"Study {study}: {report.state}", columns, rows)]
    parts += [f"Not checked: {text}" for text in unchecked]  # type: ignore[misc]
    show(report, as_json=as_json, render=lambda: [*parts, versions, verdict])
    if not report.ok:
        raise typer.Exit(1)
