"""Records from CSV files: what is written is read, what is wrong is named by line and column and never by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.data.csv_source import load_csv, read_columns, write_csv
from medfed.data.dataset import Columns, Dataset
from medfed.errors import DataError
from tests.rig.studies import dataset

GOOD = "record_id,a,b,ill\np1,1.5,-2,0\np2,.5,3e1,1\n"


@pytest.fixture
def write(tmp_path):
    def written(content):
        path = tmp_path / "records.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def test_reads_a_file(write):
    data = load_csv(write(GOOD), label="ill")
    assert data.columns == Columns(("a", "b"), "ill")
    assert data.record_ids == ("p1", "p2")
    assert data.features.tolist() == [[1.5, -2.0], [0.5, 30.0]]
    assert data.labels.tolist() == [0.0, 1.0]


def test_reads_what_spreadsheets_write(write):
    """A byte order mark, CRLF, quotes, blank lines and spaces around numbers change nothing."""
    text = '﻿record_id,a,b,"ill"\r\np1, 1.5,-2,0\r\n\r\n"p2",.5 ,"3e1",1\r\n'
    plain, odd = load_csv(write(GOOD), label="ill"), load_csv(write(text), label="ill")
    assert odd.columns == plain.columns
    assert odd.record_ids == plain.record_ids
    assert np.array_equal(odd.features, plain.features)


def test_columns_in_any_order_become_the_wanted_order(write):
    data = load_csv(write(GOOD), Columns(("b", "a"), "ill"))
    assert data.features.tolist() == [[-2.0, 1.5], [30.0, 0.5]]


def test_header_alone_tells_the_columns(write):
    assert read_columns(write(GOOD), "ill") == Columns(("a", "b"), "ill")


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=8))
def test_written_records_are_read_with_the_same_bits(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "records.csv"
    labels = np.arange(len(rows)) % 2.0
    data = Dataset(
        Columns(("x, y", 'q"'), "ill"), tuple(f"p{i}" for i in range(len(rows))), np.array(rows), labels
    )
    write_csv(path, data)
    again = load_csv(path, label="ill")
    assert again.columns == data.columns
    assert again.record_ids == data.record_ids
    assert again.features.tobytes() == data.features.tobytes()
    assert again.labels.tobytes() == data.labels.tobytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks column 'record_id'"),
        ("a,b,ill\n", "lacks column 'record_id'"),
        ("record_id,a,b\n", "lacks column 'ill'"),
        ("record_id,a,a,ill\n", "column 'a' twice"),
        ("record_id,a,,ill\n", "without a name"),
        ("record_id,ill\np1,0\n", "at least one feature"),
        ("record_id,a,b,ill\n", "no records"),
        (GOOD + "p3,1,2\n", "line 4: 3 fields where the header has 4"),
        (GOOD + "p3,1,2,0,9\n", "line 4: 5 fields"),
        (GOOD + "p1,1,2,0\n", "line 4: this record_id is there twice"),
        (GOOD + ",1,2,0\n", "line 4: the record_id must have"),
        (GOOD + "p3,,2,0\n", "line 4: 'a' is missing"),
        (GOOD + "p3,1,2,\n", "line 4: 'ill' is missing"),
        (GOOD + "p3,1,2,2\n", "'ill' must be 0 or 1"),
        ("record_id,a,ill\np1,1,0\np2,2,0\n", "'ill' is the same in every record"),
        (GOOD + 'p3,1,"2,0\n', "not a CSV file"),
        (GOOD.encode("utf-16"), "not a CSV file"),
        (GOOD.encode() + b"p\xff,1,2,0\n", "not a CSV file"),
    ],
)
def test_names_what_is_wrong(write, text, message):
    with pytest.raises(DataError, match=message):
        load_csv(write(text), label="ill")


@pytest.mark.parametrize(
    "value", ["nan", "NaN", "inf", "-inf", "1e999", "1_000", "1,5", "٣", "yes", "0x10", "1.2.3"]
)
def test_refuses_what_is_no_finite_number_without_showing_it(write, value):
    with pytest.raises(DataError, match="line 4: 'b' is not a finite number") as caught:
        load_csv(write(GOOD + f'p3,1,"{value}",0\n'), label="ill")
    assert value not in str(caught.value)


def test_refuses_other_columns_than_wanted(write):
    path = write(GOOD)
    with pytest.raises(DataError, match="lacks column 'c'"):
        load_csv(path, Columns(("a", "b", "c"), "ill"))
    with pytest.raises(DataError, match="unexpected column 'b'"):
        load_csv(path, Columns(("a",), "ill"))


def test_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="Cannot read"):
        load_csv(tmp_path / "absent.csv")


def test_messages_never_show_a_value(write):
    """One bad field in every place of a file of telling values: none of them appears in the message."""
    data = dataset(3)
    header = ["record_id", *data.columns.features, "ill"]
    rows = [["person7", "41.25", "42.25", "43.25", "0"], ["person8", "44.25", "45.25", "46.25", "1"]]
    for row in range(2):
        for column in range(1, 5):
            broken = [list(fields) for fields in rows]
            broken[row][column] = "secret47"
            text = "\n".join(",".join(fields) for fields in [header, *broken])
            with pytest.raises(DataError) as caught:
                load_csv(write(text), label="ill")
            assert not any(value in str(caught.value) for value in ("person", ".25", "47"))
            assert f"line {row + 2}" in str(caught.value)
            assert repr(header[column]) in str(caught.value)


class TestDates:
    """A column of clinical dates, of which the year is kept."""

    DATED = "record_id,a,seen,ill\np1,1,2021-05-30,0\np2,2,1999,1\np3,3, ,1\n"

    def test_years_are_read_and_no_feature(self, write):
        data = load_csv(write(self.DATED), label="ill", date="seen")
        assert data.years == (2021, 1999, None)
        assert data.columns == Columns(("a",), "ill") == read_columns(write(self.DATED), "ill", "seen")

    def test_without_a_column_no_record_has_one(self, write):
        data = load_csv(write(GOOD), label="ill")
        assert data.years == ()
        assert data.year(0) is None

    @pytest.mark.parametrize(
        "text", ["30.05.2021", "2021-13-01", "2021-02-29", "21", "20210530", "2021-5-3", "٢٠٢١"]
    )
    def test_what_is_no_date_is_refused(self, write, text):
        with pytest.raises(DataError, match=r"line 2: 'seen' is neither a date"):
            load_csv(write(self.DATED.replace("2021-05-30", text)), label="ill", date="seen")

    def test_column_that_is_not_there_is_refused(self, write):
        with pytest.raises(DataError, match="lacks column 'seen'"):
            load_csv(write(GOOD), label="ill", date="seen")
