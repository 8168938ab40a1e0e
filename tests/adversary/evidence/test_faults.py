"""Whose fault it is: hostile evidence is named for what it is; a slip of our own is neither "WRONG" nor "right"."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from medfed.chain import rlp
from medfed.chain.artifacts import artifact
from medfed.chain.client import ChainClient
from medfed.chain.root import check_chain_id
from medfed.chain.sealed import parse_header
from medfed.errors import UnsupportedVersion, WrongChain
from medfed.protocol.basis import Basis
from medfed.rounds import audit
from medfed.rounds.bundle import export_bundle
from tests.adversary.evidence.conftest import LIMITS
from tests.adversary.evidence.forger import topic

WRONG, DAMAGED, ELSEWHERE, UNPROVED, FAULT = 1, 3, 5, 8, 9
STATE = 3


def word(number):
    return number.to_bytes(32, "big")


def told(forger, event, change):
    """A bundle in which `change` was made to topics and data of every such event, under headers of its own."""

    def each(logs):
        return [[log[0], *change(log[1], log[2])] if log[1][0] == topic(*event) else log for log in logs]

    return forger.sealed(forger.told(each))


class TestOurOwn:
    """An exception that nobody raised on purpose."""

    @pytest.fixture(params=[KeyError, IndexError, ZeroDivisionError, AssertionError])
    def slip(self, request, monkeypatch):
        def slip(*_):
            raise request.param("WRONG: Everything that can be checked is right.\x1b[2J")

        monkeypatch.setattr(audit, "_check_quorum", slip)
        return request.param

    def test_it_is_no_verdict(self, honest, typed, slip):
        answer = typed("verify", "--bundle", honest)
        assert (answer.code, answer.out) == (FAULT, "")
        assert f"a fault of its own ({slip.__name__} at rounds/audit.py:" in answer.err
        assert "no finding" in answer.err
        assert "WRONG" not in answer.err

    def test_the_way_to_it_is_shown_on_demand(self, honest, typed, slip):
        answer = typed("verify", "--bundle", honest, "--verbose")
        assert (answer.code, answer.out) == (FAULT, "")
        assert "Traceback" in answer.err
        assert "\x1b" not in answer.err

    def test_programs_read_the_same(self, honest, typed, slip):
        answer = typed("verify", "--bundle", honest, "--json")
        assert (answer.code, answer.out) == (FAULT, "")
        assert '"error": "InternalError"' in answer.sentence


class TestEvents:
    def test_a_seat_that_nobody_took(self, forger, code):
        path = told(forger, ("Studies", "StakeReleased"), lambda names, data: ([*names[:2], word(9)], data))
        assert code(path) == WRONG

    @pytest.mark.parametrize("seat", [256, 1 << 63, (1 << 256) - 1])
    def test_a_number_beyond_its_type(self, forger, code, seat):
        path = told(
            forger, ("Studies", "StakeReleased"), lambda names, data: ([*names[:2], word(seat)], data)
        )
        assert code(path) == DAMAGED

    def test_an_address_of_more_than_twenty_bytes(self, forger, code):
        path = told(forger, ("Payouts", "Claimed"), lambda names, data: (names, b"\1" + data[1:]))
        assert code(path) == DAMAGED

    def test_a_dataset_that_is_registered_twice(self, forger, code):
        def twice(logs):
            return [
                log
                for each in logs
                for log in [each] * (2 if each[1][0] == topic("DatasetRegistry", "DatasetRegistered") else 1)
            ]

        assert code(forger.sealed(forger.told(twice))) == WRONG

    def test_a_dataset_that_was_never_registered(self, forger, code):
        def never(logs):
            return [log for log in logs if log[1][0] != topic("DatasetRegistry", "DatasetRegistered")]

        assert code(forger.sealed(forger.told(never))) in (WRONG, DAMAGED)

    def test_an_enumeration_that_this_version_has_not(self, forger, typed):
        """A basis of 3: of another version, or invented. It is no verdict."""
        entry = next(e for e in artifact("DatasetRegistry").abi if e.get("name") == "DatasetRegistered")
        info = next(item for item in entry["inputs"] if item["type"] == "tuple")
        at = 32 * [part["name"] for part in info["components"]].index("basis")
        before = sum(not item["indexed"] for item in entry["inputs"][: entry["inputs"].index(info)]) * 32

        def other(names, data):
            return names, data[: before + at] + word(3) + data[before + at + 32 :]

        answer = typed("verify", "--bundle", told(forger, ("DatasetRegistry", "DatasetRegistered"), other))
        assert answer.code == ELSEWHERE
        assert "3 is no Basis of this version's contracts" in answer.err


def test_numbers_without_a_name_are_of_another_version():
    with pytest.raises(UnsupportedVersion, match="3 is no Basis"):
        Basis(3)


class TestProofs:
    @pytest.mark.parametrize(
        "node", [b"garbage", b"\xc0", b"\xff" * 40, b"\xc4\x00\xc2\x80\x80", b"\xc7\x00\x85short"]
    )
    def test_a_state_root_over_what_is_no_trie(self, forger, code, node):
        from eth_utils.crypto import keccak

        *before, last = forger.headers()
        fields = list(rlp.decode(last))
        fields[STATE] = keccak(node)
        newest = rlp.encode(fields)
        nodes = sorted({*rlp.decode(forger.part("proofs")), node})
        path = forger.write(
            headers=b"".join([*before, newest]),
            proofs=rlp.encode(nodes),
            manifest={"block_hash": f"0x{parse_header(newest).hash.hex()}"},
        )
        assert code(path) == UNPROVED


class TestAnswers:
    """A bundle without proofs, each of whose answers is the forger's word."""

    @pytest.fixture
    def unproved(self, played, forger, monkeypatch):
        client = played.world.client
        monkeypatch.setattr(client, "witness", lambda *asked: ChainClient.witness(client, *asked))
        path = forger.folder / "told.medfed"
        export_bundle(played.world.federation(), played.study, path, LIMITS)
        return type(forger)(path, forger.folder / "empty")

    @pytest.mark.parametrize("change", ["drop", "zeros", "ones", "nothing", "another's", "refusal"])
    def test_each_is_named_for_what_it_is(self, unproved, code, change):
        """Some of them, others with each change; whatever it is, no fault of the program comes of it."""
        answers = [list(each) for each in rlp.decode(unproved.part("answers"))]
        dice = random.Random(change)
        for at in dice.sample(range(len(answers)), 8):
            kind, place, data, answer = answers[at]
            instead = {
                "drop": [],
                "zeros": [[kind, place, data, bytes(len(answer))]],
                "ones": [[kind, place, data, b"\xff" * len(answer)]],
                "nothing": [[kind, place, data, b""]],
                "another's": [[kind, place, data, dice.choice(answers)[3]]],
                "refusal": [[b"\1", place, data, b"because"]],
            }[change]
            path = unproved.write(answers=rlp.encode(sorted([*answers[:at], *instead, *answers[at + 1 :]])))
            assert code(path) in (WRONG, DAMAGED, ELSEWHERE, UNPROVED)


@dataclass
class Told:
    """A client that shows one code and says which chain it is."""

    shown: bytes
    chain_id: int

    def code(self, _):
        return self.shown


def test_the_chain_id_is_the_one_that_the_constructor_wrote(played):
    """Not whatever of its values has the same number."""
    client, address = played.world.client, played.world.contracts.consortium.address
    true = client.code(address)
    check_chain_id(Told(true, client.chain_id), address)
    immutables = artifact("Consortium").immutables
    for at, length in (place for group in immutables.values() for place in group):
        number = int.from_bytes(true[at : at + length], "big")
        if number != client.chain_id:
            with pytest.raises(WrongChain):
                check_chain_id(Told(true, number), address)
        else:
            moved = true[:at] + word(7) + true[at + length :]
            with pytest.raises(WrongChain):
                check_chain_id(Told(moved, 7), address)
