"""Who counts on which ground."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medfed.errors import InputError
from medfed.protocol.basis import Basis, counting
from medfed.protocol.consent import DAY, NO_EXPIRY, NO_LAST_YEAR, Details, RevokeAll, State, Word
from medfed.protocol.purposes import DETAILS, Purpose

HMB, DS, POA, AT = int(Purpose.HMB), int(Purpose.DS), int(Purpose.POA), 10 * DAY
SILENT = State()


def said(purposes: int, at: int, expiry: int = NO_EXPIRY, *, left: int = 0) -> State:
    """A word signed and posted at `at`, 0 purposes for a revocation, and a revoke-all at `left`."""
    return State(Word(purposes, at, at, expiry), RevokeAll(left, left))


def count(basis: Basis, *states: State) -> bool:
    return counting(basis, states, [HMB] * len(states), AT) is not None


@pytest.mark.parametrize("basis", [Basis.OPT_OUT, Basis.PERMIT])
@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([SILENT], True),
        ([said(HMB, 5)], True),
        ([said(0, 5)], False),
        ([said(POA, 5)], False),
        ([said(HMB, 5, expiry=9)], False),
        ([State(revoke_all=RevokeAll(5, 5))], False),
        ([said(HMB, 5, left=6)], False),
        ([said(HMB, 7, left=6)], True),
        ([SILENT, said(0, 5)], False),
        ([SILENT, SILENT, said(0, 5)], False),
        ([SILENT, said(HMB, 5)], True),
        ([said(HMB, 6), said(0, 5)], True),
        ([said(HMB, 5), said(0, 5)], False),
        ([said(HMB, 5), said(0, 6)], False),
        ([said(0, 6), said(HMB, 5)], False),
        ([said(HMB, 8, left=7), said(HMB, 5, left=7)], True),
        ([SILENT, said(HMB, 8, left=7), said(0, 5)], False),
    ],
)
def test_the_enlisted_count_until_they_object_on_any_dataset_of_the_line(basis, states, expected):
    assert count(basis, *states) is expected


@pytest.mark.parametrize(("state", "expected"), [(SILENT, False), (said(HMB, 5), True), (said(0, 5), False)])
def test_with_consent_just_the_dataset_s_own_word_counts(state, expected):
    for others in ([], [said(0, 9)], [said(HMB, 9)]):
        assert count(Basis.CONSENT, state, *others) is expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [((DS, HMB), False), ((HMB, DS), True), ((DS, DS), True), ((HMB, HMB), False)],
)
def test_a_word_about_one_disease_is_held_against_what_its_own_dataset_is_asked(asked, expected):
    """On the dataset before, the patient permitted research into its disease and nothing else."""
    states = [SILENT, said(DS, 5)]
    assert (counting(Basis.OPT_OUT, states, asked, AT) is not None) is expected


def in_window(first: int, last: int, at: int) -> State:
    return replace(said(HMB | DETAILS, at), details=Details(first, last))


@pytest.mark.parametrize("basis", [Basis.OPT_OUT, Basis.PERMIT])
@pytest.mark.parametrize(
    ("states", "window"),
    [
        ([SILENT, in_window(2010, 2020, 5)], (2010, 2020)),
        ([SILENT, in_window(2010, 2020, 5), in_window(2015, 2030, 4)], (2015, 2020)),
        ([in_window(2000, 2016, 5), in_window(2010, 2020, 6)], (2010, 2016)),
        ([in_window(2000, 2030, 6), in_window(2010, 2020, 5)], (2000, 2030)),
        ([said(HMB, 6), in_window(2010, 2020, 5)], (0, NO_LAST_YEAR)),
        ([in_window(2000, 2030, 6), said(0, 5), in_window(2010, 2020, 7)], (2010, 2020)),
    ],
)
def test_a_window_stands_for_the_line_as_an_objection_does(basis, states, window):
    """A hospital that registers its data anew has no records back that a patient left out; a later word on them does."""
    details = counting(basis, states, [HMB] * len(states), AT)
    assert details is not None
    assert (details.data_from, details.data_until) == window


def test_with_consent_no_other_datasets_window_counts():
    assert counting(Basis.CONSENT, [said(HMB, 5), in_window(2010, 2020, 6)], [HMB, HMB], AT) == Details()


def test_a_basis_has_one_name():
    assert [Basis.parse(basis.label) for basis in Basis] == list(Basis)
    with pytest.raises(InputError, match="choose one of consent, opt-out, permit"):
        Basis.parse("trust")
