"""The hospital's private register: which account a record's patient has, and the secret the two of them share.

A CSV file of mode 0600 with the header `record_id,patient,link_secret`. It never leaves the hospital and is never
logged: its objects show counts only.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
from eth_utils.address import is_checksum_formatted_address, to_checksum_address
from numpy.typing import NDArray

from medfed.data.dataset import Dataset
from medfed.data.private_file import read_private, write_private
from medfed.errors import DataError
from medfed.protocol.leaves import SECRET_BYTES
from medfed.types import Address

__all__ = [
    "Entry",
    "Register",
    "add_entry",
    "former_register",
    "former_registers",
    "load_register",
    "replace_patient",
    "write_register",
]

_HEADER = ["record_id", "patient", "link_secret"]
_BEFORE = "-before-"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record's patient."""

    record_id: str = field(repr=False)
    patient: Address = field(repr=False)
    link_secret: bytes = field(repr=False)


class Register:
    """Patients by record and link secrets by patient. Records without an entry have no patient and never train."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Raises `DataError` for a record that is there twice, or a patient or secret with two of the other."""
        patients: dict[str, Address] = {}
        secrets: dict[Address, bytes] = {}
        for number, entry in enumerate(entries, 1):
            if entry.record_id in patients:
                raise DataError(f"Register entry {number}: this record is there twice.")
            if len(entry.link_secret) != SECRET_BYTES:
                raise DataError(f"Register entry {number}: a link secret has {SECRET_BYTES} bytes.")
            if secrets.setdefault(entry.patient, entry.link_secret) != entry.link_secret:
                raise DataError(f"Register entry {number}: this patient has another link secret further up.")
            patients[entry.record_id] = entry.patient
        if len(set(secrets.values())) != len(secrets):
            raise DataError("Two patients of the register share a link secret; draw one for each.")
        self._patients = patients
        self._secrets = secrets

    def __repr__(self) -> str:
        return f"Register({len(self._patients)} records, {len(self._secrets)} patients)"

    def __len__(self) -> int:
        """How many records have a patient."""
        return len(self._patients)

    @property
    def patients(self) -> tuple[Address, ...]:
        """Every patient once, in the order of the register."""
        return tuple(self._secrets)

    @property
    def by_record(self) -> Mapping[str, Address]:
        return MappingProxyType(self._patients)

    def link_secret(self, patient: Address) -> bytes:
        """The secret shared with this patient. Raises `DataError` for a stranger."""
        try:
            return self._secrets[patient]
        except KeyError:
            raise DataError("The register does not know this patient.") from None

    def present(self, dataset: Dataset) -> set[Address]:
        """The patients who have a record in the dataset."""
        return {self._patients[record] for record in dataset.record_ids if record in self._patients}

    def owners(self, dataset: Dataset) -> NDArray[np.int64]:
        """(n,): for each record of the dataset the number of its patient in `patients`, -1 for a record without one."""
        numbers = {patient: number for number, patient in enumerate(self._secrets)}
        numbers_by_record = {record: numbers[patient] for record, patient in self._patients.items()}
        found = (numbers_by_record.get(record, -1) for record in dataset.record_ids)
        return np.fromiter(found, np.int64, len(dataset.record_ids))


def load_register(path: Path) -> Register:
    """Read and check a register. Raises `ConfigError` when others can read the file, `DataError` when malformed."""
    try:
        text = read_private(path).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (csv.Error, UnicodeDecodeError):
        raise DataError(f"{path.name} is not a CSV file in UTF-8; export it again.") from None
    if not rows or rows[0] != _HEADER:
        raise DataError(f"{path.name} must begin with the header {','.join(_HEADER)}.")
    return Register([_entry(row, f"{path.name}, row {number}") for number, row in enumerate(rows[1:], 1)])


def write_register(path: Path, entries: Iterable[Entry]) -> None:
    """Write a register that only its owner may read, atomically. Raises as `Register` does."""
    kept = list(entries)
    Register(kept)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows([entry.record_id, entry.patient, f"0x{entry.link_secret.hex()}"] for entry in kept)
    write_private(path, text.getvalue().encode())


def add_entry(path: Path, entry: Entry) -> int:
    """Add one record's patient to a register, begun when there is none; returns how many records have a patient.

    Raises `DataError` for a record that has a patient already, or a secret that does not go with the patient.
    """
    register = load_register(path) if path.exists() else Register([])
    known = register.by_record.get(entry.record_id)
    if known == entry.patient:
        raise DataError("This record is entered with this account already; there is nothing to do.")
    if known is not None:
        raise DataError(
            "This record has a patient in the register already, with another account: look whether the record's id is right. Only where "
            "that same patient has a new wallet, `medfed dataset enlist --replace` gives all of the patient's records the new account."
        )
    kept = _entries(register)
    write_register(path, [*kept, entry])
    return len(kept) + 1


def replace_patient(path: Path, entry: Entry, former: Path) -> int:
    """Give the patient of a record another account and secret, for all of their records, as after a lost wallet. The register
    as it was is kept in the file `former`: cohorts of rounds before can be shown with it alone. Returns how many records.

    Raises `DataError` for a record without a patient, one that has this account, or where `former` exists.
    """
    register = load_register(path)
    patient = register.by_record.get(entry.record_id)
    if patient is None:
        raise DataError("This record has no patient in the register; enlist it without --replace.")
    if patient == entry.patient:
        raise DataError("This record is entered with this account already; there is nothing to do.")
    if former.exists():
        raise DataError(f"The register of before would be kept in {former}, which exists; move that away.")
    write_register(former, _entries(register))
    changed = [
        Entry(each.record_id, entry.patient, entry.link_secret) if each.patient == patient else each
        for each in _entries(register)
    ]
    write_register(path, changed)
    return sum(each.patient == entry.patient for each in changed)


def former_register(path: Path, patient: Address) -> Path:
    """Where the register is kept as it was before `patient` took another's place."""
    return path.with_name(f"{path.stem}{_BEFORE}{patient[2:10]}.csv")


def former_registers(path: Path) -> list[Path]:
    """All that are kept beside a register."""
    return sorted(
        each
        for each in path.parent.iterdir()
        if each.name.startswith(f"{path.stem}{_BEFORE}") and each.is_file()
    )


def _entries(register: Register) -> list[Entry]:
    return [
        Entry(record, patient, register.link_secret(patient))
        for record, patient in register.by_record.items()
    ]


def _entry(row: list[str], place: str) -> Entry:
    if len(row) != len(_HEADER):
        raise DataError(f"{place}: {len(row)} fields where the header has {len(_HEADER)}.")
    record, patient, secret = (value.strip() for value in row)
    if not record:
        raise DataError(f"{place}: the record_id is missing.")
    if not re.fullmatch(r"0x[0-9a-fA-F]{64}", secret):
        raise DataError(f"{place}: a link secret is 0x and 64 hexadecimal digits.")
    return Entry(record, _address(patient, place), bytes.fromhex(secret[2:]))


def _address(text: str, place: str) -> Address:
    if not _ADDRESS.fullmatch(text):
        raise DataError(f"{place}: a patient is an address, 0x and 40 hexadecimal digits.")
    checked = to_checksum_address(text)
    # Mixed case carries a checksum: a slip of the pen would otherwise become an account that nobody has.
    if is_checksum_formatted_address(text) and checked != text:
        raise DataError(f"{place}: the patient's address has a wrong checksum; copy it again.")
    return Address(checked)
