"""What `medfed verify` found, in the order in which it matters: the verdict, what is proved, what is only consistent, what
could not be checked. As text here; `verdict_page` makes a page of the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medfed.cli.output import printable, when
from medfed.rounds.takings import REASONS

if TYPE_CHECKING:
    from medfed.rounds.audit import Report

__all__ = ["Table", "Verdict", "verdict_of"]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns whose name ends in `#` are numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One audit, told. A section is a heading and its sentences; an empty one is not shown."""

    title: str
    verdict: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    tables: tuple[Table, ...]
    details: tuple[Table, ...]
    """What only some ask for: contracts, parameters, administration."""
    foot: str


def verdict_of(
    report: Report, bundle: dict[str, Any], compared: tuple[str, ...], who: dict[str, Any]
) -> Verdict:
    """Of a report, what is told of the bundle (empty for an audit of a node), which options it was compared with, and who took
    part (`who`: its seats, and what was taken from them)."""
    return Verdict(
        title=f"Study {report.study}: {report.state}, {report.checks} checks",
        verdict=report.verdict,
        sections=(
            ("Compare", _to_compare(report, bundle, compared)),
            ("Proved", _proved(report, bundle)),
            ("Only consistent, not proved", _consistent(report)),
            ("Not checked", _unchecked(report)),
            ("Basis", _bases(report)),
            ("Claims", _claims(report)),
            ("Taken", _taken(who)),
        ),
        tables=(_rounds(report), _seats(who)),
        details=_details(bundle),
        foot=", ".join(f"{name} {value}" for name, value in report.versions.items()),
    )


def _to_compare(report: Report, bundle: dict[str, Any], compared: tuple[str, ...]) -> tuple[str, ...]:
    """All that ties what was checked to a chain and to a consortium: of a bundle one hash, and one address."""
    address = f"FederatedRounds stands at {report.versions['rounds']}"
    if not bundle:
        own = (
            "as you said"
            if "--rounds" in compared
            else "compare with the address that the consortium has published"
        )
        return (
            f"{address}: {own}.",
            "The chain is the one that your node tells of: whoever runs it is believed, or ask a second one.",
        )
    number, digest = bundle["block"], bundle["block_hash"]
    block = f"Block {number} of {when(bundle['block_time'])} UTC has the hash {digest}"
    ask = {
        "--block-hash": f"{block}: ask a node or a block explorer that you trust for block {number}, and compare.",
        "--rounds": f"{address}: compare with the address that the consortium has published.",
    }
    same = {"--block-hash": f"{block}, as you said.", "--rounds": f"{address}, as you said."}
    return tuple(same[name] if name in compared else ask[name] for name in ask)


def _proved(report: Report, bundle: dict[str, Any]) -> tuple[str, ...]:
    if report.difference:
        return ()
    files = "each file by its CID, and all that is recomputed from the files"
    if not bundle:
        heard = "that events and contract storage agree, both as the node tells them"
        return (files, heard, *(() if report.unproved else _disclosed(report)))
    standing = bundle["standing"]
    told = [files]
    if standing["proved"]:
        told.append("contract storage and code, by the block's state root")
        told.append("the addresses of all contracts, by that of FederatedRounds")
    if not standing["gaps"]:
        told.append(
            f"events, by the receipts under {standing['headers']} block headers in a row, up to that block"
        )
    return (*told, *(() if report.unproved else _disclosed(report)))


def _consistent(report: Report) -> tuple[str, ...]:
    """Consents are events: a disclosure proves no more than the rest of the report."""
    if report.unproved and not report.difference:
        return (*report.unproved, *_disclosed(report))
    return report.unproved


def _disclosed(report: Report) -> tuple[str, ...]:
    return tuple(
        f"which consent stands behind each leaf of seat {seat}, by its disclosure ({_numbers(list(rounds))})"
        for seat, rounds in report.disclosed.items()
    )


def _unchecked(report: Report) -> tuple[str, ...]:
    by_text: dict[str, list[int]] = {}
    for entry in report.rounds:
        for text in (*entry.missing, *entry.unchecked):
            by_text.setdefault(text, []).append(entry.round)
    return (*(f"{text} ({_numbers(rounds)})" for text, rounds in by_text.items()), *report.unchecked)


def _bases(report: Report) -> tuple[str, ...]:
    """Why the patients of the seats count, one line for each basis."""
    seats: dict[str, list[int]] = {}
    for seat, basis in report.bases.items():
        seats.setdefault(basis, []).append(seat)
    return tuple(
        f"{basis}: seat{'s' * (len(each) > 1)} {', '.join(map(str, each))}" for basis, each in seats.items()
    )


def _claims(report: Report) -> tuple[str, ...]:
    return tuple(
        f"Round {entry.round}, claim {claim.attempt} of seat {claim.seat}: {claim.state}, {claim.verdict}"
        + (f" ({claim.why})" if claim.why else "")
        for entry in report.rounds
        for claim in entry.claims
    )


def _taken(who: dict[str, Any]) -> tuple[str, ...]:
    """Who lost a part of a stake or a bond, in which round, and why."""
    names = {entry["seat"]: entry["name"] for entry in who["seats"]}
    return tuple(
        f"Round {each['round']}, seat {each['seat']} ({names[each['seat']]}): {REASONS[each['cause']]}"
        for each in who["taken"]
    )


def _seats(who: dict[str, Any]) -> Table:
    rows = ((entry["seat"], entry["name"], entry["hospital"], entry["dataset"]) for entry in who["seats"])
    return Table("Seats", ("Seat#", "Hospital", "Account", "Dataset#"), tuple(rows))


def _rounds(report: Report) -> Table:
    rows = (
        (entry.round, entry.state, entry.updates, entry.weight, entry.checks, entry.verdict)
        for entry in report.rounds
    )
    return Table("Rounds", ("Round#", "State", "Updates#", "Weight#", "Checks#", "Verdict"), tuple(rows))


def _details(bundle: dict[str, Any]) -> tuple[Table, ...]:
    if not bundle:
        return ()
    code = {True: "this version's", False: "OTHER"}
    contracts = tuple(
        (each["name"], each["address"], f"{code[each['as_compiled']]}, {each['code_hash']}")
        for each in bundle["contracts"]
    )
    parameters = tuple(
        (each["name"], name, value)
        for each in bundle["contracts"]
        for name, value in each["parameters"].items()
    )
    roles = tuple(
        (each["role"], each["account"], when(each["since"]), f"{each['delay']} s")
        for each in bundle["holders"]
    )
    acts = tuple(
        (act["block"], f"{act['name']}\n{act['contract']}\n{when(act['time'])}", _values(act["values"]))
        for act in bundle["administration"]
    )
    return (
        Table("Contracts", ("Contract", "Address", "Code, by keccak256"), contracts),
        Table("Parameters", ("Contract", "Name", "Value"), parameters),
        Table("Roles", ("Role", "Held by", "Since (UTC)", "Notice"), roles),
        Table("Administration", ("Block#", "What, where, when (UTC)", "With"), acts),
    )


def _values(values: dict[str, Any]) -> str:
    return "\n".join(f"{name} {printable(str(value), 1 << 12)}" for name, value in values.items())


def _numbers(rounds: list[int]) -> str:
    first, last = rounds[0], rounds[-1]
    if len(rounds) == 1:
        return f"round {first}"
    run = rounds == list(range(first, last + 1))
    return f"rounds {first} to {last}" if run else f"rounds {', '.join(map(str, rounds))}"
