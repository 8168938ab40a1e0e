"""Small studies, datasets and registers for tests; every value follows from the arguments."""

from __future__ import annotations

import hashlib

import numpy as np
from eth_utils.address import to_checksum_address

from medfed.data.dataset import Columns, Dataset
from medfed.data.patients import Entry, Register
from medfed.learning.models import complete_study
from medfed.protocol.documents import StudyDraft, StudySpec
from medfed.protocol.leaves import Use
from medfed.types import Address, DatasetId, RoundNumber, StudyId

__all__ = ["CONTRACT", "dataset", "draft", "fields", "patient", "register", "secret", "study", "use"]

CONTRACT = Address("0x5FbDB2315678afecb367f032d93F642f64180aa3")


def fields(**changes):
    """Plain values of a study of three features; `changes` replace whole entries."""
    features = [{"name": name, "center": 0.5 * place, "scale": 2.0} for place, name in enumerate("abc")]
    values = {
        "title": "A study",
        "purposes": 2,
        "schema": {"features": features, "label": "ill"},
        "model": {"kind": "logistic"},
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.5, "l2": 0.01, "momentum": 0.5},
        "codec": {
            "clip_norm": 8.0,
            "bound": 2.0,
            "scale": 65536.0,
            "max_weight": 512,
            "max_hospitals": 4,
        },
        "seed": 7,
        "rounds": 3,
    }
    return values | changes


def draft(**changes) -> StudyDraft:
    return StudyDraft.from_fields(fields(**changes))


def study(**changes) -> StudySpec:
    return complete_study(draft(**changes))[0]


def dataset(records=48, seed=0, features="abc", label="ill") -> Dataset:
    """Records whose label follows from the features, with some noise; both labels are there."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(records, len(features))) * 2
    labels = (values.sum(axis=1) + random.normal(size=records) > 0).astype(np.float64)
    labels[:2] = 0.0, 1.0
    ids = tuple(f"r{seed}-{number}" for number in range(records))
    return Dataset(Columns(tuple(features), label), ids, values, labels)


def secret(*names) -> bytes:
    return hashlib.sha256(repr(names).encode()).digest()


def patient(*names) -> Address:
    return Address(to_checksum_address(secret("patient", *names)[:20]))


def register(data: Dataset, records_each=1) -> Register:
    """A register in which `records_each` neighbouring records belong to one patient."""
    entries = []
    for row, record in enumerate(data.record_ids):
        person = data.record_ids[row // records_each]
        entries.append(Entry(record, patient(person), secret("link", person)))
    return Register(entries)


def use(**changes) -> Use:
    values = {
        "chain_id": 31337,
        "contract": CONTRACT,
        "study": StudyId(1),
        "round": RoundNumber(2),
        "dataset": DatasetId(3),
    }
    return Use(**(values | changes))
