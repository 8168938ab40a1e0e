"""How hostile hospitals make updates: for simulations, benchmarks and drills of a study's rule.

An attacker knows everything: the honest updates of the round, and how many of its kind there are. What it makes still
passes through the codec, as nothing longer or wider than a study allows is accepted from anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from medfed.errors import InputError

__all__ = ["ATTACKS", "Attack", "Scene", "attack_named"]

Deltas = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """What an attacker sees of a round."""

    honest: Deltas  # (h, P)
    own: Deltas  # (P,): what it would send if it were honest
    hostile: int
    """How many attack together, itself included."""
    rng: np.random.Generator
    """Shared by all attackers of the round."""

    @property
    def hospitals(self) -> int:
        """All that take part."""
        return len(self.honest) + self.hostile


def _as_it_is(scene: Scene) -> Deltas:
    return scene.own


@dataclass(frozen=True, slots=True)
class Attack:
    """What an attacker sends in place of its own update, and whether it trains on flipped labels."""

    forge: Callable[[Scene], Deltas] = _as_it_is
    flips_labels: bool = False


def _sign_flip(scene: Scene) -> Deltas:
    """The opposite of what helps."""
    return -scene.own


def _scaled(scene: Scene) -> Deltas:
    """Ten times the opposite, as far as the codec lets it pass (model replacement, Bagdasaryan et al. 2020, has the same
    shape)."""
    return -10.0 * scene.own


def _noise(scene: Scene) -> Deltas:
    """Gaussian noise of ten times the spread of the honest updates."""
    spread = float(np.sqrt(np.mean(np.square(scene.honest))))
    return scene.rng.normal(0.0, 10.0 * spread, scene.own.shape)


def _little(scene: Scene) -> Deltas:
    """A little is enough: as far from the mean as enough honest updates are to cover it (Baruch et al. 2019, algorithm 3).

    Of n hospitals with m attackers, s = ⌊n/2 + 1⌋ − m honest ones are needed for a majority; z is the quantile of the
    (n − m − s) / (n − m) that are not. Few hospitals make that very small, so z is at least 1.
    """
    honest = len(scene.honest)
    needed = scene.hospitals // 2 + 1 - scene.hostile
    share = min(max((honest - needed) / honest, 0.5), 0.999)
    z = max(1.0, NormalDist().inv_cdf(share))
    found: Deltas = scene.honest.mean(axis=0) - z * scene.honest.std(axis=0)
    return found


def _inner_product(scene: Scene) -> Deltas:
    """Inner-product manipulation: −ε times the honest mean, ε large enough to turn the average of all around (Xie et al.
    2020, section 3)."""
    epsilon = 2.0 * len(scene.honest) / scene.hostile
    found: Deltas = -epsilon * scene.honest.mean(axis=0)
    return found


ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        "sign flip": Attack(_sign_flip),
        "scaled": Attack(_scaled),
        "noise": Attack(_noise),
        "label flip": Attack(flips_labels=True),
        "a little is enough": Attack(_little),
        "inner product": Attack(_inner_product),
    }
)
"""By name."""


def attack_named(name: str) -> Attack:
    """One of `ATTACKS`; hyphens stand for spaces. Raises `InputError` for an unknown name."""
    try:
        return ATTACKS[name.replace("-", " ")]
    except KeyError:
        raise InputError(f"There is no attack {name!r}; choose from {', '.join(ATTACKS)}.") from None
