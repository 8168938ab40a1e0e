"""A study's rule contract is recognised by its code, and by what it was made with; nothing else passes for it."""

from __future__ import annotations

import pytest

from medfed.chain.contracts import Rule, TrimmedMeanRule, check_rule, rule_creation
from medfed.chain.sender import Sender
from medfed.errors import ContractRevert, ProtocolError
from medfed.protocol.documents import RuleSpec
from tests.chain.conftest import funded

SPECS = [
    RuleSpec(),
    RuleSpec(kind="median"),
    RuleSpec(kind="trimmed-mean", trim=1),
    RuleSpec(kind="trimmed-mean", trim=2),
    RuleSpec(kind="multi-krum", faulty=1),
]
CHUNK = bytes(512)


@pytest.fixture
def made(embedded):
    """One contract of each."""
    sender = Sender(embedded, funded(embedded))
    return [sender.send(rule_creation(spec)).contract for spec in SPECS]


def test_each_contract_passes_for_its_own_rule_and_no_other(embedded, made):
    for spec in SPECS:
        for other, address in zip(SPECS, made, strict=True):
            if spec == other:
                check_rule(embedded, spec, address)
            else:
                with pytest.raises(ProtocolError, match="do not take part"):
                    check_rule(embedded, spec, address)


def test_rules_that_only_a_quorum_decides_share_one_contract(embedded, made):
    """It checks nothing; which of them a study has is its spec's word."""
    check_rule(embedded, RuleSpec(kind="geometric-median"), made[-1])
    check_rule(embedded, RuleSpec(kind="multi-krum", faulty=7), made[-1])


def test_an_account_without_code_passes_for_nothing(embedded):
    with pytest.raises(ProtocolError, match="no SumRule of this version"):
        check_rule(embedded, RuleSpec(), funded(embedded).address)


def test_wrappers_read_what_the_spec_says(embedded, made):
    for spec, address in zip(SPECS, made, strict=True):
        rule = Rule(embedded, address)
        assert (rule.weighted(), rule.per_chunk()) == (spec.weighted, spec.per_chunk)
    assert TrimmedMeanRule(embedded, made[3]).trim() == 2
    one = b"\0\0\0\1" * 128
    assert Rule(embedded, made[0]).check_chunk([one, CHUNK], one)
    assert not Rule(embedded, made[0]).check_chunk([one, one], one)
    with pytest.raises(ContractRevert, match="cannot be checked chunk by chunk"):
        Rule(embedded, made[-1]).check_chunk([CHUNK], CHUNK)
