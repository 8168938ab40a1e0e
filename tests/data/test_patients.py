"""The register: who a record's patient is, kept to itself."""

from __future__ import annotations

import pytest

from medfed.data.patients import Entry, Register, load_register, write_register
from medfed.data.private_file import write_private
from medfed.errors import ConfigError, DataError
from tests.rig.studies import dataset, patient, register, secret

HEADER = "record_id,patient,link_secret\n"
KEY = "0x" + "ab" * 32


def entry(record, person):
    return Entry(record, patient(person), secret("link", person))


def test_written_and_read_back(tmp_path):
    path = tmp_path / "register.csv"
    write_register(path, [entry("r1", 1), entry("r,2", 2), entry("r3", 1)])
    found = load_register(path)
    assert dict(found.by_record) == {"r1": patient(1), "r,2": patient(2), "r3": patient(1)}
    assert found.patients == (patient(1), patient(2))
    assert found.link_secret(patient(2)) == secret("link", 2)
    assert len(found) == 3


def test_rows_of_each_patient():
    """All records of a patient, in the dataset's order; records without a patient belong to nobody."""
    data = dataset(6)
    ids = data.record_ids
    found = Register([entry(ids[4], 1), entry(ids[1], 1), entry(ids[3], 2), entry("elsewhere", 3)])
    assert found.patients[:2] == (patient(1), patient(2))
    assert found.owners(data).tolist() == [-1, 0, -1, 1, 0, -1]
    assert found.present(data) == {patient(1), patient(2)}


def test_others_must_not_read_it(tmp_path):
    path = tmp_path / "register.csv"
    write_register(path, [entry("r1", 1)])
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_register(path)


def test_shows_counts_only():
    """Neither repr nor str of a register or an entry names a record, a patient or a secret."""
    data = dataset(3)
    found = register(data)
    assert repr(found) == str(found) == "Register(3 records, 3 patients)"
    assert repr(entry("r1", 1)) == "Entry()"


def test_does_not_know_strangers():
    with pytest.raises(DataError, match="does not know"):
        register(dataset(3)).link_secret(patient("stranger"))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("r1", 1), entry("r1", 2)], "entry 2: this record is there twice"),
        ([entry("r1", 1), Entry("r2", patient(1), secret("other"))], "entry 2: this patient has another"),
        ([entry("r1", 1), Entry("r2", patient(2), secret("link", 1))], "share a link secret"),
        ([Entry("r1", patient(1), b"short")], "entry 1: a link secret has 32 bytes"),
    ],
)
def test_refuses_contradictions(tmp_path, entries, message):
    with pytest.raises(DataError, match=message):
        Register(entries)
    with pytest.raises(DataError, match=message):
        write_register(tmp_path / "register.csv", entries)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with the header"),
        ("record,patient,secret\n", "must begin with the header"),
        (HEADER + "r1,0x12\n", "row 1: 2 fields"),
        (HEADER + f",{patient(1)},{KEY}\n", "row 1: the record_id is missing"),
        (HEADER + f"r1,Jane Doe,{KEY}\n", "row 1: a patient is an address"),
        (HEADER + f"r1,{patient(1)},{KEY[:-2]}\n", "row 1: a link secret is"),
        (HEADER + f"r1,{patient(1)},{KEY}\nr1,{patient(1)},{KEY}\n", "entry 2: this record is there twice"),
        (HEADER + f'r1,"{patient(1)}\n', "not a CSV file"),
        (b"\xff\xfe", "not a CSV file"),
    ],
)
def test_names_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "register.csv"
    write_private(path, text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message) as caught:
        load_register(path)
    assert not any(value in str(caught.value) for value in ("Jane", patient(1), KEY[2:-2]))


def test_addresses_are_checked(tmp_path):
    """Lower case is taken as it is; mixed case has to be the checksum."""
    path = tmp_path / "register.csv"
    write_private(path, (HEADER + f"r1,{patient(1).lower()},{KEY}\n").encode())
    assert load_register(path).patients == (patient(1),)
    slip = patient(1).swapcase().replace("0X", "0x")
    write_private(path, (HEADER + f"r1,{slip},{KEY}\n").encode())
    with pytest.raises(DataError, match="checksum"):
        load_register(path)
