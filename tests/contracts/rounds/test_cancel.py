"""`cancel`: the sponsor takes a study back while it is enrolling."""

from __future__ import annotations

from tests.contracts.facts import change, told
from tests.rig.world import REWARD

ENROLLING, RUNNING, ABORTED = 1, 2, 4


def test_only_an_enrolling_study_is_cancelled(evm, world):
    with evm.reverts("NotEnrolling", 99, 0):
        world.rounds.cancel(99, sender=world.sponsor)
    study = world.running()
    with evm.reverts("NotEnrolling", study, RUNNING):
        world.rounds.cancel(study, sender=world.sponsor)


def test_only_by_its_sponsor(evm, world):
    study = world.create()
    for sender in (world.stranger, world.admin, world.operators[0]):
        with evm.reverts("NotTheSponsor", study, sender):
            world.rounds.cancel(study, sender=sender)


def test_it_is_aborted_and_everything_free_at_once(evm, world):
    """No round was opened, so nobody has to wait."""
    study = world.create()
    world.enrol(study, 0)
    with change(world, study) as changed:
        receipt = world.rounds.cancel(study, sender=world.sponsor)
    assert changed == {"study.state": ABORTED, "study.endedAt": evm.now}
    assert told(receipt) == [("StudyAborted", {"study": study})]
    world.studies.release(study, 0)
    world.studies.refund(study)
    assert world.free(world.sponsor) == 2 * REWARD
    with evm.reverts("NotEnrolling", study, ABORTED):
        world.rounds.cancel(study, sender=world.sponsor)
    with evm.reverts("NotRunning", study, ABORTED):
        world.rounds.advance(study)
