"""`medfed demo`."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed import durable
from medfed.cli.demo.tables import print_result, progress
from medfed.cli.output import note

if TYPE_CHECKING:
    from medfed.chain.client import ChainClient
    from medfed.cli.demo.attack import Plan
    from medfed.cli.demo.play import Watch
    from medfed.cli.demo.scenario import Stage

__all__ = ["demo"]

_VERIFYING = "Verifying the study as an auditor would, and training alone and pooled to compare"


def demo(  # noqa: PLR0913, PLR0917 - one parameter for each option
    hospitals: Annotated[int, typer.Option(help="How many hospitals take part.", min=2, max=10)] = 4,
    rounds: Annotated[int, typer.Option(help="How many rounds they train.", min=1, max=50)] = 5,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.", min=0)] = 7,
    chain: Annotated[
        str, typer.Option(help="embedded (an EVM in this process), anvil, or geth (its development chain).")
    ] = "embedded",
    store: Annotated[
        str, typer.Option(help="local (a directory) or kubo (an IPFS daemon, see --kubo).")
    ] = "local",
    kubo: Annotated[str, typer.Option(help="Address of the Kubo daemon's RPC.")] = "http://127.0.0.1:5001",
    attack: Annotated[
        str,
        typer.Option(
            help="Let some lie: aggregator, quorum, or hospital:ATTACK (signflip, scaled, noise, labelflip, alie, ipm; "
            "outofrange, which can be proved). Not with --processes: liars are played in this process."
        ),
    ] = "",
    rule: Annotated[
        str,
        typer.Option(
            help="How updates become an aggregate: sum, median, trimmed-mean, multi-krum or geometric-median; sum unless "
            "named, median where a hospital attacks."
        ),
    ] = "",
    processes: Annotated[
        bool,
        typer.Option(
            "--processes", help="Run each hospital as its own process (needs --chain anvil or geth)."
        ),
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
    """Run a whole federated study on real data.

    Deploy, consent, train, attest, pay, verify.

    The data are the 569 patients of the Wisconsin breast-cancer set: 456 are split unevenly over the hospitals, and 113 are
    held out to judge the models.
    """
    from medfed.cli.demo.attack import plan_of
    from medfed.errors import InputError

    started = time.monotonic()
    _check(chain, store, processes, keep)
    plan = plan_of(attack, rule, hospitals, rounds)
    if plan.kind and processes:
        raise InputError("Liars are played in the demo's own process; run --attack without --processes.")
    with ExitStack() as stack, progress() as tell:
        stack.enter_context(_ended_by_signal())
        folder = _folder(stack, keep)
        tell(f"Starting the {chain} chain")
        client, rpc = _chain(stack, chain, folder)
        place = f"kubo:{kubo}" if store == "kubo" else f"local:{folder / 'store'}"
        stage, result = _run(
            client, folder, (rpc, place), (hospitals, rounds, seed), (chain, store), (plan, processes, tell)
        )
        if keep is not None:
            from medfed.cli.demo.kept import write_keys

            write_keys(stage, keep, rpc)
    result["seconds"] = round(time.monotonic() - started, 2)
    _deliver(result, json_file, report, keep)
    if result["verified"] is not True or _changed_by_liars(result.get("attack", {})):
        raise typer.Exit(1)


def _changed_by_liars(attack: dict[str, Any]) -> bool:
    """Whether false claims changed the model, which they must not."""
    return bool(attack) and attack["kind"] == "aggregator" and not attack["same_model"]


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that its chain and its hospitals end with it."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check(chain: str, store: str, processes: bool, keep: Path | None) -> None:
    from medfed.errors import InputError

    if chain not in ("embedded", "anvil", "geth"):
        raise InputError(f"--chain is embedded, anvil or geth, not {chain}.")
    if store not in ("local", "kubo"):
        raise InputError(f"--store is local or kubo, not {store}.")
    if chain == "embedded" and processes:
        raise InputError(
            "The embedded chain lives and dies in one process; --processes needs --chain anvil or geth."
        )
    if chain != "anvil" and keep:
        raise InputError("Only Anvil keeps its chain in one file; --keep needs --chain anvil.")
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
    from medfed.cli.demo.own_chain import running_anvil, running_geth

    started = running_geth(folder / "geth") if kind == "geth" else running_anvil(folder / "chain.json")
    rpc = stack.enter_context(started)
    return connect(rpc), rpc


def _run(
    client: ChainClient,
    folder: Path,
    places: tuple[str, str],
    options: tuple[int, int, int],
    kinds: tuple[str, str],
    how: tuple[Plan, bool, Callable[[str], object]],
) -> tuple[Stage, dict[str, Any]]:
    from medfed.cli.demo.play import Watch, play, result_of
    from medfed.cli.demo.scenario import prepare
    from medfed.log import configure

    configure("error")
    plan, processes, tell = how
    settings = folder / "medfed.toml"
    rpc, place = places
    durable.write(settings, f'rpc = "{rpc}"\nstore = "{place}"\nstate_dir = "."\nconfirmations = 0\n')
    stage = prepare(client, place, folder, options, tell, plan.rule)
    watch = Watch(stage, tell)
    tell(f"Starting {options[0]} hospitals{', each as a process' if processes else ''}")
    if plan.kind:
        return stage, _attacked(plan, (stage, watch), kinds, (options, folder, tell))
    play(stage, watch, processes=settings if processes else None)
    tell(_VERIFYING)
    return stage, result_of(stage, watch, kinds)


def _attacked(
    plan: Plan,
    scene: tuple[Stage, Watch],
    kinds: tuple[str, str],
    beside: tuple[tuple[int, int, int], Path, Callable[[str], object]],
) -> dict[str, Any]:
    """The demo with liars: its result tells what the attack did."""
    from medfed.cli.demo.attack import another_run, facts, perform_attack
    from medfed.cli.demo.play import result_of

    lies = perform_attack(plan, *scene)
    beside[-1](_VERIFYING)
    result = result_of(*scene, kinds)
    result["attack"] = facts(plan, scene[0], result, lies(), another_run(*beside))
    return result


def _deliver(result: dict[str, Any], json_file: str, report: Path | None, keep: Path | None) -> None:
    """Files first: whoever reads the terminal may close it."""
    text = json.dumps(result, indent=2)
    if json_file not in ("", "-"):
        durable.write(Path(json_file), text + "\n")
    if report is not None:
        from medfed.cli.demo.report import write_report

        write_report(result, report)
    if json_file == "-":
        typer.echo(text)
    else:
        print_result(result)
    if report is not None:
        note(f"The report is {report / 'index.html'}.")
    if keep is not None:
        note(f"Kept in {keep}; {keep / 'README.txt'} says how to go on.")
