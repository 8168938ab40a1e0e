"""A round of eight hospitals whose model has ten million parameters, as files in a local store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfed.protocol.cid import cid_of, digest_of
from medfed.protocol.commitments import Update
from medfed.protocol.documents import StudyDraft, StudySpec
from medfed.protocol.header import Header
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.vector import Sealed, write_vector
from medfed.rounds.history import Enrolment
from medfed.rounds.recompute import RoundPlace
from medfed.storage.local import LocalStore
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = [
    "HOSPITALS",
    "SIZE",
    "VECTOR_BYTES",
    "Round",
    "delta",
    "load_round",
    "make_round",
    "place",
    "save_round",
    "store_update",
]

SIZE = 10_000_000
VECTOR_BYTES = 4 * SIZE
HOSPITALS = 8
_WEIGHT = 16


@dataclass(frozen=True)
class Round:
    """What a participant knows of a round when Training has closed."""

    place: RoundPlace
    entries: dict[Seat, Enrolment]
    updates: dict[Seat, Update]


def place() -> RoundPlace:
    """Round 1 of a study with exactly `SIZE` parameters."""
    features = [{"name": name, "center": 0.0, "scale": 1.0} for name in "abc"]
    draft = StudyDraft.from_fields(
        {
            "title": "A bench",
            "purposes": 2,
            "schema": {"features": features, "label": "ill"},
            "model": {"kind": "mlp", "hidden": [939, 10623]},
            "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
            "codec": {
                "clip_norm": 8.0,
                "bound": 2.0,
                "scale": 65536.0,
                "max_weight": 512,
                "max_hospitals": HOSPITALS,
            },
            "seed": 7,
            "rounds": 1,
        }
    )
    spec: StudySpec = draft.with_initial_model(cid_of(b""))
    assert spec.size == SIZE
    return RoundPlace(31337, Address("0x" + "c0" * 20), StudyId(1), RoundNumber(1), spec)


def delta() -> NDArray[np.float32]:
    """An update as training leaves it, (SIZE,)."""
    drawn = np.random.default_rng(7).standard_normal(SIZE, dtype=np.float32)
    drawn *= np.float32(1e-3)  # in place, as memory is measured
    return drawn


def _words(seat: int) -> NDArray[np.uint32]:
    """An encoded update of weight 16, (SIZE,)."""
    return np.random.default_rng(seat).integers(-(2**20), 2**20, SIZE, dtype=np.int32).view(np.uint32)


def store_update(store: LocalStore, header: Header, encoded: NDArray[np.uint32], file: Path) -> Sealed:
    """Write a vector and put it into the store, as a hospital's daemon does."""
    with file.open("wb") as out:
        sealed = write_vector(header, encoded, out)
    stored = store.put(file)
    assert stored == sealed.cid
    return sealed


def make_round(store: LocalStore, folder: Path) -> Round:
    """Every hospital's update and manifest, published."""
    where, entries = place(), _entries()
    updates = {}
    for seat, entry in entries.items():
        sealed = store_update(store, where.header(entry.hospital), _words(seat), folder / "update.bin")
        manifest = CohortManifest(where.study, where.number, entry.dataset, _leaves(seat))
        cohort = digest_of(store.put(manifest.to_bytes()))
        updates[seat] = Update(digest_of(sealed.cid), sealed.root, cohort, manifest.root(), _WEIGHT)
    return Round(where, entries, updates)


def save_round(made: Round, file: Path) -> None:
    """The commitments as JSON, for another process."""
    values = {
        seat: {
            name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(update).items()
        }
        for seat, update in made.updates.items()
    }
    file.write_text(json.dumps(values), encoding="utf-8")


def load_round(file: Path) -> Round:
    """What `save_round` wrote."""
    updates = {
        Seat(int(seat)): Update(
            *(bytes.fromhex(fields[name]) for name in ("cid", "update_root", "cohort_cid", "cohort_root")),
            weight=fields["weight"],
        )
        for seat, fields in json.loads(file.read_text(encoding="utf-8")).items()
    }
    return Round(place(), _entries(), updates)


def _entries() -> dict[Seat, Enrolment]:
    seats = map(Seat, range(HOSPITALS))
    return {
        seat: Enrolment(seat, HospitalId(Address(f"0x{seat + 1:040x}")), DatasetId(seat + 1), 1, 1000)
        for seat in seats
    }


def _leaves(seat: int) -> bytes:
    return b"".join(bytes([seat]) + leaf.to_bytes(31, "big") for leaf in range(_WEIGHT))
