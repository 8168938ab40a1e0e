"""Purposes against the ontology written out as sets, and their words for people."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.protocol import purposes
from medfed.protocol.purposes import Purpose

INCLUDES = {"GRU": {"GRU", "HMB", "DS", "POA"}, "HMB": {"HMB", "DS"}, "DS": {"DS"}, "POA": {"POA"}}
MODIFIERS = [code.name for code in Purpose if code >= 1 << 8]

bits = st.one_of(
    st.integers(0, 2**32 - 1),
    st.sets(st.sampled_from(list(Purpose))).map(lambda codes: int(sum(codes))),
)
consents = st.builds(
    lambda kinds, conditions: int(sum(kinds | conditions)),
    st.sets(st.sampled_from([Purpose.GRU, Purpose.HMB, Purpose.DS, Purpose.POA]), min_size=1),
    st.sets(st.sampled_from([Purpose[name] for name in MODIFIERS])),
)
requests = st.builds(
    lambda kind, conditions: int(kind + sum(conditions)),
    st.sampled_from([Purpose.GRU, Purpose.HMB, Purpose.DS, Purpose.POA]),
    st.sets(st.sampled_from([Purpose[name] for name in MODIFIERS])),
)


def in_words(consented, requested):
    """The rule over sets of codes: None of the bit tricks of the module."""
    if any(not purposes.is_defined(each) for each in (consented, requested)):
        return False
    have, want = set(purposes.names(consented)), set(purposes.names(requested))
    kinds = want & set(INCLUDES)
    if len(kinds) != 1 or {"POA", "NPOA"} <= want:
        return False
    if not any(kinds <= INCLUDES[name] for name in have & set(INCLUDES)):
        return False
    conditions, met = (each | ({"NPU", "NCU"} if "NPUNCU" in each else set()) for each in (have, want))
    return all(
        name in met or name in INCLUDES or (name == "NPUNCU" and {"NPU", "NCU"} <= met) for name in conditions
    )


@given(consented=bits, requested=bits)
def test_permits_any_bits_as_the_ontology_says(consented, requested):
    assert purposes.permits(consented, requested) == in_words(consented, requested)


@given(consented=consents, requested=requests)
def test_permits_consents_and_requests_as_the_ontology_says(consented, requested):
    assert purposes.permits(consented, requested) == in_words(consented, requested)
    assert purposes.permits(consented, requested | consented & 0x03FFFF00) == in_words(
        consented, requested | consented & 0x03FFFF00
    )


def test_hierarchy_of_permissions():
    """GRU covers all, HMB covers DS, nothing narrower covers anything wider."""
    granted = {
        (have.name, want.name)
        for have, want in itertools.product(list(Purpose)[:4], repeat=2)
        if purposes.permits(have, want)
    }
    assert granted == {(have, want) for have, wants in INCLUDES.items() for want in wants}


def test_every_modifier_restricts():
    """Consent under a condition serves only a request that declares it; declaring more never harms."""
    for name in MODIFIERS:
        code = Purpose[name]
        assert not purposes.permits(Purpose.HMB | code, Purpose.HMB)
        assert purposes.permits(Purpose.HMB | code, Purpose.HMB | code)
        assert purposes.permits(Purpose.HMB, Purpose.HMB | code)


def test_npuncu_is_npu_and_ncu():
    both = Purpose.HMB | Purpose.NPU | Purpose.NCU
    joint = Purpose.HMB | Purpose.NPUNCU
    assert purposes.permits(both, joint)
    assert purposes.permits(joint, both)
    assert not purposes.permits(joint, Purpose.HMB | Purpose.NPU)


def test_ancestry_research_cannot_be_requested_together_with_its_prohibition():
    assert not purposes.permits(Purpose.GRU | Purpose.NPOA, Purpose.POA | Purpose.NPOA)
    assert purposes.permits(Purpose.GRU | Purpose.NPOA, Purpose.HMB | Purpose.NPOA)


@given(before=consents, after=consents)
def test_narrows_permits_nothing_new(before, after):
    """And where it says no, some request shows why, unless the new consent contradicts itself and permits nothing."""
    conditions = {0, before & 0x03FFFF00, after & 0x03FFFF00, (before | after) & 0x03FFFF00}
    asked = [1 << kind | met for kind in range(4) for met in conditions]
    new = [each for each in asked if purposes.permits(after, each) and not purposes.permits(before, each)]
    if purposes.narrows(before, after):
        assert new == []
    elif not after & Purpose.NPOA:
        assert new != []


def test_disease_is_compared_for_disease_specific_research_only():
    assert purposes.permits_disease(7, 7)
    assert not purposes.permits_disease(7, 8)
    assert not purposes.permits_disease(0, 0)
    assert purposes.permits_study(Purpose.HMB, 7, Purpose.DS, 7)
    assert not purposes.permits_study(Purpose.HMB, 7, Purpose.DS, 8)
    assert not purposes.permits_study(Purpose.DS, 7, Purpose.HMB, 7)
    assert purposes.permits_study(Purpose.HMB, 7, Purpose.HMB, 0)


def test_undefined_bits_are_refused():
    for bit in (4, 7, 26, 31):
        assert not purposes.permits(Purpose.GRU | 1 << bit, Purpose.GRU)
        assert not purposes.permits(Purpose.GRU, Purpose.GRU | 1 << bit)
        for check in (purposes.check_consent, purposes.check_request, purposes.describe, purposes.names):
            with pytest.raises(InputError, match="no code"):
                check(Purpose.GRU | 1 << bit)


def test_consent_needs_a_permission_and_a_request_exactly_one():
    purposes.check_consent(Purpose.HMB | Purpose.POA | Purpose.IRB)
    purposes.check_request(Purpose.HMB | Purpose.IRB)
    with pytest.raises(InputError, match="permit no research"):
        purposes.check_consent(Purpose.IRB)
    for request in (0, Purpose.IRB, Purpose.HMB | Purpose.POA, Purpose.POA | Purpose.NPOA):
        with pytest.raises(InputError, match="exactly one"):
            purposes.check_request(request)


def test_parse_reads_codes_and_identifiers():
    wanted = Purpose.HMB | Purpose.IRB
    assert (
        purposes.parse("HMB,IRB")
        == purposes.parse(" irb hmb ")
        == purposes.parse("DUO:0000006, DUO:0000021")
        == wanted
    )
    with pytest.raises(InputError, match="'XYZ' is no purpose"):
        purposes.parse("HMB,XYZ")
    with pytest.raises(InputError, match="No purpose"):
        purposes.parse(" , ")


@given(bits.filter(purposes.is_defined).filter(bool))
def test_names_are_parsed_back(value):
    assert purposes.parse(",".join(purposes.names(value))) == value


def test_describe_speaks_to_people():
    phrase = purposes.describe(Purpose.HMB | Purpose.IRB | Purpose.NCU)
    assert phrase == "health, medical or biomedical research; with ethics approval; not for commercial use"
    assert all(purposes.describe(code) and purposes.duo_id(code).startswith("DUO:00000") for code in Purpose)
