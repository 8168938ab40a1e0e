"""Cohorts: exactly the consenting patients with records, counted in steps, hidden in a manifest that fits."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.data.cohort import CohortTerms, build_cohort
from medfed.data.patients import Register
from medfed.errors import DataError
from medfed.protocol.consent import NO_DETAILS, Details
from medfed.protocol.documents import Disclosure
from medfed.protocol.leaves import cohort_leaf, filler_leaf, filler_seed, use_salt
from medfed.protocol.manifest import CohortManifest
from tests.rig.studies import CONTRACT, dataset, patient, register, secret, use

DATA = dataset(60)
REGISTER = register(DATA)
EVERYONE = dict.fromkeys(REGISTER.patients, NO_DETAILS)


def terms(**changes):
    values = {"use": use(), "step": 16, "cap": 512, "filler_secret": secret("filler")}
    return CohortTerms(**(values | changes))


def listed(cohort):
    return {cohort.leaves[start : start + 32] for start in range(0, len(cohort.leaves), 32)}


def some(count, known=REGISTER):
    return dict.fromkeys(known.patients[:count], NO_DETAILS)


@given(
    active=st.sets(st.integers(0, 79), max_size=80),
    records_each=st.sampled_from([1, 2, 3]),
    step=st.sampled_from([1, 4, 16]),
    cap=st.integers(0, 70),
)
def test_every_rule_holds(active, records_each, step, cap):
    """For any set of consents: who is in, what trains, weight, manifest and disclosure are those of the definition."""
    known = register(DATA, records_each)
    # Numbers beyond the register are people who consented and have no record here.
    consenting = {known.patients[n] if n < len(known.patients) else patient("stranger", n) for n in active}
    here = consenting & set(known.patients)
    told = dict.fromkeys(consenting, NO_DETAILS)
    size = min(len(here), cap // step * step + step - 1)
    cohort = build_cohort(DATA, known, told, terms(step=step, cap=cap))
    if size < step:
        assert cohort is None
        return
    assert cohort is not None
    members = {member.patient for member in cohort.members}
    assert members <= here
    assert len(members) == size
    assert cohort.weight == size // step * step
    rows = [row for row, record in enumerate(DATA.record_ids) if known.by_record[record] in members]
    assert cohort.rows.tolist() == rows
    manifest = CohortManifest.from_bytes(cohort.manifest().to_bytes())
    manifest.check_place(1, 2, 3)
    manifest.check_weight(cohort.weight, step)
    assert cohort.weight <= len(here)
    shown = Disclosure(
        chain_id=31337, contract=CONTRACT, hospital=CONTRACT, study=1, dataset=3, rounds=(cohort.disclosed(),)
    )
    assert set(shown.patients(manifest, cohort.weight, step)) == members


def test_a_patient_finds_their_leaf():
    """With their link secret and public numbers alone, and nobody who is not in finds one."""
    cohort = build_cohort(DATA, REGISTER, some(20), terms())
    for place, person in enumerate(REGISTER.patients):
        salt = use_salt(REGISTER.link_secret(person), use())
        assert (cohort_leaf(use(), person, salt) in listed(cohort)) == (place < 20)


def test_starts_again_to_the_same_cohort():
    """A hospital killed before it published makes the same manifest again, fillers included."""
    again = Register(reversed([*entries(REGISTER)]))
    first = build_cohort(DATA, REGISTER, some(21), terms())
    second = build_cohort(DATA, again, dict.fromkeys(sorted(some(21)), NO_DETAILS), terms())
    assert first.manifest() == second.manifest()
    assert np.array_equal(first.rows, second.rows)


def entries(known):
    from medfed.data.patients import Entry

    for record, person in known.by_record.items():
        yield Entry(record, person, known.link_secret(person))


def test_a_revoked_patient_is_absent():
    """No record of theirs trains, and no leaf is theirs."""
    gone = REGISTER.patients[5]
    cohort = build_cohort(DATA, REGISTER, {each: NO_DETAILS for each in EVERYONE if each != gone}, terms())
    assert 5 not in cohort.rows
    assert gone not in {member.patient for member in cohort.members}
    salt = use_salt(REGISTER.link_secret(gone), use())
    assert cohort_leaf(use(), gone, salt) not in listed(cohort)


@pytest.mark.parametrize(("count", "weight"), [(0, None), (15, None), (16, 16), (31, 16), (32, 32), (60, 48)])
def test_weight_counts_whole_steps(count, weight):
    cohort = build_cohort(DATA, REGISTER, some(count), terms())
    assert (cohort and cohort.weight) == weight
    if cohort:
        assert len(cohort.members) == count


def test_the_cap_chooses_by_leaf():
    """Of more patients than count, those with the lowest leaves train: another round, another choice."""

    def chosen(number):
        cohort = build_cohort(DATA, REGISTER, EVERYONE, terms(cap=40, use=use(round=number)))
        assert (cohort.weight, len(cohort.members), cohort.manifest().count) == (32, 47, 48)
        return {member.patient for member in cohort.members}

    assert chosen(2) != chosen(3)


def test_two_rounds_share_no_leaf():
    first, second = (
        build_cohort(DATA, REGISTER, EVERYONE, terms(use=use(round=number))) for number in (2, 3)
    )
    assert not listed(first) & listed(second)


def test_fillers_need_the_hospitals_secret():
    """Who has every link secret but not the hospital's still cannot make the manifest."""
    first, second = (
        build_cohort(DATA, REGISTER, some(20), terms(filler_secret=secret(name))) for name in ("a", "b")
    )
    members = {member.leaf for member in first.members}
    assert listed(first) & listed(second) == members
    assert len(listed(first)) == 32


