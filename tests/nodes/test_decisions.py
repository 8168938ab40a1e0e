"""Which of a patient's decisions have to be posted, and the file that keeps them."""

from __future__ import annotations

import itertools

import pytest

from medfed.chain.consent_file import Signed
from medfed.chain.contracts.consents import SignedMessage
from medfed.errors import ConfigError, StoreUnavailable
from medfed.nodes.decisions import Decision, DecisionLog, State, identity, needed, replaces
from medfed.protocol.typed import (
    GrantMessage,
    NarrowMessage,
    RevokeAllMessage,
    RevokeMessage,
    consent_domain,
)

PATIENT, CONTRACT = "0x" + "11" * 20, "0x" + "22" * 20
KINDS = {"g": GrantMessage, "n": NarrowMessage, "r": RevokeMessage, "a": RevokeAllMessage}


def decision(text: str, at: int) -> Decision:
    """ "g1" is a grant for dataset 1, "n1" a narrowing, "r1" a revocation, "a" a revoke-all."""
    kind, dataset = KINDS[text[0]], () if text == "a" else (int(text[1]),)
    terms = (1, 65_535, 0, 65_535, bytes(28), at, at + 9) if text[0] in "gn" else (at,)
    signed = Signed(
        consent_domain(1, CONTRACT), SignedMessage(kind(PATIENT, *dataset, *terms), bytes([at]) * 65)
    )
    return Decision(identity(signed), signed, 0.0)


def chain(text: str) -> list[Decision]:
    return [decision(each, at) for at, each in enumerate(text.split(), 1)]


CASES = {
    "g1": "g1",
    "g1 g1": "- g1",
    "g1 n1 n1": "g1 n1 n1",
    "g1 n1 g1 n1": "- - g1 n1",
    "n1 n1": "n1 n1",
    "g1 n1 r1": "- - r1",
    "r1 r1": "- r1",
    "r1 g1": "r1 g1",
    "g1 r1 g1 n1": "- r1 g1 n1",
    "r1 g1 r1": "- - r1",
    "g1 g2": "g1 g2",
    "g1 r2 g1 n2": "- r2 g1 n2",
    "g1 r2 n3 a": "- - - a",
    "a a": "- a",
    "a g1 n1": "a g1 n1",
    "g1 a g1 g2 r2": "- a g1 - r2",
}


@pytest.mark.parametrize("case", CASES)
def test_what_has_to_be_posted(case):
    """Whatever order they come in, what is kept stands in the order of signing."""
    signed, kept = chain(case), CASES[case].split()
    wanted = [each for each, mark in zip(signed, kept, strict=True) if mark != "-"]
    for order in itertools.islice(itertools.permutations(signed), 24):
        assert needed(order) == wanted


def test_within_a_second_a_revocation_comes_last():
    grant, revoke = decision("g1", 5), decision("r1", 5)
    assert needed([revoke, grant]) == [revoke]
    assert replaces(revoke, grant)
    assert not replaces(grant, revoke)


def test_a_later_consent_replaces_no_revocation():
    """It may itself be refused, and then the revocation is what the patient has said."""
    first, revoke, second = chain("g1 r1 g1")
    assert replaces(second, first)
    assert replaces(revoke, first)
    assert not replaces(second, revoke)


class TestLog:
    def test_another_process_reads_what_one_wrote(self, tmp_path):
        log, found = DecisionLog(tmp_path / "d.jsonl"), chain("g1 n1 r2 a")
        log.put(found)
        log.mark({State.POSTED: found[:2]})
        log.mark({State.COUNTED: found[:1], State.REPLACED: []})
        log.mark({State.REFUSED: found[1:2]}, "Overtaken")
        again = DecisionLog(tmp_path / "d.jsonl").all()
        assert again == log.all()
        assert [each.state for each in again] == ["counted", "refused", "queued", "queued"]
        assert (tmp_path / "d.jsonl").stat().st_mode & 0o077 == 0

    def test_a_line_that_was_cut_short_is_dropped(self, tmp_path):
        """At every length of the last line the file is read as it was before, and goes on."""
        path = tmp_path / "d.jsonl"
        log, found = DecisionLog(path), chain("g1 g2")
        log.put(found[:1])
        before = path.read_bytes()
        log.put(found[1:])
        whole = path.read_bytes()
        for length in range(len(before), len(whole)):
            path.write_bytes(whole[:length])
            again = DecisionLog(path)
            assert again.all() == found[:1]
            again.put(found[1:])
            assert path.read_bytes() == whole

    @pytest.mark.parametrize("line", ["{}", "x", '{"mark": {"counted": ["5"]}, "why": ""}', "[1]"])
    def test_a_damaged_line_is_named(self, tmp_path, line):
        path = tmp_path / "d.jsonl"
        DecisionLog(path).put(chain("g1"))
        path.write_text(path.read_text() + line + "\n")
        with pytest.raises(ConfigError, match="Line 2 of the queue"):
            DecisionLog(path)

    def test_a_disk_that_does_not_take_it(self, tmp_path):
        """Nothing is said to be queued that is not on disk."""
        path, found = tmp_path / "d.jsonl", chain("g1 g2")
        log = DecisionLog(path)
        log.put(found[:1])
        whole = path.read_bytes()
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            log.put(found[1:])
        assert log.all() == found[:1]
        path.rmdir()
        path.write_bytes(whole + b'{"put": "half')
        log.put(found[1:])
        assert DecisionLog(path).all() == found
