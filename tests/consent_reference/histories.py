"""Random histories of decisions, from a seed, crowded around the limits of the rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.consent_reference.reference import Decision, Kind, Purposes, Terms
from tests.consent_reference.relayers import DAY

MIDNIGHT = 21_000 * DAY  # in 2027
GAPS = (0, 0, 0, 1, 1, 1, 2, 3)
APART = (1, 1, 1, 2, 3, 100)
LONG_GAPS = (3_600, DAY)
BEFORE_MIDNIGHT = (1, 2, 3, 4, 5, 3_600)  # when a history begins, in seconds
END_DAYS = (-21_000, -1, 0, 0, 0, 0, 0, 0, 1, 400, 28_710, 28_711, 44_534)  # 2^32 s end on 28_710
DEADLINES = (0, 1, 2, 3_600, 30 * DAY)
WIDTHS = (1, 2, 3, 3, 3)
CONDITIONS = (0b00, 0b00, 0b01, 0b11)
YEARS = (*[None] * 12, (2015, 2024), (2015, 2025), (2016, 2024), (2024, 2024), (2025, 2024), (0, 65_535))
FORMS = (*[""] * 7, "form")


@dataclass(frozen=True)
class Shape:
    """What a history is made of: `gaps` lie between one signing and the next, `calls` and such are shares."""

    patients: int = 1
    datasets: int = 1
    decisions: tuple[int, int] = (3, 9)
    gaps: tuple[int, ...] = GAPS
    calls: float = 0.4
    narrowings: float = 0.3
    revoke_alls: float = 0.16
    owners: float = 0.1
    deadlines: tuple[int, ...] = DEADLINES


ANY = Shape()
NARROWED = Shape(decisions=(3, 4), gaps=(0, 0, 1, 2), calls=0.25, narrowings=0.9, revoke_alls=0.5)
PAIR = Shape(datasets=2, decisions=(3, 6))
CROWD = Shape(patients=3, datasets=3, decisions=(6, 12))
APART_IN_TIME = Shape(decisions=(2, 6), gaps=APART, deadlines=(1000 * DAY,))
SHAPES = (*[ANY] * 8, *[NARROWED] * 7, *[APART_IN_TIME] * 3, PAIR, CROWD)  # by turns


def history(shape: Shape, random: Random) -> tuple[Decision, ...]:
    """Decisions in the order of signing."""
    decisions: list[Decision] = []
    second = MIDNIGHT - random.choice(BEFORE_MIDNIGHT)
    for _ in range(random.randint(*shape.decisions)):
        decisions.append(decision(shape, second, decisions, random))
        second += random.choice(shape.gaps if random.random() < 0.9 else LONG_GAPS)
    return tuple(decisions)


def decision(shape: Shape, second: int, earlier: list[Decision], random: Random) -> Decision:
    """One decision; the first mostly grants, and a narrowing mostly narrows the last consent about the same dataset."""
    patient, dataset = random.randrange(shape.patients), random.randrange(shape.datasets)
    kind = random.choices(
        (Kind.GRANT, Kind.NARROW, Kind.REVOKE, Kind.REVOKE_ALL, Kind.REVOKE_FOR),
        (0.4, shape.narrowings, 0.24, shape.revoke_alls, shape.owners),
    )[0]
    if not earlier and random.random() < 0.7:
        kind = Kind.GRANT
    by_call = kind is Kind.REVOKE_FOR or random.random() < shape.calls
    made = Decision(kind, patient, dataset, second, by_call)
    if kind not in (Kind.GRANT, Kind.NARROW):
        return made
    if not by_call:
        made = replace(made, deadline=second + random.choice(shape.deadlines))
    given = terms(random)
    return replace(made, terms=narrowed(made, given, earlier, random) if kind is Kind.NARROW else given)


def terms(random: Random) -> Terms:
    """Now and then without any permission, or with an end in the past."""
    width = 0 if random.random() < 0.04 else random.choice(WIDTHS)
    end = None if random.random() < 0.5 else MIDNIGHT + random.choice(END_DAYS) * DAY
    return Terms(Purposes(width, random.choice(CONDITIONS)), end, random.choice(YEARS), random.choice(FORMS))


def narrowed(made: Decision, given: Terms, earlier: list[Decision], random: Random) -> Terms:
    """What the new terms leave of the last ones, mostly; sometimes the new ones as they are."""
    about = [each.terms for each in earlier if (each.patient, each.dataset) == (made.patient, made.dataset)]
    before = next((each for each in reversed(about) if each is not None), None)
    if before is None or random.random() < 0.25:
        return given
    purposes = Purposes(
        min(given.purposes.width, before.purposes.width),
        given.purposes.conditions | before.purposes.conditions,
    )
    ends = [each for each in (given.end, before.end) if each is not None]
    return Terms(purposes, min(ends, default=None), fewer(given.years, before.years), before.form)


def fewer(given: tuple[int, int] | None, before: tuple[int, int] | None) -> tuple[int, int] | None:
    """The years that both mean."""
    if given is None or before is None:
        return given or before
    return max(given[0], before[0]), min(given[1], before[1])
