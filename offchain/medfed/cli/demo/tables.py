"""What the demo shows at the terminal: its progress, then its tables, within eighty columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from medfed.cli.output import console, table

__all__ = ["print_result", "progress"]


@contextmanager
def progress() -> Iterator[Callable[[str], object]]:
    """Tell steps on standard error: a line for each that began, and at a terminal a sign that the last one goes on."""
    started, out = time.monotonic(), console(stderr=True)

    def tell(text: str) -> None:
        out.print(f"{time.monotonic() - started:5.1f} s  {text}")

    if not out.is_terminal:
        yield tell
        return
    with out.status("working"):
        yield tell


def print_result(result: Mapping[str, Any]) -> None:
    """The tables of a demo's result."""
    out = console()
    for part in (_rounds(result), _comparison(result), _payouts(result), *_lines(result)):
        out.print(part)


def _rounds(result: Mapping[str, Any]) -> Any:
    columns = [
        "Round#",
        "Sites#",
        "Records#",
        "AUC#",
        "Accuracy#",
        "kgas\ntrain#",
        "kgas\naggr.#",
        "s\ntrain#",
        "s\naggr.#",
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
    caption = (
        "Judged on held-out patients. Train: until all have submitted; aggr.: until two\n"
        "thirds have attested to the sum. kgas: thousand gas of all together."
    )
    return table("Rounds", columns, rows, caption=caption)


def _comparison(result: Mapping[str, Any]) -> Any:
    pooled = result["pooled_auc"]
    models = {"federated": result["federated_auc"], "pooled training": pooled}
    models |= {f"{name} alone": auc for name, auc in result["site_auc"].items()}
    rows = [(name, f"{auc:.4f}", f"{auc - pooled:+.4f}") for name, auc in models.items()]
    return table("What federating is worth", ["Model", "AUC#", "To pooled#"], rows)


def _payouts(result: Mapping[str, Any]) -> Any:
    unit, symbol = 10 ** result["token"]["decimals"], result["token"]["symbol"]
    rows = [
        (_payee(result, account), f"{amount / unit:,.2f}", account)
        for account, amount in result["payouts"].items()
    ]
    caption = f"The sponsor put in {result['reward'] / unit:,.2f} {symbol}. Roundings stay in the vault."
    return table("Who was paid what", ["Who", f"{symbol}#", "Account"], rows, caption=caption)


def _payee(result: Mapping[str, Any], account: str) -> str:
    name = str(result["names"].get(account, account))
    return "sponsor, back" if name == "sponsor" else name


def _lines(result: Mapping[str, Any]) -> list[str]:
    consents, verified = result["consents"], result["verified"]
    revoked = f", {consents['revoked']} revoked during round 2" if consents["revoked"] else ""
    return [
        f"Consents: {consents['granted']} for this research, {consents['other_purpose']} for another, {consents['none']} none{revoked}.",
        "Verified: every round recomputed from public bytes."
        if verified is True
        else f"NOT VERIFIED: {verified}",
        f"Final model {result['model_cid']}",
        f"{result['seconds']} s in all.",
    ]
