"""Bundles whose headers and proofs are well formed and absurd: refused before they cost anything."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from eth_utils.crypto import keccak

from medfed.chain import rlp
from medfed.protocol.cid import cid_of
from medfed.rounds.bundle import _PARTS, BundleManifest
from medfed.storage.car import export_car

WRONG, INPUT, DAMAGED, UNPROVED = 1, 2, 3, 8
PARENT, STATE, NUMBER, TIME = 0, 3, 8, 11


def chained(forger, change):
    """The headers after `change(place from the end, number, fields)`, each again the parent of the next."""
    headers, parent = [], b""
    old = forger.headers()
    for place, raw in enumerate(old):
        fields = list(rlp.decode(raw))
        fields[PARENT] = parent or fields[PARENT]
        change(place - len(old), rlp.to_number(fields[NUMBER]), fields)
        headers.append(rlp.encode(fields))
        parent = keccak(headers[-1])
    newest = {
        "block": rlp.to_number(fields[NUMBER]),
        "block_hash": f"0x{parent.hex()}",
        "block_time": rlp.to_number(fields[TIME]),
    }
    return forger.write(headers=b"".join(headers), manifest=newest)


class TestClocks:
    @pytest.mark.parametrize("second", [253_402_300_800, (1 << 48) - 1, (1 << 53) - 1])
    def test_the_newest_block_in_a_year_without_calendar(self, forger, code, second):
        def late(place, _, fields):
            fields[TIME] = rlp.number(second) if place == -1 else fields[TIME]

        assert code(chained(forger, late)) == DAMAGED

    @pytest.mark.parametrize("second", [1 << 63, 1 << 200])
    def test_a_block_between_in_a_time_that_no_index_holds(self, forger, code, played, second):
        block = played.block_of("Claimed", study=played.study)

        def late(_, number, fields):
            fields[TIME] = rlp.number(second) if number == block else fields[TIME]

        assert code(chained(forger, late)) == DAMAGED

    def test_no_time_at_all(self, forger, code):
        def never(_place, _number, fields):
            fields[TIME] = b""

        assert code(chained(forger, never)) == WRONG


class TestProofs:
    def test_a_million_empty_nodes(self, forger, code):
        many = rlp._prefix(1_000_000, 0xC0) + b"\x80" * 1_000_000
        begun = time.monotonic()
        assert code(forger.write(proofs=many)) == DAMAGED
        assert time.monotonic() - begun < 10

    def test_true_nodes_twice_or_in_another_order(self, forger, code):
        nodes = list(rlp.decode(forger.part("proofs")))
        assert all(before < node for before, node in pairwise(nodes))
        assert code(forger.write(proofs=rlp.encode([nodes[0], *nodes]))) == DAMAGED
        assert code(forger.write(proofs=rlp.encode(nodes[::-1]))) == DAMAGED

    def test_the_state_of_an_older_block(self, forger, code):
        """The first header's state root under the newest block: no contract stands in it."""
        first = rlp.decode(forger.headers()[0])[STATE]

        def older(place, _, fields):
            fields[STATE] = first if place == -1 else fields[STATE]

        assert code(chained(forger, older)) != 0

    def test_nodes_that_nobody_asked_for(self, forger, code):
        """They change nothing: what is not on the way from the root is not found."""
        nodes = sorted({*rlp.decode(forger.part("proofs")), b"\x07" * 100})
        assert code(forger.write(proofs=rlp.encode(nodes))) == 0


class TestParts:
    def test_receipts_of_one_block_twice(self, forger, code):
        receipts = forger.part("receipts")
        *_, (_, last) = rlp.items(receipts)
        assert code(forger.write(receipts=receipts + last)) == DAMAGED

    def test_another_type_of_receipt(self, forger, code):
        receipts = forger.receipts()
        number = next(number for number, found in receipts.items() if found)
        receipts[number] = [b"\x7f" + each[each[0] <= 0x7F :] for each in receipts[number]]
        assert code(forger.unsealed(receipts)) == DAMAGED

    def test_receipts_with_bytes_behind(self, forger, code):
        receipts = {number: [each + b"\0" for each in found] for number, found in forger.receipts().items()}
        assert code(forger.unsealed(receipts)) == DAMAGED

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: b"[" * 100_000,
            lambda text: b'{"a":' * 50_000,
            lambda text: text.replace(b'"block":', b'"block":1,"block":'),
            lambda text: text.replace(b'"block":', b'"block":1e400,"x":'),
            lambda text: text.replace(b'"study":', b'"study":NaN,"x":'),
            lambda text: text.replace(b'"study":', b'"study":' + b"9" * 5000 + b',"x":'),
            lambda text: text.replace(b'"study":1', b'"study":true'),
            lambda text: b"\xef\xbb\xbf" + text,
            lambda text: text + b"\n",
            lambda text: b"",
        ],
        ids=range(10),
    )
    def test_a_manifest_that_is_none(self, forger, code, change):
        path = forger.folder / "odd.medfed"
        with forger.opened() as store:
            text = store.get(store.roots[0], BundleManifest.maximum)
            export_car(store, store.roots[1:], path, max_bytes=1 << 40, documents=[change(text)])
        assert code(path) == DAMAGED

    @pytest.mark.parametrize("part", _PARTS)
    def test_a_part_that_is_not_there_or_another(self, forger, code, part):
        assert code(forger.write(manifest={part: cid_of(b"not there")})) not in (0, WRONG)
        other = _PARTS[(_PARTS.index(part) + 1) % len(_PARTS)]
        assert code(forger.write(**{part: forger.part(other)})) != 0


class TestOptions:
    def test_spellings_of_the_root_and_the_hash(self, honest, forger, code):
        root, block = forger.manifest.rounds, forger.manifest.block_hash
        for same in (root, root.lower(), "0x" + root[2:].upper()):
            assert code(honest, "--rounds", same) == 0
        for none in (root + " ", root + "\n", "0x" + root[2:].swapcase(), "", "0x" + "٣" * 40):
            assert code(honest, "--rounds", none) == INPUT
        for same in (block, "0x" + block[2:].upper(), block[2:]):
            assert code(honest, "--block-hash", same) == 0
        for none in (block[3:], block + "\n", block + "0", "", "0x" + "٣" * 64):
            assert code(honest, "--block-hash", none) == INPUT

    def test_nothing_makes_a_difference_right(self, forger, typed, played):
        """Not `--allow-unproved`, not a page that cannot be written; and programs read the verdict that people read."""
        receipts = forger.receipts()
        del receipts[played.block_of("Claimed", study=played.study)]
        path = forger.unsealed(receipts)
        told = typed("verify", "--bundle", path, "--allow-unproved")
        data = typed("verify", "--bundle", path, "--allow-unproved", "--json")
        assert (told.code, data.code, data.data["ok"], data.data["proved"]) == (WRONG, WRONG, False, False)
        assert told.out.splitlines()[0] == data.data["verdict"]
        lost = typed("verify", "--bundle", path, "--html", "nowhere/page.html")
        assert lost.code != 0
        assert lost.out.startswith("WRONG: ")
