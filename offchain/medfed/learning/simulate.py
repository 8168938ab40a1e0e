"""A study without a chain: the rounds of a federation in one process, and what it is compared with.

Runs the very functions that a hospital runs (train, encode, aggregate, step), so a simulated study ends in the same
model. Some sites may be hostile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfed.errors import DataError
from medfed.learning.attacks import Attack, Scene
from medfed.learning.models import Model, initial_model
from medfed.learning.rules import aggregate
from medfed.learning.server import next_model, server_step
from medfed.learning.train import Records, train
from medfed.protocol.documents import ServerSpec, StudySpec
from medfed.protocol.randomness import generator
from medfed.types import RoundNumber, Seat

__all__ = ["Site", "pooled", "simulate", "train_alone"]


@dataclass(frozen=True, eq=False, slots=True)
class Site:
    """One hospital of a simulated study."""

    records: Records
    weight: int
    """What its update counts; in a real study the number of patients, rounded down to a step."""
    attack: Attack | None = None
    """What it does instead of the honest work. All attackers of a study know each other."""


def simulate(study: StudySpec, sites: Sequence[Site]) -> list[Model]:
    """The models after each round when every site takes part in every round; seats in the given order."""
    if not any(site.attack is None for site in sites):
        raise DataError("A simulated study needs at least one site, and one that is honest.")
    models: list[Model] = []
    model = initial_model(study)
    for number in range(1, study.rounds + 1):
        deltas = _deltas(study, model, sites, RoundNumber(number))
        rows = [
            study.codec.encode(delta, study.rule.coded_weight(site.weight))
            for delta, site in zip(deltas, sites, strict=True)
        ]
        divisor = study.rule.divisor(len(sites), sum(site.weight for site in sites))
        model = next_model(model, aggregate(study.rule, rows), divisor, study)
        models.append(model)
    return models


def _deltas(
    study: StudySpec, model: Model, sites: Sequence[Site], number: RoundNumber
) -> list[NDArray[np.float64]]:
    """What each site sends: the honest ones what they trained, the others what they make of that."""
    deltas = [train(study, model, _trained_on(site), Seat(seat), number) for seat, site in enumerate(sites)]
    attackers = {seat: site.attack for seat, site in enumerate(sites) if site.attack is not None}
    honest = np.stack([delta for seat, delta in enumerate(deltas) if seat not in attackers])  # (h, P)
    rng = generator(study.seed, "attack", study.digest, number)
    for seat, attack in attackers.items():
        deltas[seat] = attack.forge(Scene(honest, deltas[seat], len(attackers), rng))
    return deltas


def _trained_on(site: Site) -> Records:
    if site.attack is None or not site.attack.flips_labels:
        return site.records
    return Records(site.records.features, 1.0 - site.records.labels)


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
