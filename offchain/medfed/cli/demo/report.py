"""The demo's result as pictures and as one page that needs nothing but itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_report"]

_INK, _ACCENT, _SOFT, _WARM = "#1f2933", "#0b7285", "#a5d8dd", "#e8590c"
_PHASES = {"training": _ACCENT, "aggregating": _SOFT}


def write_report(result: Mapping[str, Any], directory: Path) -> list[Path]:
    """Write the plots (PNG) and `index.html` into `directory`; returns the paths written."""
    directory.mkdir(parents=True, exist_ok=True)
    plots = {
        "learning": ("AUC on held-out patients, round by round", _learning(result)),
        "comparison": ("Federated, pooled, and each hospital alone", _comparison(result)),
        "calibration": ("Calibration of the final model", _calibration(result)),
        "cost": ("Gas and seconds by phase", _cost(result)),
        "pay": ("Who was paid what", _pay(result)),
    }
    written = [_save(figure, directory / f"{name}.png") for name, (_, figure) in plots.items()]
    page = directory / "index.html"
    titles = [title for title, _ in plots.values()]
    page.write_text(_page(result, list(zip(titles, written, strict=True))), encoding="utf-8")
    return [*written, page]


def _figure(width: float = 6.4, height: float = 3.6) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=8)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


def _learning(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    rounds = [entry["round"] for entry in result["rounds"]]
    axes.plot(
        rounds, [entry["auc"] for entry in result["rounds"]], marker="o", color=_ACCENT, label="federated"
    )
    axes.axhline(result["pooled_auc"], color=_WARM, linestyle="--", label="pooled")
    axes.set_xticks(rounds)
    axes.set_xlabel("round")
    axes.set_ylabel("AUC")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _comparison(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    bars = {"federated": result["federated_auc"], "pooled": result["pooled_auc"], **result["site_auc"]}
    colours = [_ACCENT, _WARM, *[_SOFT] * len(result["site_auc"])]
    drawn = axes.barh(list(bars), list(bars.values()), color=colours)
    axes.bar_label(drawn, fmt="%.4f", fontsize=8, padding=3)
    axes.set_xlim(max(0.0, min(bars.values()) - 0.05), 1.02)
    axes.invert_yaxis()
    axes.set_xlabel("AUC on held-out patients")
    return figure


def _calibration(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure(4.2, 3.8)
    curve = result["calibration"]
    axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1)
    axes.plot(curve["predicted"], curve["observed"], marker="o", color=_ACCENT)
    axes.set_xlabel("predicted risk")
    axes.set_ylabel("observed share")
    return figure


def _cost(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    rounds = [entry["round"] for entry in result["rounds"]]
    bottom = [0.0] * len(rounds)
    for phase, colour in _PHASES.items():
        gas = [entry["gas"][phase] / 1000 for entry in result["rounds"]]
        axes.bar(rounds, gas, bottom=bottom, color=colour, label=f"gas, {phase}")
        bottom = [low + high for low, high in zip(bottom, gas, strict=True)]
    seconds = axes.twinx()
    seconds.plot(
        rounds,
        [sum(entry["seconds"].values()) for entry in result["rounds"]],
        color=_WARM,
        marker="o",
        label="seconds",
    )
    seconds.set_ylim(bottom=0)
    axes.set_xticks(rounds)
    axes.set_xlabel("round")
    axes.set_ylabel("thousand gas")
    seconds.set_ylabel("seconds")
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def _pay(result: Mapping[str, Any]) -> Figure:
    figure, axes = _figure()
    names = [_name(result, account) for account in result["payouts"]]
    drawn = axes.barh(
        names,
        [value / 10 ** result["token"]["decimals"] for value in result["payouts"].values()],
        color=_ACCENT,
    )
    axes.bar_label(drawn, fmt="%.2f", fontsize=8, padding=3)
    axes.invert_yaxis()
    axes.set_xlabel(result["token"]["symbol"])
    axes.margins(x=0.15)
    return figure


def _name(result: Mapping[str, Any], account: str) -> str:
    return str(result["names"].get(account, account))


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1f2933;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem} table{border-collapse:collapse;width:100%;margin:1rem 0;font-size:.9rem}
th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid #e4e7eb} th:first-child,td:first-child{text-align:left}
figure{display:inline-block;margin:.5rem .5rem 1rem 0;vertical-align:top} img{max-width:100%} figcaption{font-size:.85rem;color:#52606d}
code{font-size:.8rem;overflow-wrap:anywhere} .ok{color:#2b8a3e} .bad{color:#c92a2a}
@media print{body{margin:0}}
"""


def _page(result: Mapping[str, Any], pictures: Sequence[tuple[str, Path]]) -> str:
    verified = result["verified"] is True
    verdict = (
        "Verified: every round recomputed from public bytes."
        if verified
        else f"Not verified: {result['verified']}"
    )
    figures = "".join(_picture(title, path) for title, path in pictures)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>MedFed study {result['study']}</title><style>{_STYLE}</style></head><body>"
        f"<h1>MedFed study {result['study']}</h1><p>{html.escape(_summary(result))}</p>"
        f"<p class='{'ok' if verified else 'bad'}'><strong>{html.escape(verdict)}</strong></p>"
        f"<h2>Rounds</h2>{_rounds_table(result)}<h2>Hospitals</h2>{_sites_table(result)}"
        f"<h2>Pictures</h2>{figures}<h2>Final model</h2><p><code>{html.escape(str(result['model_cid']))}</code></p></body></html>\n"
    )


def _summary(result: Mapping[str, Any]) -> str:
    return (
        f"{len(result['site_auc'])} hospitals, {len(result['rounds'])} rounds on the {result['chain']} chain with the "
        f"{result['store']} store, seed {result['seed']}, {result['seconds']:.1f} seconds. Federated AUC {result['federated_auc']:.4f}, "
        f"pooled training {result['pooled_auc']:.4f}."
    )


def _picture(title: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    text = html.escape(title)
    return f"<figure><img alt='{text}' src='data:image/png;base64,{data}'><figcaption>{text}</figcaption></figure>"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _rounds_table(result: Mapping[str, Any]) -> str:
    rows = [
        [
            entry["round"],
            entry["participants"],
            entry["records"],
            f"{entry['auc']:.4f}",
            f"{entry['accuracy']:.4f}",
            f"{sum(entry['gas'].values()):,}",
            f"{sum(entry['seconds'].values()):.2f}",
            entry["model_cid"],
        ]
        for entry in result["rounds"]
    ]
    return _table(["round", "hospitals", "records", "AUC", "accuracy", "gas", "seconds", "model"], rows)


def _sites_table(result: Mapping[str, Any]) -> str:
    unit = 10 ** result["token"]["decimals"]
    paid = {_name(result, account): value / unit for account, value in result["payouts"].items()}
    rows = [
        [name, f"{auc:.4f}", f"{paid.get(name, 0):.2f} {result['token']['symbol']}"]
        for name, auc in result["site_auc"].items()
    ]
    return _table(["hospital", "AUC of its own model", "paid"], rows)
