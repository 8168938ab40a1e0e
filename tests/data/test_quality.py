"""Quality reports: right where they speak, silent about fewer than ten people."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.data.dataset import Dataset
from medfed.data.patients import Register
from medfed.data.quality import SMALLEST_COUNT, QualityReport, quality_report
from medfed.errors import ProtocolError
from tests.rig.studies import dataset, register


def labelled(records, positives):
    data = dataset(records)
    labels = (np.arange(records) < positives).astype(np.float64)
    return Dataset(data.columns, data.record_ids, data.features, labels)


def test_describes_a_dataset():
    data = dataset(200)
    report = quality_report(data, register(data, records_each=2))
    assert report.records == 200
    assert report.patients == 100
    assert report.positives == int(data.labels.sum())
    assert report.negatives == 200 - report.positives
    assert (report.duplicates, report.without_patient, report.missing_values) == (0, 0, 0)
    assert report.schema_hash == f"0x{data.columns.schema_hash().hex()}"
    low, high = np.quantile(data.features[:, 0], (0.25, 0.75))
    assert report.features[0].lower_quartile == pytest.approx(low, rel=0.05)
    assert report.features[0].upper_quartile == pytest.approx(high, rel=0.05)
    assert report.score == 10_000


def test_bytes_and_back():
    data = dataset(60)
    report = quality_report(data, register(data))
    assert QualityReport.from_bytes(report.to_bytes()) == report
    with pytest.raises(ProtocolError):
        QualityReport.from_bytes(report.to_bytes() + b" ")


@given(st.integers(4, 120).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1), st.integers(0, n))))
def test_small_counts_stay_private(numbers):
    """No count from 1 to 9 appears or follows from two that do."""
    records, positives, linked = numbers
    data = labelled(records, positives)
    known = Register([entry for entry, _ in zip(entries(data), range(linked), strict=False)])
    report = quality_report(data, known)
    shown = [report.positives, report.negatives, report.duplicates, report.without_patient, report.patients]
    assert not any(count is not None and 0 < count < SMALLEST_COUNT for count in shown)
    assert (report.positives is None) == (report.negatives is None)
    assert report.score % 100 == 0


def entries(data):
    from medfed.data.patients import Entry

    known = register(data)
    return [
        Entry(record, known.by_record[record], known.link_secret(known.by_record[record]))
        for record in data.record_ids
    ]


def test_ranges_need_ten_records_beyond_each_end():
    for records, shown in [(39, False), (40, True)]:
        report = quality_report(dataset(records), register(dataset(records)))
        assert all((feature.lower_quartile is not None) == shown for feature in report.features)


def test_no_value_of_a_record_is_published():
    """Quartiles are rounded to two digits, so that none is somebody's exact measurement."""
    data = dataset(60)
    values = json.loads(quality_report(data, register(data)).to_bytes())
    published = {entry[side] for entry in values["features"] for side in ("lower_quartile", "upper_quartile")}
    assert not published & set(data.features.ravel().tolist())


def test_score_falls_with_each_fault():
    """Few records, a rare label, duplicates, constant columns and unknown patients each cost their share."""
    data = labelled(200, 100)
    full = quality_report(data, register(data)).score
    twins = np.array(data.features)
    twins[100:] = twins[:100]
    flat = np.array(data.features)
    flat[:, 0] = 1.0
    assert full == 10_000
    assert quality_report(dataset(100), register(dataset(100))).score == 8_500
    assert quality_report(labelled(200, 20), register(data)).score == 8_500
    assert quality_report(labelled(200, 5), register(data)).score == 7_000
    assert (
        quality_report(Dataset(data.columns, data.record_ids, twins, data.labels), register(data)).score
        == 9_000
    )
    assert (
        quality_report(Dataset(data.columns, data.record_ids, flat, data.labels), register(data)).score
        == 9_600
    )
    assert quality_report(data, Register([])).score == 9_000
