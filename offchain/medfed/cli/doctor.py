"""`medfed doctor`: try everything a participant needs, one sentence for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from medfed.cli.output import JsonFlag, show

__all__ = ["doctor"]


def doctor(
    hospital: Annotated[
        Path | None, typer.Option(help="Try a hospital's data and key too.", exists=True)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Try chain, contracts, store, and a hospital's data and keys; exit code 2 when something fails."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("chain", _chain),
        ("contracts", _contracts),
        ("store", _store),
    ]
    if hospital is not None:
        checks += [("data", lambda: _data(hospital)), ("key", lambda: _key(hospital))]
    found = [_try(name, check) for name, check in checks]
    lines = "\n".join(
        f"{'ok  ' if entry['ok'] else 'FAIL'} {entry['check']}: {entry['found']}" for entry in found
    )
    show(found, as_json=as_json, render=lambda: lines)
    if not all(entry["ok"] for entry in found):
        raise typer.Exit(2)


def _try(name: str, check: Callable[[], str]) -> dict[str, object]:
    from medfed.errors import MedFedError

    try:
        return {"check": name, "ok": True, "found": check()}
    except MedFedError as exc:
        return {"check": name, "ok": False, "found": str(exc)}


def _chain() -> str:
    from medfed.cli.run import open_client

    client = open_client()
    head = client.head()
    return f"chain {client.chain_id} answers, block {head.number}"


def _contracts() -> str:
    from medfed.cli.run import open_federation

    federation = open_federation()
    return f"found, {federation.contracts.rounds.study_count()} studies"


def _store() -> str:
    from medfed.cli.run import settings
    from medfed.storage import open_store

    store = open_store(settings().store)
    cid = store.put(b"medfed doctor")
    store.get(cid, 64)
    return f"{settings().store} gives back what was put"


def _data(hospital: Path) -> str:
    from medfed.config import load_hospital
    from medfed.data.csv_source import load_csv
    from medfed.data.patients import load_register

    config = load_hospital(hospital)
    records, register = load_csv(config.records, label=config.label), load_register(config.patients)
    return f"{len(records)} records, {len(register)} entries in the register"


def _key(hospital: Path) -> str:
    from medfed.cli.run import open_account
    from medfed.config import load_hospital

    config = load_hospital(hospital)
    return f"the operator is {open_account(config.keystore, config.password_file).address}"
