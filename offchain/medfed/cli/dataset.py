"""`medfed dataset`: commit to records and register them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medfed.cli.output import JsonFlag, show, table

__all__ = ["app"]

app = typer.Typer(name="dataset", help="Register and list datasets.", no_args_is_help=True)


@app.command("register")
def register(
    hospital: Annotated[
        Path, typer.Argument(help="The hospital's file (TOML).", exists=True, dir_okay=False)
    ],
    uses: Annotated[str, typer.Option(help="What the records may be used for, e.g. GRU or HMB,NPU.")],
    disease: Annotated[int, typer.Option(help="Disease code, 0 for none.", min=0)] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Commit to the records that a hospital's file names, and register them. No record leaves the site."""
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.config import load_hospital

    config = load_hospital(hospital)
    federation = open_federation()
    sender = open_sender(federation, open_account(config.keystore, config.password_file))
    files = (config.records, config.patients, config.secret)
    number = actions.register_dataset(
        federation, sender, files, uses=uses, disease=disease, label=config.label
    )
    show(
        {"dataset": int(number)},
        as_json=as_json,
        render=lambda: f"Dataset {number} is registered; write `dataset = {number}` into {hospital}.",
    )


@app.command("list")
def list_datasets(as_json: JsonFlag = False) -> None:
    """List every dataset version on chain."""
    from medfed.chain.history import datasets
    from medfed.cli.run import open_federation
    from medfed.protocol import purposes as duo

    found = datasets(open_federation().index)
    data = [
        {
            "dataset": int(d.dataset),
            "version": d.version,
            "records": d.info.records,
            "uses": duo.names(d.info.uses),
        }
        for d in found
    ]
    rows = [
        (entry["dataset"], entry["version"], entry["records"], ", ".join(duo.names(d.info.uses)))
        for entry, d in zip(data, found, strict=True)
    ]
    show(
        data,
        as_json=as_json,
        render=lambda: table("Datasets", ["Dataset#", "Version#", "Records#", "Uses"], rows),
    )
