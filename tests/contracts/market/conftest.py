"""Studies that have completed, whose models can be registered and sold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.rig import roles
from tests.rig.world import DISPUTE, SEATS, aggregate, deploy_world, update

PRICE = 10_007
SHARE = 10**18
NOTICE = 3 * 86_400


@pytest.fixture(scope="module")
def deployed(evm_module):
    """The deployment, the market's restricted functions open to the consortium; actor 60 buys."""
    world = deploy_world(evm_module, SEATS + 2)
    names = ("setTerms", "withdrawModel", "supersede")
    roles.open_to(world.manager, roles.CONSORTIUM, world.market, *names)
    buyer = evm_module.actors[60]
    world.token.mint(buyer, 10**9)
    world.token.approve(world.vault, 2**256 - 1, sender=buyer)
    return world


@pytest.fixture(autouse=True)
def undone(evm):
    """Whatever a test does is undone, whether it asks for the chain or only for a study on it."""


@pytest.fixture
def world(deployed, evm):
    """The deployment."""
    return replace(deployed, evm=evm)


@pytest.fixture
def buyer(evm):
    return evm.actors[60]


@dataclass
class Made:
    """A completed study: its aggregates and updates by round."""

    world: Any
    study: int
    results: list[dict[str, Any]]
    updates: list[dict[int, dict[str, Any]]]

    @property
    def market(self):
        return self.world.market

    @property
    def token(self):
        return self.world.token

    def credit(self, number, *seats, **options):
        """The given seats of a round, or all that it includes."""
        result = options.pop("result", self.results[number - 1])
        shown = self.updates[number - 1]
        chosen = list(seats) or [seat for seat in shown if result["included"] >> seat & 1]
        return self.market.credit(
            self.study, number, result, chosen, [shown[seat] for seat in chosen], **options
        )

    def register(self):
        """Credits what is missing, then registers."""
        for number in range(1, len(self.results) + 1):
            self.credit(number)
        return self.market.register(self.study, self.results[-1], sender=self.world.stranger)

    def offer(self, **changes):
        """New terms by the sponsor, which have begun; returns their version."""
        version = self.announce(**changes)
        self.world.evm.travel(NOTICE)
        return version

    def announce(self, **changes):
        """New terms by the sponsor; returns their version."""
        return self.market.setTerms(self.study, self.terms(**changes), sender=self.world.sponsor).value

    def terms(self, **changes):
        values = {
            "token": self.token,
            "price": PRICE,
            "duration": 0,
            "transferable": False,
            "licence": b"\x77" * 32,
        }
        return values | changes

    def shares(self):
        members = self.world.rounds.getStudy(self.study).members
        return [self.market.shareOf(self.study, seat).share for seat in range(members)]


def play(world, weights, *, left_out=(), roots=None, **terms):
    """A completed study: in round n seat s submits with `weights[n - 1][s]` or, where it is None, abstains.
    `left_out` has (round, seat) pairs, `roots` the cohort roots of pairs. Its disputes are still open."""
    members = len(weights[0])
    given = {"maxHospitals": max(members, 2), "minHospitals": 2} | terms
    study = world.running(members, rounds=len(weights), **given)
    results, updates = [], []
    for number, row in enumerate(weights, 1):
        shown = {}
        for seat, weight in enumerate(row):
            operator = world.operators[seat]
            if weight is None:
                world.rounds.abstain(study, number, seat, sender=operator)
                continue
            root = (roots(study) if roots else {}).get((number, seat), b"\x0c" * 32)
            shown[seat] = update(seat, weight, cohortRoot=root)
            world.rounds.submitUpdate(study, number, seat, shown[seat], sender=operator)
        included = [seat for seat in shown if (number, seat) not in left_out]
        weight = sum(shown[seat]["weight"] for seat in included)
        result = aggregate(included, weight, model=bytes([0xA0 + number]) * 32)
        missing = [shown[seat] for seat in shown if seat not in included]
        for seat in list(shown)[: -(-2 * len(shown) // 3)]:
            world.attest(study, seat, result, number, left_out=missing)
        results.append(result)
        updates.append(shown)
    return Made(world, study, results, updates)


def finished(world):
    """Three hospitals and two rounds by weight, disputes over: (40, 40, 80) and (24, 72, left out)."""
    found = play(world, [(40, 40, 80), (24, 72, 24)], left_out={(2, 2)}, sponsorFeeBps=1000, patientBps=500)
    world.evm.travel(DISPUTE)
    return found


@pytest.fixture(scope="module")
def made(deployed):
    """A finished study; a test's credits and all else it does are undone."""
    return finished(deployed)


@pytest.fixture(scope="module")
def model(deployed):
    """Another one, registered and for sale under version 1."""
    found = finished(deployed)
    found.register()
    found.offer()
    return found
