"""Histories, and those among them that tell the mutants from the reference."""

from __future__ import annotations

from functools import cache
from itertools import islice
from random import Random

from tests.consent_reference.adapter import REQUESTS, Play, ReferenceAdapter, play
from tests.consent_reference.histories import SHAPES, history
from tests.consent_reference.reference import Registry
from tests.consent_reference.relayers import Post, hostile

ASKED = REQUESTS[1:2]  # allowed by every consent, and so enough to see whether one stands
CORPUS = 1500


def posts_of(seed: int) -> tuple[Post, ...]:
    """A history of each shape by turns, posted by whoever means harm."""
    random = Random(seed)
    return hostile(history(SHAPES[seed % len(SHAPES)], random), random)


@cache
def corpus() -> tuple[tuple[int, tuple[Post, ...], Play], ...]:
    """Seeds, their posts, and how the reference plays them. Crowds, the last of the shapes, are left out: they are long."""
    seeds = (seed for seed in range(CORPUS) if seed % len(SHAPES) != len(SHAPES) - 1)
    posts = ((seed, posts_of(seed)) for seed in seeds)
    return tuple((seed, each, play(each, ReferenceAdapter(), ASKED)) for seed, each in posts)


@cache
def telling(mutant: type[Registry]) -> tuple[int, ...]:
    """The first two seeds whose histories a mutant plays otherwise."""
    differing = (
        seed for seed, posts, expected in corpus() if play(posts, ReferenceAdapter(mutant), ASKED) != expected
    )
    return tuple(islice(differing, 2))
