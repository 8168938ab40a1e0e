"""A warm round of four hospitals, each a process of its own, on Anvil with the demo's model: from opening to final.

The first two rounds do not count: in the first everybody loads torch, in the second the demo waits for a revocation.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from bench.figure import Figure
from medfed.chain.client import connect
from medfed.cli.demo.own_chain import running_anvil
from medfed.cli.demo.play import Watch, play
from medfed.cli.demo.scenario import Stage, prepare

LIMIT_SECONDS = 1.5
_HOSPITALS, _ROUNDS, _SEED = 4, 12, 7
_FIRST = 3
_TRANSACTIONS = 2 * _HOSPITALS
"""A round's: everybody submits and attests."""


def measure() -> list[Figure]:
    """Seconds of the median round, and of its two parts."""
    with tempfile.TemporaryDirectory() as name, running_anvil(Path(name) / "chain.json") as rpc:
        stage, watch = _play(rpc, Path(name))
        sending = _sending(stage)
    parts = [watch.seconds(number) for number in range(_FIRST, _ROUNDS + 1)]
    whole = [sum(part.values()) for part in parts]
    against = {f"{_TRANSACTIONS} transactions, one after another": statistics.median(whole) / sending}
    return [
        Figure(
            "round of four processes, median", statistics.median(whole), "s", LIMIT_SECONDS, against=against
        ),
        *(
            Figure(f"of it: {phase}", statistics.median(part[phase] for part in parts), "s", LIMIT_SECONDS)
            for phase in ("training", "aggregating")
        ),
    ]


def _play(rpc: str, folder: Path) -> tuple[Stage, Watch]:
    store = f"local:{folder / 'store'}"
    settings = folder / "medfed.toml"
    settings.write_text(
        f'rpc = "{rpc}"\nstore = "{store}"\nstate_dir = "."\nconfirmations = 0\n', encoding="utf-8"
    )
    stage = prepare(connect(rpc), store, folder, (_HOSPITALS, _ROUNDS, _SEED), lambda _: None)
    watch = Watch(stage, lambda _: None)
    play(stage, watch, processes=settings)
    return stage, watch


def _sending(stage: Stage) -> float:
    """Seconds for as many plain transactions as a round has: the least that one after another would take."""
    sender, token = stage.sender(stage.cast.sponsor), stage.federation.contracts.token(stage.token)
    begun = time.perf_counter()
    for amount in range(1, _TRANSACTIONS + 1):
        sender.send(token.approve(stage.cast.sponsor.address, amount))
    return time.perf_counter() - begun
