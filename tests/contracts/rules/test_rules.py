"""Rule contracts check a chunk as their Python twins make it: the right answer and no other, for any words at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfed.learning.rules import aggregate
from medfed.protocol.documents import RuleSpec
from tests.vectors import make_rules

WORDS = 128  # in a chunk of 512 bytes
SPECS = {
    "SumRule": RuleSpec(),
    "MedianRule": RuleSpec(kind="median"),
    "TrimmedMeanRule": RuleSpec(kind="trimmed-mean", trim=2),
}

edges = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1])
words = st.one_of(edges, st.integers(0, 2**32 - 1))


@pytest.fixture(scope="module")
def rules(evm_module):
    """Each rule that checks chunks, by its name."""
    return {name: evm_module.deploy(name, *[2][: spec.trim]) for name, spec in SPECS.items()}


def encoded(values):
    return np.asarray(values, dtype=np.uint32).astype(">u4").tobytes()


@st.composite
def rows(draw):
    """One to twelve chunks: few words that occur often, some of all."""
    count = draw(st.integers(1, 12))
    pool = draw(st.lists(words, min_size=1, max_size=40))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    return random.choice(np.array(pool, dtype=np.uint32), (count, WORDS))


@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=25)
@given(data=rows(), place=st.integers(0, WORDS - 1), step=st.integers(1, 2**32 - 1))
def test_the_aggregate_of_the_twin_is_right_and_every_other_is_wrong(rules, name, data, place, step):
    """Ties, extremes, even and odd numbers of updates; one word off in one place is seen."""
    right = aggregate(SPECS[name], list(data))
    chunks = [encoded(row) for row in data]
    assert rules[name].checkChunk(chunks, encoded(right))
    wrong = right.copy()
    wrong[place] = (int(wrong[place]) + step) % 2**32
    assert not rules[name].checkChunk(chunks, encoded(wrong))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("count", [1, 2, 3, 31, 32, 33, 63, 64])
def test_any_number_of_updates_in_any_order_has_one_answer(rules, name, count):
    random = np.random.default_rng(count)
    data = random.integers(0, 2**32, (count, WORDS), dtype=np.uint32)
    right = encoded(aggregate(SPECS[name], list(data)))
    assert rules[name].checkChunk([encoded(row) for row in random.permutation(data)], right)


@pytest.mark.parametrize("name", SPECS)
def test_no_update_is_refused(evm, rules, name):
    with evm.reverts("NoUpdates"):
        rules[name].checkChunk([], bytes(512))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("size", [0, 511, 513, 1024])
def test_a_chunk_of_another_length_is_refused(evm, rules, name, size):
    """Of the aggregate, and of any update."""
    with evm.reverts("ChunkLength", size, 512):
        rules[name].checkChunk([bytes(512)], bytes(size))
    with evm.reverts("ChunkLength", size, 512):
        rules[name].checkChunk([bytes(512), bytes(size)], bytes(512))


@pytest.mark.parametrize("name", SPECS)
def test_padding_of_zeros_stays_zero(rules, name):
    assert rules[name].checkChunk([bytes(512)] * 5, bytes(512))


@pytest.mark.parametrize("name", [*SPECS, "QuorumOnlyRule"])
def test_says_what_its_spec_says(evm, rules, name):
    """Whether updates count by weight, and whether chunks can be checked."""
    rule = rules.get(name) or evm.deploy(name)
    kinds = {"QuorumOnlyRule": RuleSpec(kind="geometric-median")}
    spec = SPECS.get(name) or kinds[name]
    assert (rule.weighted(), rule.perChunk()) == (spec.weighted, spec.per_chunk)


def test_a_quorum_only_rule_checks_no_chunk(evm):
    rule = evm.deploy("QuorumOnlyRule")
    with evm.reverts("NotPerChunk"):
        rule.checkChunk([bytes(512)], bytes(512))


@pytest.mark.parametrize("trim", [0, 32, 2**255])
def test_a_trim_leaves_something_of_64_updates(evm, trim):
    with evm.reverts("TrimOutOfRange", trim, 31):
        evm.deploy("TrimmedMeanRule", trim)


def test_the_largest_trim_leaves_two_of_64(evm):
    rule = evm.deploy("TrimmedMeanRule", 31)
    data = np.random.default_rng(31).integers(0, 2**32, (64, WORDS), dtype=np.uint32)
    right = aggregate(RuleSpec(kind="trimmed-mean", trim=31), list(data))
    assert rule.TRIM() == 31
    assert rule.checkChunk([encoded(row) for row in data], encoded(right))


@pytest.mark.parametrize("case", json.loads(make_rules.FILE.read_text(encoding="utf-8"))["cases"])
def test_vectors(evm, case):
    """The golden vectors, which come from the definitions."""
    chunks = [bytes.fromhex(chunk[2:]) for chunk in case["chunks"]]
    wanted = {("SumRule",): case["sum"], ("MedianRule",): case["median"]}
    wanted |= {
        ("TrimmedMeanRule", trim): chunk
        for trim, chunk in zip(make_rules.TRIMS, case["trimmed"], strict=True)
    }
    for order, chunk in wanted.items():
        assert evm.deploy(*order).checkChunk(chunks, bytes.fromhex(chunk[2:])), order


def test_vectors_are_fresh():
    """`python tests/vectors/make_rules.py` would change nothing."""
    assert make_rules.FILE.read_text(encoding="utf-8") == make_rules.render()
