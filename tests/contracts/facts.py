"""All that the contracts keep of a study and of everybody's money, so that a test can say what a call changed, and that
it changed nothing else."""

from __future__ import annotations

import contextlib

from tests.rig.world import SEATS

__all__ = ["change", "facts", "told"]

ROUNDS = (1, 2)


def told(receipt):
    """Every event of a transaction, in order: its name and all its arguments."""
    return [(event.name, event.args) for event in receipt.events]


@contextlib.contextmanager
def change(world, study):
    """Within the block a transaction; after it the dictionary has each fact that is another now, and what it is."""
    changed = {}
    before = facts(world, study)
    yield changed
    after = facts(world, study)
    changed |= {name: value for name, value in after.items() if before[name] != value}


def facts(world, study):
    """Each fact by a name such as `study.round`, `seat0.barredFrom` or `hospital0.free`."""
    found = _named("study", world.rounds.getStudy(study))
    for seat in range(SEATS):
        found |= _of_seat(world, study, seat)
    for number in ROUNDS:
        found |= _of_round(world, study, number)
    return found | _of_study(world, study) | _of_money(world, study)


def _of_seat(world, study, seat):
    return _named(f"seat{seat}", world.rounds.getSeat(study, seat)) | {
        f"seat{seat}.taken": world.studies.takenOf(study, seat),
        f"seat{seat}.misses": world.studies.missesOf(study, seat),
        f"dataset{seat + 1}.enrolments": world.datasets.getDataset(seat + 1).enrolments,
    }


def _of_round(world, study, number):
    updates = world.rounds.updatesOf(study, number, 2**SEATS - 1)
    attempts = {}
    for attempt in (0, 1):
        attempts |= _named(f"attempt{number}.{attempt}", world.claims.getAttempt(study, number, attempt))
    return (
        _named(f"round{number}", world.rounds.getRound(study, number))
        | _named(f"absence{number}", world.rounds.getAbsence(study, number))
        | _named(f"contest{number}", world.claims.getContest(study, number))
        | _named(f"review{number}", world.payouts.getReview(study, number))
        | {f"update{number}.{seat}": updates[seat] for seat in range(SEATS)}
        | attempts
        | {
            f"recorded{number}": world.claims.absencesRecorded(study, number),
            f"compensation{number}": world.studies.compensationOf(study, number),
        }
    )


def _of_study(world, study):
    return {
        "studies": world.studies.studyCount(),
        "lost": world.studies.stakesLost(study),
        "released": world.studies.getOffer(study).released,
        "refunded": world.studies.getOffer(study).refunded,
    }


def _of_money(world, study):
    accounts = {"sponsor": world.sponsor, "stranger": world.stranger, "challenger": world.evm.actors[3]}
    for seat in range(SEATS):
        accounts |= {f"hospital{seat}": world.hospitals[seat], f"operator{seat}": world.operators[seat]}
    found = {
        "pot": world.vault.potOf(study).amount,
        "burnt": world.vault.burntOf(world.token),
        "fees": world.vault.feesHeld(world.token),
        "vault.tokens": world.token.balanceOf(world.vault),
        "sponsor.tokens": world.token.balanceOf(world.sponsor),
    }
    for name, account in accounts.items():
        found |= _named(name, world.vault.balanceOf(account, world.token))
        if name.startswith("hospital"):
            found[f"{name}.used"] = world.vault.allowanceOf(account, world.token).used
    return found


def _named(name, struct):
    return {f"{name}.{part}": value for part, value in struct._asdict().items()}
