"""Refusals in words: every custom error of ours reads as one sentence with its values."""

from __future__ import annotations

import re

import pytest
from eth_utils import keccak

from medfed.chain.artifacts import artifact, artifact_names
from medfed.chain.codec import encode_values, signature, snake
from medfed.chain.errors import error_name, revert_from
from medfed.chain.sentences import SENTENCES
from tests.conftest import ROOT

ERRORS = {
    signature(entry): entry
    for name in artifact_names()
    for entry in artifact(name).abi
    if entry["type"] == "error"
}
SAMPLES = {
    "address": "0x" + "11" * 20,
    "bool": True,
    "string": "words",
    "bytes32": b"\x07" * 32,
    "bytes4": b"\x01\x02\x03\x04",
}
PANIC = keccak(text="Panic(uint256)")[:4]
TORN = keccak(text="WrongPhase(uint64,uint16,uint8)")[:4] + b"\x01"


def sample(kind):
    return SAMPLES.get(kind, 1)


@pytest.mark.parametrize("text", ERRORS)
def test_every_error_is_decoded(text):
    """Name and values of each error in abi/ come back, and no sentence keeps a placeholder."""
    entry = ERRORS[text]
    values = [sample(item["type"]) for item in entry["inputs"]]
    data = keccak(text=text)[:4] + encode_values(entry["inputs"], values)
    caught = revert_from(data, "A.call")
    assert caught.name == entry["name"]
    assert list(caught.values) == [snake(item["name"]) for item in entry["inputs"]]
    assert str(caught).endswith((".", "!"))
    assert "{" not in str(caught)
    assert error_name(data[:4]) == entry["name"]


def test_sentences_use_values_that_exist():
    """A sentence names no value that its error does not have, and there is none for an error that is gone."""
    known = {entry["name"]: {snake(item["name"]) for item in entry["inputs"]} for entry in ERRORS.values()}
    known["Error"] = {"message"}
    for name, text in SENTENCES.items():
        assert name in known, f"there is a sentence for {name}, which no contract has"
        assert set(re.findall(r"{(\w+)}", text)) <= known[name], name


def test_every_error_of_ours_has_a_sentence():
    """Those of the libraries that nobody meets are told with their name and values."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "contracts").rglob("*.sol")]
    ours = {name for text in sources for name in re.findall(r"^\s*error (\w+)\(", text, re.MULTILINE)}
    assert ours & {entry["name"] for entry in ERRORS.values()} <= set(SENTENCES)


def test_enums_by_name():
    """People read `training`, not 1."""
    entry = next(entry for entry in ERRORS.values() if entry["name"] == "WrongPhase")
    data = keccak(text=signature(entry))[:4] + encode_values(entry["inputs"], [3, 2, 1])
    assert str(revert_from(data)) == "Round 2 of study 3 is not in the phase for this; its phase is training."


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (0, "over: nobody can say yet when."),
        (1_764_331_200, "over: 2025-11-28 12:00:00 UTC."),
        (2**256 - 1, f"over: second {2**256 - 1}."),
    ],
)
def test_moments_are_dates(second, told):
    """People read a date and a time, not a count of seconds; no value breaks that."""
    entry = next(entry for entry in ERRORS.values() if entry["name"] == "NotSettled")
    data = keccak(text=signature(entry))[:4] + encode_values(entry["inputs"], [3, second])
    assert str(revert_from(data)).endswith(told)


def test_no_sentence_counts_seconds():
    """Every moment that a sentence names is told as one."""
    assert [text for text in SENTENCES.values() if "second {" in text] == []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "X.y refused without a reason."),
        (b"\x01\x02\x03\x04", "X.y refused with an error this version does not know (0x01020304)."),
        (
            keccak(text="Panic(uint256)")[:4] + (17).to_bytes(32, "big"),
            "X.y refused: a number overflowed or fell below zero.",
        ),
        (keccak(text="Panic(uint256)")[:4] + (99).to_bytes(32, "big"), "X.y refused: internal error."),
        (
            keccak(text="WrongPhase(uint64,uint16,uint8)")[:4] + b"\x01",
            "X.y refused with an error this version does not know",
        ),
    ],
)
def test_what_is_not_a_custom_error(data, sentence):
    """Nothing, something unknown, a panic, or a torn error: still one sentence."""
    assert str(revert_from(data, "X.y")).startswith(sentence)
