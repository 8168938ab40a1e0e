"""The demo's result as pictures and as one page that needs nothing but itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfed import durable
from medfed.cli.demo.tables import attack_parts, phases

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_report"]

_INK, _ACCENT, _SOFT, _WARM, _LINE = "#1f2933", "#0b7285", "#74c0c8", "#d9480f", "#cbd2d9"
_PHASES = {"training": _ACCENT, "aggregating": _SOFT}


@dataclass(frozen=True)
class _Picture:
    """One plot: its file's name, its title, what it shows in words, and who draws it."""

    name: str
    title: str
    words: str
    draw: Callable[[Mapping[str, Any]], Figure]


def write_report(result: Mapping[str, Any], directory: Path) -> list[Path]:
    """Write the plots (PNG) and `index.html` into `directory`; returns the paths written."""
    directory.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(result)
    written = [_save(each.draw(result), directory / f"{each.name}.png") for each in pictures]
    page = directory / "index.html"
    durable.write(page, _page(result, list(zip(pictures, written, strict=True))))
    return [*written, page]


def _pictures(result: Mapping[str, Any]) -> list[_Picture]:
    first, last = result["rounds"][0], result["rounds"][-1]
    alone = ", ".join(f"{name} {auc:.4f}" for name, auc in result["site_auc"].items())
    bins = result["calibration"]
    groups = ", ".join(
        f"{predicted:.0%} predicted and {observed:.0%} observed in {count}"
        for predicted, observed, count in zip(bins["predicted"], bins["observed"], bins["count"], strict=True)
    )
    gas = ", ".join(f"round {entry['round']} {sum(entry['gas'].values()):,}" for entry in result["rounds"])
    seconds = ", ".join(
        f"round {entry['round']} {sum(entry['seconds'].values()):.2f}" for entry in result["rounds"]
    )
    paid = ", ".join(f"{_payee(result, account)} {_tokens(result, account)}" for account in result["payouts"])
    return [
        _Picture(
            "learning",
            "AUC on held-out patients, round by round",
            f"From {first['auc']:.4f} after the first round to {last['auc']:.4f} after the last; pooled {result['pooled_auc']:.4f}.",
            _learning,
        ),
        _Picture(
            "comparison",
            "Federated, pooled, and each hospital alone",
            f"AUC: federated {result['federated_auc']:.4f}, pooled {result['pooled_auc']:.4f}; alone: {alone}.",
            _comparison,
        ),
        _Picture(
            "calibration",
            "Calibration of the final model on held-out patients; the larger a dot, the more patients",
            f"Risk {groups} patients.",
            _calibration,
        ),
        _Picture("gas", "Gas of each round, all hospitals together", f"Gas: {gas}.", _gas),
        _Picture(
            "seconds",
            "Seconds of each round; the first one loads the learning library",
            f"Seconds: {seconds}.",
            _seconds,
        ),
        _Picture("pay", "Who was paid what", f"{result['token']['symbol']}: {paid}.", _pay),
    ]


# -- pictures ------------------------------------------------------------------------------------------------------


def _figure() -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.4), dpi=144, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_LINE)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


def _rounds_axis(axes: Axes, result: Mapping[str, Any]) -> list[int]:
    from matplotlib.ticker import MaxNLocator

    rounds = [entry["round"] for entry in result["rounds"]]
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.set_xlim(0.5, len(rounds) + 0.5)
    axes.set_xlabel("round")
    return rounds


