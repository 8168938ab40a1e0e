"""Who posts what was signed: in order and soon, or as it suits them. Calls are posted when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.consent_reference.reference import Decision

DAY = 86_400
DELAYS = (0, 0, 0, 1, 1, 2, 3, 5, 100, 3_600, 3_601)
LONG_DELAYS = (DAY, 30 * DAY, 400 * DAY)


@dataclass(frozen=True)
class Post:
    """A decision and the second in which somebody posts it."""

    second: int
    decision: Decision


def honest(decisions: tuple[Decision, ...]) -> tuple[Post, ...]:
    """In the order of signing, at once."""
    return tuple(Post(each.signed_at, each) for each in decisions)


def hostile(decisions: tuple[Decision, ...], random: Random, longest: int = 400 * DAY) -> tuple[Post, ...]:
    """In any order, with delays on both sides of every limit, some held back to the end, some posted again."""
    posts = [Post(each.signed_at, each) for each in decisions if each.by_call]
    for each in (each for each in decisions if not each.by_call):
        posts += [
            Post(min(held(each, decisions, random), each.signed_at + longest), each)
            for _ in range(random.choice((1, 1, 1, 2, 3)))
        ]
    random.shuffle(posts)  # the order within a second
    return tuple(sorted(posts, key=lambda post: post.second))


def held(decision: Decision, decisions: tuple[Decision, ...], random: Random) -> int:
    """The second of posting: some delay of its own, or about when another decision was signed, ends or is due."""
    if random.random() < 0.5:
        other = random.choice(decisions)
        moments = (other.signed_at, other.deadline, decision.deadline, other.terms and other.terms.end)
        moment = random.choice([each for each in moments if each])
        return max(decision.signed_at - 1, moment + random.choice((-1, 0, 0, 0, 1)))
    return decision.signed_at + random.choice(DELAYS if random.random() < 0.9 else LONG_DELAYS)


def in_order(decisions: tuple[Decision, ...], start: int, steps: tuple[int, ...]) -> tuple[Post, ...]:
    """In the order given, from second `start` on, with `steps` between one post and the next."""
    posts, second = [], start
    for decision, step in zip(decisions, steps, strict=True):
        second += step
        posts.append(Post(second, decision))
    return tuple(posts)
