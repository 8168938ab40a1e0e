"""Odd sets of purposes, held against what a study does and what a patient lets it do, written down a third time: as acts."""

from __future__ import annotations

import random
from functools import cache
from itertools import product

import pytest

from medfed.errors import InputError
from medfed.protocol import purposes as duo
from medfed.protocol.purposes import PARAMETERISED, Purpose, permits

GRU, HMB, DS, POA, CC, NRES, MDS, NPOA, NMDS = (
    int(Purpose[name]) for name in ("GRU", "HMB", "DS", "POA", "CC", "NRES", "MDS", "NPOA", "NMDS")
)
MEANT = (GRU, HMB, DS, POA, CC, NRES, MDS, NPOA, NMDS)
UNDEFINED = tuple(1 << bit for bit in (7, 9, 10, 21, 22, 23))
PROMISES = [1 << bit for bit in range(12, 21)]
CONFIRMED = [1 << bit for bit in range(24, 31)]

LETS = {
    GRU: {"other", "health", "disease", "origins"},
    HMB: {"health", "disease"},
    DS: {"disease"},
    POA: {"origins"},
    CC: {"care"},
    NRES: {"other", "health", "disease", "origins", "care"},
}
DOES = {
    GRU: {"other", "health", "disease", "origins", "methods"},
    HMB: {"health"},
    DS: {"disease"},
    POA: {"origins"},
    CC: {"care"},
    MDS: {"methods"},
}
DENIES = {NPOA: {"origins"}, NMDS: {"methods"}}


def every(*bits):
    """Each set of these bits."""
    return [sum(chosen) for chosen in product(*((0, bit) for bit in bits))]


def of(table, said):
    return set().union(*(acts for bit, acts in table.items() if said & bit))


def can_be_said(consent):
    try:
        duo.check_consent(consent)
    except InputError:
        return False
    return True


def lets(consent):
    return (of(LETS, consent) | {"methods"}) - of(DENIES, consent)


def does(request):
    """What a study does, None for what no study may ask for."""
    research = sum(bool(request & kind) for kind in (GRU, HMB, DS, POA))
    contrary = (request & POA and request & NPOA) or (request & MDS and request & NMDS)
    if request & NRES or research > 1 or not (research or request & CC) or contrary:
        return None
    denied = of(DENIES, request) if request & GRU else set()
    return of(DOES, request) - denied


CONSENTS = [each for each in every(*MEANT) if can_be_said(each)]
REQUESTS = every(*MEANT)


@cache
def permitted(consent):
    """The requests that it permits."""
    return frozenset(request for request in REQUESTS if permits(consent, request))


def test_no_study_does_what_a_patient_did_not_let_it_do():
    """Every consent that can be given against every request: also the empty one, NRES, both denials, two kinds at once."""
    for consent, request in product(CONSENTS, REQUESTS):
        acts = does(request)
        assert (request in permitted(consent)) == (acts is not None and acts <= lets(consent)), (
            consent,
            request,
        )


def test_no_narrowing_permits_anything_new():
    for before, after in product(CONSENTS, CONSENTS):
        if duo.narrows(before, after):
            assert permitted(after) <= permitted(before)


@pytest.mark.parametrize("bit", UNDEFINED)
def test_a_bit_that_means_nothing_gets_no_study_in(bit):
    """Whoever adds it: the sponsor, or somebody who could write a word of the chain."""
    for consent, request in product(CONSENTS, REQUESTS):
        assert not permits(consent, request | bit)
        assert not permits(consent | bit, request)
        assert not permits(consent, request | duo.DETAILS)


def test_conditions_are_met_by_whose_word_they_are():
    """A sponsor that writes all of them down has those that it may promise; a hospital adds those that it confirmed, and none that
    the study does not name."""
    draw = random.Random(4)
    for _ in range(3000):
        consent = draw.choice(CONSENTS)
        if consent & NRES:
            continue
        wanted = sum(draw.sample(PROMISES + CONFIRMED, draw.randint(0, 4)))
        named = sum(draw.sample(PROMISES + CONFIRMED, draw.randint(0, 16)))
        confirmed = sum(draw.sample(CONFIRMED, draw.randint(0, 7)))
        request = draw.choice((HMB, DS, GRU | NPOA, CC, HMB | CC, POA))
        seat = duo.met(request | named, confirmed)
        held = (named & ~PARAMETERISED) | (named & confirmed)
        assert permits(consent | wanted, seat) == (request in permitted(consent) and not wanted & ~held)


@pytest.mark.parametrize("own", [0, 7, 8])
@pytest.mark.parametrize("studied", [0, 7, 8])
def test_a_disease_is_nobodys_but_the_datasets(own, studied):
    """DS on a dataset without a disease, for a study without one, or for another, never is that patient's DS."""
    for request in (DS, DS | CC, DS | MDS, DS | NPOA):
        asked = duo.asked(request, own, studied)
        assert permits(DS | CC, asked) == bool(own and own == studied)
        assert permits(HMB | CC, asked)