def _learning(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    rounds = _rounds_axis(axes, result)
    axes.axhline(result["pooled_auc"], color=_WARM, linestyle="--", label="pooled training")
    axes.plot(
        rounds, [entry["auc"] for entry in result["rounds"]], marker="o", color=_ACCENT, label="federated"
    )
    axes.set_ylabel("AUC")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def _comparison(result: Mapping[str, Any]) -> Figure:
    """Dots, not bars: the axis does not begin at zero."""
    figure, axes = _figure()
    values = {"federated": result["federated_auc"], "pooled": result["pooled_auc"]}
    values |= {f"{name} alone": auc for name, auc in result["site_auc"].items()}
    colours = [_ACCENT, _WARM, *[_SOFT] * len(result["site_auc"])]
    places = list(range(len(values)))
    axes.hlines(places, min(values.values()) - 0.01, list(values.values()), color=_LINE, linewidth=1)
    axes.scatter(list(values.values()), places, color=colours, s=50, zorder=3)
    for place, value in zip(places, values.values(), strict=True):
        axes.annotate(
            f"{value:.4f}", (value, place), (8, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_yticks(places, list(values))
    axes.set_xlim(min(values.values()) - 0.01, max(values.values()) + 0.006)
    axes.invert_yaxis()
    axes.set_xlabel("AUC on held-out patients")
    return figure


def _calibration(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    curve = result["calibration"]
    axes.plot([0, 1], [0, 1], color=_LINE, linewidth=1, label="perfect")
    sizes = [20 + 6 * count for count in curve["count"]]
    axes.scatter(curve["predicted"], curve["observed"], s=sizes, color=_ACCENT, alpha=0.75, label="patients")
    axes.set_xlim(-0.08, 1.08)
    axes.set_ylim(-0.12, 1.12)
    axes.set_xlabel("predicted risk")
    axes.set_ylabel("observed share")
    return figure


def _gas(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    _stack(axes, result, "gas", 1000)
    axes.set_ylabel("thousand gas")
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _stack(axes: Axes, result: Mapping[str, Any], what: str, unit: float) -> None:
    rounds = _rounds_axis(axes, result)
    bottom = [0.0] * len(rounds)
    for phase, colour in _PHASES.items():
        heights = [entry[what][phase] / unit for entry in result["rounds"]]
        axes.bar(rounds, heights, bottom=bottom, color=colour, label=phase, width=0.7)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]


def _seconds(result: Mapping[str, Any]) -> Figure:
    """On a logarithmic axis: the first round takes many times as long as the others."""
    figure, axes = _figure()
    rounds = _rounds_axis(axes, result)
    for phase, colour in _PHASES.items():
        values = [entry["seconds"][phase] for entry in result["rounds"]]
        axes.plot(rounds, values, marker="o", color=colour, label=phase)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel("seconds")
    axes.legend(frameon=False, fontsize=9)
    return figure


def _pay(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    unit = 10 ** result["token"]["decimals"]
    names = [_payee(result, account) for account in result["payouts"]]
    drawn = axes.barh(names, [value / unit for value in result["payouts"].values()], color=_ACCENT)
    axes.bar_label(drawn, fmt="{:,.2f}", fontsize=9, padding=3)
    axes.invert_yaxis()
    axes.set_xlabel(result["token"]["symbol"])
    axes.margins(x=0.2)
    return figure


def _payee(result: Mapping[str, Any], account: str) -> str:
    name = str(result["names"].get(account, account))
    return "sponsor, back" if name == "sponsor" else name


def _tokens(result: Mapping[str, Any], account: str) -> str:
    return f"{result['payouts'][account] / 10 ** result['token']['decimals']:,.2f}"


# -- the page ------------------------------------------------------------------------------------------------------

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1f2933;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem} h2{margin:2rem 0 .5rem} .scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0;font-size:.9rem} caption{text-align:left;color:#52606d;padding-bottom:.3rem}
th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid #e4e7eb;font-variant-numeric:tabular-nums}
th:first-child,td:first-child,td.text,th.text{text-align:left} tbody th{font-weight:400}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1.5rem}
figure{margin:0;break-inside:avoid} img{width:100%;height:auto} figcaption{font-size:.9rem;color:#52606d}
code{font-size:.8rem;overflow-wrap:anywhere} .ok{color:#1b6e2e} .bad{color:#b42318}
@media print{body{margin:0;max-width:none;font-size:11pt}.pictures{grid-template-columns:1fr 1fr}a{color:inherit}}
"""


def _page(result: Mapping[str, Any], pictures: Sequence[tuple[_Picture, Path]]) -> str:
    verified = result["verified"] is True
    verdict = (
        "Verified: every round recomputed from public bytes."
        if verified
        else f"Not verified: {result['verified']}"
    )
    title = f"MedFed study {result['study']}"
    parts = [
        f"<h1>{title}</h1><p>{html.escape(_summary(result))}</p>",
        f"<p class='{'ok' if verified else 'bad'}'><strong>{html.escape(verdict)}</strong></p>",
        f"<h2>Rounds</h2>{_rounds_table(result)}",
        f"<h2>Hospitals</h2>{_sites_table(result)}<p>{html.escape(_consents(result))}</p>",
        *_attack(result),
        f"<h2>Pictures</h2><div class='pictures'>{''.join(_picture(*each) for each in pictures)}</div>",
        f"<h2>Models</h2>{_models_table(result)}",
        f"<h2>What the audit could not check</h2><ul>{_items(result['unchecked'])}</ul>",
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _summary(result: Mapping[str, Any]) -> str:
    return (
        f"{len(result['site_auc'])} hospitals, {len(result['rounds'])} rounds on the {result['chain']} chain with the "
        f"{result['store']} store, seed {result['seed']}, {result['seconds']:.1f} seconds. AUC on patients of no hospital: "
        f"federated {result['federated_auc']:.4f}, pooled training {result['pooled_auc']:.4f}."
    )


def _consents(result: Mapping[str, Any]) -> str:
    found = result["consents"]
    revoked = f" {found['revoked']} revoked during round 2." if found["revoked"] else ""
    return (
        f"Consents: {found['granted']} patients for this research, {found['other_purpose']} for another purpose, "
        f"{found['none']} none.{revoked}"
    )


def _picture(picture: _Picture, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    words = html.escape(f"{picture.title}. {picture.words}", quote=True)
    return (
        f"<figure><img alt='{words}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{html.escape(picture.title)}</figcaption></figure>"
    )


def _items(texts: Sequence[str]) -> str:
    return "".join(f"<li>{html.escape(text)}</li>" for text in texts)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    cells = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope='row'>{html.escape(str(first))}</th>"
        + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    words = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<div class='scroll'><table>{words}<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"


def _rounds_table(result: Mapping[str, Any]) -> str:
    rows = [
        [
            entry["round"],
            entry["participants"],
            entry["records"],
            f"{entry['auc']:.4f}",
            f"{entry['accuracy']:.4f}",
            f"{entry['gas']['training']:,}",
            f"{entry['gas']['aggregating']:,}",
            f"{entry['seconds']['training']:.2f}",
            f"{entry['seconds']['aggregating']:.2f}",
        ]
        for entry in result["rounds"]
    ]
    head = [
        "round",
        "hospitals",
        "records",
        "AUC",
        "accuracy",
        "gas, training",
        "gas, aggregating",
        "s, training",
        "s, aggregating",
    ]
    return _table(
        head,
        rows,
        phases(result).replace("\n", " "),
    )


def _sites_table(result: Mapping[str, Any]) -> str:
    symbol = result["token"]["symbol"]
    named = {_payee(result, account): (account, _tokens(result, account)) for account in result["payouts"]}
    rows = []
    for name, (account, amount) in named.items():
        own = result["site_auc"].get(name)
        rows.append([name, "" if own is None else f"{own:.4f}", amount, account])
    put_in = f"{result['reward'] / 10 ** result['token']['decimals']:,.2f}"
    return _table(
        ["who", "AUC of its own model", f"{symbol} paid", "account"],
        rows,
        f"The sponsor put in {put_in} {symbol}; {result['left'] / 10 ** result['token']['decimals']:,.2f} are left in the study's pot.",
    )


def _attack(result: Mapping[str, Any]) -> list[str]:
    """A section on the attack, if there was one: the terminal's tables, with whole transaction hashes."""
    if "attack" not in result:
        return []
    parts = []
    for title, columns, rows, words in attack_parts(result):
        parts.append(f"<h2>{html.escape(title)}</h2>")
        head = [column.rstrip("#").replace("-\n", "").replace("\n", " ") for column in columns]
        parts.append(_table(head, rows, words.replace("\n", " ")))
    hashes = [
        f"round {row['round']}, {row['lie']} ({row['liar']}): {row['transaction'] or 'no transaction'}"
        for row in result["attack"]["lies"]
    ]
    return [*parts, f"<ul>{_items(hashes)}</ul>"] if hashes else parts


def _models_table(result: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{entry['round']}</th><td class='text'><code>{html.escape(entry['model_cid'])}</code></td></tr>"
        for entry in result["rounds"]
    )
    return (
        "<table><caption>Content identifier of the model after each round; the last one is the final model.</caption>"
        f"<thead><tr><th scope='col'>round</th><th scope='col' class='text'>model</th></tr></thead><tbody>{rows}</tbody></table>"
    )