def test_a_filler_is_opened_by_its_seed():
    """Each leaf that is nobody's is a filler of this use, and no seed opens a second one."""
    cohort = build_cohort(DATA, REGISTER, some(20), terms())
    seeds = [filler_seed(secret("filler"), use(), index) for index in range(12)]
    members = {member.leaf for member in cohort.members}
    assert set(map(filler_leaf, seeds)) == listed(cohort) - members


@pytest.mark.parametrize("changes", [{"step": 0}, {"cap": -1}])
def test_refuses_senseless_terms(changes):
    with pytest.raises(DataError, match="step"):
        build_cohort(DATA, REGISTER, EVERYONE, terms(**changes))


def test_shows_no_patient():
    """Neither cohort nor terms print a person, a leaf or a secret."""
    cohort = build_cohort(DATA, REGISTER, EVERYONE, terms())
    text = repr(cohort) + repr(cohort.members[0]) + repr(terms())
    assert REGISTER.patients[0] not in text
    assert repr(cohort.members[0].salt) not in text
    assert repr(secret("filler")) not in text
    assert "rows" not in {field.name for field in dataclasses.fields(cohort) if field.repr}


class TestWindow:
    """Each patient has four records: of 2014, of 2015, of 2024, and one without a date."""

    YEARS = (2014, 2015, 2024, None)

    def cohort(self, details):
        """Of patients who all say the same of their records."""
        dated = replace(DATA, years=tuple(self.YEARS[row % 4] for row in range(len(DATA))))
        known = register(DATA, 4)
        return build_cohort(dated, known, dict.fromkeys(known.patients, details), terms(step=1, cap=80))

    @pytest.mark.parametrize(
        ("details", "kept"),
        [
            (NO_DETAILS, {0, 1, 2, 3}),
            (Details(form=bytes(range(28))), {0, 1, 2, 3}),
            (Details(2015, 2024), {1, 2}),
            (Details(2015, 2023), {1}),
            (Details(0, 2014), {0}),
            (Details(2016), {2}),
        ],
    )
    def test_records_outside_do_not_train(self, details, kept):
        """Their patient does, with the others; a record without a date only where there is no bound."""
        cohort = self.cohort(details)
        assert {int(row) % 4 for row in cohort.rows} == kept
        assert len(cohort.members) == len(DATA) // 4
        assert len(cohort.rows) == len(DATA) // 4 * len(kept)

    def test_patient_without_a_record_inside_is_not_in_the_cohort(self):
        assert self.cohort(Details(2016, 2023)) is None

    def test_without_dates_no_bounded_window_has_a_record(self):
        """The hospital has to name the column."""
        details = dict.fromkeys(REGISTER.patients, Details(0, 2024))
        assert build_cohort(DATA, REGISTER, details, terms(step=1)) is None

    def test_each_patient_has_a_window_of_their_own(self):
        dated = replace(DATA, years=(2020,) * len(DATA))
        inside, outside = REGISTER.patients[:2]
        told = {inside: Details(2020, 2020), outside: Details(2021, 2022)}
        cohort = build_cohort(dated, REGISTER, told, terms(step=1))
        assert [member.patient for member in cohort.members] == [inside]
