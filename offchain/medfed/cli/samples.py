"""Sample data for trying things out by hand: files as a hospital would have them, made from public data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medfed import durable
from medfed.chain.keys import read_password
from medfed.chain.wallet import create_wallet
from medfed.data.breast_cancer import LABEL, breast_cancer
from medfed.data.csv_source import write_csv
from medfed.data.dataset import Dataset
from medfed.data.patients import Entry, write_register
from medfed.errors import InputError

__all__ = ["write_sample"]

_BY_HAND = 2
"""Records of each hospital without a patient in the register."""

_HOSPITAL = """\
name = "Hospital {number}"
records = "records.csv"
patients = "patients.csv"
secret = "secret.hex"
keystore = "operator.json"
password_file = "{password}"
encryption_key = "encryption.json"
label = "{label}"

[policy]
sponsors = ["*"]            # any; a real hospital lists those it knows
purposes = "GRU"
largest_stake = 500000000   # 500 tokens of six decimals
"""


def write_sample(folder: Path, hospitals: int, seed: int, password_file: Path) -> list[dict[str, Any]]:
    """Write the files; returns what was made for each hospital. Raises `InputError` for a folder that holds some."""
    password = read_password(password_file)
    made = []
    for number, data in enumerate(breast_cancer(seed, hospitals).sites, 1):
        home = folder / f"hospital-{number}"
        if home.exists():
            raise InputError(f"The folder {home} exists already; name another folder.")
        home.mkdir(parents=True)
        write_csv(home / "records.csv", data)
        hidden = os.path.relpath(password_file.resolve(), home.resolve())
        text = _HOSPITAL.format(number=number, password=hidden, label=LABEL)
        durable.write(home / "hospital.toml", text)
        made.append(_people(folder, number, data, password) | {"folder": str(home), "records": len(data)})
    return made


def _people(folder: Path, number: int, data: Dataset, password: str) -> dict[str, Any]:
    """A wallet with an account for each patient, and the register that knows them."""
    path = folder / "patients" / f"hospital-{number}.json"
    wallet = create_wallet(path, password, trial=True)
    entries = [
        Entry(record, wallet.account(index).address, wallet.link_secret(index))
        for index, record in enumerate(data.record_ids[_BY_HAND:])
    ]
    write_register(folder / f"hospital-{number}" / "patients.csv", entries)
    return {"wallet": str(path), "patients": len(entries)}
