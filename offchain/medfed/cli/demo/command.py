"""`medfed demo`."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.output import console, note, table

if TYPE_CHECKING:
    from medfed.chain.client import ChainClient

__all__ = ["demo"]


def demo(  # noqa: PLR0913, PLR0917 - one parameter for each option
    hospitals: Annotated[int, typer.Option(help="How many hospitals take part.", min=2, max=10)] = 4,
    rounds: Annotated[int, typer.Option(help="How many rounds they train.", min=1, max=50)] = 5,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.", min=0)] = 7,
    chain: Annotated[str, typer.Option(help="embedded (an EVM in this process) or anvil.")] = "embedded",
    store: Annotated[
        str, typer.Option(help="local (a directory) or kubo (an IPFS daemon, see --kubo).")
    ] = "local",
    kubo: Annotated[str, typer.Option(help="Address of the Kubo daemon's RPC.")] = "http://127.0.0.1:5001",
    processes: Annotated[
        bool, typer.Option("--processes", help="Run each hospital as its own process (needs --chain anvil).")
    ] = False,
    json_file: Annotated[
        str, typer.Option("--json", help="Write everything as JSON to this file, - for standard output.")
    ] = "",
    report: Annotated[
        Path | None, typer.Option(help="Write plots and one self-contained page into this directory.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep chain, store and settings in this directory (needs --chain anvil)."),
    ] = None,
) -> None:
    """Run a whole federated study on real data: deploy, consent, train, attest, pay, verify.

    The data are the 569 patients of the Wisconsin breast-cancer set, split unevenly over the hospitals.
    """
    started = time.monotonic()
    _check(chain, store, processes, keep)
    with ExitStack() as stack:
        folder = _folder(stack, keep)
        client, rpc = _chain(stack, chain, folder)
        place = f"kubo:{kubo}" if store == "kubo" else f"local:{folder / 'store'}"
        result = _run(client, folder, (rpc, place), (hospitals, rounds, seed), (chain, store), processes)
    result["seconds"] = round(time.monotonic() - started, 2)
    _deliver(result, json_file, report, keep)
    if result["verified"] is not True:
        raise typer.Exit(1)


def _check(chain: str, store: str, processes: bool, keep: Path | None) -> None:
    from medfed.errors import InputError

    if chain not in ("embedded", "anvil"):
        raise InputError(f"--chain is embedded or anvil, not {chain}.")
    if store not in ("local", "kubo"):
        raise InputError(f"--store is local or kubo, not {store}.")
    if chain == "embedded" and (processes or keep):
        raise InputError(
            "The embedded chain lives and dies in one process; --processes and --keep need --chain anvil."
        )
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise InputError(f"The directory {keep} is not empty; name a new one for --keep.")


def _folder(stack: ExitStack, keep: Path | None) -> Path:
    if keep is None:
        return Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="medfed-demo-", ignore_cleanup_errors=True)
            )
        )
    keep.mkdir(parents=True, exist_ok=True)
    return keep.resolve()


def _chain(stack: ExitStack, kind: str, folder: Path) -> tuple[ChainClient, str]:
    from medfed.chain.client import connect

    if kind == "embedded":
        return connect("embedded:"), "embedded:"
    from medfed.cli.demo.anvil import running_anvil

    rpc = stack.enter_context(running_anvil(folder / "chain.json"))
    return connect(rpc), rpc


def _run(
    client: ChainClient,
    folder: Path,
    places: tuple[str, str],
    options: tuple[int, int, int],
    kinds: tuple[str, str],
    processes: bool,
) -> dict[str, Any]:
    from medfed.cli.demo.play import Watch, play, result_of, settle
    from medfed.cli.demo.scenario import prepare
    from medfed.log import configure

    configure("error")
    settings = folder / "medfed.toml"
    rpc, place = places
    settings.write_text(
        f'rpc = "{rpc}"\nstore = "{place}"\nstate_dir = "."\nconfirmations = 0\n', encoding="utf-8"
    )
    stage = prepare(client, place, folder, options, note)
    watch = Watch(stage, note)
    play(stage, watch, processes=settings if processes else None)
    note("Settling")
    settle(stage)
    note("Verifying the study as an auditor would")
    return result_of(stage, watch, kinds)


def _deliver(result: dict[str, Any], json_file: str, report: Path | None, keep: Path | None) -> None:
    if json_file == "-":
        typer.echo(json.dumps(result, indent=2))
    else:
        _print(result)
    if json_file not in ("", "-"):
        Path(json_file).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if report is not None:
        from medfed.cli.demo.report import write_report

        write_report(result, report)
        note(f"The report is {report / 'index.html'}.")
    if keep is not None:
        note(
            f"Kept in {keep}. Start its chain again with: anvil --state {keep}/chain.json --port PORT, with PORT as in {keep}/medfed.toml."
        )


def _print(result: dict[str, Any]) -> None:
    out = console()
    out.print(_rounds(result))
    out.print(_comparison(result))
    out.print(_payouts(result))
    consents = result["consents"]
    out.print(
        f"Consents: {consents['granted']} for this research, {consents['other_purpose']} for another purpose, {consents['none']} none, "
        f"{consents['revoked']} revoked during round 2."
    )
    out.print(
        "Verified: every round recomputed from public bytes."
        if result["verified"] is True
        else f"NOT VERIFIED: {result['verified']}"
    )
    out.print(f"Final model {result['model_cid']}, {result['seconds']} s in all.")


def _rounds(result: dict[str, Any]) -> Any:
    columns = [
        "Round#",
        "Sites#",
        "Records#",
        "AUC#",
        "Acc.#",
        "kGas train#",
        "kGas aggr.#",
        "s train#",
        "s aggr.#",
    ]
    rows = [
        (
            entry["round"],
            entry["participants"],
            entry["records"],
            f"{entry['auc']:.4f}",
            f"{entry['accuracy']:.4f}",
            f"{entry['gas']['training'] / 1000:,.0f}",
            f"{entry['gas']['aggregating'] / 1000:,.0f}",
            f"{entry['seconds']['training']:.2f}",
            f"{entry['seconds']['aggregating']:.2f}",
        )
        for entry in result["rounds"]
    ]
    return table("Rounds, judged on held-out patients", columns, rows)


def _comparison(result: dict[str, Any]) -> Any:
    rows = [
        ("federated", f"{result['federated_auc']:.4f}"),
        ("pooled training", f"{result['pooled_auc']:.4f}"),
    ]
    rows += [(f"{name} alone", f"{auc:.4f}") for name, auc in result["site_auc"].items()]
    return table("What federating is worth", ["Model", "AUC#"], rows)


def _payouts(result: dict[str, Any]) -> Any:
    unit, symbol = 10 ** result["token"]["decimals"], result["token"]["symbol"]
    rows = [
        (result["names"].get(account, account), f"{amount / unit:,.2f} {symbol}", account)
        for account, amount in result["payouts"].items()
    ]
    return table("Who was paid", ["Who", "Paid#", "Account"], rows)
