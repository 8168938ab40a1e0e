"""Record commitments: they change with every record, and tell nothing without the secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import numpy as np
import pytest
from eth_utils.crypto import keccak

from medfed.data.commitments import ROOT_TAG, record_leaf, record_leaves, records_root
from medfed.data.dataset import Dataset
from medfed.errors import DataError
from medfed.protocol.leaf_tree import is_leaf_at, leaf_proof
from tests.rig.studies import dataset, secret

DATA = dataset(20)


def altered(row, column=None):
    features, labels = np.array(DATA.features), np.array(DATA.labels)
    if column is None:
        labels[row] = 1.0 - labels[row]
    else:
        features[row, column] = np.nextafter(features[row, column], np.inf)
    return Dataset(DATA.columns, DATA.record_ids, features, labels)


def reordered(order):
    ids = tuple(DATA.record_ids[row] for row in order)
    return Dataset(DATA.columns, ids, DATA.features[order], DATA.labels[order])


def test_leaf_is_the_definition():
    """Recomputed from the words of the module: tag, salt and hash of the record."""
    tag = hashlib.sha256(b"medfed record").digest()
    a, b, c = DATA.features[3].tolist()
    record = {"features": {"a": a, "b": b, "c": c}, "id": "r0-3", "label": int(DATA.labels[3])}
    text = json.dumps(record, separators=(",", ":"), sort_keys=True).encode()
    salt = hmac.new(secret(1), tag + b"r0-3", hashlib.sha256).digest()
    assert record_leaf(DATA, 3, secret(1)) == keccak(tag + salt + hashlib.sha256(text).digest())


def test_root_changes_with_every_value():
    """One unit in the last place of one feature, or one label, is another root."""
    roots = {records_root(altered(row, column), secret(1)) for row in (2, 19) for column in (None, 0, 2)}
    assert len(roots | {records_root(DATA, secret(1))}) == 7


def test_leaf_and_root_change_with_the_year_of_a_record():
    """A record without one has the leaf that it has where no record has one."""
    years = [None] * len(DATA)
    undated = replace(DATA, years=tuple(years))
    assert record_leaf(undated, 3, secret(1)) == record_leaf(DATA, 3, secret(1))
    dated = [replace(DATA, years=(*years[:3], year, *years[4:])) for year in (2020, 2021)]
    assert len({record_leaf(each, 3, secret(1)) for each in (DATA, *dated)}) == 3
    assert len({records_root(each, secret(1)) for each in (DATA, *dated)}) == 3


def test_root_does_not_depend_on_the_order():
    assert records_root(reordered(list(range(19, -1, -1))), secret(1)) == records_root(DATA, secret(1))


def test_nothing_is_guessed_without_the_secret():
    """All leaves differ under another secret, so that equal records of two hospitals do not show."""
    assert not set(record_leaves(DATA, secret(1))) & set(record_leaves(DATA, secret(2)))


def test_a_record_is_opened_by_its_proof():
    leaves = record_leaves(DATA, secret(1))
    leaf = record_leaf(DATA, 7, secret(1))
    index, root = leaves.index(leaf), records_root(DATA, secret(1))
    assert is_leaf_at(ROOT_TAG, root, leaf, (index, len(leaves)), leaf_proof(b"".join(leaves), index))


def test_refuses_a_short_secret():
    with pytest.raises(DataError, match="32 bytes"):
        records_root(DATA, b"short")
