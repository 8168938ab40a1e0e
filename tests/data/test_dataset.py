"""Datasets accept only what can be trained on, and hand a study its columns in its order."""

from __future__ import annotations

import numpy as np
import pytest

from medfed.data.dataset import Columns, Dataset
from medfed.errors import DataError
from medfed.protocol.documents import Schema
from tests.rig.studies import dataset, draft


def schema(names, label="ill"):
    features = [{"name": name, "center": 0.0, "scale": 1.0} for name in names]
    return Schema.from_fields({"features": features, "label": label})


def changed(**changes):
    good = dataset(4)
    values = {
        "columns": good.columns,
        "record_ids": good.record_ids,
        "features": np.array(good.features),
        "labels": np.array([0.0, 1.0, 1.0, 0.0]),
    }
    return Dataset(**(values | changes))


def test_matrix_has_the_studys_columns_in_its_order():
    data = dataset()
    assert np.array_equal(data.matrix(schema("cab")), data.features[:, [2, 0, 1]])
    assert np.array_equal(data.matrix(schema("b")), data.features[:, [1]])


def test_matrix_refuses_a_missing_column():
    with pytest.raises(DataError, match="no column 'd'"):
        dataset().matrix(schema("ad"))


def test_matrix_refuses_another_label():
    with pytest.raises(DataError, match="predicts 'dead'"):
        dataset().matrix(schema("a", label="dead"))


def test_schema_hash_is_the_studys():
    """A dataset with just a study's columns has the hash that the study asks for."""
    assert dataset().columns.schema_hash() == draft().columns.schema_hash()


@pytest.mark.parametrize(
    ("columns", "message"),
    [(((), "ill"), "at least one"), ((("a", "a"), "ill"), "different"), ((("a",), "a"), "different")],
)
def test_columns_are_named_once(columns, message):
    with pytest.raises(DataError, match=message):
        Columns(*columns)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"record_ids": ("x", "x", "y", "z")}, "same id"),
        ({"record_ids": ("x",)}, "shape"),
        ({"labels": np.zeros(3)}, "shape"),
        ({"features": np.zeros((4, 2))}, "shape"),
        ({"features": np.zeros((4, 3), dtype=np.float32)}, "float64"),
        ({"features": np.full((4, 3), np.nan)}, "finite"),
        ({"features": np.full((4, 3), np.inf)}, "finite"),
        ({"labels": np.zeros(4)}, "same in every record"),
        ({"labels": np.ones(4)}, "same in every record"),
        ({"labels": np.array([0.0, 1.0, 2.0, 0.0])}, "0 or 1"),
        ({"labels": np.array([0.0, 1.0, np.nan, 0.0])}, "0 or 1"),
    ],
)
def test_refuses_what_cannot_be_trained_on(changes, message):
    with pytest.raises(DataError, match=message):
        changed(**changes)


def test_is_read_only():
    """Nobody standardises or shuffles a dataset that others hold too."""
    with pytest.raises(ValueError, match="read-only"):
        dataset().features[0, 0] = 1.0


def test_shows_no_record():
    data = dataset(4)
    assert repr(data) == "Dataset(4 records, 3 features)"
