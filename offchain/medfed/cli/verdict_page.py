"""The verdict of an audit as one HTML page: no script, nothing from elsewhere, made to be printed."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from medfed.cli.output import visible

if TYPE_CHECKING:
    from medfed.cli.verdict import Table, Verdict

__all__ = ["page"]

_STYLE = (
    "body{font:11pt/1.45 sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#111;background:#fff}"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin:1.4em 0 .3em}"
    ".verdict{border:2px solid;padding:.6em;font-weight:bold}"
    "li,td,p{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%;font-size:.9em}"
    "th,td{border:1px solid #999;padding:.2em .5em;text-align:left;vertical-align:top;white-space:pre-line}"
    "@media print{body{margin:0;max-width:none}tr,.verdict{break-inside:avoid}h2{break-after:avoid}}"
)


def page(verdict: Verdict) -> str:
    """The page; every word in it is escaped, as others chose many of them."""
    title = _text(verdict.title)
    parts = [f"<h1>{title}</h1>", f"<p class='verdict'>{_text(verdict.verdict)}</p>"]
    for name, texts in verdict.sections:
        if texts:
            parts.append(
                f"<h2>{_text(name)}</h2><ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>"
            )
    parts += [_table(table) for table in (*verdict.tables, *verdict.details)]
    parts.append(f"<p>{_text(verdict.foot)}</p>")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th scope='col'>{_text(name.rstrip('#'))}</th>" for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return f"<h2>{_text(table.title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _text(value: object) -> str:
    return html.escape("" if value is None else visible(str(value)))
