"""Who counts on which ground."""

from __future__ import annotations

import pytest

from medfed.errors import InputError
from medfed.protocol.basis import Basis, counting
from medfed.protocol.consent import DAY, NO_EXPIRY, RevokeAll, State, Word
from medfed.protocol.purposes import Purpose

HMB, POA, AT = int(Purpose.HMB), int(Purpose.POA), 10 * DAY
SILENT = State()


def said(purposes: int, at: int, expiry: int = NO_EXPIRY, *, left: int = 0) -> State:
    """A word signed and posted at `at`, 0 purposes for a revocation, and a revoke-all at `left`."""
    return State(Word(purposes, at, at, expiry), RevokeAll(left, left))


def count(basis: Basis, *states: State) -> bool:
    return counting(basis, states, HMB, AT) is not None


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


def test_a_basis_has_one_name():
    assert [Basis.parse(basis.label) for basis in Basis] == list(Basis)
    with pytest.raises(InputError, match="choose one of consent, opt-out, permit"):
        Basis.parse("trust")
