"""`medfed study export`, and what `medfed verify --bundle` tells about a bundle beside the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.output import JsonFlag, plain, show, when

if TYPE_CHECKING:
    from medfed.rounds.bundle import Bundle, Exported
    from medfed.rounds.federation import Federation

__all__ = ["MOST_BYTES", "MOST_HEADERS", "bundle_facts", "export", "show_export"]

MOST_BYTES = 1 << 40
"""Of a bundle's files together; each is bounded by what it is, too."""
MOST_HEADERS = 200_000
"""Beyond so many blocks, a bundle has the headers of those with events alone."""


def export(
    study: Annotated[int, typer.Argument(help="The study's number.", min=1)],
    file: Annotated[Path, typer.Argument(help="The bundle to write.", dir_okay=False)],
    wait: Annotated[float, typer.Option(help="Seconds to ask other nodes for each file.", min=0.0)] = 10.0,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out what no node has, and say what it was.")
    ] = False,
    max_headers: Annotated[
        int, typer.Option(help="Beyond so many blocks, record only those with events.", min=1)
    ] = MOST_HEADERS,
    as_json: JsonFlag = False,
) -> None:
    """Write an auditor's bundle. One file, checked offline.

    It holds the study's files, the deployment's events and the proofs of what the contracts store; check it with
    `medfed verify --bundle FILE`, without a node and without a store. At the same block it has the same bytes.
    """
    from medfed.cli.run import open_federation
    from medfed.rounds.bundle import Limits, export_bundle
    from medfed.types import StudyId

    limits = Limits(MOST_BYTES, wait, max_headers)
    federation = open_federation()
    done = export_bundle(federation, StudyId(study), file, limits, skip_missing=skip_missing)
    show_export(federation, study, file, done, as_json=as_json)


def show_export(federation: Federation, study: int, file: Path, done: Exported, *, as_json: bool) -> None:
    """Say what is in a bundle that was written, and what ties it to a chain."""
    data = {"study": study, "file": str(file), "rounds": federation.contracts.rounds.address, **plain(done)}
    show(data, as_json=as_json, render=lambda: _rendered(data))


def _rendered(data: dict[str, Any]) -> list[str]:
    left_out = [f"Missing: {', '.join(data['missing'])}."] if data["missing"] else []
    newest = data["newest"]
    return [
        f"{data['file']} holds study {data['study']} with {data['artefacts']} files.",
        *left_out,
        *_anchor(newest, data["rounds"]),
        *_standing(data["standing"]),
    ]


def bundle_facts(bundle: Bundle) -> dict[str, Any]:
    """All that is told of a bundle beside the verdict, as plain values."""
    from medfed.chain.administration import acts, contract_facts, holders

    newest, client = bundle.newest, bundle.federation.client
    facts: dict[str, Any] = plain(
        {
            "made_by": bundle.made_by,
            "chain_id": client.chain_id,
            "genesis": client.genesis_hash,
            "block": newest.number,
            "block_hash": newest.hash,
            "block_time": newest.timestamp,
            "rounds": bundle.federation.contracts.rounds.address,
            "standing": bundle.standing,
            "contracts": contract_facts(bundle.federation.contracts, newest),
            "holders": holders(bundle.federation.index),
            "administration": acts(bundle.federation.index),
        }
    )
    return facts


def _anchor(newest: dict[str, Any], rounds: str) -> list[str]:
    number = newest["number"]
    tell = "tell both to whoever checks it, by another way than the bundle."
    return [
        f"Block {number} of {when(newest['timestamp'])} UTC has the hash {newest['hash']}, FederatedRounds stands at {rounds}.",
        f"Only this hash and this address tie the bundle to a chain: {tell}",
    ]


def _standing(standing: dict[str, Any]) -> list[str]:
    """How the rest follows from that hash, and where it does not."""
    from medfed.chain.recorded import Standing

    unproved = Standing(**standing).unproved
    return [f"Not proved: {text}." for text in unproved] or [
        f"Contract storage, code and events are proved, by {standing['headers']} block headers in a row."
    ]
