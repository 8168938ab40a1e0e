"""`medfed verify`: check a study as an auditor, with nothing but public bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.output import JsonFlag, plain, show, table
from medfed.errors import ContentMissing, InputError

if TYPE_CHECKING:
    from medfed.rounds.audit import Report
    from medfed.rounds.federation import Federation
    from medfed.types import StudyId

__all__ = ["verify"]


def verify(
    study: Annotated[
        int | None, typer.Option("--study", help="The study's number; a bundle knows its own.", min=1)
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", help="Check this bundle, without a node and without a store.", dir_okay=False
        ),
    ] = None,
    disclosure: Annotated[
        list[Path] | None,
        typer.Option(help="A hospital's disclosure: the consent behind each leaf is checked too."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recompute a study from public bytes, with no key.

    Updates, sums, models, the number of consents, claims and proofs, slashes, reviews, payouts, licences. Of a bundle
    (`medfed study export`) also the hashes that prove its events and what its contracts store.

    Exit code 1 and the first difference when something is wrong, 75 when bytes that a verdict needs cannot be had.
    """
    from medfed.cli.output import note
    from medfed.protocol.documents import Disclosure
    from medfed.rounds.audit import audit_study

    shown = tuple(Disclosure.from_bytes(_read(file)) for file in disclosure or [])
    tell = (lambda _: None) if as_json else (lambda text: note(f"Checking {text}"))
    with _opened(study, bundle) as (federation, number, facts):
        report = audit_study(federation, number, shown, tell)
        told = facts()
    data = {**plain(report), "ok": report.ok, "verdict": report.verdict, **({"bundle": told} if told else {})}
    show(data, as_json=as_json, render=lambda: [*_facts(told), *_rendered(report)])
    if report.difference:
        raise typer.Exit(1)
    if report.missing:
        raise typer.Exit(ContentMissing.exit_code)


@contextlib.contextmanager
def _opened(
    study: int | None, file: Path | None
) -> Iterator[tuple[Federation, StudyId, Callable[[], dict[str, Any]]]]:
    """What is checked: the study of the settings' chain, or that of a bundle, with what there is to tell of it."""
    from medfed.cli.run import open_federation
    from medfed.cli.study_export import MOST_BYTES, bundle_facts
    from medfed.types import StudyId

    if file is None:
        if study is None:
            raise InputError("Name the study with --study, or a bundle with --bundle.")
        yield open_federation(), StudyId(study), dict
        return

    from medfed.rounds.bundle import open_bundle

    with contextlib.closing(open_bundle(file, max_bytes=MOST_BYTES)) as opened:
        if study not in (None, opened.study):
            raise InputError(f"{file} is the bundle of study {opened.study}, not of study {study}.")
        yield opened.federation, opened.study, lambda: bundle_facts(opened)


def _facts(told: dict[str, Any]) -> list[Any]:
    from medfed.cli.study_export import rendered_facts

    return rendered_facts(told) if told else []


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise InputError(f"The disclosure {file} cannot be read: {exc.strerror}.") from exc


def _rendered(report: Report) -> list[Any]:
    columns = ["Round#", "State", "Updates#", "Weight#", "Checks#", "Verdict"]
    rows = [
        (entry.round, entry.state, entry.updates, entry.weight, entry.checks, entry.verdict)
        for entry in report.rounds
    ]
    by_text: dict[str, list[int]] = {}
    for entry in report.rounds:
        for text in (*entry.missing, *entry.unchecked):
            by_text.setdefault(text, []).append(entry.round)
    claims = [
        f"Round {entry.round}, claim {claim.attempt} of seat {claim.seat}: {claim.state}, {claim.verdict}"
        + (f" ({claim.why})" if claim.why else "")
        for entry in report.rounds
        for claim in entry.claims
    ]
    unchecked = [f"Not checked: {text} ({_rounds(numbers)})" for text, numbers in by_text.items()]
    unchecked += [f"Not checked: {text}" for text in report.unchecked]
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    title = f"Study {report.study}: {report.state}, {report.checks} checks"
    return [table(title, columns, rows), *_bases(report), *claims, *unchecked, versions, report.verdict]


def _bases(report: Report) -> list[str]:
    """Why the patients of the seats count, one line for each basis."""
    seats: dict[str, list[int]] = {}
    for seat, basis in report.bases.items():
        seats.setdefault(basis, []).append(seat)
    return [
        f"Basis {basis}: seat{'s' * (len(each) > 1)} {', '.join(map(str, each))}"
        for basis, each in seats.items()
    ]


def _rounds(numbers: list[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"round {first}"
    run = numbers == list(range(first, last + 1))
    return f"rounds {first} to {last}" if run else f"rounds {', '.join(map(str, numbers))}"
