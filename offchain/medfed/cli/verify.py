"""`medfed verify`: check a study as an auditor, with nothing but public bytes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed import durable
from medfed.cli.output import JsonFlag, plain, show, table
from medfed.errors import (
    ContentMissing,
    ContractRevert,
    InputError,
    NotProved,
    ProtocolError,
    VerificationFailed,
)

if TYPE_CHECKING:
    from medfed.cli.verdict import Verdict
    from medfed.protocol.documents import Disclosure
    from medfed.rounds.audit import Report
    from medfed.rounds.federation import Federation
    from medfed.types import StudyId

__all__ = ["verify"]


def verify(  # noqa: PLR0913, PLR0917 - one parameter for each option
    study: Annotated[
        int | None, typer.Option("--study", help="The study's number; a bundle knows its own.", min=1)
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", help="Check this bundle, without a node and without a store.", dir_okay=False
        ),
    ] = None,
    rounds: Annotated[
        str | None,
        typer.Option(
            help="The address of FederatedRounds as the consortium published it; another one is a difference."
        ),
    ] = None,
    block_hash: Annotated[
        str | None,
        typer.Option(
            help="The hash of the bundle's block by a node that you trust; another one is a difference."
        ),
    ] = None,
    disclosure: Annotated[
        list[Path] | None,
        typer.Option(help="A hospital's disclosure: the consent behind each leaf is checked too."),
    ] = None,
    allow_unproved: Annotated[
        bool,
        typer.Option(
            "--allow-unproved", help="Exit code 0 also where a proof is missing; not where a file is."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Contracts, parameters and administration of a bundle too.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write the report as a page to print, too.", dir_okay=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recompute a study from public bytes, with no key.

    Updates, sums, models, the number of consents, claims and proofs, slashes, reviews, payouts, licences. Of a bundle
    (`medfed study export`) also the hashes that prove its events and what its contracts store.

    Exit code 1 and the first difference when something is wrong, 8 when nothing is and not all is proved, 75 when bytes
    that a verdict needs cannot be had.
    """
    from medfed.cli.output import note
    from medfed.cli.verdict import verdict_of
    from medfed.rounds.audit import audit_study

    shown = tuple(_disclosure(file) for file in disclosure or [])
    tell = (lambda _: None) if as_json else (lambda text: note(f"Checking {text}"))
    with _opened(study, bundle) as (federation, number, facts):
        compared = _compare(federation, bundle, rounds, block_hash)
        report = audit_study(federation, number, shown, tell)
        told, who = facts(), _who(federation, number, report)
        if "--block-hash" in compared:  # the reader has said which chain is meant
            doubt = federation.client.doubt
            report = replace(report, unchecked=tuple(text for text in report.unchecked if text != doubt))
    verdict = verdict_of(report, told, compared, who)
    data = {
        **plain(report),
        "ok": report.ok,
        "proved": report.proved,
        "verdict": report.verdict,
        "compared": compared,
        **who,
        **({"bundle": told} if told else {}),
    }
    show(data, as_json=as_json, render=lambda: _rendered(verdict, verbose=verbose))
    if page is not None:
        _write(page, verdict)
    code = _code(report, offline=bundle is not None, allowed=allow_unproved)
    if code:
        raise typer.Exit(code)


def _who(federation: Federation, number: StudyId, report: Report) -> dict[str, Any]:
    """The seats with their hospitals, and what was taken from them; of a study that is wrong, nothing that hangs on it."""
    from medfed.chain.history import hospitals
    from medfed.cli.output import printable
    from medfed.rounds.history import read_study
    from medfed.rounds.takings import takings

    if report.difference:
        return {"seats": [], "taken": []}
    study = read_study(federation.index, number)
    names = {each.hospital: printable(each.name) for each in hospitals(federation.index)}
    seats = [
        {
            "seat": entry.seat,
            "hospital": entry.hospital,
            "name": names.get(entry.hospital) or str(entry.hospital),
            "dataset": entry.dataset,
        }
        for entry in study.enrolments
    ]
    return {"seats": seats, "taken": plain([*map(asdict, takings(federation.index, study))])}


def _code(report: Report, *, offline: bool, allowed: bool) -> int:
    """The exit code of a report. What a bundle lacks does not come by trying again; and who allows that proofs are missing has
    not allowed that files are."""
    if report.difference:
        return VerificationFailed.exit_code
    if report.missing and not offline:
        return ContentMissing.exit_code
    files = not (report.missing or report.lacking)
    return 0 if report.proved or (allowed and files) else NotProved.exit_code


def _compare(
    federation: Federation, bundle: Path | None, rounds: str | None, block_hash: str | None
) -> tuple[str, ...]:
    """Which options agree with what is checked. Raises `VerificationFailed` for one that does not."""
    from medfed.chain.calls import parse_address

    address = federation.contracts.rounds.address
    if rounds is not None and parse_address(rounds) != address:
        raise VerificationFailed(
            f"WRONG: what is checked hangs on the FederatedRounds at {address}, not on the one at {rounds}."
        )
    if block_hash is not None:
        _compare_block(federation, bundle, block_hash)
    given = {"--rounds": rounds, "--block-hash": block_hash}
    return tuple(name for name, value in given.items() if value is not None)


def _compare_block(federation: Federation, bundle: Path | None, block_hash: str) -> None:
    if bundle is None:
        raise InputError("A node is asked for its newest final block; --block-hash goes with --bundle.")
    if re.fullmatch("(0x)?[0-9a-fA-F]{64}", block_hash) is None:
        raise InputError("--block-hash has to be 64 hex digits, with or without 0x.")
    newest = federation.client.head()
    if bytes.fromhex(block_hash.removeprefix("0x")) != newest.hash:
        raise VerificationFailed(
            f"WRONG: {bundle} hangs on block {newest.number} with the hash 0x{newest.hash.hex()}, not {block_hash}."
        )


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

    try:
        with contextlib.closing(open_bundle(file, max_bytes=MOST_BYTES)) as opened:
            if study not in (None, opened.study):
                raise InputError(f"{file} is the bundle of study {opened.study}, not of study {study}.")
            yield opened.federation, opened.study, lambda: bundle_facts(opened)
    except ContractRevert as exc:
        raise ProtocolError(
            f"{file} says that a contract refused what none of this version refuses ({exc}); export it anew."
        ) from exc


def _disclosure(file: Path) -> Disclosure:
    from medfed.protocol.documents import Disclosure

    try:
        return Disclosure.from_bytes(file.read_bytes())
    except OSError as exc:
        raise InputError(f"The disclosure {file} cannot be read: {exc.strerror}.") from exc
    except ProtocolError as exc:
        raise ProtocolError(f"{file} is no disclosure that `medfed hospital disclose` wrote: {exc}") from exc


def _write(file: Path, verdict: Verdict) -> None:
    from medfed.cli.verdict_page import page

    durable.write(file, page(verdict))


def _rendered(verdict: Verdict, *, verbose: bool) -> list[Any]:
    sections = [
        "\n".join([f"{name}:", *(f"- {text}" for text in texts)]) for name, texts in verdict.sections if texts
    ]
    tables = [*verdict.tables, *(verdict.details if verbose else ())]
    shown = [table(each.title, each.columns, each.rows) for each in tables]
    return [verdict.verdict, verdict.title, *sections, *shown, verdict.foot]
