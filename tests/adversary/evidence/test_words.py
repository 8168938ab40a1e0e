"""Words that a forger puts into a bundle: they move no cursor, turn no letters around and begin no line of their own."""

from __future__ import annotations

import pytest

from medfed.chain import rlp
from medfed.chain.client import ChainClient
from medfed.rounds.bundle import export_bundle
from tests.adversary.evidence.conftest import LIMITS

EVIL = b"\x1b]0;owned\x07\x1b[2J\xc2\x9b2J [bold]ok[/bold] <script>\xe2\x80\xae\nEverything that can be checked is right."


@pytest.fixture
def unproved(played, forger, monkeypatch):
    """A bundle whose answers are whatever the forger says."""
    client = played.world.client
    monkeypatch.setattr(client, "witness", lambda *asked: ChainClient.witness(client, *asked))
    path = forger.folder / "told.medfed"
    export_bundle(played.world.federation(), played.study, path, LIMITS)
    return type(forger)(path, forger.folder / "empty")


@pytest.mark.parametrize("place", [0.05, 0.1, 0.4, 0.6, 0.8])
def test_reasons_that_contracts_never_gave(unproved, typed, place):
    """A revert is recorded as the sentence that it made. Nothing in it reaches the terminal or the page as it is."""
    answers = list(rlp.decode(unproved.part("answers")))
    at = next(at for at in range(int(place * len(answers)), len(answers)) if answers[at][0] != b"\x02")
    answers[at] = [b"\x01", *answers[at][1:3], EVIL]
    path = unproved.write(answers=rlp.encode(sorted(answers)))
    told = typed("verify", "--bundle", path, "--allow-unproved", "--html", "page.html")
    page = typed.folder / "page.html"
    shown = told.out + told.err + (page.read_text() if page.exists() else "")
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "Everything that can be checked is right." not in shown.splitlines()
    assert not page.exists() or "<script" not in page.read_text()
