"""`medfed study export`, and what `medfed verify --bundle` tells about a bundle beside the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.output import JsonFlag, plain, show, table, when

if TYPE_CHECKING:
    from medfed.rounds.bundle import Bundle

__all__ = ["MOST_BYTES", "bundle_facts", "export", "rendered_facts"]

MOST_BYTES = 1 << 40
"""Of a bundle's files together; each is bounded by what it is, too."""


def export(
    study: Annotated[int, typer.Argument(help="The study's number.", min=1)],
    file: Annotated[Path, typer.Argument(help="The bundle to write.", dir_okay=False)],
    wait: Annotated[float, typer.Option(help="Seconds to ask other nodes for each file.", min=0.0)] = 10.0,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out what no node has, and say what it was.")
    ] = False,
    max_headers: Annotated[
        int, typer.Option(help="Beyond so many blocks, record only those with events.", min=1)
    ] = 200_000,
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
    done = export_bundle(open_federation(), StudyId(study), file, limits, skip_missing=skip_missing)
    data = {"study": study, "file": str(file), **plain(done)}
    show(data, as_json=as_json, render=lambda: _rendered(data))


def _rendered(data: dict[str, Any]) -> list[str]:
    left_out = [f"Missing: {', '.join(data['missing'])}."] if data["missing"] else []
    newest = data["newest"]
    return [
        f"{data['file']} holds study {data['study']} with {data['artefacts']} files.",
        *left_out,
        *_anchor(newest["number"], newest["hash"], newest["timestamp"]),
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
            "standing": bundle.standing,
            "contracts": contract_facts(bundle.federation.contracts, newest),
            "holders": holders(bundle.federation.index),
            "administration": acts(bundle.federation.index),
        }
    )
    return facts


def rendered_facts(facts: dict[str, Any]) -> list[Any]:
    """The same for people."""
    code = {True: "this version's", False: "OTHER"}
    contracts = [
        (entry["name"], entry["address"], f"{code[entry['as_compiled']]}, {entry['code_hash'][:10]}…")
        for entry in facts["contracts"]
    ]
    parameters = [
        (entry["name"], name, value)
        for entry in facts["contracts"]
        for name, value in entry["parameters"].items()
    ]
    roles = [
        (entry["role"], entry["account"], when(entry["since"]), f"{entry['delay']} s")
        for entry in facts["holders"]
    ]
    administration = [
        (act["block"], f"{act['name']}\n{act['contract']}\n{when(act['time'])}", _values(act["values"]))
        for act in facts["administration"]
    ]
    return [
        table("Contracts", ["Contract", "Address", "Code, by keccak256"], contracts),
        table("Parameters", ["Contract", "Name", "Value"], parameters),
        table("Roles", ["Role", "Held by", "Since (UTC)", "Notice"], roles),
        table("Administration", ["Block#", "What, where, when (UTC)", "With"], administration),
        f"Chain {facts['chain_id']}, genesis {facts['genesis']}, written by medfed {facts['made_by']}",
        *_anchor(facts["block"], facts["block_hash"], facts["block_time"]),
        *_standing(facts["standing"]),
    ]


def _anchor(number: int, digest: str, second: int) -> list[str]:
    compare = (
        "Only this hash and the addresses tie the bundle to a chain: ask a node or a block explorer that you trust for "
        f"block {number}, and compare."
    )
    return [f"Block {number} of {when(second)} UTC has the hash {digest}.", compare]


def _standing(standing: dict[str, Any]) -> list[str]:
    """How the rest follows from that hash, and where it does not."""
    told = ["Contract storage and code are proved by the block's state root."]
    if not standing["proved"]:
        told = ["Not proved: contract storage and code are as the node told them, which gave no proofs."]
    if standing["gaps"]:
        told.append(
            f"Not proved: blocks were left out in {standing['gaps']} places, so that only their own hashes hold the "
            "older blocks with events."
        )
    else:
        told.append(f"Events are proved by {standing['headers']} block headers in a row, up to that block.")
    if standing["uncertain"]:
        told.append(f"Not proved: {standing['uncertain']} blocks may hold events that were not recorded.")
    return told


def _values(values: dict[str, Any]) -> str:
    return "\n".join(f"{name} {value}" for name, value in values.items())
