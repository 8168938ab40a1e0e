"""A round comes to the same result by every rule, whatever the order in which updates arrive and wherever they are kept."""

from __future__ import annotations

import numpy as np
import pytest

from medfed.errors import ProtocolError
from medfed.learning.models import initial_model, model_bytes
from medfed.learning.rules import aggregate
from medfed.learning.server import next_model
from medfed.protocol.chunks import chunk_root
from medfed.protocol.cid import cid_of, digest_of
from medfed.protocol.commitments import Update
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.vector import vector_bytes
from medfed.rounds import recompute
from medfed.rounds.history import Enrolment
from medfed.rounds.recompute import RoundPlace, RoundSum
from medfed.storage.local import LocalStore
from medfed.types import DatasetId, HospitalId, RoundNumber, Seat, StudyId
from tests.rig.studies import CONTRACT, patient, secret, study, use

RULES = [
    {"kind": "sum"},
    {"kind": "median"},
    {"kind": "trimmed-mean", "trim": 1},
    {"kind": "multi-krum", "faulty": 1},
    {"kind": "geometric-median"},
]
WEIGHTS = [16, 32, 48, 64]


class World:
    """A round of four hospitals whose updates are in a store."""

    def __init__(self, folder, rule):
        self.spec = study(rule=rule, model={"kind": "mlp", "hidden": [40]})
        self.place = RoundPlace(31337, CONTRACT, StudyId(1), RoundNumber(2), self.spec)
        self.store = LocalStore(folder)
        self.entries = {
            Seat(seat): Enrolment(
                Seat(seat), HospitalId(patient("hospital", seat)), DatasetId(seat + 1), 1, 100
            )
            for seat in range(4)
        }
        random = np.random.default_rng(1)
        deltas = [random.normal(size=self.spec.size) / 20 for _ in WEIGHTS]
        self.rows = [
            self.spec.codec.encode(delta, self.spec.rule.coded_weight(weight))
            for delta, weight in zip(deltas, WEIGHTS, strict=True)
        ]

    def submit(self, seat, words=None):
        """Publish an update; returns what its hospital commits to."""
        words = self.rows[seat] if words is None else words
        entry = self.entries[Seat(seat)]
        header = self.place.header(entry.hospital)
        where = use(study=StudyId(1), round=RoundNumber(2), dataset=entry.dataset)
        leaves = sorted(secret("filler", seat, index) for index in range(WEIGHTS[seat]))
        manifest = CohortManifest.of(where, b"".join(leaves))
        file = vector_bytes(header, words)
        root = chunk_root(np.concatenate([header.words(), words]))
        cids = self.store.put(file), self.store.put(manifest.to_bytes())
        return Update(digest_of(cids[0]), root, digest_of(cids[1]), manifest.root(), WEIGHTS[seat])


@pytest.fixture(params=RULES, ids=lambda rule: rule["kind"])
def world(tmp_path, request):
    return World(tmp_path, request.param)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
@pytest.mark.parametrize("in_memory", [1 << 22, 0])
def test_the_outcome_is_that_of_the_rule(world, order, in_memory, monkeypatch):
    """The aggregate over the seats in order, and the model that it divides into, in memory and in files."""
    monkeypatch.setattr(recompute, "_IN_MEMORY", in_memory)
    total = RoundSum(world.place, world.entries)
    for seat in order:
        total.add(world.store, {Seat(seat): world.submit(seat)})
    model = initial_model(world.spec)
    found = total.outcome(model)
    words = aggregate(world.spec.rule, world.rows)
    divisor = world.spec.rule.divisor(4, sum(WEIGHTS))
    step = model_bytes(next_model(model, words, divisor, world.spec), world.spec)
    assert found.aggregate_file == vector_bytes(world.place.header(), words)
    assert found.model_file == step
    assert found.aggregate.model == digest_of(cid_of(step))
    assert (found.aggregate.included, found.aggregate.weight) == (0b1111, sum(WEIGHTS))
    assert total.outcome(model) == found


def test_an_update_beyond_its_bounds_stays_out(world):
    """Each word is bounded by what the rule makes of the weight, and all together by clip_norm."""
    spec = world.spec
    weight = spec.rule.coded_weight(WEIGHTS[0])
    limit = spec.codec.word_limit(weight)
    wide = np.zeros(spec.size, dtype=np.int32)
    wide[7] = limit + 1
    long = np.full(spec.size, limit, dtype=np.int32)
    for words, why in ((wide, "beyond its bound"), (long, "longer than")):
        total = RoundSum(world.place, world.entries)
        total.add(world.store, {Seat(0): world.submit(0, words.view(np.uint32))})
        assert why in total.faults[Seat(0)]
        with pytest.raises(ProtocolError, match="no update"):
            total.outcome(initial_model(spec))


def test_an_update_in_a_file_takes_no_name(tmp_path, monkeypatch):
    """Nothing is left behind, however the process ends."""
    monkeypatch.setattr(recompute, "_IN_MEMORY", 0)
    monkeypatch.setattr(recompute.tempfile, "tempdir", str(tmp_path))
    words = np.arange(5, dtype=np.uint32)
    kept = recompute.kept(words)
    assert isinstance(kept, np.memmap)
    assert kept.tolist() == words.tolist()
    assert list(tmp_path.iterdir()) == []
