"""A study without a chain: the rounds of a federation in one process, and what it is compared with.

Runs the very functions that a hospital runs (train, encode, add, step), so a simulated study ends in the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medfed.errors import DataError
from medfed.learning.models import Model, initial_model
from medfed.learning.server import next_model, server_step
from medfed.learning.train import Records, train
from medfed.protocol.documents import ServerSpec, StudySpec
from medfed.types import RoundNumber, Seat

__all__ = ["Site", "pooled", "simulate", "train_alone"]


@dataclass(frozen=True, eq=False, slots=True)
class Site:
    """One hospital of a simulated study."""

    records: Records
    weight: int
    """What its update counts; in a real study the number of patients, rounded down to a step."""


def simulate(study: StudySpec, sites: Sequence[Site]) -> list[Model]:
    """The models after each round when every site takes part in every round; seats in the given order."""
    if not sites:
        raise DataError("A simulated study needs at least one site.")
    models: list[Model] = []
    model = initial_model(study)
    for number in range(1, study.rounds + 1):
        total = np.zeros(study.size, dtype=np.uint32)
        for seat, site in enumerate(sites):
            delta = train(study, model, site.records, Seat(seat), RoundNumber(number))
            words = study.codec.encode(delta, site.weight)
            np.add(total, words, out=total)  # modulo 2^32
        model = next_model(model, total, sum(site.weight for site in sites), study)
        models.append(model)
    return models


def train_alone(study: StudySpec, records: Records) -> Model:
    """The model that one site gets by itself in the study's rounds: same training, no codec, no server step size.

    With all sites' records (`pooled`) this is what the federation is measured against; with one site's, what it saves
    that hospital from.
    """
    model = initial_model(study)
    for number in range(1, study.rounds + 1):
        delta = train(study, model, records, Seat(0), RoundNumber(number))
        model = server_step(model, delta, ServerSpec())
    return model


def pooled(parts: Sequence[Records]) -> Records:
    """All records in one place, in the order given."""
    features = np.concatenate([part.features for part in parts])
    return Records(features, np.concatenate([part.labels for part in parts]))
