"""What a reader sees of an audit: the verdict first, whole addresses, and a page that no bundle can write into."""

from __future__ import annotations

import re
from dataclasses import asdict
from html.parser import HTMLParser

from medfed.chain import rlp
from medfed.cli.verdict import Table, Verdict
from medfed.cli.verdict_page import page
from medfed.rounds.history import read_study
from medfed.rounds.takings import REASONS, takings


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_the_verdict_comes_first_and_the_rest_in_order(honest, typed, forger):
    lines = typed.ok("verify", "--bundle", honest).out.splitlines()
    assert lines[0] == "Everything that can be checked is right."
    places = [lines.index(f"{name}:") for name in ("Compare", "Proved", "Not checked")]
    assert places == sorted(places)
    assert "Only consistent, not proved:" not in lines
    told = typed("verify", "--bundle", forger.write(proofs=rlp.encode([]))).err
    assert "has no proof" in told or "does not hold" in told


def test_addresses_are_whole_where_it_is_no_terminal(honest, typed, played):
    """However narrow: what is piped is read by programs."""
    told = typed.ok("verify", "--bundle", honest, "--verbose", COLUMNS="40").out
    followed = played.world.contracts.book.contracts.keys() - {"SumRule", "DevelopmentToken"}
    for name in followed:
        assert played.world.contracts.book.contracts[name].address in told
    assert "…" not in told


def test_details_are_for_who_asks(honest, typed):
    assert "RoleGranted" not in typed.ok("verify", "--bundle", honest).out
    assert "RoleGranted" in typed.ok("verify", "--bundle", honest, "--verbose").out


def test_it_tells_who_took_part_and_what_was_taken_from_whom(honest, typed, played):
    """By the hospitals' names on chain; the amounts for programs."""
    told, data = typed.ok("verify", "--bundle", honest).out, typed.data("verify", "--bundle", honest)
    names = {entry["seat"]: entry["name"] for entry in data["seats"]}
    assert len(names) == len(data["seats"]) > 2
    assert all(entry["name"] in told and entry["hospital"] in told for entry in data["seats"])
    index = played.world.index
    expected = [asdict(each) for each in takings(index, read_study(index, played.study))]
    assert data["taken"] == expected
    assert expected
    for each in expected:
        where = f"Round {each['round']}, seat {each['seat']} ({names[each['seat']]})"
        assert f"{where}: {REASONS[each['cause']]}" in told


def test_what_is_left_to_compare_is_said(honest, typed, forger):
    manifest = forger.manifest
    plain = typed.ok("verify", "--bundle", honest).out
    assert plain.count("and compare") + plain.count(": compare") == 2
    given = typed.ok(
        "verify", "--bundle", honest, "--rounds", manifest.rounds, "--block-hash", manifest.block_hash
    ).out
    assert given.count("as you said") == 2
    doubt = "whether this is the chain that you mean"
    assert doubt in plain
    assert doubt not in given


def test_a_damaged_file_is_named(honest, typed):
    """Who checks several has to know which one to fetch again."""
    (typed.folder / "cut.medfed").write_bytes(honest.read_bytes()[:5000])
    (typed.folder / "notes.medfed").write_text("no bundle at all\n" * 100)
    (typed.folder / "shown.json").write_text("{}")
    for code, options, words in (
        (3, ("--bundle", "cut.medfed"), "cut.medfed: The CAR file is cut short; fetch it again."),
        (3, ("--bundle", "notes.medfed"), "notes.medfed: This is no bundle"),
        (3, ("--bundle", honest, "--disclosure", "shown.json"), "shown.json is no disclosure"),
    ):
        answer = typed("verify", *options)
        assert (answer.code, words in answer.err) == (code, True)


def test_the_page_says_the_same_and_runs_nothing(honest, typed):
    typed.ok("verify", "--bundle", honest, "--html", "report.html")
    text = (typed.folder / "report.html").read_text()
    order = [
        text.index(f">{name}<") for name in ("Compare", "Proved", "Not checked", "Rounds", "Administration")
    ]
    assert order == sorted(order)
    assert text.index("Everything that can be checked is right.") < order[0]
    tags = _Tags()
    tags.feed(text)
    assert not {"script", "iframe", "img", "link", "a"} & set(tags.found)
    assert not [name for name in tags.attributes if name.startswith("on") or name in ("src", "href")]
    assert not re.search(r"https?://", text)


def test_words_of_others_stay_words():
    evil = "<script>alert(1)</script>'\"><img src=x onerror=y>"
    table = Table(evil, (evil,), ((evil,),))
    made = page(Verdict(evil, evil, ((evil, (evil,)),), (table,), (table,), evil))
    tags = _Tags()
    tags.feed(made)
    assert not {"script", "img"} & set(tags.found)


def test_json_tells_what_is_proved(honest, typed, forger):
    """Programs read the same."""
    data = typed.data("verify", "--bundle", honest)
    assert (data["ok"], data["proved"], data["unproved"], data["compared"]) == (True, True, [], [])
    headers = forger.headers()
    first = rlp.to_number(rlp.decode(headers[0])[8])
    empty = next(at for at in range(2, len(headers)) if first + at not in forger.receipts())
    path = forger.write(headers=b"".join([*headers[:empty], *headers[empty + 1 :]]))
    answer = typed("verify", "--bundle", path, "--json")
    assert (answer.code, answer.data["ok"], answer.data["proved"]) == (8, True, False)
    assert answer.data["verdict"].startswith("CONSISTENT, NOT PROVED: ")
