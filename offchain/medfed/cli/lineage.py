"""A model's lineage as a tree for a terminal: from its datasets to its licences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.tree import Tree

from medfed.cli.output import printable, when

if TYPE_CHECKING:
    from medfed.rounds.lineage import Contribution, Lineage, ModelLine, RoundLine, Source
    from medfed.types import Seat

__all__ = ["lineage_tree", "share_text"]

_TITLE = 60


def lineage_tree(found: Lineage, names: Mapping[Seat, str]) -> Tree:
    """Every CID and transaction, in order of time. `names` of hospitals by seat."""
    title = printable(found.study.title, _TITLE)
    tree = Tree(f"Model of study {found.study.study}" + (f": {title}" if title else ""))
    tree.add(_study(found))
    sources = tree.add("Datasets")
    for source in found.sources:
        sources.add(_source(source, names[source.seat]))
    for line in found.rounds:
        node = tree.add(_round(line))
        for contribution in line.contributions:
            node.add(_contribution(contribution, names[contribution.seat]))
        if line.model:
            node.add(_result(line, names))
    _add_model(tree, found.model, names)
    return tree


def _study(found: Lineage) -> str:
    study = found.study
    first = [f"starts from {study.initial_model}"] if study.initial_model else []
    lines = [f"Study {study.study}, {study.ended or 'not ended'}", f"spec {study.spec}", *first]
    return "\n".join([*lines, f"tx {_hex(study.created_tx)}"])


def _source(source: Source, name: str) -> str:
    return "\n".join(
        [
            f"Dataset {source.dataset}, version {source.version}, {source.records} records: {name} (seat {source.seat})",
            f"report {source.report}",
            f"tx {_hex(source.published_tx)}",
            "enrolled in",
            f"tx {_hex(source.enrolled_tx)}",
        ]
    )


def _round(line: RoundLine) -> str:
    return f"Round {line.number}, {line.outcome}\ntx {_hex(line.opened_tx)}"


def _contribution(entry: Contribution, name: str) -> str:
    standing = " refuted" if entry.refuted else "" if entry.included else " left out"
    head = f"{name} (seat {entry.seat}), weight {entry.weight}, {share_text(entry)}{standing}"
    lines = [head, f"update {entry.update}", f"cohort {entry.cohort}", f"tx {_hex(entry.tx)}"]
    return "\n".join(lines)


def share_text(entry: Contribution) -> str:
    """What an update is worth of its round."""
    return "not tallied" if entry.share is None else f"{entry.share:.1%}"


def _result(line: RoundLine, names: Mapping[Seat, str]) -> str:
    how = "claimed against a bond by" if line.claimed else "attested to by"
    lines = [f"Result {line.aggregate}", f"model {line.model}", f"final in\ntx {_hex(line.final_tx)}", how]
    for entry in line.attesters:
        lines += [names[entry.seat], f"tx {_hex(entry.tx)}"]
    return "\n".join(lines)


def _add_model(tree: Tree, model: ModelLine, names: Mapping[Seat, str]) -> None:
    if not model.registered_tx:
        tree.add(f"Model, not registered\nfile {model.model}")
        return
    shares = [f"{names[seat]} {share:.1%}" for seat, share in model.shares.items()]
    said = ["withdrawn"] if model.withdrawn else []
    said += [f"superseded by model {model.superseded_by}"] if model.superseded_by else []
    lines = [
        ", ".join([f"Model, registered {when(model.registered_at)} UTC", *said]),
        f"file {model.model}",
        f"tx {_hex(model.registered_tx)}",
        *(["shares of the hospitals' fees", *shares] if shares else []),
    ]
    node = tree.add("\n".join(lines))
    for licence in model.licences:
        head = f"Licence {licence.number}, terms {licence.version}"
        node.add(f"{head}\ntext {licence.terms}\ntx {_hex(licence.tx)}")


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
