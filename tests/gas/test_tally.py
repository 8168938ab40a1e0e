"""Gas of the tally of the largest reviewed round, which nobody may be able to drive beyond a transaction."""

from __future__ import annotations

import numpy as np
import pytest

from medfed.chain.contracts.payouts import review_hash
from medfed.rounds.scores import tally
from tests.rig.world import DISPUTE, deploy_world, digest

SEATS = 64
MOST_GAS = 1 << 24
SALT = b"\x5a" * 32


@pytest.fixture(scope="module")
def large(evm_module):
    """A final round of 64 submitters, and the hash of its result."""
    world = deploy_world(evm_module, SEATS)
    study, result = world.final(SEATS, scoreMode=2, maxHospitals=SEATS)
    return world, study, digest(study, 1, result)


@pytest.mark.parametrize("reviewers", [SEATS, SEATS - 1])
def test_a_tally_of_64_updates_fits(evm, large, reviewers):
    """Two thirds of what a transaction may use, for odd and even numbers of others, though the scores come in the order
    that a quicksort by first elements likes least."""
    world, study, name = large
    said = (SEATS - np.arange(reviewers)[:, np.newaxis] * np.ones(SEATS, dtype=int)).tolist()
    for seat, row in enumerate(said):
        hashed = review_hash((study, 1, seat), world.hospitals[seat].address, row, SALT)
        world.payouts.commitReview(study, 1, seat, name, hashed, sender=world.operators[seat])
    evm.travel(DISPUTE // 2)
    for seat, row in enumerate(said):
        world.payouts.revealReview(study, 1, seat, name, row, SALT, sender=world.operators[seat])
    evm.travel(DISPUTE)
    receipt = world.payouts.tally(study, 1, name)
    everybody = (1 << SEATS) - 1
    (tallied,) = receipt.named("ReviewsTallied")
    assert list(tallied["scores"]) == list(tally(dict(enumerate(said)), everybody, everybody).scores.values())
    assert receipt.gas_used < MOST_GAS * 2 // 3
