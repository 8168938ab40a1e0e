"""The demonstration data: real, split unevenly, the same for the same seed, scaled by published facts."""

from __future__ import annotations

import re

import numpy as np
import pytest

from medfed.data.breast_cancer import breast_cancer, breast_cancer_schema, breast_cancer_study
from medfed.errors import DataError


@pytest.fixture(scope="module")
def bunch():
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer()


@pytest.mark.parametrize("hospitals", [2, 3, 4, 10])
def test_every_patient_is_in_one_place(hospitals):
    """569 records over held-out set and hospitals, none twice, none lost; both labels and over a step everywhere."""
    demo = breast_cancer(7, hospitals)
    parts = [demo.held_out, *demo.sites]
    ids = [record for part in parts for record in part.record_ids]
    assert len(ids) == len(set(ids)) == 569
    assert sum(int(part.labels.sum()) for part in parts) == 212
    assert len(demo.sites) == hospitals
    assert min(len(site) for site in demo.sites) >= 24
    assert len(demo.held_out) == 113


def test_records_are_those_of_the_source(bunch):
    """Each record keeps its features and its diagnosis through the split."""
    for part in (breast_cancer(7, 4).held_out, *breast_cancer(7, 4).sites):
        rows = [int(record.removeprefix("wdbc-")) - 1 for record in part.record_ids]
        assert np.array_equal(part.features, bunch.data[rows])
        assert np.array_equal(part.labels, bunch.target[rows] == 0)


def test_split_is_uneven_by_size_and_label():
    demo = breast_cancer(7, 4)
    sizes = [len(site) for site in demo.sites]
    shares = [site.labels.mean() for site in demo.sites]
    assert max(sizes) > 2 * min(sizes)
    assert max(shares) > 1.5 * min(shares)


def test_seed_decides_the_split():
    assert breast_cancer(7, 4).held_out.record_ids == breast_cancer(7, 4).held_out.record_ids
    assert breast_cancer(7, 4).held_out.record_ids != breast_cancer(8, 4).held_out.record_ids


@pytest.mark.parametrize("hospitals", [-1, 0, 1, 11])
def test_refuses_other_numbers_of_hospitals(hospitals):
    with pytest.raises(DataError, match="2 to 10"):
        breast_cancer(7, hospitals)


def test_scaling_is_from_the_published_ranges(bunch):
    """The constants give back the table of smallest and largest values in the data set's own description."""
    table = re.findall(
        r"^\s*([a-z ]+) \((mean|standard error|worst)\):\s+([\d.]+)\s+([\d.]+)$", bunch.DESCR, re.MULTILINE
    )
    assert len(table) == 30
    schema = breast_cancer_schema()
    assert list(schema.names) == bunch.feature_names.tolist()
    for feature, (quantity, statistic, low, high) in zip(schema.features, table, strict=True):
        assert set(quantity.split()) <= set(feature.name.split())
        assert ("error" in feature.name) == (statistic == "standard error")
        assert feature.center - 1.5 * feature.scale == pytest.approx(float(low), abs=1e-9)
        assert feature.center + 4.5 * feature.scale == pytest.approx(float(high))


def test_the_study_fits_the_data():
    """The demonstration's spec is valid, predicts this label, and takes ten hospitals."""
    study = breast_cancer_study(7, 5)
    assert study.size == 31
    assert study.codec.max_hospitals == 10
    assert breast_cancer(7, 2).held_out.matrix(study.columns).shape == (113, 30)
