"""What the demo shows at the terminal: its progress, then its tables, within eighty columns."""

from __future__ import annotations

import functools
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from medfed.cli.output import console, table

__all__ = ["attack_parts", "phases", "print_result", "progress"]

_CAPTION = 78
"""Columns of a caption, about as many as of the table that it stands under."""


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
    attack = attack_parts(result) if "attack" in result else []
    tables = [table(title, head, rows, caption=words) for title, head, rows, words in attack]
    for part in (_rounds(result), _comparison(result), *tables, _payouts(result), *_lines(result)):
        out.print(part)


def attack_parts(
    result: Mapping[str, Any],
) -> list[tuple[str, list[str], list[tuple[object, ...]], str]]:
    """What an attack did, as tables: title, columns, rows, caption."""
    attack = result["attack"]
    return [_poisoned(attack) if "auc" in attack else _lies(result), _gains(result)]


def _poisoned(attack: Mapping[str, Any]) -> tuple[str, list[str], list[tuple[object, ...]], str]:
    columns = ["Round#", f"AUC, attacked:\n{attack['rule']}#", "AUC, attacked:\nplain averaging#"]
    columns.append(f"AUC, no attack:\n{attack['rule']}#")
    rows: list[tuple[object, ...]] = [
        (each["round"], *(f"{each[name]:.4f}" for name in ("attacked", "averaged", "honest")))
        for each in attack["auc"]
    ]
    words = f"{attack['attacker']} attacks in every round: {attack['poison']}."
    return "What the attack did", columns, rows, words


def _lies(result: Mapping[str, Any]) -> tuple[str, list[str], list[tuple[object, ...]], str]:
    unit, symbol = 10 ** result["token"]["decimals"], result["token"]["symbol"]
    columns = ["Round#", "Lie", "Caught by", "How", f"{symbol}\nslashed#", "Trans-\naction"]
    rows: list[tuple[object, ...]] = [
        (
            row["round"],
            row["lie"],
            row["by"],
            "refused" if row["by"] == "contract" else row["caught"].removeprefix("proof, "),
            f"{row['slashed'] / unit:,.2f}",
            f"{row['transaction'][:8]}…" if row["transaction"] else "none",
        )
        for row in result["attack"]["lies"]
    ]
    return "What the attack did", columns, rows, _verdict(result)


def _verdict(result: Mapping[str, Any]) -> str:
    attack = result["attack"]
    if attack["ended"] == "aborted":
        return (
            f"The study is {attack['ended']}: the result of round {attack['undone_from']} is undone. From that round\n"
            "on, who attested to it is paid nothing; all others are paid for their updates\n"
            "as if it were right. Attesting to it pays nobody anything."
        )
    others = ", ".join(attack["completed_by"])
    if attack["kind"] == "hospital":
        return f"The update left the round's set, and its author submits no more.\nThe rounds were completed by {others}."
    if attack["same_model"]:
        return (
            "A contract judges words, not files: a wrong model CID is kept out, and costs nothing.\n"
            f"The rounds were completed by {others}.\nThe final model is the same as without the attack."
        )
    return f"THE FINAL MODEL IS ANOTHER THAN WITHOUT THE ATTACK:\n{attack['model_cid_without']}"


def _gains(result: Mapping[str, Any]) -> tuple[str, list[str], list[tuple[object, ...]], str]:
    """Who is paid, what was taken, and what is left of it: with liars, and in the same study without them."""
    symbol, text = result["token"]["symbol"], functools.partial(_amount, result)
    rows: list[tuple[object, ...]] = [
        (
            row["name"],
            *(text(row[name]) if row[name] else "" for name in ("paid", "slashed", "won")),
            f"{text(row['net'])}",
            f"{text(row['honest'])}",
        )
        for row in result["attack"]["gains"]
    ]
    columns = ["Who", "Paid#", "Slashed#", "Won by\nproofs#", "Net gain#", "Net gain,\nno attack#"]
    return f"Who gained what, in {symbol}", columns, rows, _whither(result)


def _whither(result: Mapping[str, Any]) -> str:
    """Where slashed tokens went."""
    rows, symbol = result["attack"]["gains"], result["token"]["symbol"]
    slashed, won = (sum(row[name] for row in rows) for name in ("slashed", "won"))
    if not slashed:
        return "Nothing was slashed: poison cannot be proved. Studies that pay by reviews pay less for it."
    in_pot = _amount(result, rows[-1]["net"])
    left = (
        ""
        if in_pot == _amount(result, 0)
        else "\nWhat is left in the pot has not been claimed yet, or was earned by nobody and\nis nobody's."
    )
    return (
        f"Slashed: {_amount(result, slashed)} {symbol}. Who proved it has {_amount(result, won)} of it; the rest is burnt, so\n"
        f"nobody's: sponsor, consortium and the other hospitals have none of it.{left}"
    )


def _amount(result: Mapping[str, Any], units: int) -> str:
    return f"{units / 10 ** result['token']['decimals']:,.2f}"


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
    caption = f"Judged on held-out patients. kgas: thousand gas of all together.\n{phases(result)}"
    return table("Rounds", columns, rows, caption=caption)


def phases(result: Mapping[str, Any]) -> str:
    """What the two phases of a round lasted until."""
    claimed = result.get("attack", {}).get("kind") == "aggregator"
    end = (
        "a claim of it was final, or two thirds attested to it"
        if claimed
        else "two thirds had attested to it"
    )
    text = f"Train: until all had submitted; aggr.: the {result['rule']}, until {end}."
    return textwrap.fill(text, _CAPTION)


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
    caption = f"The sponsor put in {result['reward'] / unit:,.2f} {symbol}; {result['left'] / unit:,.2f} are left in the study's pot."
    return table("Who was paid what", ["Who", f"{symbol}#", "Account"], rows, caption=caption)


def _payee(result: Mapping[str, Any], account: str) -> str:
    name = str(result["names"].get(account, account))
    return "sponsor, back" if name == "sponsor" else name


def _lines(result: Mapping[str, Any]) -> list[str]:
    consents, verified = result["consents"], result["verified"]
    asked = sum(consents[name] for name in ("granted", "other_purpose", "none"))
    revoked = f", {consents['revoked']} revoked during round 2" if consents["revoked"] else ""
    return [
        f"Consents: {consents['granted']} for this research, {consents['other_purpose']} for another, {consents['none']} none{revoked}.",
        f"They are the hospitals' {asked} patients; {result['held_out']} others are held out, for judging models.",
        "Verified: every round recomputed from public bytes."
        if verified is True
        else f"NOT VERIFIED: {verified}",
        f"Final model {result['model_cid']}",
        f"{result['seconds']} s in all.",
    ]
