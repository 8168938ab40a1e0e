"""The parameters that docs/security.md tells are those of the networks."""

from __future__ import annotations

import re
import tomllib

from tests.conftest import ROOT

SECONDS = {"s": 1, "min": 60, "h": 3_600, "days": 86_400}
ROWS = {
    "`SLASH_BPS`, of": ("studies", "slash_bps"),
    "`CHALLENGER_BPS`, of": ("vault", "challenger_bps"),
    "shortest phase": ("studies", "min_phase_seconds"),
    "shortest dispute window": ("studies", "min_dispute_seconds"),
}


def told(cell: str) -> int:
    number, _, unit = cell.strip().replace(",", "").partition(" ")
    return int(number) * SECONDS.get(unit, 1)


def test_the_table_is_that_of_the_networks():
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    header = re.search(r"^\| \| (development.*) \|$", text, re.MULTILINE)
    assert header
    networks = header[1].split(" | ")
    parameters = [
        tomllib.loads((ROOT / "deploy" / "params" / f"{name}.toml").read_text()) for name in networks
    ]
    for row, (section, key) in ROWS.items():
        found = re.search(rf"^\| {re.escape(row)}[^|]*\| (.*) \|$", text, re.MULTILINE)
        assert found, row
        assert [told(cell) for cell in found[1].split(" | ")] == [each[section][key] for each in parameters]
    assert sorted(networks) == sorted(path.stem for path in (ROOT / "deploy" / "params").glob("*.toml"))
